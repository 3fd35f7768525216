"""Finished runs and benches again: one alone, or several beside the first of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amalgam.compare.common import kind
from amalgam.errors import RequestError

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class Account:
    """What there is to say of runs or benches, in every form.

    Attributes:
        shown: for a terminal.
        markdown: makes the Markdown.
        page: makes the HTML page.
        facts: for programs; JSON can hold it.
    """

    shown: Sequence[RenderableType]
    markdown: Callable[[], str]
    page: Callable[[], str]
    facts: dict[str, Any]


def account(folders: Sequence[Path]) -> Account:
    """What one run or bench says again, or how several do beside the first.

    Args:
        folders: directories of runs, or of benches.

    Raises:
        RequestError: runs among benches, a directory named twice, one that is neither, not finished or damaged.
    """
    kinds = {folder: kind(folder) for folder in folders}
    if len(set(kinds.values())) > 1:
        run, bench = (next(folder for folder, one in kinds.items() if one == which) for which in ("run", "bench"))
        raise RequestError(
            f"{run} is a run and {bench} a bench, which have no numbers in common; compare runs with runs, and benches "
            "with benches"
        )
    if len(folders) == 1:
        return _run(folders[0]) if kinds[folders[0]] == "run" else _bench(folders[0])
    from amalgam import sheets
    from amalgam.compare import benches, runs

    found = runs.compare(folders) if kinds[folders[0]] == "run" else benches.compare(folders)
    return Account(sheets.shown(found), lambda: sheets.markdown(found), lambda: sheets.page(found), facts=found.facts)


def _run(folder: Path) -> Account:
    """A run as its end showed it, and its notes."""
    from rich.text import Text

    from amalgam.compare.runs import read_report
    from amalgam.report import card, page
    from amalgam.results import table, verdict

    report = read_report(folder)
    measured: list[RenderableType] = (
        [] if report.evaluation is None else [table(report.evaluation), Text(verdict(report.evaluation))]
    )
    notes = [Text(f"note: {note}") for note in report.notes]
    return Account([*measured, *notes], lambda: card(report), lambda: page(report), report.to_dict())


def _bench(folder: Path) -> Account:
    """A bench as its end showed it."""
    from amalgam.bench.pages import markdown, page
    from amalgam.bench.standing import standing
    from amalgam.bench.terminal import rendered
    from amalgam.compare.cells import facts, read_bench

    bench = read_bench(str(folder), folder)
    found = standing(bench.table, bench.cells.values(), bench.asked)
    return Account(
        rendered(found), lambda: markdown(found, bench.scope), lambda: page(found, bench.scope), facts(found)
    )
