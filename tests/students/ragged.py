"""Series with holes and of unequal lengths, for the slow networks that read one series at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from amalgam.signals import TensorRows
from amalgam.students._series import SeriesStudent

Slow = Callable[[Any, NDArray[Any]], tuple[Any, Any]]


def agrees(student: Any, slow: Slow, steps: int, ends: list[int]) -> None:
    """Six series of two channels through a student at once, and one after the other, cut and scaled, through `slow`.

    Args:
        student: in double precision; its scaling is fitted here.
        slow: (student, one series (t, channels)) to its logits and features.
        steps: of the longest.
        ends: the six lengths.
    """
    assert isinstance(student, SeriesStudent)
    rows = 5 + 2 * torch.randn(6, steps, 2, dtype=torch.float64)
    rows[1, 3] = rows[2, 2, 0] = rows[3, 0] = torch.nan  # holes, one of them at the start
    for row, end in enumerate(ends):
        rows[row, end:] = torch.nan
    student.scaling.fit(TensorRows(values=rows))
    output = student(rows)
    mean, spread = np.nanmean(rows.numpy(), (0, 1)), np.nanstd(rows.numpy(), (0, 1))
    for row, end in enumerate(ends):
        own = rows[row, :end].numpy()
        scaled = np.nan_to_num((own - mean) / spread)
        told = np.concatenate([scaled, np.isnan(own)], 1) if student.settings.missing_channel else scaled
        logits, features = slow(student, told)
        np.testing.assert_allclose(output.logits[row].detach(), logits, atol=1e-9)
        np.testing.assert_allclose(output.features[row].detach(), features, atol=1e-9)
