"""A student of one teacher alone."""

from __future__ import annotations

import pytest
import torch

from amalgam.errors import RequestError
from amalgam.panel import Ballots, Seat, seat
from amalgam.signals import TensorRows
from amalgam.strategies.single import Single
from tests import tasked
from tests.laws import Linear
from tests.reference import sigmoid
from tests.reference import tc as slow
from tests.strategies.classes import drawn


@pytest.mark.parametrize("teacher", [0, 1, 2])
def test_of_classes_it_says_what_that_teacher_says(teacher: int) -> None:
    panel, votes, said = drawn(1)
    made = Single(teacher).targets(panel, TensorRows(), votes, None)
    assert made.exclusive
    for row in range(7):
        own = slow.teacher_posterior(said[row][teacher])
        wanted = [own.get(name, 0.0) for name in panel.space.names]
        assert made.probabilities[row].tolist() == pytest.approx(wanted, abs=1e-6)
    assert (made.weights == 1).all()


def test_of_labels_nothing_is_learned_that_the_teacher_does_not_know() -> None:
    panel = seat([Seat("one", Linear(("a", "b"), 0)), Seat("two", Linear(("b", "c"), 1))])
    rows = TensorRows(values=torch.randn(5, 4, generator=torch.Generator().manual_seed(0)))
    scores = tuple(one.teacher.score(rows.values) for one in panel.seats)
    made = Single(1).targets(panel, rows, Ballots(panel, 5, scores).at(slice(0, 5)), None)
    assert not made.exclusive
    assert made.weights.tolist() == [[0.0, 1.0, 1.0]] * 5
    for row in range(5):
        assert made.probabilities[row, 1:].tolist() == pytest.approx([sigmoid(one) for one in scores[1][row].tolist()])


def test_a_teacher_that_is_not_there_is_refused() -> None:
    panel, votes, _ = drawn(1)
    with pytest.raises(RequestError) as raised:
        Single(3).targets(panel, TensorRows(), votes, None)
    assert str(raised.value) == "strategy 'single' asks for teacher 3, but there are 3, numbered from 0"


def test_of_tasks_it_knows_those_of_which_it_knows_a_class() -> None:
    panel, rows = tasked.panel_of(), tasked.rows_of()
    made = Single(teacher=1).targets(panel, rows, tasked.ballots_of(panel, rows).at(slice(0, 24)), None)
    assert made.spans == tasked.SPANS
    assert made.weights.tolist() == [[1, 1, 1, 0, 0]] * 24
    for row in range(24):
        p = tasked.softmax(tasked.logits(panel, rows.values[row])[1])
        assert made.probabilities[row].tolist() == pytest.approx([p["blue"], 0, p["red"], 0, 0], abs=1e-6)
