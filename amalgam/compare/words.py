"""Finished runs of words: one again, or several beside the first of them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from amalgam import run
from amalgam.compare.common import ABSENT, names
from amalgam.errors import RequestError
from amalgam.results import Entry, column, duration, plain
from amalgam.sheets import Row, Sheet, Sheets
from amalgam.wordreport import STUDENT, Measured, WordReport, sheets


def compare(folders: Sequence[Path]) -> Sheets:
    """Finished runs of words beside the first of them; one alone is shown again.

    Args:
        folders: run directories.

    Raises:
        RequestError: a directory named twice, a run that is not finished, or one that is damaged.
    """
    called, reports = names(folders), [_read(folder) for folder in folders]
    if len(reports) == 1:
        return sheets(reports[0])
    every = list(zip(called, reports, strict=True))
    tests = [{test.set: test for test in report.tests} for report in reports]
    shared = [name for name in tests[0] if all(name in own and _alike(own[name], tests[0][name]) for own in tests)]
    lost = dict.fromkeys(name for own in tests for name in own if name not in shared)
    notes = [f"not compared, since not every run was asked the same: {', '.join(lost)}"] if lost else []
    rows: list[Row] = [
        (name, [Entry(one.strategy), Entry(plain(one.words)), Entry(str(one.width)), _error(one), _time(one)])
        for name, one in every
    ]
    measured: list[Row] = [
        (
            name,
            [
                Entry(tests[0][name].measure),
                Entry(plain(tests[0][name].asked)),
                *column([own[name].values[STUDENT] for own in tests], "{:.3f}".format, -1),
            ],
        )
        for name in shared
    ]
    parts = [Sheet("Runs", ("run", "strategy", "words", "numbers each", "similarity error", "time"), (rows,))]
    if measured:
        parts.append(Sheet("Word tests", ("set", "measure", "asked", *called), (measured,)))
    return Sheets(
        title=f"{len(every)} runs of words",
        says=(_says(called, measured),),
        sheets=tuple(parts),
        settings=(),
        notes=tuple(notes),
        facts={name: one.model_dump(mode="json") for name, one in every},
    )


def _read(folder: Path) -> WordReport:
    if not run.finished(folder):
        raise RequestError(
            f"{folder} is not finished; go on with it: amalgam distill --resume --out {shlex.quote(str(folder))}"
        )
    return WordReport.read(folder)


def _alike(one: Measured, other: Measured) -> bool:
    """Whether two runs were asked the same items of a test, by the same measure."""
    return (one.measure, one.items, one.asked, one.which) == (other.measure, other.items, other.asked, other.which)


def _says(called: Sequence[str], measured: Sequence[Row]) -> str:
    """How often each run is first."""
    if not measured:
        return "The runs have no word test in common in which they were asked the same."
    wins = {name: sum(entries[2 + place].best for _, entries in measured) for place, name in enumerate(called)}
    return f"First, of {len(measured)} word tests: {', '.join(f'{name} in {count}' for name, count in wins.items())}."


def _error(report: WordReport) -> Entry:
    return Entry(ABSENT if report.error is None else f"{report.error:.4f}")


def _time(report: WordReport) -> Entry:
    return Entry(duration(report.seconds["all"]) if "all" in report.seconds else ABSENT)
