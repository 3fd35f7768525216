"""BL: the targets are the majority's, vote by vote, and a tie is positive."""

from __future__ import annotations

import pytest
import torch

from amalgam.panel import Panel
from amalgam.signals import ProbabilityTargets, StudentOutput, TensorRows, Votes
from amalgam.strategies.bl import BL
from tests.reference import votes as slow
from tests.reference.votes import drawn


def targets(votes: Votes) -> ProbabilityTargets:
    nobody, nothing = Panel((), None), TensorRows()  # type: ignore[arg-type]  # BL reads the votes alone
    return BL().targets(nobody, nothing, votes, None)


@pytest.mark.parametrize("seed", range(20))
def test_fast_equals_slow(seed: int) -> None:
    votes = drawn(seed)
    made = targets(votes)
    for row in range(slow.ROWS):
        for label in range(slow.LABELS):
            sides = [logit > 0 for logit in slow.logits(votes, row, label)]
            yes, no = sides.count(True), sides.count(False)
            assert float(made.probabilities[row, label]) == (1.0 if yes >= no else 0.0), (row, label)
    assert made.weights.eq(1).all()


def test_how_sure_a_teacher_is_does_not_count_and_a_tie_is_positive() -> None:
    scores = torch.tensor([[[9.0, 0.1, -9.0]], [[-0.1, -9.0, -0.1]], [[-0.1, torch.nan, 0.1]]])
    votes = Votes(scores, ~scores[:, 0].isnan())
    assert targets(votes).probabilities.tolist() == [[0.0, 1.0, 0.0]]


def test_loss_is_equation_37_with_the_hard_targets() -> None:
    wanted, steps = torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.randn(3, 2, 2)
    loss = BL().loss(StudentOutput(steps[-1], torch.zeros(2, 1), steps), ProbabilityTargets(wanted, torch.ones(2, 2)))
    by_hand = [
        slow.cross_entropy(float(wanted[row, label]), float(step[row, label]))
        for step in steps
        for row in range(2)
        for label in range(2)
    ]
    assert float(loss.sum) == pytest.approx(sum(by_hand), rel=1e-5)
    assert float(loss.count) == 2


def test_pinned() -> None:
    assert int(targets(drawn(0)).probabilities.sum()) == 19
