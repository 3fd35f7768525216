"""Supervision alone: the annotations, and nothing else."""

from __future__ import annotations

import torch

from amalgam.panel import Ballots, Seat, seat
from amalgam.signals import StudentOutput, TensorRows
from amalgam.strategies.sup import Sup
from tests import tasked
from tests.laws import Linear
from tests.reference import tc as slow
from tests.strategies.classes import drawn, labelled, student


def test_the_loss_is_that_of_the_labelled_rows() -> None:
    panel, votes, _ = drawn(2)
    made = Sup().targets(panel, labelled(panel, c=1, e=4), votes, None)
    logits = student(3)
    loss = Sup().loss(StudentOutput(logits, torch.zeros(7, 1)), made)
    by_hand = sum(
        slow.supervised_loss(dict(zip(panel.space.names, logits[row].tolist(), strict=True)), name)
        for name, row in (("c", 1), ("e", 4))
    )
    assert abs(float(loss.sum) - by_hand) < 1e-4
    assert float(loss.count) == 2


def test_of_labels_each_annotation_counts() -> None:
    panel = seat([Seat("one", Linear(("a", "b"), 0))])
    annotated = torch.tensor([[1.0, torch.nan], [torch.nan, torch.nan], [0.0, 1.0]])
    rows = TensorRows(values=torch.zeros(3, 4), annotated=annotated, labels=("a", "b"))
    made = Sup().targets(panel, rows, Ballots(panel, 3, (torch.zeros(3, 2),)).at(slice(0, 3)), None)
    assert made.weights.tolist() == [[1, 0], [0, 0], [1, 1]]
    assert made.probabilities.tolist() == [[1, 0], [0, 0], [0, 1]]
    assert not made.exclusive


def test_of_tasks_each_annotation_counts() -> None:
    panel, rows = tasked.panel_of(), tasked.rows_of(annotated=True)
    made = Sup().targets(panel, rows, tasked.ballots_of(panel, rows).at(slice(0, 24)), None)
    assert made.spans == tasked.SPANS
    assert rows.annotated is not None
    assert made.weights.equal((~rows.annotated.isnan()).float())
