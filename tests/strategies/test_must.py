"""MuST: what teachers predict are the labels, one from each; half of each where two contradict each other."""

from __future__ import annotations

import pytest
import torch

from amalgam.signals import ProbabilityTargets, TensorRows, Votes
from amalgam.strategies.must import MuST
from tests import tasked
from tests.reference import votes as slow
from tests.reference.votes import drawn
from tests.strategies.featured import LABELS, ballots_of, panel_of, rows_of


def targets(votes: Votes) -> ProbabilityTargets:
    return MuST().targets(slow.nobody(), TensorRows(), votes, None)


@pytest.mark.parametrize("seed", range(5))
def test_fast_equals_slow(seed: int) -> None:
    votes = drawn(seed)
    made = targets(votes)
    for row in range(slow.ROWS):
        for label in range(slow.LABELS):
            said = [1.0 if logit > 0 else 0.0 for logit in slow.logits(votes, row, label)]
            assert float(made.probabilities[row, label]) == pytest.approx(sum(said) / len(said)), (row, label)
    assert made.weights.eq(1).all()
    assert not made.exclusive


def test_of_classes_each_teacher_chooses_one() -> None:
    panel, rows = panel_of(exclusive=LABELS), rows_of()
    made = MuST().targets(panel, rows, ballots_of(panel, rows).at(slice(0, 24)), None)
    assert made.exclusive
    for row in range(24):
        chosen = [seated.teacher.labels[int(seated.teacher.score(rows.values[row]).argmax())] for seated in panel.seats]
        wanted = [chosen.count(label) / 3 for label in "abcd"]
        assert made.probabilities[row].tolist() == pytest.approx(wanted)


def test_pinned() -> None:
    assert float(targets(drawn(0)).probabilities.mean()) == pytest.approx(0.502778, abs=1e-5)


def test_a_sure_and_an_unsure_teacher_count_alike() -> None:
    votes = drawn(1)
    louder = Votes(votes.scores * torch.tensor(100.0), votes.known)
    plain = Votes(votes.scores, votes.known)
    assert torch.equal(targets(plain).probabilities, targets(louder).probabilities)


def test_of_tasks_those_who_know_one_choose() -> None:
    panel, rows = tasked.panel_of(), tasked.rows_of()
    made = MuST().targets(panel, rows, tasked.ballots_of(panel, rows).at(slice(0, 24)), None)
    assert made.spans == tasked.SPANS
    for row in range(24):
        said = tasked.logits(panel, rows.values[row])
        chosen = [max((one for one in own if one in tasked.COLOURS), key=own.__getitem__) for own in said[:2]]
        wanted = [chosen.count(label) / 2 for label in tasked.COLOURS]
        wanted += [((said[0]["dotted"] > 0) + (said[2]["dotted"] > 0)) / 2, float(said[2]["round"] > 0)]
        assert made.probabilities[row].tolist() == pytest.approx(wanted)
