"""What the cells of a table hold: every method's measures in one setting under one seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from amalgam.metrics import Measures, Number

Tell: TypeAlias = Callable[[float, str], None]
"""How a cell tells which share of it is done, 0 to 1, and what it is at."""


@dataclass(frozen=True)
class Merits:
    """An embedding in word tests.

    Attributes:
        score_per_task: the main measure of each test, in the cell's order; NaN where it cannot be told.
    """

    score_per_task: tuple[Number, ...]

    @property
    def score(self) -> float:
        """The mean over tests."""
        return sum(self.score_per_task) / len(self.score_per_task)


@dataclass(frozen=True)
class Score:
    """A method in a cell.

    Attributes:
        measures: on the cell's test rows, or in its word tests.
        labels: how many labels it was measured on: all of the cell's, but for a teacher alone, which knows its own.
        facts: what the method counted (transfers, contradictions, …), in words; NaN where there was nothing to count.
        epochs: that its student was trained for; 0 without a student.
        seconds: that its targets took, and its share of the training.
        before: seconds of the networks that a transfer began with, learned now or taken from the store: `source`, of
            one of the source as it is, and `redrawn`, of one of the source as the method draws it for the target.
        names: of the labels it was measured on, where these are not all of the cell's.
    """

    measures: Measures | Merits
    labels: int
    facts: Mapping[str, Number] = field(default_factory=dict)
    epochs: int = 0
    seconds: float = 0.0
    before: Mapping[str, float] = field(default_factory=dict)
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
    """One setting under one seed.

    Attributes:
        setting: its name in the table.
        seed: of its split, its teachers and its students.
        labels: how many labels the panel knows, or how many word tests there are.
        rows: part → how many rows.
        scores: method → its score, bounds among them, in the table's order.
        notes: sentences for the reader of the table.
        seconds: that the cell took.
        names: of those labels, or tests.
        test: the fingerprint of what was measured on: rows with all their annotations, or word tests.
    """

    setting: str
    seed: int
    labels: int
    rows: Mapping[str, int]
    scores: Mapping[str, Score]
    notes: tuple[str, ...]
    seconds: float
    names: tuple[str, ...]
    test: str
