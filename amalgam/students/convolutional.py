"""A small convolutional network for series, for devices: depthwise-separable blocks (MobileNets, arXiv 1704.04861).

Each block halves the steps. A step is normalised over its own channels (LayerNorm): no statistic crosses steps, so
neither padding nor other rows of a batch can leak in, and training and evaluation compute the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import AfterValidator, Field, PositiveInt
from torch import Tensor, nn

from amalgam.students._series import SeriesStudent

STRIDE = 2


def _odd(size: int) -> int:
    """A kernel with a middle, so that a block's output step i stands on input step 2 i, however long the series."""
    if size % 2 == 0:
        raise ValueError("an odd number of steps")
    return size


class Convolutional(SeriesStudent):
    """Depthwise-separable convolutions over the steps of a series, pooled over its length, and a linear layer."""

    class Settings(SeriesStudent.Settings):
        """The network's hyperparameters.

        Attributes:
            channels: of every block.
            kernels: steps that each block's kernels see, odd; one block for each.
        """

        channels: int = Field(default=32, gt=0)
        kernels: tuple[Annotated[PositiveInt, AfterValidator(_odd)], ...] = Field(default=(9, 5, 3), min_length=1)

    last = "decide"
    settings: Convolutional.Settings

    def __init__(self, shape: Sequence[int], labels: Sequence[str], settings: Settings | None = None) -> None:
        super().__init__(shape, labels, settings)
        channels = self.settings.channels
        # Without a bias what is beyond a series' end, and what is missing, stays 0.
        self.lift = nn.Linear(self.channels, channels, bias=False)
        self.blocks = nn.ModuleList(Block(channels, kernel) for kernel in self.settings.kernels)
        self.decide = nn.Linear(2 * channels, len(self.labels))

    def represent(self, inputs: Tensor) -> Tensor:
        """The mean and the maximum of each channel over the steps of the series, (B, 2·channels)."""
        steps, within = self.read(inputs)
        lengths, own = within.sum(1, keepdim=True), within[..., None]
        for number, block in enumerate(self.blocks):
            steps = block(steps, self.lift.weight if number == 0 else None)
            # The steps that stand on the series' own: counted, since an exporter cannot tell that every other one of
            # `own` is as many as a convolution leaves.
            stands = torch.arange(steps.shape[1], device=steps.device) * STRIDE ** (number + 1)
            own = (stands < lengths)[..., None]
            steps = steps * own
        # Nothing is below 0 after a ReLU, so the zeros beyond the end do not count for the maximum either.
        return torch.cat([steps.sum(1) / own.sum(1), steps.amax(1)], dim=-1)

    def head(self, features: Tensor) -> Tensor:
        """Logits (B, L) of features (B, 2·channels)."""
        logits: Tensor = self.decide(features)
        return logits


class Block(nn.Module):
    """Depthwise convolution with stride 2, pointwise layer, LayerNorm and ReLU.

    Args:
        channels: in and out.
        kernel: steps it sees, odd.
    """

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(
            channels, channels, kernel, stride=STRIDE, padding=kernel // 2, groups=channels, bias=False
        )
        self.pointwise = nn.Linear(channels, channels)
        self.norm = nn.LayerNorm(channels)

    def forward(self, steps: Tensor, lift: Tensor | None = None) -> Tensor:
        """Steps (B, T, channels) to half as many, (B, ⌈T / 2⌉, channels); fewer channels with what lifts them first.

        On a CPU this takes a third of the time of the layers one by one: the lift (channels, C) and the kernels are one
        convolution, and series are images one pixel high, whose channels lie last in memory.
        """
        kernels = self.depthwise.weight
        groups = 1 if lift is not None else len(kernels)
        if lift is not None:
            kernels = lift[:, :, None] * kernels
        padding = (0, kernels.shape[-1] // 2)
        image = nn.functional.conv2d(
            steps.mT[:, :, None], kernels[:, :, None], None, (1, STRIDE), padding, groups=groups
        )
        halved: Tensor = self.norm(self.pointwise(image[:, :, 0].mT)).relu()
        return halved
