"""The directory of a bench: what it runs, and every finished cell, so that a killed bench goes on where it was."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import yaml
from pydantic import TypeAdapter

from amalgam import files, run
from amalgam.bench.scope import SCOPE, TABLE, Key, Scope
from amalgam.bench.scores import Cell
from amalgam.bench.table import Table
from amalgam.errors import RequestError
from amalgam.fingerprint import fingerprint, of_code

CELLS, _LOCK = "cells", ".lock"

SHOWING = {
    "__main__", "api", "cli", "compare", "doctor", "figures", "progress", "report", "results", "sheets", "views",
    "bench.comparison", "bench.conduct", "bench.diagram", "bench.folder", "bench.notes", "bench.pages", "bench.scope",
    "bench.shown", "bench.significance", "bench.standing", "bench.terminal", "bench.verdict", "bench.view",
    "bench.words",
}  # fmt: skip
"""Rooms, and modules of the bench, that order, keep or show cells and have no part in their numbers; others have."""

_CELL = TypeAdapter(Cell)


@dataclass(frozen=True)
class Kept:
    """What a directory holds of a bench.

    Attributes:
        cells: the finished ones, in the table's order.
        damaged: those whose file is not what was written.
        foreign: those that other code computed, or other versions of the libraries.
    """

    cells: dict[Key, Cell] = field(default_factory=dict)
    damaged: list[Key] = field(default_factory=list)
    foreign: list[Key] = field(default_factory=list)


@dataclass(frozen=True)
class Bench:
    """An open directory.

    Attributes:
        folder: where it lies.
        table: what is run.
        keys: its cells, in the table's order.
        code: the fingerprint of what computes cells now.
    """

    folder: Path
    table: Table
    keys: list[Key]
    code: str

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of its cells."""
        return tuple(dict.fromkeys(seed for _, seed in self.keys))

    def path(self, key: Key) -> Path:
        """The file of a cell; a setting may be called anything."""
        setting, seed = key
        return self.folder / CELLS / f"{quote(setting, safe='')}-{seed}.json"

    def kept(self) -> Kept:
        """The cells that are there."""
        kept = Kept()
        for key in self.keys:
            try:
                cell, made_by = unpacked(self.path(key).read_text(encoding="utf-8"))
            except FileNotFoundError:
                continue
            except ValueError:
                kept.damaged.append(key)
                continue
            if (cell.setting, cell.seed) != key:
                kept.damaged.append(key)
            elif made_by != self.code:
                kept.foreign.append(key)
            else:
                kept.cells[key] = cell
        return kept


def packed(cell: Cell, code: str) -> str:
    """A cell as JSON, floats to the last digit and NaN as null, with what computed it and a checksum of it all."""
    content = json.loads(_CELL.dump_json(cell)) | {"code": code}
    return json.dumps(content | {"sum": fingerprint(content)}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def unpacked(text: str) -> tuple[Cell, str]:
    """The cell of `packed`, and what computed it.

    Raises:
        ValueError: it is not what was packed.
    """
    content = json.loads(text)
    if not isinstance(content, dict) or content.pop("sum", None) != fingerprint(content):
        raise ValueError("the checksum differs")
    made_by = str(content.pop("code", ""))
    return _CELL.validate_python(content), made_by


def computed_by() -> str:
    """The fingerprint of the modules that a cell's numbers may depend on, and of the libraries' versions."""
    package = Path(__file__).parents[1]
    paths = (path.relative_to(package).with_suffix("") for path in package.rglob("*.py"))
    modules = sorted(name for name in (".".join(path.parts) for path in paths) if counts(name))
    return fingerprint(of_code(*(f"amalgam.{name}" for name in modules)), run.versions())


def counts(module: str) -> bool:
    """Whether a cell's numbers may depend on a module, `strategies.ant`."""
    return not {module, module.partition(".")[0]} & SHOWING


@contextmanager
def opened(folder: Path, table: Table, scope: Scope, resume: bool) -> Iterator[Bench]:
    """The directory of a bench, locked until the work ends.

    Args:
        folder: where.
        table: what is run; written into the directory at the start.
        scope: how much of it that is.
        resume: whether to go on with what is there.

    A request that turns out to be wrong before any cell was finished leaves no new directory behind.

    Raises:
        RequestError: the directory holds something else, or a bench that another process is at.
    """
    from filelock import FileLock, Timeout

    _refuse_foreign(folder, resume)
    lock = FileLock(folder / _LOCK)
    try:
        with files.writable(folder, "another directory with --out"):
            (folder / CELLS).mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
    except Timeout:
        raise RequestError(f"another process is writing {folder}; wait for it, or choose another --out") from None
    try:
        for draft in [*folder.glob(".*.draft*"), *folder.glob(f"{CELLS}/.*.draft*")]:  # a killed process left it
            files.remove(draft)
        if not resume:
            for name, content in ((SCOPE, scope), (TABLE, table)):
                text = yaml.safe_dump(content.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)
                files.write_text(folder / name, text)
        yield Bench(folder, table, scope.keys(table), computed_by())
    except RequestError:
        if not resume:
            _leave_nothing(folder)
        raise
    finally:
        lock.release()


def _refuse_foreign(folder: Path, resume: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"--out {folder} is a file; name a directory")
    there = set(os.listdir(folder)) - {_LOCK, CELLS} if folder.is_dir() else set()
    if there and not resume:
        raise RequestError(
            f"--out {folder} already holds {'a bench' if TABLE in there else 'other files'}, which is never "
            "overwritten; choose another directory" + (", or go on with it: --resume" if TABLE in there else "")
        )


def _leave_nothing(folder: Path) -> None:
    """Remove a directory in which nothing was done."""
    if set(os.listdir(folder)) <= {TABLE, SCOPE, CELLS, _LOCK} and not any((folder / CELLS).iterdir()):
        with suppress(OSError):  # another process may be about to use it
            for name in (TABLE, SCOPE, _LOCK):
                (folder / name).unlink(missing_ok=True)
            (folder / CELLS).rmdir()
            folder.rmdir()
