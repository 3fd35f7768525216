"""Self-training against the slow transcription, with a classifier that is quickly trained: the nearest class mean."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from amalgam.panel import Ballots
from amalgam.signals import StudentOutput, TensorRows
from amalgam.strategies.self_train import SelfTrain
from tests.reference import tc as slow
from tests.strategies.classes import drawn

NAMES = ("a", "b", "c", "d", "e")


class Nearest(torch.nn.Module):
    """Logits that fall with the squared distance to the mean of each class's rows."""

    def __init__(self, means: torch.Tensor) -> None:
        super().__init__()
        self.means = torch.nn.Parameter(means, requires_grad=False)

    def forward(self, inputs: torch.Tensor) -> StudentOutput:
        return StudentOutput(-torch.cdist(inputs, self.means).square() * 3, inputs)


def means_of(values: torch.Tensor, classes: list[int]) -> torch.Tensor:
    of = torch.tensor(classes)
    return torch.stack([values[of == label].mean(0) for label in range(5)])


def rows_of(seed: int) -> TensorRows:
    chance = torch.Generator().manual_seed(seed)
    middle = 2.0 * torch.randn(5, 2, generator=chance)
    values = middle[torch.arange(60) % 5] + 0.9 * torch.randn(60, 2, generator=chance)
    annotated = torch.full((60, 5), torch.nan)
    annotated[:10] = torch.eye(5)[torch.arange(10) % 5]
    return TensorRows(values=values, annotated=annotated, labels=NAMES)


@pytest.mark.parametrize("rounds", [1, 2, 5])
@pytest.mark.parametrize("seed", range(4))
def test_rounds_equal_slow(seed: int, rounds: int) -> None:
    panel, _, _ = drawn(0)
    rows, seen = rows_of(seed), list[int]()

    def learn(make: Any, targets: Any, loss: Any, name: str, *, rows: TensorRows) -> Any:
        assert make is None, "a student as the run's"
        seen.append(len(rows))
        return Nearest(means_of(rows.values, targets.probabilities.argmax(1).tolist()))

    def train(known: list[tuple[int, str]]) -> Any:
        means = means_of(rows.values[[row for row, _ in known]], [NAMES.index(name) for _, name in known])
        said = Nearest(means)(rows.values).logits.softmax(1)
        return lambda row: dict(zip(NAMES, said[row].tolist(), strict=True))

    strategy = SelfTrain(confidence=0.8, rounds=rounds)
    ballots = Ballots(panel, 60, tuple(torch.zeros(60, len(one.teacher.labels)) for one in panel.seats))
    state = strategy.prepare(panel, rows, ballots, learn)
    made = strategy.targets(panel, rows, ballots.at(slice(0, 60)), state)
    known = [(row, NAMES[row % 5]) for row in range(10)]
    _, history = slow.self_train(known, list(range(10, 60)), train, 0.8, rounds)
    given = {10 + place: name for found in history for place, name in found.items()}
    assert made.weights.any(1).nonzero()[:, 0].tolist() == sorted([*range(10), *given])
    for row, name in [*known, *given.items()]:
        assert made.probabilities[row].tolist() == [float(one == name) for one in NAMES]
    assert strategy.facts(panel, made.counts) == {"rows it labelled itself": len(given)}
    assert seen[0] == 10
    assert seen == sorted(set(seen)), "every round learned from more"
