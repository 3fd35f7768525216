"""A multi-layer perceptron: the smallest student, and the control for the chain."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from amalgam.signals import StudentOutput
from amalgam.student import Student


class MLP(Student):
    """Linear layers with ReLU between them, over the flattened inputs; every label is decided on its own."""

    class Settings(Student.Settings):
        """The perceptron's hyperparameters.

        Attributes:
            hidden: units of each hidden layer; none makes the student linear.
            dropout: share of hidden units dropped in training.
        """

        hidden: tuple[PositiveInt, ...] = (128,)
        dropout: float = Field(default=0.0, ge=0, lt=1)

    last = "head"
    settings: MLP.Settings

    def __init__(self, shape: Sequence[int], labels: Sequence[str], settings: Settings | None = None) -> None:
        super().__init__(shape, labels, settings)
        width, layers = int(torch.Size(self.shape).numel()), list[nn.Module]()
        for units in self.settings.hidden:
            layers += [nn.Linear(width, units), nn.ReLU(), nn.Dropout(self.settings.dropout)]
            width = units
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(width, len(self.labels))

    def forward(self, inputs: Tensor) -> StudentOutput:
        """Logits (B, L) and the last hidden layer."""
        features = self.body(self.scaling(inputs).flatten(1))
        return StudentOutput(self.head(features), features)
