"""TC without labels: the targets are σ of the mean logit, row by row and label by label."""

from __future__ import annotations

import pytest
import torch

from amalgam.panel import Panel
from amalgam.signals import ProbabilityTargets, StudentOutput, TensorRows, Votes
from amalgam.strategies.tc_mean import TCMean
from tests.reference import votes as slow
from tests.reference.votes import drawn


def targets(votes: Votes) -> ProbabilityTargets:
    nobody, nothing = Panel((), None), TensorRows()  # type: ignore[arg-type]  # only the votes are read
    return TCMean().targets(nobody, nothing, votes, None)


@pytest.mark.parametrize("seed", range(20))
def test_fast_equals_slow(seed: int) -> None:
    votes = drawn(seed)
    made = targets(votes)
    for row in range(slow.ROWS):
        for label in range(slow.LABELS):
            said = slow.logits(votes, row, label)
            wanted = slow.sigmoid(sum(said) / len(said))
            assert float(made.probabilities[row, label]) == pytest.approx(wanted, abs=1e-5), (row, label)
    assert made.weights.eq(1).all()


def test_a_label_that_one_teacher_knows_keeps_its_logit() -> None:
    scores = torch.tensor([[[1.5, 2.0]], [[torch.nan, -1.0]]])
    votes = Votes(scores, ~scores[:, 0].isnan())
    torch.testing.assert_close(targets(votes).probabilities.logit(), torch.tensor([[1.5, 0.5]]))


def test_loss_is_equation_37() -> None:
    wanted, steps = torch.rand(2, 2), torch.randn(3, 2, 2)
    loss = TCMean().loss(
        StudentOutput(steps[-1], torch.zeros(2, 1), steps), ProbabilityTargets(wanted, torch.ones(2, 2))
    )
    by_hand = [
        slow.cross_entropy(float(wanted[row, label]), float(step[row, label]))
        for step in steps
        for row in range(2)
        for label in range(2)
    ]
    assert float(loss.sum) == pytest.approx(sum(by_hand), rel=1e-5)
    assert float(loss.count) == 2


def test_pinned() -> None:
    assert float(targets(drawn(0)).probabilities.mean()) == pytest.approx(0.435943, abs=1e-5)
