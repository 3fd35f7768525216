"""Small trainings: a student, rows and targets that a test states in a line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from amalgam.losses import cross_entropy
from amalgam.signals import Index, Loss, ProbabilityTargets, Rows, StudentOutput, Targets, TensorRows
from amalgam.students.mlp import MLP
from amalgam.training.settings import Training
from amalgam.training.trainer import Fit, fit

INPUTS, LABELS = 5, 3


def values(rows: int, seed: int = 0) -> Tensor:
    """Inputs (N, 5)."""
    return torch.randn(rows, INPUTS, generator=torch.Generator().manual_seed(seed))


def targets(rows: int, seed: int = 1) -> ProbabilityTargets:
    """Random probabilities (N, 3), every weight 1: nothing to generalise, so that a student overfits."""
    made = torch.rand(rows, LABELS, generator=torch.Generator().manual_seed(seed))
    return ProbabilityTargets(made, torch.ones_like(made))


def mlp(seed: int = 0, dropout: float = 0.0) -> MLP:
    """A perceptron with one hidden layer of 8."""
    torch.manual_seed(seed)
    return MLP((INPUTS,), [f"label {number}" for number in range(LABELS)], MLP.Settings(hidden=(8,), dropout=dropout))


def of_logits(output: StudentOutput, wanted: Targets) -> Loss:
    """The cross-entropy of what a student says."""
    assert isinstance(wanted, ProbabilityTargets)
    return cross_entropy(output.logits, wanted)


def train(
    student: torch.nn.Module,
    rows: Rows | Tensor,
    wanted: ProbabilityTargets,
    *,
    loss: Callable[[StudentOutput, Any], Loss] = of_logits,
    seed: int = 0,
    folder: Path | None = None,
    key: str = "",
    accelerator: Accelerator | None = None,
    companion: torch.nn.Module | None = None,
    **settings: Any,
) -> Fit:
    """`fit` with the settings that matter to a test."""
    return fit(
        student,
        TensorRows(values=rows) if isinstance(rows, Tensor) else rows,
        wanted,
        loss,
        Training(**settings),
        seed=seed,
        accelerator=accelerator or Accelerator(),
        companion=companion,
        folder=folder,
        key=key,
    )


def weights(student: torch.nn.Module) -> Tensor:
    """All of a student's numbers as one vector."""
    return torch.cat([value.detach().double().flatten() for value in student.state_dict().values()])


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    """Whether two students are the same to the last bit."""
    return torch.equal(weights(one), weights(other))


def told(history: tuple[dict[str, float], ...]) -> list[dict[str, float]]:
    """A history without its clock."""
    return [{key: value for key, value in epoch.items() if key != "seconds"} for epoch in history]


@dataclass(frozen=True)
class WatchedRows(TensorRows):
    """Rows that are read batch by batch and remember which were asked for."""

    asked: list[Tensor] = field(default_factory=list)

    def inputs(self, index: Index) -> Tensor:
        """The inputs, noted down."""
        assert isinstance(index, Tensor)
        self.asked.append(index)
        return self.values[index]

    @property
    def resident(self) -> None:
        """Not in memory."""
        return


class Slope(torch.nn.Module):
    """Numbers that each fall by the learning rate in every step of plain gradient descent."""

    def __init__(self, *start: float) -> None:
        super().__init__()
        self.place = torch.nn.Parameter(torch.tensor(start, dtype=torch.float64))

    def forward(self, inputs: Tensor) -> StudentOutput:
        """The same numbers for every row."""
        return StudentOutput(self.place.expand(len(inputs), -1), inputs)


def height(output: StudentOutput, targets: ProbabilityTargets) -> Loss:
    """The sum of the student's numbers: its gradient is 1 everywhere."""
    return Loss(output.logits.sum(), torch.tensor(float(len(output.logits))))
