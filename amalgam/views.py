"""What the commands show: each function does one command's work and writes it for a reader."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from amalgam import shelf
from amalgam.errors import RequestError, WorkError
from amalgam.progress import shown
from amalgam.teacher import Card, read_card

if TYPE_CHECKING:
    from amalgam.datasets import DataOptions
    from amalgam.signals import Rows
    from amalgam.student import Student

# Names are shown as Text: a label called `[red]` is a name, not markup.


def _console() -> Console:
    """Standard output; what goes into a file or a pipe is not folded at a terminal's width."""
    return Console(width=None if sys.stdout.isatty() else 200, highlight=False)


def _table(*headings: str) -> Table:
    table = Table(box=None, header_style="bold")
    for heading in headings:
        table.add_column(Text(heading))
    return table


def distill_and_show(
    name: str | None,
    strategy: str | None,
    teachers: Sequence[str],
    data: str | None,
    student: str | None,
    assignments: Sequence[str],
    out: Path | None,
    resume: bool,
    trust: bool,
) -> None:
    """`amalgam distill`."""
    from amalgam import recipe as recipes
    from amalgam import run
    from amalgam.pipeline import distill
    from amalgam.strategies import names, strategy_class

    changes: dict[str, Any] = {"teachers": list(teachers)} if teachers else {}
    if data is not None:
        changes["data"] = {"source": data}
    changes |= {key: given for key, given in (("strategy", strategy), ("student", student)) if given is not None}
    if strategy is not None:
        strategy_class(strategy)
    if resume:
        run.require(out)
    if resume and name is None:
        name = str(out)
    elif name is None and strategy is None:
        raise RequestError(
            f"nothing says what to distil: name a recipe ({', '.join(shelf.names('recipes'))}, or a path) or "
            f"--strategy ({', '.join(names())})"
        )
    recipe = recipes.read(name or str(strategy), changes, assignments)
    folder = out if out is not None or resume or not run.chief() else run.fresh(recipe.name)
    with shown(run.chief()) as progress:
        if folder is not None:
            progress.say(f"run directory: {folder}")
        try:
            _, report = distill(recipe, out=folder, resume=resume, trust=trust, progress=progress)
        except KeyboardInterrupt:
            raise WorkError(f"stopped; go on with: amalgam distill --resume --out {folder}") from None
    if folder is not None and run.chief():
        show_report(report, folder)


def show_report(report: Any, folder: Path) -> None:
    """The end of a run: the table, the verdict, and where everything lies."""
    from amalgam.results import table, verdict

    console = _console()
    if report.evaluation is not None:
        console.print(table(report.evaluation))
        console.print(Text(verdict(report.evaluation)))
    ship = "student.onnx to ship, " if report.export else ""
    console.print(Text(f"The run lies in {folder}: report.html to look at, {ship}README.md to read."))


