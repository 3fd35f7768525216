"""Panels of deterministic teachers, in batches for the product and row by row for the truth.

In `panels` every logit is a multiple of 1/8 other than 0, within ±8: exact in float32, so that ties and signs never
hang on rounding, and on a grid so coarse that ties happen. In a `mixed_panel` revised logits are anything, and teachers
of every kind.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor

from tests.reference.ant import Contradiction, Indicator, Revision

LIMIT = 8.0
BASE = [sign * quarter / 4 for quarter in range(1, 17) for sign in (-1, 1)]
COUPLING = [0.0, 8.0, -8.0, 4.0, -4.0, 6.0, -6.0, 2.0, -2.0]


@dataclass(frozen=True)
class TableTeacher:
    """A ConditionalScorer whose inputs (B, 1) are row numbers of a table of logits.

    Given beliefs, an unbelieved label's logit moves by Σ coupling · tanh(believed - base) over the believed labels. A
    believed label goes half the way to what is believed, or, clamped, the whole way.

    Attributes:
        labels: l names.
        base: (N, l) logits, as nested lists of floats.
        coupling: (l, l), moved label × believed label.
        exclusive: whether its labels exclude each other, so that nobody should ask it for `score_given`.
        rounded: whether what it says given beliefs is on the grid.
    """

    labels: list[str]
    base: list[list[float]]
    coupling: list[list[float]]
    exclusive: bool = False
    rounded: bool = True

    def score(self, inputs: Tensor) -> Tensor:
        """The table's logits (B, l)."""
        return self._rows(inputs).float()

    def score_given(self, inputs: Tensor, believed: Tensor, clamp: bool) -> Tensor:
        """Logits (B, l) given believed (B, l), NaN where nothing is believed."""
        base = self._rows(inputs)
        told = ~believed.isnan()
        believed = believed.double()
        coupling = torch.tensor(self.coupling, dtype=torch.float64)
        moved = base.clone()
        for j in range(len(self.labels)):  # label by label, the order in which `RowTeacher` adds
            pull = torch.where(told[:, j], (believed[:, j] - base[:, j]).tanh(), 0.0)
            moved = moved + pull[:, None] * coupling[:, j]
        moved = torch.where(told, base + 0.5 * (believed - base), moved)
        if not self.rounded:
            return (torch.where(told, believed, moved) if clamp else moved).float()
        settled = ((moved * 8).round() / 8).clamp(-LIMIT, LIMIT)
        settled = torch.where(settled == 0, 1 / 8, settled)
        return (torch.where(told, believed, settled) if clamp else settled).float()

    def at(self, row: int) -> RowTeacher:
        """The same teacher before one row."""
        return RowTeacher(self.labels, self.base[row], self.coupling, self.exclusive, self.rounded)

    def _rows(self, inputs: Tensor) -> Tensor:
        return torch.tensor(self.base, dtype=torch.float64)[inputs[:, 0].long()]


@dataclass(frozen=True)
class RowTeacher:
    """A TableTeacher before one row, in plain loops: an `ant.InstanceTeacher`."""

    labels: list[str]
    base: list[float]
    coupling: list[list[float]]
    exclusive: bool = False
    rounded: bool = True

    def logits(self) -> dict[str, float]:
        """The table's logits, label → logit."""
        return dict(zip(self.labels, self.base, strict=True))

    def logits_given(self, believed: dict[str, float], clamp: bool) -> dict[str, float]:
        """Logits given beliefs, label → logit."""
        revised = {}
        for i, label in enumerate(self.labels):
            if label in believed and clamp:
                revised[label] = believed[label]
                continue
            value = self.base[i]
            if label in believed:
                value = self.base[i] + 0.5 * (believed[label] - self.base[i])
            else:
                for j, other in enumerate(self.labels):
                    if other in believed:
                        value += math.tanh(believed[other] - self.base[j]) * self.coupling[i][j]
            if not self.rounded:
                revised[label] = value
                continue
            value = min(max(round(value * 8) / 8, -LIMIT), LIMIT)
            revised[label] = 1 / 8 if value == 0 else value
        return revised


@dataclass(frozen=True)
class PlainTeacher:
    """A table teacher that cannot be told."""

    labels: list[str]
    base: list[list[float]]
    exclusive: bool = False

    def score(self, inputs: Tensor) -> Tensor:
        """The table's logits (B, l)."""
        return torch.tensor(self.base)[inputs[:, 0].long()]

    def at(self, row: int) -> PlainRow:
        """The same teacher before one row."""
        return PlainRow(self.labels, self.base[row], self.exclusive)


@dataclass(frozen=True)
class PlainRow:
    """A PlainTeacher before one row."""

    labels: list[str]
    base: list[float]
    exclusive: bool = False

    def logits(self) -> dict[str, float]:
        """The table's logits, label → logit."""
        return dict(zip(self.labels, self.base, strict=True))


