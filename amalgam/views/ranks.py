"""Rankings of sources and teachers for a target, and k as measured transfers teach it."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from amalgam.errors import RequestError
from amalgam.progress import Progress, Silent, shown
from amalgam.views.console import columns, console, options

if TYPE_CHECKING:
    from amalgam.datasets import DataOptions
    from amalgam.ranking.candidates import Reader
    from amalgam.ranking.entries import Entry, Ranking
    from amalgam.ranking.measured import Fit

_PAPERS = {"largest": "B1", "usual": "B2", "least divergent": "B5"}
"""What P2L calls its baselines."""
_TOGETHER = 3  # teachers that are distilled together, at most
_STUDENTS = {"series": "recurrent", "images": "timm:resnet18", "texts": "text"}
"""What learns rows that the recipes' own students cannot, or not well; series and images may be of several sizes."""


def rank_and_show(
    target: str | None,
    sources: Sequence[str],
    teachers: Sequence[str],
    *,
    reference: str | None,
    fit: Path | None,
    labels: str | None,
    given: Sequence[str],
    series: bool,
    usual: str | None,
    as_json: bool,
    out: Path | None,
    trust: bool,
    how: Mapping[str, Any],
) -> None:
    """`amalgam rank`.

    Args:
        target: a data SPEC; None to learn k alone.
        sources: data, each `[NAME=]SPEC`.
        teachers: each `[NAME=]SPEC`.
        reference: the teacher whose last representation reads the rows.
        fit: a table of measured transfers, which teach k.
        labels: the target's label columns.
        given: data options, each `key=value`, or `NAME:key=value` of one data set.
        series: whether files that could be tables hold series.
        usual: the candidate that one would take without looking.
        as_json: for programs.
        out: where the picture goes.
        trust: whether code that cards name may run.
        how: what the user said of `by`, `divergence`, `k`, `trim` and `most`.
    """
    from amalgam.ranking import bubbles
    from amalgam.ranking.candidates import Reader, called, named, rank_named

    told, own = _options(given, labels, series)
    _refuse(target, fit, how, {"--source": sources, "--teacher": teachers, "--by": how.get("by"), "--usual": usual,
                               "--labels": labels, "--out": out})  # fmt: skip
    if out is not None:
        bubbles.refuse_place(out)
    found, learned = None, None
    with shown() as progress:
        if fit is not None:
            learned = _learned(fit, reference, told, own, how, trust, progress)
            how = {**how, "k": learned.k}
        if target is not None:
            found = rank_named(
                target, [named(one) for one in sources], teachers, reference=reference, told=told, own=own,
                trust=trust, usual=usual, progress=progress, **how,
            )  # fmt: skip
    if found is not None and out is not None:
        bubbles.draw(found, out)
    if as_json:
        content = {} if found is None else found.as_json()
        if learned is not None:
            content = learned.as_json() if found is None else {**content, "fit": learned.as_json()}
        sys.stdout.write(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        return
    if learned is not None:
        _show_fit(learned)
    if found is not None:
        assert target is not None
        show(found)
        if out is not None:
            console().print(Text(f"The picture lies in {out}"))
        specs = dict([*map(named, sources), *map(called, teachers)])
        command = _next(found, target, specs, Reader(told, Silent(), own=own))
        console().print(Text(f"Next: {command}{' --trust-code' if trust else ''}"), soft_wrap=True)


def _refuse(target: str | None, fit: Path | None, how: Mapping[str, Any], of_a_target: Mapping[str, object]) -> None:
    """RequestError for options that say nothing together."""
    if target is None and fit is None:
        raise RequestError(
            "nothing says for what to rank: name the data that is to be learned with --target, or a table of measured "
            "transfers with --fit-k"
        )
    if fit is not None and "k" in how:
        raise RequestError("--k says what --fit-k would learn; leave one of them out")
    idle = [option for option, value in of_a_target.items() if value] if target is None else []
    if idle:
        raise RequestError(f"{idle[0]} is of a ranking for a target, and none is named; name one with --target")


def _options(given: Sequence[str], labels: str | None, series: bool) -> tuple[DataOptions, dict[str, DataOptions]]:
    """What `key=value` says of all data, and `NAME:key=value` of one data set; `--labels` is of the target."""
    from amalgam.datasets import DataOptions
    from amalgam.ranking.candidates import TARGET

    of = dict[str, list[str]]()
    for one in given:
        name, colon, key = one.partition("=")[0].rpartition(":")
        of.setdefault(name, []).append(one[len(name) + 1 :] if colon and key else one)
    told = options(None, series, of.pop("", ())) or DataOptions()
    if labels is not None:
        of.setdefault(TARGET, [])
    return told, {
        name: options(labels if name == TARGET else None, assignments=own) or DataOptions() for name, own in of.items()
    }


def _learned(
    path: Path,
    reference: str | None,
    told: DataOptions,
    own: Mapping[str, DataOptions],
    how: Mapping[str, Any],
    trust: bool,
    progress: Progress,
) -> Fit:
    from amalgam.ranking.candidates import Reader, reader_of
    from amalgam.ranking.distances import Look
    from amalgam.ranking.measured import fit

    reader = reader_of(reference, trust, progress)
    look = Look(**{key: value for key, value in how.items() if key != "by"})
    read = Reader(told, progress, own=own)
    if reader is not None and reader.size is not None:
        read = replace(read, size=reader.size)
    return fit(path, read, reader, look, progress)


def show(ranking: Ranking) -> None:
    """The table, what others would choose, what took how long, and notes."""
    from amalgam.ranking.scores import SCORES

    to, parts = console(), ranking.by == "p2l"
    scores = [one for one in SCORES if any(entry.scores.get(one) is not None for entry in ranking.entries)]
    table = columns(
        "rank", "name", "kind", "rows", "divergence", *(["z(log rows)", "k · z(divergence)"] if parts else []),
        "estimate", "interval", "first", *(SCORES[one] for one in scores),
    )  # fmt: skip
    for column in table.columns:
        column.justify = "left" if column.header in (Text("name"), Text("kind")) else "right"
    for place, one in enumerate(ranking.entries, 1):
        cells = [
            "–" if one.estimate is None else str(place),
            one.name,
            one.kind,
            "–" if one.size is None else f"{one.size:,}",
            "–" if one.divergence is None else f"{one.divergence:.3g}",
            *([_signed(one.by_size), _signed(one.by_divergence)] if parts else []),
            *_estimate(one, ranking.by),
            *(_signed(one.scores.get(score)) for score in scores),
        ]
        table.add_row(*map(Text, cells))
    to.print(table)
    to.print(Text(_others(ranking)))
    spent = ", ".join(f"{what} {seconds:.2f}" for what, seconds in ranking.seconds.items())
    seen = "" if ranking.reference is None else f", as they are seen by {ranking.reference}"
    to.print(Text(f"{ranking.rows:,} rows of {ranking.target} were looked at{seen}; seconds: {spent}"))
    for note in ranking.notes:
        to.print(Text(f"note: {note}"))


def _estimate(one: Entry, by: str) -> tuple[str, str, str]:
    """The estimate, its interval, and how often it is first."""
    if one.estimate is None or one.first is None:
        return "–", "–", "–"
    form = {"largest": "{:,.0f}", "least_divergent": "{:.3g}"}.get(by, "{:.3f}")
    interval = f"[{form.format(one.low)}, {form.format(one.high)}]"
    return form.format(one.estimate), interval, f"{one.first:.0%}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _others(ranking: Ranking) -> str:
    """What other ways to choose would."""
    called = {way: f"{way} ({_PAPERS[way]})" if way in _PAPERS else way for way in ranking.baselines}
    chosen = ", ".join(f"{called[way]} {' or '.join(names)}" for way, names in ranking.baselines.items())
    rest = f"at random (B3) each comes 1 time in {len(ranking.entries)}, and without transfer (B4) none"
    return f"Other ways would choose: {chosen}; {rest}"


def _next(ranking: Ranking, target: str, specs: Mapping[str, str], read: Reader) -> str:
    """The command that does what the ranking says: fine-tuning from the best source, or the best teachers together."""
    from amalgam.ranking.candidates import TARGET
    from amalgam.registry import find_card

    def said(name: str, spec: str) -> str:
        own = read.options(name, spec)
        known = own.model_dump(mode="json", include=own.model_fields_set)
        return json.dumps(known, ensure_ascii=False) if known else ""

    best, data = specs[ranking.best.name], ["--data", target]
    if own := said(TARGET, target):
        data += ["--set", f"data.options={own}"]
    if ranking.kind in _STUDENTS:
        data += ["--student", _STUDENTS[ranking.kind]]
    if ranking.best.kind == "source":
        how = said(ranking.best.name, best)
        source = ["--set", f"sources=[{{source: {json.dumps(best)}, options: {how}}}]"] if how else ["--source", best]
        return shlex.join(["amalgam", "distill", "--strategy", "fine_tuning", *data, *source])
    ranked = [one for one in ranking.entries if one.kind == "teacher" and one.estimate is not None][:_TOGETHER]
    teachers = [word for one in ranked for word in ("--teacher", specs[one.name])]
    schooled = [find_card(specs[one.name])[0].schooling for one in ranked]
    parts = [one.parts for one in schooled if one is not None and one.data == target]
    if parts:  # the target's rows are their own, too, but for some parts
        data += ["--set", f"data.parts={json.dumps(parts[0])}"]
    return shlex.join(["amalgam", "distill", "--strategy", "kd", *teachers, *data])


def _show_fit(fit: Fit) -> None:
    """k, how well it orders the sources of each target, and how to use it."""
    to = console()
    table = columns("the sources of each target in the order of", "mean ρ")
    table.columns[1].justify = "right"
    others = "–" if fit.left_out is None else f"{fit.left_out:.3f}"
    for what, rho in (
        (f"the estimate with the best k, {fit.k:g}", f"{fit.rho:.3f}"),
        ("the estimate with the best k of the other targets", others),
        ("size alone, k = 0", f"{fit.by_size:.3f}"),
        (f"divergence alone ({fit.divergence})", f"{fit.by_divergence:.3f}"),
    ):
        table.add_row(*map(Text, (what, rho)))
    to.print(table)
    to.print(Text(f"k = {fit.k:g}, of {fit.transfers} transfers to {fit.targets} targets; use it as --k {fit.k:g}"))
    for note in fit.notes:
        to.print(Text(f"note: {note}"))
