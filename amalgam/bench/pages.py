"""A table's files: Markdown, CSV, LaTeX and a page. The same cells give the same bytes."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from amalgam.bench.notes import caveat, notes
from amalgam.bench.scope import Scope
from amalgam.bench.scores import Cell
from amalgam.bench.shown import Mark, sections
from amalgam.bench.standing import Standing, standing
from amalgam.bench.table import Table
from amalgam.bench.verdict import verdict
from amalgam.files import write_text
from amalgam.results import Entry
from amalgam.sheets import Sheet, code, fill, literal

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "±": r"$\pm$", "−": r"$-$", "–": "--", "↓": r"$\downarrow$", "↑": r"$\uparrow$",
    "×": r"$\times$", "χ": r"$\chi$", "²": r"$^2$", "`": "{`}", '"': r"\symbol{34}",
    "[": "{[}", "]": "{]}", "*": "{*}",  # after a line's end, an opening bracket or a star would be its option
}  # fmt: skip
_COLUMNS = {"role": "l", "what it is": r"p{.5\linewidth}"}
"""Headings of columns of words."""


def write(table: Table, cells: Sequence[Cell], folder: Path, scope: Scope | None = None) -> list[Path]:
    """Write `table.html`, `table.md`, `table.csv`, `cells.csv` and `table.tex`, each whole or not at all.

    Args:
        table: whose cells they are.
        cells: that are there; what is missing is named.
        folder: where the files go; those of an earlier time are replaced.
        scope: that was asked for; by default the seeds that any cell has.

    Returns:
        The files, the page first.
    """
    found = standing(table, cells, None if scope is None else [seed for _, seed in scope.keys(table)])
    again = None if scope is None else scope.command(table)
    texts = {
        "table.html": page(found, again),
        "table.md": markdown(found, again),
        "table.csv": statistics_csv(found),
        "cells.csv": cells_csv(found),
        "table.tex": latex(found),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def page(standing: Standing, again: str | None = None) -> str:
    """One HTML page that needs no other file; every name in it is escaped.

    Args:
        standing: the statistics.
        again: the command that makes it again; by default the table's bench, with the seeds that any cell has.
    """
    from markupsafe import Markup

    from amalgam.bench.curves import low_shot
    from amalgam.bench.diagram import critical_differences
    from amalgam.results import duration

    overall = standing.overall
    return fill(
        "bench/bench.html.jinja",
        table=standing.table,
        headline=standing.table.shown(standing.table.headline),
        protocol=_paragraphs(standing.table.protocol),
        verdict=verdict(standing),
        # matplotlib has escaped the names in its SVG.
        diagram=Markup(critical_differences(standing)) if len(overall.average) > 1 else None,
        curves=None if (drawn := low_shot(standing)) is None else Markup(drawn),
        blocks=len(overall.blocks),
        unit=standing.unit,
        caveat=caveat(standing),
        sections=sections(standing),
        notes=notes(standing),
        again=again or _again(standing),
        seconds=duration(sum(cell.seconds for cell in standing.computed)),
    )


def markdown(standing: Standing, again: str | None = None) -> str:
    """The table in Markdown, in which no sign of a name has a meaning; arguments as `page` has them."""
    table = standing.table
    lead, *others = verdict(standing)
    parts = [f"# {literal(table.title)}", literal(table.paper), f"**{literal(lead)}**", _list(others)]
    parts += ["## How it is measured", *map(literal, _paragraphs(table.protocol))]
    for section in sections(standing):
        parts += [f"## {literal(section.title)}", *map(literal, section.notes), *map(_markdown, section.sheets)]
    parts += ["## Notes", _list([*notes(standing), "Run it again:"]) + f" {code(again or _again(standing))}"]
    return "\n\n".join(filter(None, parts)) + "\n"


def statistics_csv(standing: Standing) -> str:
    """A line for every setting, method and measure; empty where there is no number."""
    lines: list[Sequence[object]] = [
        ("setting", "method", "role", "measure", "mean", "sd", "seeds", "rank", "published mean", "published sd",
         "difference"),
    ]  # fmt: skip
    for key, number in standing.numbers.items():
        setting, method, measure = key
        published = standing.published.get(key, (math.nan,) * 3)[:3]
        rank = standing.ranks.get(key, math.nan)
        numbers = (number.mean, number.sd, number.seeds, rank, *published)
        lines.append((setting, method, standing.role(method), measure, *numbers))
    return _csv(lines)


def cells_csv(standing: Standing) -> str:
    """A line for every measure of every method in every cell, at full precision."""
    lines: list[Sequence[object]] = [("setting", "seed", "method", "role", "labels", "epochs", "measure", "value")]
    for cell in standing.cells:
        for method in standing.methods:
            score = cell.scores.get(method)
            if score is not None:
                who = (cell.setting, cell.seed, method, standing.role(method), score.labels, score.epochs)
                for measure in standing.table.measures:
                    lines.append((*who, measure, getattr(score.measures, measure)))
    return _csv(lines)


def latex(standing: Standing) -> str:
    """The page's tables, with booktabs; the best of the compared methods is bold, the second underlined."""
    parts = [r"% Needs \usepackage{booktabs}."]
    for section in sections(standing):
        parts.append(" ".join([rf"\paragraph{{{_tex(section.title)}.}}", *map(_tex, section.notes)]))
        for place, sheet in enumerate(section.sheets, 1):
            named = ", ".join(filter(None, [section.title, sheet.title]))
            label = re.sub(r"[^A-Za-z0-9]+", "-", f"{standing.table.name}-{named}-{place}")
            above = rf"\caption{{{_tex(standing.table.title)}: {_tex(named)}.}}", rf"\label{{tab:{label}}}"
            parts.append("\n".join([r"\begin{table}", r"\centering", *above, *_tabular(sheet), r"\end{table}"]))
    return "\n\n".join(parts) + "\n"


