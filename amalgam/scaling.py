"""How inputs are scaled: learned from rows once, then a part of the model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from amalgam.errors import RequestError
from amalgam.signals import Rows


class MissingValues(RequestError):
    """Rows have NaN, and who reads them knows no missing values."""


class Scaling(nn.Module):
    """Inputs minus their mean over their spread, as part of the model, so that an export needs no preprocessing."""

    mean: Tensor
    spread: Tensor

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(*shape))
        self.register_buffer("spread", torch.ones(*shape))

    def fit(self, rows: Rows, chunk: int = 4096) -> None:
        """Learn each column's origin and spread, in one pass; MissingValues where there are any.

        A column is centred on its mean and divided by its standard deviation; a constant one is only centred. A sparse
        one, zero in more than half of the rows, keeps its zeros and is divided by the root mean square of its other
        values: centred, a word that only the rows for early stopping have would be a constant to the rows that train,
        which Adam turns into a second bias, and in those rows into a thousand times that.
        """
        total = torch.zeros(self.mean.shape, dtype=torch.float64)
        squares = torch.zeros(self.mean.shape, dtype=torch.float64)
        own_squares, nonzero = torch.zeros_like(total), torch.zeros_like(total)
        # Sums of differences from a row: sums of the values themselves lose a small spread around a large mean.
        origin = rows.inputs(slice(0, 1)).double()[0]
        for _, inputs in rows.chunks(chunk):
            wide = inputs.double() - origin
            total += wide.sum(0)
            squares += wide.square().sum(0)
            own_squares += inputs.double().square().sum(0)
            nonzero += (inputs != 0).sum(0)
        if bool(total.isnan().any()):
            raise MissingValues(
                f"{rows.name} has missing values (NaN), which this network cannot read; fill them in, or choose one "
                "for series, such as recurrent or convolutional"
            )
        mean = total / len(rows)
        spread = (squares / len(rows) - mean.square()).clamp_min(0).sqrt()
        sparse = (nonzero < len(rows) / 2) & (nonzero > 0)
        self.mean.copy_(torch.where(sparse, 0.0, origin + mean))
        spread = torch.where(sparse, (own_squares / nonzero.clamp_min(1)).sqrt(), spread)
        self.spread.copy_(torch.where(spread < 1e-6, 1.0, spread))

    def forward(self, inputs: Tensor) -> Tensor:
        """Scaled inputs (B, ...)."""
        return (inputs - self.mean) / self.spread


class Unscaled(Scaling):
    """Inputs as they are: numbers of words, which are no amounts."""

    def fit(self, rows: Rows, chunk: int = 4096) -> None:
        """Nothing is learned."""

    def forward(self, inputs: Tensor) -> Tensor:
        """The inputs."""
        return inputs


def channel_scale(parts: Iterable[Tensor], channels: int) -> tuple[Tensor, Tensor]:
    """The mean and standard deviation (C,) of values (n, C) that come in parts, in one pass, NaN left out.

    Of a constant channel the deviation is 1; of one without a value the mean is 0, too.
    """
    count, mean, squares = (torch.zeros(channels, dtype=torch.float64) for _ in range(3))
    low, high = torch.full_like(mean, torch.inf), torch.full_like(mean, -torch.inf)
    for part in parts:
        values = part.double()
        missing = values.isnan()
        low = low.minimum(values.masked_fill(missing, torch.inf).amin(0))
        high = high.maximum(values.masked_fill(missing, -torch.inf).amax(0))
        more = (~missing).sum(0)
        step = values.nansum(0) / more.clamp_min(1) - mean
        here = (values - (mean + step)).square().nansum(0)
        total = (count + more).clamp_min(1)
        # Two parts' mean and sum of squares from each one's own (Chan, Golub & LeVeque 1983): no cancellation.
        squares = torch.where(more > 0, squares + here + step.square() * count * more / total, squares)
        mean = torch.where(more > 0, mean + step * more / total, mean)
        count = count + more
    return mean, torch.where(low < high, (squares / count.clamp_min(1)).sqrt(), 1.0)
