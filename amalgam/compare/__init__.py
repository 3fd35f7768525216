"""Finished runs and benches again: one alone, or several beside the first of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amalgam.compare.common import kind, names
from amalgam.errors import RequestError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from amalgam.bench.standing import Standing


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


def account(folders: Sequence[Path], joined: bool = False) -> Account:
    """What one run or bench says again, how several do beside the first, or what benches say as one.

    Args:
        folders: directories of runs, or of benches.
        joined: whether benches of several tables are one table.

    Raises:
        RequestError: runs among benches, a directory named twice, one that is neither, not finished or damaged;
            benches with nothing in common, runs that are to be joined.
    """
    kinds = {folder: kind(folder) for folder in folders}
    if len(set(kinds.values())) > 1:
        first, other = folders[0], next(folder for folder in folders if kinds[folder] != kinds[folders[0]])
        raise RequestError(
            f"{first} is a {kinds[first]} and {other} a {kinds[other]}, which have no numbers in common; compare like "
            "with like"
        )
    if joined:
        return _joined(folders, kinds)
    if len(folders) == 1 and kinds[folders[0]] != "run of words":
        return _run(folders[0]) if kinds[folders[0]] == "run" else _bench(folders[0])
    from amalgam import sheets
    from amalgam.compare import benches, runs, words

    found = {"run": runs.compare, "run of words": words.compare, "bench": benches.compare}[kinds[folders[0]]](folders)
    return Account(sheets.shown(found), lambda: sheets.markdown(found), lambda: sheets.page(found), facts=found.facts)


def _run(folder: Path) -> Account:
    """A run as its end showed it, and its notes."""
    from rich.text import Text

    from amalgam.compare.runs import read_report
    from amalgam.report import card, page
    from amalgam.results import tables, verdict
    from amalgam.thumbnails import Thumbnails

    report = read_report(folder)
    measured: list[RenderableType] = (
        [] if report.evaluation is None else [*tables(report.evaluation), Text(verdict(report.evaluation))]
    )
    notes = [Text(f"note: {note}") for note in report.notes]
    return Account(
        [*measured, *notes], lambda: card(report), lambda: page(report, Thumbnails.read(folder)), report.to_dict()
    )


def _bench(folder: Path) -> Account:
    """A bench as its end showed it."""
    from amalgam.bench.standing import standing
    from amalgam.compare.cells import read_bench

    bench = read_bench(str(folder), folder)
    return _stood(standing(bench.table, bench.cells.values(), bench.asked), bench.scope.command(bench.table))


def _joined(folders: Sequence[Path], kinds: Mapping[Path, str]) -> Account:
    """Several benches as one."""
    from amalgam.compare.cells import read_bench
    from amalgam.compare.joined import command, join

    if set(kinds.values()) != {"bench"} or len(folders) < 2:
        raise RequestError("--joined ranks methods over several benches; name two or more, --out of `amalgam bench`")
    benches = [read_bench(name, folder) for name, folder in zip(names(folders), folders, strict=True)]
    return _stood(join(benches), command(benches))


def _stood(found: Standing, again: str) -> Account:
    """A table's statistics, and the command that makes them again."""
    from amalgam.bench.pages import markdown, page
    from amalgam.bench.terminal import rendered
    from amalgam.compare.cells import facts

    return Account(rendered(found), lambda: markdown(found, again), lambda: page(found, again), facts(found))
