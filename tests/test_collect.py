"""What is asked once: votes are in memory where those of all teachers fit there, and the same where they do not."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
import torch
from torch import Tensor

from amalgam import collect
from amalgam.chunked import ChunkedArray
from amalgam.collect import vote, weighed
from amalgam.journal import Journal
from amalgam.panel import Ballots, Seat, seat
from amalgam.progress import Silent
from amalgam.signals import ProbabilityTargets, TensorRows
from amalgam.strategies.sup_uhc import TaughtSubsets
from amalgam.strategies.uhc import SubsetTargets
from amalgam.training.settings import Training

ROWS = TensorRows(values=torch.randn(50, 3, generator=torch.Generator().manual_seed(0)))


class Sum:
    """A teacher of two labels: the first input, and the sum of all."""

    def __init__(self, *labels: str) -> None:
        self.labels = labels

    def score(self, inputs: Tensor) -> Tensor:
        return torch.stack([inputs[:, 0], inputs.sum(1)], 1)


def votes() -> Ballots:
    panel = seat([Seat("one", Sum("a", "b"), "1"), Seat("other", Sum("b", "c"), "2")])
    with ExitStack() as passing:
        return vote(panel, ROWS, "rows", Journal(Silent(), "once", passing))


@pytest.mark.parametrize(("most", "in_memory"), [(800, True), (799, False), (400, False)])
def test_votes_stay_on_disk_where_all_teachers_together_are_too_large(
    most: int, in_memory: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each teacher says 50 rows × 2 labels × 4 bytes."""
    monkeypatch.setattr(collect, "_RESIDENT_BYTES", most)
    ballots = votes()
    assert {type(one) for one in ballots.scores} == {Tensor if in_memory else ChunkedArray}
    for one in ballots.scores:
        torch.testing.assert_close(torch.as_tensor(one[:]), Sum().score(ROWS.values))


def test_less_is_read_whole_beside_rows_that_stay_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TensorRows, "resident", None)
    monkeypatch.setattr(collect, "_SMALL_BYTES", 799)
    assert {type(one) for one in votes().scores} == {ChunkedArray}
    monkeypatch.setattr(collect, "_SMALL_BYTES", 800)
    assert {type(one) for one in votes().scores} == {Tensor}


@pytest.mark.parametrize("count", [3, 50])
def test_rows_without_weight_are_not_carried_along(count: int) -> None:
    """Few rows leave none to stop a training by; where all count, nothing changes."""
    weights = torch.zeros(50, 2)
    weights[:: 50 // count] = 1.0
    weights[count * (50 // count) :] = 0.0
    truth = ProbabilityTargets(torch.rand(50, 2), weights, spans=((0, 2),))
    taught = TaughtSubsets(SubsetTargets(torch.rand(50, 3, 2), weights[:, :1]), truth)
    usual = Training(patience=7)
    where = weights[:, 0].nonzero()[:, 0]
    for targets in (truth, taught):
        rows, some, how = weighed(ROWS, targets, usual)
        assert torch.equal(rows.ids, where)
        assert len(some) == len(rows) == count
        for name, array in targets.arrays().items():
            assert torch.equal(some.arrays()[name], array[where])
        assert how == (usual if count == 50 else usual.model_copy(update={"patience": None, "validation": 0.0}))


def test_a_row_that_one_label_weighs_is_learned_from() -> None:
    weights = torch.zeros(50, 2)
    weights[3, 1] = weights[7] = 0.5
    rows, targets, _ = weighed(ROWS, ProbabilityTargets(torch.rand(50, 2), weights), Training())
    assert rows.ids.tolist() == [3, 7]
    assert torch.equal(targets.arrays()["weights"], weights[[3, 7]])


def test_a_hundred_labelled_rows_are_enough_to_stop_by() -> None:
    usual = Training(patience=7)
    assert usual.of(100) is usual
    assert (usual.of(99).patience, usual.of(99).validation) == (None, 0.0)
