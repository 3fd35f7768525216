"""Rows that an export is checked on: given ones, or drawn ones where there are none."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from amalgam.errors import RequestError
from amalgam.student import Student

Floats = NDArray[np.float32]


def given(student: Student, rows: ArrayLike | Tensor) -> Floats:
    """Rows to compare on, as float32; RequestError for what the student would refuse, and for none."""
    rows = rows.detach().cpu().numpy() if isinstance(rows, Tensor) else np.asarray(rows)
    if not len(student.logits(rows)):
        raise RequestError("there are no rows to check the export with; give at least one, or None for drawn ones")
    if rows.shape[1:] != student.shape:
        raise RequestError(
            f"the rows to check the export with have the shape {rows.shape[1:]}, and the exported student reads series "
            f"of the shape {student.shape} alone, as it learned from; give such"
        )
    return np.ascontiguousarray(rows, dtype=np.float32)


def drawn(student: Student) -> Floats:
    """256 rows from a fixed seed, with the mean and spread of the student's scaling; or texts of numbers of words."""
    if student.texts:
        return _drawn_texts(student)
    noise = torch.randn(256, *student.shape, generator=torch.Generator().manual_seed(0))
    scaling = student.scaling
    found: Floats = (scaling.mean.cpu() + scaling.spread.cpu() * noise).numpy()
    return found


def _drawn_texts(student: Student) -> Floats:
    """256 texts of 1 to T words from a fixed seed, few of them full; numbers that every vocabulary has."""
    drawn = np.random.default_rng(0)
    rows = drawn.integers(0, 1000, (256, *student.shape)).astype(np.float32)
    lengths = drawn.integers(1, student.shape[0] + 1, 256)
    rows[np.arange(student.shape[0]) >= lengths[:, None]] = np.nan
    return rows