@dataclass(frozen=True)
class DrawnPanel:
    """A panel, its rows, and how to amalgamate it.

    Attributes:
        teachers: K of them.
        rows: N.
        indicator: as in `ant.transfers`.
        clamp: as in `ant.amalgamate`.
        rounds: as in `ant.amalgamate`.
        contradiction: as in `ant.integrate`.
        revision: as in `ant.amalgamate`.
        temperature: as in `ant.integrate`.
    """

    teachers: Sequence[TableTeacher | PlainTeacher]
    rows: int
    indicator: Indicator
    clamp: bool
    rounds: int | None
    contradiction: Contradiction
    revision: Revision = "teacher"
    temperature: float = 1.0

    def inputs(self) -> Tensor:
        """The inputs of all rows, (N, 1) float32."""
        return torch.arange(self.rows, dtype=torch.float32)[:, None]

    def at(self, row: int) -> list[RowTeacher | PlainRow]:
        """The teachers before one row."""
        return [teacher.at(row) for teacher in self.teachers]


def grids(values: list[float], height: int, width: int) -> st.SearchStrategy[list[list[float]]]:
    """Tables of height rows and width columns of some values."""
    row = st.lists(st.sampled_from(values), min_size=width, max_size=width)
    return st.lists(row, min_size=height, max_size=height)


@st.composite
def label_sets(draw: st.DrawFn) -> list[list[str]]:
    """2-5 label lists over 2-6 labels, each in an order of its own: overlapping anyhow, disjoint, or identical."""
    names = list("abcdef")[: draw(st.integers(2, 6))]
    teachers = draw(st.integers(2, 5))
    overlap = draw(st.sampled_from(["any", "identical", "disjoint"]))
    if overlap == "identical":
        return [draw(st.permutations(names)) for _ in range(teachers)]
    if overlap == "disjoint":
        teachers = min(teachers, len(names))
        dealt = draw(st.permutations(names))
        sets = [[label] for label in dealt[:teachers]]
        for label in dealt[teachers:]:
            sets[draw(st.integers(0, teachers - 1))].append(label)
        return sets
    sets = [draw(st.lists(st.sampled_from(names), min_size=1, unique=True)) for _ in range(teachers)]
    for label in names:
        if not any(label in one for one in sets):
            sets[draw(st.integers(0, teachers - 1))].append(label)
    return sets


@st.composite
def panels(draw: st.DrawFn) -> DrawnPanel:
    """Hypothesis draws 2-5 teachers on 2-6 labels, of 1-7 rows, and a choice of each of ANT's hyperparameters."""
    rows = draw(st.integers(1, 7))
    teachers = [
        TableTeacher(labels, draw(grids(BASE, rows, len(labels))), draw(grids(COUPLING, len(labels), len(labels))))
        for labels in draw(label_sets())
    ]
    return DrawnPanel(
        teachers,
        rows,
        draw(st.sampled_from(["positive", "confidence"])),
        draw(st.booleans()),
        draw(st.sampled_from([None, 0, 1, 2])),
        draw(st.sampled_from(["positive", "mean", "confident"])),
    )


def mixed_panel(seed: int, indicator: Indicator, revision: Revision) -> DrawnPanel:
    """2-4 teachers on 3-5 labels, of 8-16 rows: some can be told, some cannot, some of each kind are softmax teachers.

    The labels of a teacher depend on each other; some are hesitant and rare, some have the same logit everywhere.
    Logits are on a grid, so that a label varies either not at all or by much more than a solver adds to it; no
    threshold lies on that grid.
    """
    chance = random.Random(seed)
    rows, names = chance.randint(8, 16), list("abcde")[: chance.randint(3, 5)]
    known = chance.choice([0.5, 0.8, 1.0])

    def column(common: list[float], exclusive: bool, place: int) -> list[float]:
        constant, turned = chance.random() < 0.1, chance.choice((-1, 1))
        sure, usual = chance.choice(((1.0, 0.0), (0.3, -0.5)))
        numbers = [usual + sure * (turned * each + chance.uniform(-1.5, 1.5)) for each in common]
        if exclusive:  # the log odds of a surer softmax lose digits; apart, two labels' are on no threshold's grid
            return [(round(16 * (numbers[0] if constant else each)) + 0.2 * place) / 64 for each in numbers]
        return [(round(16 * (numbers[0] if constant else each)) + 0.125) / 16 for each in numbers]

    teachers: list[TableTeacher | PlainTeacher] = []
    for _ in range(chance.randint(2, 4)):
        labels = [name for name in names if chance.random() < known] or names[:1]
        chance.shuffle(labels)
        exclusive = chance.random() < 0.3
        common = [chance.uniform(-3, 3) for _ in range(rows)]
        columns = [column(common, exclusive, place) for place in range(len(labels))]
        base = [list(row) for row in zip(*columns, strict=True)]
        if chance.random() < 0.5:
            teachers.append(PlainTeacher(labels, base, exclusive))
        else:
            coupling = [[chance.uniform(-4, 4) for _ in labels] for _ in labels]
            teachers.append(TableTeacher(labels, base, coupling, exclusive, False))
    return DrawnPanel(
        teachers,
        rows,
        indicator,
        chance.random() < 0.5,
        chance.choice([None, None, 0, 1, 2]),
        chance.choice(["positive", "mean", "confident"]),
        revision,
        chance.choice([0.0, 0.5, 1.0]),
    )
