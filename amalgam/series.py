"""Series: inputs (B, T, C) of T steps and C channels, or rows (B, T) of one channel; how they are masked and scaled.

NaN marks a value that is missing, and every value beyond the end of a series shorter than T. Scaled, a missing value is
0, which is the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from amalgam.scaling import Scaling, channel_scale
from amalgam.signals import Rows

Scale = Literal["channel", "series"]
"""By whose mean and deviation a value is scaled: its channel's over all training rows, or its own series'."""


def alike(shape: Sequence[int], other: Sequence[int]) -> bool:
    """Whether rows of these shapes are series of the same channels, (T, C) and (T', C)."""
    return len(shape) == len(other) == 2 and shape[1] == other[1]


def as_series(inputs: Tensor) -> Tensor:
    """Inputs as (B, T, C); rows of plain features, (B, T), are series of one channel."""
    return inputs if inputs.ndim == 3 else inputs[..., None]


def within(series: Tensor) -> Tensor:
    """Which steps of series (B, T, C) are their own, (B, T) bool: up to the last with a value, at least the first."""
    number = torch.arange(series.shape[1], device=series.device)
    last = (~series.isnan().all(-1) * number).amax(-1, keepdim=True)
    return number <= last


def z_normalised(series: Tensor) -> Tensor:
    """Each channel of each series (B, T, C) minus its mean over its deviation, NaN left out; missing values become 0.

    A constant one becomes 0 throughout.
    """
    missing = series.isnan()
    high = series.masked_fill(missing, -torch.inf).amax(1, keepdim=True) / 2
    low = series.masked_fill(missing, torch.inf).amin(1, keepdim=True) / 2
    # First from −1 to 1 around the middle of its range: a small spread on a large mean is not lost, and a constant is 0
    # exactly, where the rounding of a mean would leave something to blow up. A range of one rounding is constant, too.
    middle, reach = high + low, high - low
    constant = ~(reach > torch.finfo(series.dtype).eps * middle.abs())  # so is one without any value: NaN
    none = missing | constant
    unit = ((series - middle) / reach).masked_fill(none, 0)
    count = (~missing).sum(1, keepdim=True).clamp_min(1)
    centred = (unit - unit.sum(1, keepdim=True) / count).masked_fill(none, 0)
    deviation = (centred.square().sum(1, keepdim=True) / count).sqrt()
    return centred / deviation.masked_fill(constant, 1)


class SeriesScaling(Scaling):
    """The scaling of series, as part of the model. Its `mean` and `spread` are (C,).

    Args:
        shape: of one input, (T, C) or (T,).
        scale: `channel` is learned by `fit`; `series` has nothing to learn.
    """

    def __init__(self, shape: Sequence[int], scale: Scale = "channel") -> None:
        super().__init__(shape[1:] or (1,))
        self.scale = scale

    def fit(self, rows: Rows, chunk: int = 256) -> None:
        """Learn each channel's mean and standard deviation over all rows and steps, NaN left out, in one pass.

        A constant channel is only centred; one without a value stays as it is.
        """
        if self.scale == "series":
            return
        values = (as_series(inputs).flatten(0, 1) for _, inputs in rows.chunks(chunk))
        mean, spread = channel_scale(values, len(self.mean))
        self.mean.copy_(mean)
        self.spread.copy_(spread)

    def forward(self, inputs: Tensor) -> Tensor:
        """Scaled series (B, T, C), missing values 0."""
        series = as_series(inputs)
        if self.scale == "series":
            return z_normalised(series)
        return ((series - self.mean) / self.spread).masked_fill(series.isnan(), 0)
