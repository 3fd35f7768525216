"""FKA: the modified teachers' outputs, against a slow transcription; teachers stay frozen and out of the companion."""

from __future__ import annotations

import math
from copy import deepcopy
from pathlib import Path

import pytest
import torch

from amalgam.signals import FeatureTargets, StudentOutput
from amalgam.strategies.fka import FKA, Filters, frozen_head, output_distance
from amalgam.teacher import HeadScorer
from tests.strategies.featured import Featured, ballots_of, companion_stays_behind, panel_of, rows_of


def made() -> FeatureTargets:
    panel, rows = panel_of(), rows_of()
    ballots = ballots_of(panel, rows)
    return FKA().targets(panel, rows, ballots.at(slice(0, len(rows))), None)


def filters(weight: float = 1.0) -> Filters:
    torch.manual_seed(3)
    companion = FKA(weight).companion(panel_of(), made(), 6)
    assert isinstance(companion, Filters)
    return companion


def student_output(rows: int) -> StudentOutput:
    torch.manual_seed(4)
    return StudentOutput(torch.zeros(rows, 4), torch.randn(rows, 6, requires_grad=True))


def affine(weight: torch.Tensor, bias: torch.Tensor, x: list[float]) -> list[float]:
    return [
        sum(w * v for w, v in zip(row, x, strict=True)) + b
        for row, b in zip(weight.tolist(), bias.tolist(), strict=True)
    ]


def slow_distance(modified: list[float], original: list[float], exclusive: bool) -> float:
    if exclusive:
        p = [math.exp(one) / sum(map(math.exp, original)) for one in original]
        q = [math.exp(one) / sum(map(math.exp, modified)) for one in modified]
        return -sum(a * math.log(b) for a, b in zip(p, q, strict=True))
    total = 0.0
    for m, o in zip(modified, original, strict=True):
        p, q = 1 / (1 + math.exp(-o)), 1 / (1 + math.exp(-m))
        total -= p * math.log(q) + (1 - p) * math.log(1 - q)
    return total


def test_fast_equals_slow() -> None:
    """Every row's features through every filter and head, by hand."""
    panel, targets, companion = panel_of(), made(), filters(0.5)
    index = torch.tensor([7, 2, 2, 19])
    output = student_output(len(index))
    total = 0.0
    for k, seated in enumerate(panel.seats):
        head, passes = seated.teacher.head, companion.filters[k]
        for place, row in enumerate(index.tolist()):
            entering = affine(passes.weight, passes.bias, output.features[place].tolist())
            modified = affine(head.weight, head.bias, entering)
            original = affine(head.weight, head.bias, targets.features[k][row].tolist())
            total += slow_distance(modified, original, seated.exclusive)
    loss = companion(output, targets.at(index))
    assert loss.sum.item() == pytest.approx(0.5 * total, rel=1e-5)
    assert loss.count.item() == 4


def test_the_students_outputs_meet_the_mean_logit_of_those_that_know_a_label() -> None:
    panel, rows, targets = panel_of(), rows_of(), made()
    assert [one.shape[1] for one in targets.features] == [3, 4, 5]
    assert targets.weights.eq(1).all()
    for row in range(len(rows)):
        logits: dict[str, list[float]] = {}
        for seated in panel.seats:
            own = seated.teacher.score(rows.values[row]).tolist()
            if seated.exclusive:
                p = [math.exp(one) / sum(map(math.exp, own)) for one in own]
                own = [math.log(one / (1 - one)) for one in p]
            for label, logit in zip(seated.teacher.labels, own, strict=True):
                logits.setdefault(label, []).append(logit)
        for column, label in enumerate(panel.space.names):
            mean = sum(logits[label]) / len(logits[label])
            assert float(targets.probabilities[row, column]) == pytest.approx(1 / (1 + math.exp(-mean)), abs=1e-5)


def test_a_teachers_own_features_are_the_least_it_can_be_away_from() -> None:
    """With features that filter into the teacher's own, nothing is left to learn: the gradient is zero."""
    original = made().features[0]
    head = frozen_head(panel_of().seats[0].teacher)
    features = original.clone().requires_grad_()
    output_distance(head(features), head(original)).backward()
    assert features.grad is not None
    torch.testing.assert_close(features.grad, torch.zeros_like(features), atol=1e-6, rtol=0)
    other = (original + 0.1).requires_grad_()
    output_distance(head(other), head(original)).backward()
    assert other.grad is not None
    assert other.grad.abs().max() > 1e-3


def test_gradients_pass_through_a_frozen_head_and_leave_it_alone() -> None:
    teacher = Featured(("a", "b"), 3, seed=0)
    features = torch.randn(5, 3, requires_grad=True)
    frozen = frozen_head(teacher)(features)
    (frozen * torch.arange(10.0).view(5, 2)).sum().backward()
    assert all(one.grad is None for one in teacher.parameters())
    assert torch.equal(frozen, teacher.head(features))
    expected = torch.arange(10.0).view(5, 2) @ teacher.head.weight
    torch.testing.assert_close(features.grad, expected)


def test_teachers_are_no_part_of_the_companion() -> None:
    companion = filters()
    assert {name.split(".")[0] for name, _ in companion.named_parameters()} == {"filters"}
    assert set(companion.state_dict()) == {f"filters.{k}.{part}" for k in range(3) for part in ("weight", "bias")}
    twin = deepcopy(companion)  # as for a moving average of the weights
    assert [one is other for one, other in zip(twin.heads, companion.heads, strict=True)] == [True] * 3
    assert all(isinstance(seated.teacher, HeadScorer) for seated in panel_of().seats)


def test_features_of_an_inference_can_be_learned_from() -> None:
    panel, rows = panel_of(), rows_of()
    with torch.inference_mode():
        shown = tuple(panel.vote(k, rows.values, features=True)["features"] for k in range(3))
    targets = FeatureTargets(torch.rand(24, 4), torch.ones(24, 4), features=shown)
    companion, output = filters(), student_output(24)
    companion(output, targets).sum.backward()
    assert output.features.grad is not None
    assert output.features.grad.ne(0).any(1).all()
    assert all(one.grad is not None for one in companion.parameters())


def test_the_companion_stays_behind(tmp_path: Path) -> None:
    companion_stays_behind(FKA(), made(), tmp_path)


def test_a_pinned_number() -> None:
    modified, original = torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, -1.0]])
    assert float(output_distance(modified, original)) == pytest.approx(2.2821922, abs=1e-6)
    assert float(output_distance(modified, original, ((0, 2),))) == pytest.approx(1.8885222, abs=1e-6)
