"""Benches: the tables there are, and a bench from its first cell to its pages."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table as RichTable
from rich.text import Text

from amalgam.errors import AmalgamError, RequestError, WorkError
from amalgam.progress import Progress, shown
from amalgam.schema import read_yaml
from amalgam.shelf import names, shelf
from amalgam.views.console import columns, console

if TYPE_CHECKING:
    from amalgam.bench.conduct import Cost, Run
    from amalgam.bench.folder import Bench
    from amalgam.bench.scope import Scope


def list_tables() -> None:
    """`amalgam bench --list`: the tables on the shelf."""
    console().print(shelved("table"), Text("Run one: amalgam bench TABLE"), sep="\n")


def shelved(heading: str) -> RichTable:
    """The names and titles of the tables on the shelf."""
    table = columns(heading, "what it shows")
    for name in names("recipes/papers"):
        content = read_yaml(shelf("recipes/papers") / f"{name}.yaml", "table")
        table.add_row(Text(name), Text(str(content.get("title", ""))))
    return table


def bench_and_show(
    name: str | None, given: Mapping[str, Any], jobs: int | None, out: Path | None, resume: bool
) -> None:
    """`amalgam bench TABLE`.

    Args:
        name: a table's name or path; with `resume` it may be left to the directory.
        given: the fields of the `Scope` that are asked for.
        jobs: how many processes; None for one a core.
        out: the directory; None for a fresh `runs/bench-NAME-N`.
        resume: go on with the bench there.
    """
    from amalgam import run
    from amalgam.bench import cell, checks, graph_cell, rank_cell, transfer_cell, word_cell
    from amalgam.bench.folder import opened
    from amalgam.bench.graph_table import GraphTable
    from amalgam.bench.rank_table import RankTable
    from amalgam.bench.row_table import RowTable
    from amalgam.bench.scope import Scope, begun
    from amalgam.bench.table import Table
    from amalgam.bench.tables import read_table
    from amalgam.bench.transfer_table import TransferTable
    from amalgam.bench.word_table import WordTable

    asked = None if name is None else read_table(name)
    if resume or asked is None:
        table, scope = begun(out, given, asked)
    else:
        scope = Scope(**given)
        table = scope.of(asked)
        if isinstance(table, WordTable):
            word_cell.ready(table)
        elif isinstance(table, RowTable):
            checks.ready(table)
        elif isinstance(table, GraphTable):
            graph_cell.ready(table)
        elif isinstance(table, TransferTable):
            transfer_cell.ready(table)
        elif isinstance(table, RankTable):
            rank_cell.ready(table)
    kinds: dict[type[Table], Any] = {
        WordTable: word_cell, GraphTable: graph_cell, TransferTable: transfer_cell, RankTable: rank_cell,
    }  # fmt: skip
    kind = kinds.get(type(table), cell)
    folder = out or run.fresh(f"bench-{table.name}")
    with opened(folder, table, scope, resume) as bench, shown() as progress:
        progress.say(f"bench directory: {folder}")
        _conducted(bench, scope, kind.run, kind.cost, jobs or cores(), progress)
        files = _written(bench, scope)
    _show(bench, files)


def cores() -> int:
    """How many CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _conducted(bench: Bench, scope: Scope, run: Run, cost: Cost, jobs: int, progress: Progress) -> None:
    """Compute what is missing; when it fails or is stopped, write what there is and say how to go on."""
    from amalgam.bench.conduct import conduct

    try:
        conduct(bench, run, cost, jobs, progress)
    except (AmalgamError, KeyboardInterrupt) as error:
        finished = len(bench.kept().cells)
        if finished:
            with suppress(AmalgamError):  # a full disk has been told of
                _written(bench, scope)
        elif isinstance(error, RequestError):
            raise
        kind, said = (type(error), str(error)) if isinstance(error, AmalgamError) else (WorkError, "stopped")
        kept = f"the finished cells are kept ({finished} of {len(bench.keys)})" if finished else "no cell was finished"
        again = f"amalgam bench --resume --out {shlex.quote(str(bench.folder))}"
        raise kind(f"{said}; {kept}; go on with: {again}") from None


def _written(bench: Bench, scope: Scope) -> list[Path]:
    """The pages of the cells that are there."""
    from amalgam.bench import pages

    return pages.write(bench.table, list(bench.kept().cells.values()), bench.folder, scope)


def _show(bench: Bench, files: list[Path]) -> None:
    """The end of a bench: the table, the verdict, and where everything lies."""
    from amalgam.bench.standing import standing
    from amalgam.bench.terminal import rendered

    found = standing(bench.table, bench.kept().cells.values(), bench.seeds)
    to = console()
    to.print(*rendered(found), sep="\n")
    first, *others = (path.name for path in files)
    to.print(Text(f"The bench lies in {bench.folder}: {first} to look at; {', '.join(others)}."))
