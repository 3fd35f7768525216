"""Teachers of tables, seated and asked, for the tests of ANT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amalgam import panel as panels
from amalgam.panel import Ballots, Panel, Seat
from amalgam.signals import TensorRows
from amalgam.strategies.ant import ANT
from tests.laws import untaught
from tests.reference.panels import DrawnPanel, PlainTeacher, TableTeacher


def seated(drawn: DrawnPanel) -> tuple[Panel, TensorRows, Ballots]:
    seats = [Seat(f"t{number}", teacher) for number, teacher in enumerate(drawn.teachers)]
    panel = panels.seat(seats)
    rows = TensorRows(values=drawn.inputs())
    scores = tuple(panel.vote(k, rows.values)["scores"] for k in range(len(seats)))
    return panel, rows, Ballots(panel, len(rows), scores)


def table(labels: str, *base: Sequence[float], told: bool = False) -> PlainTeacher | TableTeacher:
    """A teacher that says this of the rows, row by row; one that nobody may tell unless it is `told`."""
    names, numbers = list(labels), [list(map(float, row)) for row in base]
    return TableTeacher(names, numbers, [[2.0] * len(names)] * len(names)) if told else PlainTeacher(names, numbers)


def prepared(strategy: ANT, *teachers: Any) -> tuple[Panel, TensorRows, Ballots, Any]:
    panel, rows, ballots = seated(DrawnPanel(teachers, len(teachers[0].base), "positive", False, None, "positive"))
    return panel, rows, ballots, strategy.prepare(panel, rows, ballots, untaught)