def report_on(folders: Sequence[Path], as_json: bool, out: Path | None) -> None:
    """`amalgam report`."""
    import json

    from amalgam.compare import account
    from amalgam.files import writable, write_text
    from amalgam.sheets import ending

    written_as = None if out is None else ending(out)
    found = account(folders)
    if out is not None:
        with writable(out):
            write_text(out, found.page() if written_as == ".html" else found.markdown())
    if as_json:
        sys.stdout.write(json.dumps(found.facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        return
    console = _console()
    console.print(*found.shown, sep="\n")
    if out is not None:
        console.print(Text(f"It lies in {out}"))


def explain_row(folder: Path, row: int, trust: bool) -> None:
    """`amalgam explain`."""
    from amalgam import pipeline
    from amalgam.explain import sheets
    from amalgam.sheets import shown as as_tables

    with shown() as progress:
        found = pipeline.explain(folder, row, trust=trust, progress=progress)
    _console().print(*as_tables(sheets(found)), sep="\n")


def list_teachers() -> None:
    """`amalgam teachers list`."""
    table = _table("teacher", "adapter", "labels", "what it is")
    for name in shelf.names("teachers"):
        card = read_card(shelf.shelf("teachers") / f"{name}.yaml")
        table.add_row(*map(Text, (name, card.adapter, ", ".join(map(str, card.labels)), card.description)))
    _console().print(table)


def show_teachers(specs: Sequence[str]) -> None:
    """`amalgam teachers show`: the cards, who knows which label, and how many each pair shares."""
    from amalgam.labels import unite
    from amalgam.registry import find_card

    console = _console()
    cards: dict[str, Card] = {}
    for spec in specs:
        card, _ = find_card(spec)
        cards[card.name] = card
        told = " · ".join(filter(None, (card.adapter, card.description)))
        console.print(Text(card.name, style="bold"), Text(told))
    space = unite({name: card.labels for name, card in cards.items()})
    known = _table("label", *cards)
    for column, label in enumerate(space.names):
        known.add_row(Text(label), *("✓" if row[column] else "·" for row in space.known.tolist()))
    console.print(known)
    if len(cards) > 1:
        overlap = _table("labels in common", *cards)
        for name, row in zip(cards, space.overlap().tolist(), strict=True):
            overlap.add_row(Text(name), *map(str, row))
        console.print()
        console.print(overlap)


def train_teachers(specs: Sequence[str]) -> None:
    """`amalgam teachers train`."""
    from accelerate import Accelerator

    from amalgam.registry import find_card
    from amalgam.schooling import school

    console = _console()
    for spec in specs:
        card, _ = find_card(spec)
        if card.schooling is None:
            raise RequestError(
                f"teacher {spec!r} is no built-in one: its card has no `schooling`, so nothing is trained"
            )
        with shown() as progress:
            folder = school(card, Accelerator(), progress)
        console.print(Text(f"{card.name} lies in {folder}"))


def check_teacher(spec: str, data: str, labels: str | None, trust: bool) -> None:
    """`amalgam teachers check`; leaves with exit code 1 when the teacher breaks a promise."""
    from accelerate import Accelerator

    from amalgam import contract, datasets, registry

    rows = datasets.load(data, _options(labels)).rows
    with shown() as progress:
        seat = registry.load(spec, Accelerator(), trust=trust, progress=progress)
    findings = contract.check(seat.teacher, seat.name, rows)
    console = _console()
    for finding in findings:
        mark = Text("✓ ", style="green") if finding.ok else Text("✗ ", style="red")
        console.print(mark + Text(f"{finding.rule}: {finding.says}"))
    broken = list(dict.fromkeys(finding.rule for finding in findings if not finding.ok))
    if broken:
        raise WorkError(f"teacher {seat.name!r} breaks its contract: {', '.join(broken)}")


def list_recipes() -> None:
    """`amalgam recipes list`."""
    from amalgam.schema import read_yaml

    table = _table("recipe", "strategy", "what it shows")
    for name in shelf.names("recipes"):
        content = read_yaml(shelf.shelf("recipes") / f"{name}.yaml", "recipe")
        strategy = content.get("strategy")
        called = strategy.get("name") if isinstance(strategy, dict) else strategy
        table.add_row(*map(Text, (name, str(called), str(content.get("description", "")))))
    _console().print(table)
    papers = _table("table for `amalgam bench`", "what it shows")
    for name in shelf.names("recipes/papers"):
        content = read_yaml(shelf.shelf("recipes/papers") / f"{name}.yaml", "table")
        papers.add_row(*map(Text, (name, str(content.get("title", "")))))
    _console().print()
    _console().print(papers)


def show_strategy(name: str) -> None:
    """`amalgam show STRATEGY`."""
    import dataclasses

    from amalgam.strategies import equations, strategy_class

    strategy = strategy_class(name)
    console = _console()
    paper = strategy.paper
    if paper is not None:
        console.print(Text(paper.title, style="bold"), Text(paper.where))
    console.print(Text((strategy.__doc__ or "").strip()))
    table = _table("hyperparameter", "default")
    for field in dataclasses.fields(strategy):
        table.add_row(Text(field.name), Text(repr(field.default)))
    found = _table("equation", "function", "where", "what")
    for equation in equations(strategy):
        found.add_row(*map(Text, (equation.number, equation.function, equation.where, equation.says)))
    for filled in (table, found):
        if filled.row_count:
            console.print()
            console.print(filled)


def evaluate_run(folder: Path, data: str | None, labels: str | None, trust: bool) -> None:
    """`amalgam evaluate`."""
    from amalgam.pipeline import evaluate_again
    from amalgam.results import table, verdict

    with shown() as progress:
        evaluation = evaluate_again(folder, data, _options(labels), trust=trust, progress=progress)
    console = _console()
    console.print(table(evaluation))
    console.print(Text(verdict(evaluation)))


def predict_rows(folder: Path, data: str, labels: str | None, out: Path | None) -> None:
    """`amalgam predict`: a header of label names, then a line of probabilities a row."""
    from amalgam.files import draft, writable
    from amalgam.student import load

    if out is not None and out.is_file():
        raise RequestError(f"--out {out} is there already and is never overwritten; name a new file")
    student = load(folder)
    rows = _rows_for(student, data, labels)

    def write(stream: Any) -> None:
        lines = csv.writer(stream)
        lines.writerow(student.labels)
        for _, inputs in rows.chunks(4096):
            lines.writerows([f"{value:.6f}" for value in row] for row in student.predict_proba(inputs).tolist())

    if out is None:
        write(sys.stdout)
        return
    with writable(out), draft(out) as path, path.open("w", newline="", encoding="utf-8") as stream:
        write(stream)
    _console().print(Text(f"{len(rows):,} rows of probabilities lie in {out}"))


def export_run(folder: Path, out: Path | None, check: str | None) -> None:
    """`amalgam export`."""
    from amalgam.export import facts
    from amalgam.student import load

    student = load(folder)
    rows = None if check is None else _rows_for(student, check, None).inputs(slice(0, 256))
    with shown() as progress, progress.step("export", 1, "model") as bar:
        path = student.export(out if out is not None else folder / "student.onnx", rows)
        bar.advance(1)
    console = _console()
    for key, value in facts(path).items():
        console.print(Text(f"{key}: {value}"))
    console.print(Text(f"The student lies in {path}"))


def list_cache() -> None:
    """`amalgam cache list`."""
    from amalgam.cache import listing
    from amalgam.store import home

    table = _table("kind", "key", "size", "last used", "what")
    items = listing()
    for item in items:
        about = ", ".join(f"{key} {value}" for key, value in item.about.items())
        state = about if item.finished else "unfinished"
        used = item.last_used.strftime("%Y-%m-%d %H:%M")
        table.add_row(*map(Text, (item.kind, item.key, f"{item.size:,}", used, state)))
    console = _console()
    console.print(table)
    console.print(Text(f"{len(items)} entries, {sum(item.size for item in items):,} bytes in {home()}"))


def clear_cache(kind: str | None) -> None:
    """`amalgam cache clear`."""
    from typing import get_args

    from amalgam.cache import clear
    from amalgam.store import Kind

    if kind is not None and kind not in get_args(Kind):
        raise RequestError(f"--kind {kind!r} is none of {', '.join(get_args(Kind))}")
    cleared = clear(kind)  # type: ignore[arg-type]
    console = _console()
    console.print(Text(f"{cleared.entries} entries deleted, {cleared.freed:,} bytes freed"))
    for busy in cleared.busy:
        console.print(Text(f"left {busy}: another process is writing it"))


def examine() -> None:
    """`amalgam doctor`."""
    from amalgam.doctor import examination

    table = _table("what", "is")
    findings = examination()
    for finding in findings:
        mark = Text("✓ ", style="green") if finding.ok else Text("✗ ", style="red")
        table.add_row(mark + Text(finding.what), Text(finding.says))
    _console().print(table)
    broken = [finding.what for finding in findings if not finding.ok]
    if broken:
        raise WorkError(f"this machine cannot do everything: {', '.join(broken)}")


def _rows_for(student: Student, data: str, labels: str | None) -> Rows:
    """The rows that a SPEC names, refused when the student takes others."""
    from amalgam import datasets
    from amalgam.parts import by_name

    rows = by_name(datasets.load(data, _options(labels)), student.features, data)
    shape = tuple(rows.inputs(slice(0, 1)).shape[1:])
    if shape != student.shape:
        raise RequestError(
            f"the rows of {data} have the shape {shape}, but the student takes {student.shape}; give it the columns it "
            "learned from, without label columns"
        )
    return rows


def _options(labels: str | None) -> DataOptions | None:
    from amalgam.datasets import DataOptions

    if labels is None:
        return None
    return DataOptions(labels=tuple(label.strip() for label in labels.split(",")))
