"""Benches of several tables as one: their methods ranked and tested over all their settings."""

from __future__ import annotations

import shlex
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from amalgam.bench.scores import Cell
from amalgam.bench.standing import Standing, standing
from amalgam.bench.table import Method, Table
from amalgam.bench.words import among
from amalgam.compare.cells import Bench
from amalgam.compare.common import differences, flat, told
from amalgam.errors import RequestError

_SHARED = {"test", "apart", "exclusive", "teacher", "teacher_training", "student"}
_ALIKE = ("headline", "measures", "exclusive", "by_task")
"""What tables must agree on, or their ranks mean different things."""


def join(benches: Sequence[Bench]) -> Standing:
    """The statistics of several benches' cells, as if one table had all their settings.

    The methods are those that every table has with the same settings. A setting that several tables have (the same
    data, teachers and training, whatever it is called) counts once, as the first has it.

    Raises:
        RequestError: the tables have another headline or other measures, rank by task or not, or fewer than two
            compared methods are in all of them.
    """
    methods = _common_methods(benches)
    tables = [bench.table for bench in benches]
    parts, twins = _parts(benches)
    table = tables[0].model_copy(
        update={
            "name": "joined",
            "title": "; ".join(one.title for one in tables),
            "paper": "; ".join(dict.fromkeys(one.paper for one in tables if one.paper)),
            "protocol": _protocol(benches, methods, twins),
            "methods": methods,
            "settings": {part.name: part.bench.table.settings[part.setting] for part in parts},
            "quick": None,
        }
    )
    cells = [cell for part in parts for cell in _cells(part, methods)]
    return standing(table, cells, sorted({seed for bench in benches for seed in bench.asked}))


def command(benches: Sequence[Bench]) -> str:
    """What joins them again."""
    return shlex.join(["amalgam", "report", "--joined", *(str(bench.folder) for bench in benches)])


def _common_methods(benches: Sequence[Bench]) -> dict[str, Method]:
    """The methods that all tables have alike; RequestError where tables cannot be joined."""
    first, *others = benches
    for key in _ALIKE:
        for bench in others:
            if getattr(bench.table, key) != getattr(first.table, key):
                said = (f"{_plain(getattr(one.table, key))} in {one.name}" for one in (first, bench))
                raise RequestError(f"tables that are joined have the same {key}, not {' and '.join(said)}")
    headline = first.table.headline
    tables = [bench.table for bench in others]
    methods = {key: one for key, one in first.table.methods.items() if all(_has(table, key, one) for table in tables)}
    if headline not in methods:
        specs = [flat(bench.table.methods[headline].strategy) for bench in benches]
        changes = (told(key, values) for key, values in differences(specs).items())
        raise RequestError(
            f"tables that are joined have the same headline, but {headline!r} is not the same in "
            f"{among(bench.name for bench in benches)}: {'; '.join(changes)}"
        )
    if sum(one.role == "compared" for one in methods.values()) < 2:
        raise RequestError(f"the tables have nothing in common to compare {headline!r} with")
    return methods


def _plain(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else repr(value)


def _has(table: Table, key: str, method: Method) -> bool:
    """Whether a table has a method, of the same role and with the same settings."""
    own = table.methods.get(key)
    return own is not None and _computed(own) == _computed(method)


def _computed(method: Method) -> dict[str, Any]:
    """What a method's numbers follow from; what it is called does not count."""
    return method.model_dump(exclude={"shown", "note"})


def _content(table: Table, setting: str) -> dict[str, Any]:
    """All that the numbers of a setting depend on, beside the methods."""
    own = table.settings[setting].model_dump(mode="json", exclude={"expected", "expected_by_task"})
    shared = table.model_dump(mode="json", include=_SHARED)
    return {
        **own,
        **shared,
        "student": {**shared["student"], **own["student"]},
        "training": {**table.training, **own["training"]},
        "teacher_training": {**shared.get("teacher_training", {}), **own["training"]},
    }


class _Part(NamedTuple):
    """A setting of a bench, and what it is called among those of the others."""

    bench: Bench
    setting: str
    name: str


def _parts(benches: Sequence[Bench]) -> tuple[list[_Part], dict[str, str]]:
    """The settings that are unlike each other, and what repeats one of them → which."""
    kept, repeated = list[tuple[Bench, str]](), dict[str, int]()
    for bench in benches:
        before = [_content(one.table, setting) for one, setting in kept]
        for setting in bench.table.settings:
            content = _content(bench.table, setting)
            if content in before:
                repeated[f"{setting} of {bench.name}"] = before.index(content)
            else:
                kept.append((bench, setting))
    own = [setting for _, setting in kept]
    parts = [_Part(*one, one[1] if own.count(one[1]) == 1 else f"{one[0].name} {one[1]}") for one in kept]
    return parts, {twin: parts[place].name for twin, place in repeated.items()}


def _cells(part: _Part, methods: Container[str]) -> Iterator[Cell]:
    """The cells of a setting, without the scores of methods that not all tables have."""
    own = part.bench.table.methods
    for (setting, _), cell in part.bench.cells.items():
        if setting == part.setting:
            scores = {key: score for key, score in cell.scores.items() if key in methods or key not in own}
            yield replace(cell, setting=part.name, scores=scores)


def _protocol(benches: Sequence[Bench], methods: Container[str], twins: Mapping[str, str]) -> str:
    """How the joined table is measured, in paragraphs."""
    tables = [f"{bench.name} ({bench.table.title})" for bench in benches]
    said = [f"Several tables as one, each measured as its own page says: {'; '.join(tables)}."]
    if twins:
        same = (f"{name} is {before}" for name, before in twins.items())
        said.append(f"A setting that several have counts once, as the first has it: {', '.join(same)}.")
    left_out = {one.table.shown(key): None for one in benches for key in one.table.methods if key not in methods}
    if left_out:
        said.append(f"Left out, since not every table has them with the same settings: {among(left_out)}.")
    return "\n\n".join(said)
