"""Students of one's own that cannot be exported, or not as they are."""

from __future__ import annotations

import torch
from torch import Tensor

from amalgam.series import alike
from amalgam.signals import StudentOutput
from amalgam.student import Student


class Eigenvalues(Student):
    """Its logits are eigenvalues, which ONNX cannot compute."""

    def forward(self, inputs: Tensor) -> StudentOutput:
        said = torch.linalg.eigvalsh(inputs[:, :, None] * inputs[:, None])
        return StudentOutput(said, inputs)


class Moody(Student):
    """It goes by the values of a whole batch."""

    def forward(self, inputs: Tensor) -> StudentOutput:
        said = inputs
        if inputs.sum() > 0:
            said = said + 1
        return StudentOutput(said, inputs)


class Unrolled(Student):
    """A recurrence written as a loop over steps, which a graph has as many of as its example."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.unit = torch.nn.GRUCell(2, len(self.labels))

    def accepts(self, shape: object) -> bool:
        """Series of any length."""
        return alike(shape, self.shape)  # type: ignore[arg-type]

    def forward(self, inputs: Tensor) -> StudentOutput:
        state = torch.zeros_like(inputs[:, 0, :1]).expand(-1, len(self.labels))
        for step in range(inputs.shape[1]):
            state = self.unit(inputs[:, step], state)
        return StudentOutput(state, state)