def _again(standing: Standing) -> str:
    return Scope(seeds=max(len(standing.seeds), 1)).command(standing.table)


def _paragraphs(text: str) -> list[str]:
    return [" ".join(one.split()) for one in re.split(r"\n\s*\n", text) if one.strip()]


def _list(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {literal(sentence)}" for sentence in sentences)


def _markdown(sheet: Sheet) -> str:
    lines = [f"| {' | '.join(map(literal, sheet.headings))} |", f"|---|{'---:|' * (len(sheet.headings) - 1)}"]
    for block in sheet.blocks:
        lines += [f"| {' | '.join([literal(name), *map(_markdown_entry, entries)])} |" for name, entries in block]
    title = f"### {literal(sheet.title)}\n\n" if sheet.title else ""
    return title + "\n".join(lines)


def _markdown_entry(entry: Entry) -> str:
    text = literal(entry.text)
    return (f"**{text}**" if entry.best else text) + (f" ({literal(entry.under)})" if entry.under else "")


def _csv(lines: Iterable[Sequence[object]]) -> str:
    """Lines of values; floats so that they read back the same, NaN as nothing."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    for line in lines:
        writer.writerow(["" if isinstance(one, float) and math.isnan(one) else one for one in line])
    return written.getvalue()


def _tex(text: str) -> str:
    """Text in which no sign has a meaning to LaTeX."""
    return "".join(_LATEX.get(letter, letter) for letter in " ".join(text.split()))


def _tabular(sheet: Sheet) -> list[str]:
    columns = "l" + "".join(_COLUMNS.get(heading, "r") for heading in sheet.headings[1:])
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", _tex_row(map(_tex, sheet.headings))]
    for block in sheet.blocks:
        lines += [r"\midrule", *(_tex_row([_tex(name), *map(_tex_entry, entries)]) for name, entries in block)]
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _tex_row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _tex_entry(entry: Entry) -> str:
    """An entry, and smaller below it what is under it."""
    text = _tex(entry.text)
    if entry.best:
        text = rf"\textbf{{{text}}}"
    elif isinstance(entry, Mark) and entry.mark == "second":
        text = rf"\underline{{{text}}}"
    if not entry.under:
        return text
    lines = [text, *(rf"\scriptsize {_tex(part)}" for part in entry.under.split("; "))]
    return r"\begin{tabular}[t]{@{}r@{}}" + r" \\ ".join(lines) + r"\end{tabular}"
