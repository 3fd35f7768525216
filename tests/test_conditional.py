"""The generic conditional wrapper: the closed form equals the textbook's Gaussian conditional, and it helps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from amalgam import conditional
from amalgam.conditional import Dependence, learn_dependence


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_clamped_is_the_gaussian_conditional_mean(seed: int, labels: int) -> None:
    chance = np.random.default_rng(seed)
    root = chance.normal(size=(labels, labels))
    covariance = root @ root.T + np.eye(labels)
    scores, believed = chance.normal(size=(6, labels)), chance.normal(size=(6, labels))
    told = chance.random((6, labels)) < 0.4
    believed[~told] = np.nan
    dependence = Dependence(torch.tensor(covariance), torch.zeros(labels))
    fast = dependence.given(torch.tensor(scores), torch.tensor(believed), True).numpy()
    for row in range(6):
        which = np.flatnonzero(told[row])
        expected = scores[row].copy()
        if len(which):
            weights = np.linalg.solve(covariance[np.ix_(which, which)], believed[row, which] - scores[row, which])
            expected = scores[row] + covariance[:, which] @ weights
            expected[which] = believed[row, which]
        np.testing.assert_allclose(fast[row], expected, rtol=1e-4, atol=1e-4)


def test_unclamped_meets_the_teacher_half_way() -> None:
    dependence = Dependence(torch.tensor([[1.0, 0.8], [0.8, 1.0]]), torch.zeros(2))
    believed = torch.tensor([[2.0, torch.nan]])
    revised = dependence.given(torch.zeros(1, 2), believed, False)
    torch.testing.assert_close(revised, torch.tensor([[1.0, 0.8]]))


def test_nothing_told_changes_nothing() -> None:
    scores = torch.randn(4, 3)
    nothing = torch.full((4, 3), torch.nan)
    assert torch.equal(Dependence(torch.eye(3), torch.zeros(3)).given(scores, nothing, True), scores)


def test_learning_in_chunks_is_numpys_covariance_shrunk() -> None:
    torch.manual_seed(0)
    votes = torch.randn(100, 3) @ torch.randn(3, 3) + 5
    learned = learn_dependence(votes.split(17)).covariance.numpy()
    covariance = np.cov(votes.double().numpy(), rowvar=False, ddof=0)
    shrinkage = 3 / 103
    np.testing.assert_allclose(
        learned, (1 - shrinkage) * covariance + shrinkage * np.diag(np.diag(covariance)), rtol=1e-5
    )


def test_a_constant_label_moves_nothing_and_stays_finite() -> None:
    votes = torch.cat([torch.randn(50, 1), torch.full((50, 1), -3.0)], dim=1)
    dependence = learn_dependence([votes])
    believed = torch.tensor([[torch.nan, 3.0]])
    for clamp in (True, False):
        revised = dependence.given(torch.tensor([[0.5, -3.0]]), believed, clamp)
        assert torch.isfinite(revised).all()
        assert abs(float(revised[0, 0]) - 0.5) < 1e-3


def test_memory_is_bounded_whatever_the_batch_and_nothing_else_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    dependence = learn_dependence([torch.randn(500, 77) @ torch.randn(77, 77)])
    scores = torch.randn(203, 77)
    believed = torch.where(torch.rand(203, 77) < 0.5, torch.randn(203, 77), torch.nan)
    sizes: list[int] = []
    solve = torch.linalg.solve

    def watched(system: torch.Tensor, surprise: torch.Tensor) -> torch.Tensor:
        sizes.append(len(system))
        return solve(system, surprise)

    monkeypatch.setattr(torch.linalg, "solve", watched)
    whole = [dependence.given(scores, believed, clamp) for clamp in (True, False)]
    assert sizes == [203, 203]
    for fit, rows in ((55, 48), (16, 16), (10, 10), (1, 1), (0, 1)):  # one row is solved, however many labels it has
        monkeypatch.setattr(conditional, "_LARGEST", fit * 77 * 77)
        sizes.clear()
        parts = [dependence.given(scores, believed, clamp) for clamp in (True, False)]
        assert max(sizes) == rows
        assert sum(sizes) == 2 * 203
        if rows % 16 == 0:
            assert all(torch.equal(one, other) for one, other in zip(parts, whole, strict=True))
        torch.testing.assert_close(parts, whole, rtol=1e-3, atol=1e-3)
    assert dependence.given(scores[:0], believed[:0], True).shape == (0, 77)
