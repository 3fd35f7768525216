"""What the students for series share: masks, scaling, and how they answer as teachers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor, nn

from amalgam.errors import RequestError
from amalgam.series import Scale, SeriesScaling, alike, as_series, within
from amalgam.signals import StudentOutput
from amalgam.student import Student


class SeriesStudent(Student):
    """A student of series (B, T, C), NaN where a value is missing; rows of plain features (B, T) are one channel.

    Attributes:
        channels: of the series as the network reads it.
    """

    class Settings(Student.Settings):
        """The hyperparameters that all students of series have.

        Attributes:
            dropout: share of the units dropped in training.
            scale: `channel` scales each channel by its mean and deviation over all training rows, `series` each series
                by its own; the second hides how large a series is, and suits where only its form matters.
            missing_channel: whether the network is told which values are missing, by a further channel for each that
                is 1 where its value is missing before the series ends; else they are 0, the mean.
        """

        dropout: float = Field(default=0.0, ge=0, lt=1)
        scale: Scale = "channel"
        missing_channel: bool = False

    masks = True
    settings: SeriesStudent.Settings

    def __init__(self, shape: Sequence[int], labels: Sequence[str], settings: Settings | None = None) -> None:
        super().__init__(shape, labels, settings)
        if len(self.shape) not in (1, 2) or 0 in self.shape:
            raise RequestError(
                f"a student for series cannot read inputs of the shape {self.shape}; expected (steps, channels), or "
                "(columns,) as steps of one channel; choose another student, such as mlp"
            )
        self.scaling = SeriesScaling(self.shape, self.settings.scale)
        self.channels = (self.shape[1] if len(self.shape) == 2 else 1) * (1 + self.settings.missing_channel)
        self.drop = nn.Dropout(self.settings.dropout)

    def accepts(self, shape: Sequence[int]) -> bool:
        """Series (steps, channels) may be longer or shorter than those it learned from."""
        return super().accepts(shape) or alike(shape, self.shape)

    def read(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs scaled, (B, T, channels), 0 where they are missing and beyond the end; and `within`, (B, T)."""
        raw, scaled = as_series(inputs), self.scaling(inputs)
        own = within(raw)
        if self.settings.missing_channel:
            missing = raw.isnan() & own[..., None]
            scaled = torch.cat([scaled, missing.to(scaled.dtype)], dim=-1)
        return scaled, own

    @abstractmethod
    def represent(self, inputs: Tensor) -> Tensor:
        """The features (B, D) of inputs."""

    @abstractmethod
    def head(self, features: Tensor) -> Tensor:
        """Logits (B, L) of features (B, D)."""

    def forward(self, inputs: Tensor) -> StudentOutput:
        """Logits (B, L) and features (B, D)."""
        features = self.represent(inputs)
        return StudentOutput(self.head(self.drop(features)), features)
