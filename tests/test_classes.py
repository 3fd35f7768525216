"""Classes: one a row."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from amalgam.classes import Spans, as_targets, class_cross_entropy, decided, one_hot, truth_of
from amalgam.losses import cross_entropy, stepwise
from amalgam.signals import ProbabilityTargets, StudentOutput


def test_the_first_of_the_likeliest_is_chosen() -> None:
    scores = torch.tensor([[1.0, 3.0, 3.0], [torch.nan, -5.0, -6.0], [torch.nan, torch.nan, -1e9]])
    assert one_hot(scores).int().tolist() == [[0, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert decided(scores[:1], ((0, 3),)).int().tolist() == [[0, 1, 0]]
    assert decided(torch.tensor([[1.0, 0.0, -1.0]]), ()).int().tolist() == [[1, 0, 0]]


def test_a_row_without_annotations_has_no_class() -> None:
    nan = torch.nan
    annotated = torch.tensor([[0.0, 1.0], [nan, nan], [1.0, 0.0], [0.0, 0.0]])
    assert truth_of(annotated).tolist() == [1, -1, 0, -1]
    said, weights = as_targets(annotated)
    assert said.tolist() == [[0, 1], [0, 0], [1, 0], [0, 0]]
    assert weights.tolist() == [[1, 1], [0, 0], [1, 1], [1, 1]]


def test_the_cross_entropy_is_torchs_over_the_rows_that_count() -> None:
    chance = torch.Generator().manual_seed(0)
    logits, wanted = torch.randn(6, 4, generator=chance), torch.randn(6, 4, generator=chance).softmax(1)
    weights = torch.tensor([1.0, 0.0, 1.0, 0.5, 0.0, 1.0])[:, None].expand(6, 4)
    total, count = class_cross_entropy(logits, wanted, weights)
    each = F.cross_entropy(logits, wanted, reduction="none")
    torch.testing.assert_close(total, (each * weights[:, 0]).sum())
    assert float(count) == 3.5
    targets = ProbabilityTargets(wanted, weights, spans=((0, 4),))
    torch.testing.assert_close(cross_entropy(logits, targets).sum, total)
    torch.testing.assert_close(stepwise(StudentOutput(logits, logits), targets).sum, total)


@pytest.mark.parametrize("spans", [(), ((0, 5),), ((0, 2),), ((1, 3), (3, 5))])
def test_targets_keep_their_tasks(spans: Spans) -> None:
    made = ProbabilityTargets(torch.rand(5, 5), torch.ones(5, 5), spans=spans)
    for again in (type(made).of(made.arrays()), made.at(torch.tensor([1, 3])), made.to(torch.device("cpu"))):
        assert again.spans == spans
        assert again.exclusive == (spans == ((0, 5),))
    assert len(made.at(slice(1, 3))) == 2
