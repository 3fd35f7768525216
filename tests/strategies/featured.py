"""Teachers with features and a head, and a student trained with a companion, for strategies that compare features."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch import Tensor, nn

from amalgam.panel import Ballots, Panel, Seat, seat
from amalgam.signals import ProbabilityTargets, TensorRows
from amalgam.strategy import Strategy
from amalgam.student import build
from amalgam.training.settings import Training
from amalgam.training.trainer import fit

WIDTH = 4
LABELS = {"one": ("a", "b", "c"), "two": ("b", "c"), "three": ("c", "d")}


class Featured(nn.Module):
    """A teacher with D features, a tanh of a linear map, and a linear head."""

    def __init__(self, labels: tuple[str, ...], features: int, seed: int, exclusive: bool = False) -> None:
        super().__init__()
        self.labels, self.exclusive = labels, exclusive
        torch.manual_seed(seed)
        self.body = nn.Sequential(nn.Linear(WIDTH, features), nn.Tanh())
        self.head = nn.Linear(features, len(labels))
        nn.init.normal_(self.head.weight)

    def score(self, inputs: Tensor) -> Tensor:
        return self.head(self.body(inputs))

    def score_and_features(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(inputs)
        return self.head(features), features


def rows_of(number: int = 24, seed: int = 5) -> TensorRows:
    return TensorRows(values=torch.randn(number, WIDTH, generator=torch.Generator().manual_seed(seed)) * 3 + 1)


def panel_of(exclusive: Collection[str] = ("two",)) -> Panel:
    """Three teachers of 3, 4 and 5 features; the labels of the second, or of those named, exclude each other."""
    return seat(
        [
            Seat(name, Featured(labels, 3 + number, number, exclusive=name in exclusive))
            for number, (name, labels) in enumerate(LABELS.items())
        ]
    )


def ballots_of(panel: Panel, rows: TensorRows) -> Ballots:
    """As they come from the store: plain tensors."""
    said = [panel.vote(k, rows.values, features=True) for k in range(len(panel.seats))]
    return Ballots(
        panel, len(rows), tuple(one["scores"].clone() for one in said), tuple(one["features"].clone() for one in said)
    )


def companion_stays_behind(strategy: Strategy[Any], targets: ProbabilityTargets, folder: Path) -> None:
    """A companion is trained beside a student, changes what it learns, and is not saved with it."""
    panel, rows = panel_of(), rows_of()
    trained = []
    for beside in (True, False):
        torch.manual_seed(1)
        student = build({"name": "mlp", "hidden": [6]}, (WIDTH,), panel.space.names, "a test")
        names = set(student.state_dict())
        companion = strategy.companion(panel, targets, 6) if beside else None
        assert companion is None or list(companion.parameters())
        before = [] if companion is None else [one.detach().clone() for one in companion.parameters()]
        fit(
            student, rows, targets, strategy.loss, Training(epochs=3, batch_size=8, learning_rate=0.05, threads=1),
            seed=0, accelerator=Accelerator(cpu=True), companion=companion,
        )  # fmt: skip
        if companion is not None:
            assert not any(torch.equal(*pair) for pair in zip(before, companion.parameters(), strict=True))
        assert set(load_file(student.save(folder / str(beside)) / "model.safetensors")) == names
        trained.append(student.logits(rows.values))
    assert not torch.allclose(*trained, atol=1e-3)
