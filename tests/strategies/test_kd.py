"""KD: softened mean logits, and T² times the cross-entropy at the temperature, label by label."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from amalgam import strategies
from amalgam.errors import RequestError
from amalgam.losses import cross_entropy
from amalgam.signals import ProbabilityTargets, StudentOutput, TensorRows, Votes
from amalgam.strategies.kd import KD
from tests.reference import votes as slow
from tests.reference.votes import drawn


def targets(strategy: KD, votes: Votes) -> ProbabilityTargets:
    return strategy.targets(slow.nobody(), TensorRows(), votes, None)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0, 20.0])
@pytest.mark.parametrize("seed", range(5))
def test_fast_equals_slow(seed: int, temperature: float) -> None:
    votes, strategy = drawn(seed), KD(temperature)
    made = targets(strategy, votes)
    steps = torch.randn(3, slow.ROWS, slow.LABELS, generator=torch.Generator().manual_seed(seed))
    summed = last = 0.0
    for row in range(slow.ROWS):
        for label in range(slow.LABELS):
            said = slow.logits(votes, row, label)
            wanted = slow.sigmoid(sum(said) / len(said) / temperature)
            assert float(made.probabilities[row, label]) == pytest.approx(wanted, abs=1e-5), (row, label)
            by_step = [slow.cross_entropy(wanted, float(step[row, label]) / temperature) for step in steps]
            summed, last = summed + sum(by_step), last + by_step[-1]
    features = torch.zeros(slow.ROWS, 1)
    chain = strategy.loss(StudentOutput(steps[-1], features, steps), made)
    plain = strategy.loss(StudentOutput(steps[-1], features), made)
    assert float(chain.sum) == pytest.approx(temperature**2 * summed, rel=1e-4)
    assert float(plain.sum) == pytest.approx(temperature**2 * last, rel=1e-4)
    assert float(chain.count) == float(plain.count) == slow.ROWS


def test_the_gradient_keeps_its_size_as_the_temperature_grows() -> None:
    """Hot, it is that of a squared difference of logits, (z − v) / 4: what T² is for."""
    votes = drawn(3)
    mean = targets(KD(1.0), votes).probabilities.logit()
    logits = torch.randn(slow.ROWS, slow.LABELS, requires_grad=True)
    hot = KD(1000.0)
    hot.loss(StudentOutput(logits, torch.zeros(slow.ROWS, 1)), targets(hot, votes)).sum.backward()
    torch.testing.assert_close(logits.grad, ((logits - mean) / 4).detach(), rtol=1e-2, atol=1e-2)


def test_at_temperature_one_nothing_is_softened() -> None:
    votes, logits = drawn(4), torch.randn(slow.ROWS, slow.LABELS)
    made = targets(KD(1.0), votes)
    loss = KD(1.0).loss(StudentOutput(logits, torch.zeros(slow.ROWS, 1)), made)
    assert float(loss.sum) == float(cross_entropy(logits, made).sum)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (0, "strategy.temperature is 0, expected greater than 0"),
        ("hot", "strategy.temperature is 'hot', expected a valid number"),
    ],
)
def test_a_temperature_is_above_zero(given: Any, says: str) -> None:
    with pytest.raises(RequestError) as raised:
        strategies.build({"name": "kd", "temperature": given}, "recipe hot")
    assert str(raised.value) == f"recipe hot: {says}"


def test_pinned() -> None:
    assert float(targets(KD(), drawn(0)).probabilities.mean()) == pytest.approx(0.475092, abs=1e-5)
