"""P2L's equations, against numbers worked out by hand and the slow reference."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from amalgam.ranking import p2l
from tests.reference import ranking as reference

FEW = settings(max_examples=40, deadline=None)
NUMBERS = st.floats(-100, 100).map(lambda value: round(value, 2))


# §3.2: the summary.


def test_a_summary_by_hand() -> None:
    features = torch.tensor([[1.0, 2.0], [3.0, 10.0]])
    assert p2l.summary(features).tolist() == pytest.approx([2 / 8, 6 / 8])
    signed = torch.tensor([[-1.0, 3.0], [-1.0, 3.0]])
    assert p2l.summary(signed).tolist() == pytest.approx([-1 / 4, 3 / 4])
    assert p2l.summary(torch.zeros(3, 2)).tolist() == [0, 0]


def test_a_trimmed_summary_by_hand() -> None:
    """Each column by itself: of 0, 1, 2, 90 remain 1 and 2, of 1, 1, 1, 0 remain 1 and 1."""
    features = torch.tensor([[90.0, 1.0], [1.0, 1.0], [2.0, 1.0], [0.0, 0.0]])
    assert p2l.summary(features, 0.25).tolist() == pytest.approx([1.5 / 2.5, 1 / 2.5])
    assert p2l.summary(features, 0.2).tolist() == p2l.summary(features).tolist()  # a fifth of 4 rows is none


@FEW
@given(st.integers(1, 12), st.integers(1, 5), st.floats(0, 0.49), st.integers(0, 10_000), st.booleans())
def test_summaries_are_the_references(rows: int, columns: int, trim: float, seed: int, ties: bool) -> None:
    features = np.random.default_rng(seed).normal(size=(rows, columns))
    features = features.round() if ties else features
    found = p2l.summary(torch.from_numpy(features), trim)
    np.testing.assert_allclose(found.numpy(), reference.summary(features, trim), atol=1e-12)


def test_a_resampled_summary_is_that_of_the_rows_as_often_as_they_count() -> None:
    chance = torch.Generator().manual_seed(0)
    features = torch.randn(9, 3, generator=chance)
    weights = p2l.resampled(9, 25, chance)
    assert weights.shape == (25, 9)
    assert weights.sum(1).tolist() == [9] * 25
    assert weights.std(0).min() > 0.5
    found = p2l.summary(features, 0.0, weights)
    for counts, one in zip(weights.long(), found, strict=True):
        torch.testing.assert_close(one, p2l.summary(features.repeat_interleave(counts, 0)), rtol=1e-5, atol=1e-6)


def test_a_column_of_which_a_resampling_has_no_value_keeps_the_samples_own() -> None:
    features = torch.tensor([[0.0, 5.0], [1.0, 4.0], [9.0, 3.0]])  # row 1 alone is in the trimmed mean of both columns
    found = p2l.summary(features, 0.34, torch.tensor([[3.0, 0.0, 0.0], [0.0, 3.0, 0.0]]))
    assert found.tolist() == [pytest.approx([1 / 5, 4 / 5])] * 2


# §3.1: z and Eqs. (1) and (2).


def test_z_by_hand() -> None:
    assert p2l.z(np.array([1.0, 2.0, 3.0])).tolist() == pytest.approx([-math.sqrt(1.5), 0, math.sqrt(1.5)])
    assert p2l.z(np.array([[5.0, 5.0], [0.0, 2.0]])).tolist() == [[0, 0], [-1, 1]]
    assert p2l.z(np.array([0.1, 0.1, 0.1])).tolist() == [0, 0, 0]  # whose σ is 1e-17
    assert p2l.z(np.array([7.0])).tolist() == [0]


def test_the_improvement_by_hand() -> None:
    assert p2l.improvement(0.75, 0.5) == 0.25


def test_the_estimate_by_hand() -> None:
    sizes, far = np.exp([1.0, 2.0, 3.0]), np.array([30.0, 20.0, 10.0])
    third = math.sqrt(1.5)
    assert p2l.estimate(sizes, far, 0.0).tolist() == pytest.approx([-third, 0, third])
    assert p2l.estimate(sizes, far, -1.0).tolist() == pytest.approx([-2 * third, 0, 2 * third])
    assert p2l.estimate(sizes, far, 1.0).tolist() == pytest.approx([0, 0, 0])


@FEW
@given(st.lists(st.tuples(st.integers(1, 10**6), st.floats(0, 5)), min_size=1, max_size=8), st.floats(-5, 5))
def test_estimates_are_the_references_also_of_many_samples_at_once(sources: list[tuple[int, float]], k: float) -> None:
    sizes, far = np.array(sources, dtype=np.float64).T
    wanted = reference.estimate(sizes, far, k)
    np.testing.assert_allclose(p2l.estimate(sizes, far, k), wanted, atol=1e-6)
    np.testing.assert_allclose(p2l.estimate(sizes, np.stack([far, far]), k), [wanted, wanted], atol=1e-6)


# How well an order is estimated, and k.


def test_spearman_by_hand() -> None:
    assert p2l.spearman(np.array([1.0, 2.0, 3.0]), np.array([5.0, 7.0, 100.0])) == pytest.approx(1)
    assert p2l.spearman(np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])) == pytest.approx(-1)
    # Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: 4.5 / √(4.5 · 5).
    assert p2l.spearman(np.array([1.0, 2.0, 2.0, 3.0]), np.arange(4.0)) == pytest.approx(math.sqrt(0.9))
    assert p2l.spearman(np.ones(3), np.arange(3.0)) == 0


@FEW
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=8))
def test_spearman_is_the_references(pairs: list[tuple[float, float]]) -> None:
    one, other = np.array(pairs).T
    assert p2l.spearman(one, other) == pytest.approx(reference.spearman(one, other), abs=1e-12)


def test_k_by_hand() -> None:
    """z(log |s|) is (−a, 0, a) and z(D) (−a, a, 0), so that E is (−1 − k, k, 1) a."""
    sizes, far = [np.exp([1.0, 2.0, 3.0])], [np.array([1.0, 3.0, 2.0])]
    assert p2l.fit_k(sizes, far, [np.array([1.0, 2.0, 3.0])]) == 0  # as the sizes are
    assert p2l.fit_k(sizes, far, [np.array([2.0, 1.0, 3.0])]) == -0.6  # −1 − k > k
    assert p2l.fit_k(sizes, far, [np.array([3.0, 1.0, 2.0])]) == -2.1  # −1 − k > 1, as the divergences are
    assert p2l.fit_k(sizes, far, [np.array([1.0, 3.0, 2.0])]) == 1.1  # k > 1


@FEW
@given(st.integers(1, 3), st.integers(2, 6), st.integers(0, 10_000))
def test_k_and_its_curve_are_the_references(targets: int, sources: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    sizes = [chance.integers(10, 10_000, sources).astype(float) for _ in range(targets)]
    far = [chance.random(sources) for _ in range(targets)]
    gains = [chance.integers(0, 4, sources).astype(float) for _ in range(targets)]  # with ties
    grid = [-2.0, -1.0, -0.5, 0.0, 0.5, 1.0]
    curve = p2l.agreement(sizes, far, gains, grid)
    np.testing.assert_allclose(curve, [reference.mean_spearman(sizes, far, gains, k) for k in grid], atol=1e-12)
    assert p2l.fit_k(sizes, far, gains, grid) == reference.fit_k(sizes, far, gains, grid)


def test_of_equally_good_k_the_one_nearest_0_is_taken() -> None:
    assert p2l.best_k(np.array([0.2, 0.9, 0.9, 0.9 - 1e-15, 0.1]), [-4, -3, -2, -1, 0]) == -1
    assert p2l.GRID[0] == -5
    assert p2l.GRID[-1] == 2
    assert 0 in p2l.GRID
    assert p2l.K in p2l.GRID


def test_picks_by_hand() -> None:
    gains = np.array([0.1, 0.5, 0.5, 0.2])
    assert p2l.picks(np.array([0.0, 3.0, 1.0, 2.0]), gains) == 1
    assert p2l.picks(np.array([9.0, 0.0, 1.0, 2.0]), gains) == 3
    assert p2l.picks(np.zeros(4), gains) == 2  # of equal estimates the first


@FEW
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=7))
def test_picks_are_the_references(pairs: list[tuple[int, int]]) -> None:
    estimated, gains = np.array(pairs, dtype=np.float64).T
    assert p2l.picks(estimated, gains) == reference.picks(estimated, gains)
