"""Rows that an export is checked on: given ones, or drawn ones where there are none; and the same ones longer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from amalgam.errors import RequestError
from amalgam.signals import Rows
from amalgam.student import Student

Floats = NDArray[np.float32]

MANY = 256
"""Rows that are checked of data that has more."""
MEASURED = 2048
"""Rows that a smaller file is measured on, of data that has more."""
DRAWN = "drawn from seed 0 with the scaling's mean and spread"
GIVEN = "given"


@dataclass(frozen=True)
class Sample:
    """Rows to compare on.

    Attributes:
        values: (N, *shape) float32.
        source: where they come from, for a reader.
        numbers: (N,) of each row in its data.
    """

    values: Floats
    source: str
    numbers: NDArray[np.int64]


def sample(student: Student, check: ArrayLike | Tensor | Rows | None) -> Sample:
    """Rows to compare on: all that are given, or 256 from all over some data, or drawn ones.

    Raises:
        RequestError: rows that the student would refuse, or none.
    """
    if check is None:
        return Sample(drawn(student), DRAWN, np.arange(MANY))
    if isinstance(check, Rows):
        places = spread(len(check), MANY)
        return Sample(given(student, check.inputs(places)), f"rows of {check.name}", check.ids[places].numpy())
    rows = given(student, check)
    return Sample(rows, GIVEN, np.arange(len(rows)))


def spread(rows: int, most: int) -> Tensor:
    """The numbers of as many of N rows, from all over them."""
    return torch.from_numpy(np.linspace(0, rows - 1, min(most, rows)).astype(np.int64))


def annotated_as(rows: Rows, labels: Sequence[str]) -> Floats | None:
    """What rows are annotated with, a column for each of these labels (N, L), NaN where none is; None of none."""
    shared = [label for label in labels if label in rows.labels]
    if rows.annotated is None or not shared:
        return None
    found = np.full((len(rows), len(labels)), np.nan, np.float32)
    for label in shared:
        found[:, labels.index(label)] = rows.annotated[:, rows.labels.index(label)]
    return found


def given(student: Student, rows: ArrayLike | Tensor) -> Floats:
    """Rows to compare on, as float32; RequestError for what the student would refuse, and for none."""
    rows = rows.detach().cpu().numpy() if isinstance(rows, Tensor) else np.asarray(rows)
    if not len(student.logits(rows)):
        raise RequestError("there are no rows to check the export with; give at least one, or None for drawn ones")
    return np.ascontiguousarray(rows, dtype=np.float32)


def stretched(rows: Floats, steps: int) -> tuple[Floats, NDArray[np.int64]]:
    """Series (N, T, C) of another length, cut off or begun again at their end; those left with a value, and which."""
    found = rows[:, np.arange(steps) % rows.shape[1]]
    kept = np.flatnonzero(~np.isnan(found).reshape(len(found), -1).all(1))
    return np.ascontiguousarray(found[kept]), kept


def drawn(student: Student) -> Floats:
    """256 rows from a fixed seed, with the mean and spread of the student's scaling; or texts of numbers of words."""
    if student.texts:
        return _drawn_texts(student)
    noise = torch.randn(MANY, *student.shape, generator=torch.Generator().manual_seed(0))
    scaling = student.scaling
    found: Floats = (scaling.mean.cpu() + scaling.spread.cpu() * noise).numpy()
    return found


def _drawn_texts(student: Student) -> Floats:
    """256 texts of 1 to T words from a fixed seed, few of them full; numbers that every vocabulary has."""
    drawn = np.random.default_rng(0)
    rows = drawn.integers(0, 1000, (MANY, *student.shape)).astype(np.float32)
    lengths = drawn.integers(1, student.shape[0] + 1, MANY)
    rows[np.arange(student.shape[0]) >= lengths[:, None]] = np.nan
    return rows
