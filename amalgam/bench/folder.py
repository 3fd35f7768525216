"""The directory of a bench: what it runs, and every finished cell, so that a killed bench goes on where it was."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import yaml
from pydantic import TypeAdapter

from amalgam import files
from amalgam.bench.origin import Origin, origins
from amalgam.bench.scope import SCOPE, TABLE, Key, Scope
from amalgam.bench.scores import Cell
from amalgam.bench.table import Table
from amalgam.errors import RequestError
from amalgam.fingerprint import fingerprint

CELLS, _LOCK = "cells", ".lock"

_CELL = TypeAdapter(Cell)


@dataclass(frozen=True)
class Kept:
    """What a directory holds of a bench.

    Attributes:
        cells: the finished ones, in the table's order.
        damaged: those whose file is not what was written.
        foreign: those that other code computed, or other versions of the libraries.
        altered: those that the table asks for otherwise now.
        stale: those whose data has changed.
    """

    cells: dict[Key, Cell] = field(default_factory=dict)
    damaged: list[Key] = field(default_factory=list)
    foreign: list[Key] = field(default_factory=list)
    altered: list[Key] = field(default_factory=list)
    stale: list[Key] = field(default_factory=list)


@dataclass(frozen=True)
class Bench:
    """An open directory.

    Attributes:
        folder: where it lies.
        table: what is run.
        keys: its cells, in the table's order.
        origins: setting → what its cells follow from now.
    """

    folder: Path
    table: Table
    keys: list[Key]
    origins: Mapping[str, Origin]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of its cells."""
        return tuple(dict.fromkeys(seed for _, seed in self.keys))

    def path(self, key: Key) -> Path:
        """The file of a cell; a table refuses a setting's name that is no file's."""
        setting, seed = key
        return self.folder / CELLS / f"{setting}-{seed}.json"

    def kept(self) -> Kept:
        """The cells that are there."""
        kept = Kept()
        for key in self.keys:
            try:
                cell, then = unpacked(self.path(key).read_text(encoding="utf-8"))
            except FileNotFoundError:
                continue
            except ValueError:
                kept.damaged.append(key)
                continue
            now = self.origins[key[0]]
            if (cell.setting, cell.seed) != key:
                kept.damaged.append(key)
            elif then.code != now.code:
                kept.foreign.append(key)
            elif then.table != now.table:
                kept.altered.append(key)
            elif then.data != now.data:
                kept.stale.append(key)
            else:
                kept.cells[key] = cell
        return kept


def packed(cell: Cell, origin: Origin) -> str:
    """A cell as JSON, floats to the last digit and NaN as null, with what it follows from and a checksum of it all."""
    content = json.loads(_CELL.dump_json(cell)) | asdict(origin)
    return json.dumps(content | {"sum": fingerprint(content)}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def unpacked(text: str) -> tuple[Cell, Origin]:
    """The cell of `packed`, and what it follows from.

    Raises:
        ValueError: it is not what was packed.
    """
    content = json.loads(text)
    if not isinstance(content, dict) or content.pop("sum", None) != fingerprint(content):
        raise ValueError("the checksum differs")
    origin = Origin(**{one.name: str(content.pop(one.name, "")) for one in fields(Origin)})
    return _CELL.validate_python(content), origin


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
        RequestError: the directory holds something else, or a bench that another process is at; or there is no data.
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
        yield Bench(folder, table, scope.keys(table), origins(table))
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
