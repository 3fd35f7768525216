"""How much of a table a bench runs, and whether a bench that is gone on with is the one that was begun."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from amalgam.bench.table import Table
from amalgam.bench.tables import read_table
from amalgam.errors import RequestError, listed, nearest
from amalgam.fingerprint import fingerprint
from amalgam.schema import parse, read_yaml

TABLE, SCOPE = "table.yaml", "bench.yaml"
_OTHER_BENCH = "a bench goes on with what it began with: leave the change out, or start another bench"

Key: TypeAlias = tuple[str, int]
"""A cell's setting and seed."""


class Scope(BaseModel):
    """How much of a table is run.

    Attributes:
        seeds: how many; they are 0, 1, ….
        quick: whether only what the table's `quick` names is run.
        settings: which settings; none for all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seeds: int = Field(default=5, gt=0)
    quick: bool = False
    settings: tuple[str, ...] = ()

    def of(self, table: Table) -> Table:
        """The table that is run; of that one it is the same again.

        Raises:
            RequestError: the table has no such setting, or no `quick`.
        """
        whole = table.quickly() if self.quick else table
        for name in self.settings:
            if name not in whole.settings:
                raise RequestError(
                    f"--settings: table {table.name!r} has no setting {name!r}{' with --quick' if self.quick else ''}"
                    f"{nearest(name, whole.settings)} (it has: {', '.join(whole.settings)})"
                )
        settings = {name: one for name, one in whole.settings.items() if name in (self.settings or whole.settings)}
        quick = table.quick
        if quick is not None:
            left = tuple(name for name in quick.settings if name in settings)
            quick = quick.model_copy(update={"settings": left}) if left else None
        return whole.model_copy(update={"settings": settings, "quick": quick})

    def keys(self, table: Table) -> list[Key]:
        """The cells of a table that `of` gave, in its order."""
        seeds = min(self.seeds, table.quick.seeds) if self.quick and table.quick is not None else self.seeds
        return [(setting, seed) for setting in table.settings for seed in range(seeds)]

    def command(self, table: Table) -> str:
        """What runs again, in its directory, a table that `of` gave: by name while it is the shelf's, else by file."""
        try:
            known = not _differences(self.of(read_table(table.name)), table)
        except RequestError:
            known = False
        words = ["amalgam", "bench", table.name if known else TABLE, "--seeds", str(self.seeds)]
        words += ["--quick"] * self.quick + ["--settings", ",".join(self.settings)] * bool(self.settings)
        return shlex.join(words)


def begun(out: Path | None, given: Mapping[str, Any], table: Table | None) -> tuple[Table, Scope]:
    """The table and the scope of the bench in a directory.

    Args:
        out: the directory.
        given: the fields of the scope that are asked for.
        table: the table that is asked for, whole; None for the one there.

    Raises:
        RequestError: there is no bench, or another one than is asked for; the message names the difference.
    """
    if out is None:
        raise RequestError("--resume needs the bench to go on with: --out runs/NAME")
    for name in (TABLE, SCOPE):
        if not (out / name).is_file():
            raise RequestError(f"--resume: {out} holds no bench (no {name}); start one there without --resume")
    there = read_table(str(out / TABLE))
    scope = parse(Scope, read_yaml(out / SCOPE, "bench"), f"bench {out / SCOPE}")
    for key, value in given.items():
        if value != getattr(scope, key):
            before, now = (_option(key, one) for one in (getattr(scope, key), value))
            raise RequestError(f"--resume: {out} was begun {before}, not {now}; {_OTHER_BENCH}")
    if table is not None:
        changed = _differences(there, scope.of(table))
        if changed:
            raise RequestError(
                f"--resume: {out / TABLE} differs from table {table.name!r} in {listed(changed)}; {_OTHER_BENCH}"
            )
    return there, scope


def _option(key: str, value: Any) -> str:
    """A field of a scope as the command line has it."""
    if not value:
        return f"without --{key}"
    told = "" if value is True else f" {','.join(value) if isinstance(value, tuple) else value}"
    return f"with --{key}{told}"


def _differences(before: Table, now: Table) -> list[str]:
    """The keys at which two tables differ."""
    return list(_changes(before.model_dump(mode="json"), now.model_dump(mode="json")))


def _changes(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """The keys at which two mappings differ: `settings.emotions.training`."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*before, *now]):
            if key in before and key in now:
                yield from _changes(before[key], now[key], f"{path}.{key}".lstrip("."))
            else:
                yield f"{path}.{key}".lstrip(".")
    elif fingerprint(before) != fingerprint(now):  # a published NaN is itself
        yield path
