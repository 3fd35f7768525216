"""Ranks and tests: against cases worked out by hand, and against SciPy where it is another way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from amalgam.bench.significance import (
    cliques,
    critical_difference,
    friedman,
    holm,
    least_holm,
    ranks,
    signed_rank,
)

NAN = math.nan


def test_equal_numbers_share_their_average_rank() -> None:
    assert ranks([0.5, 0.9, 0.5, 0.1]) == [2.5, 1.0, 2.5, 4.0]


def test_rounding_makes_no_difference_of_equal_numbers() -> None:
    assert ranks([0.1 + 0.2, 0.3]) == [1.5, 1.5]


def test_what_is_unknown_has_no_rank_and_takes_none() -> None:
    first, unknown, last = ranks([0.9, NAN, 0.1])
    assert (first, last) == (1.0, 2.0)
    assert math.isnan(unknown)


def test_friedman_by_hand() -> None:
    # Rank sums 4, 8, 12 over N = 4, k = 3: 12 / (4·3·4) · (16 + 64 + 144) − 3·4·4 = 8.
    found = friedman([[1, 2, 3]] * 4)
    assert found.chi_square == pytest.approx(8.0)
    assert found.p == pytest.approx(math.exp(-4))  # chi-square of two degrees of freedom


def test_friedman_of_ties() -> None:
    assert friedman([[2.0, 2.0, 2.0]] * 3) == (0.0, 1.0)


@pytest.mark.parametrize("ranked", [[], [[1.0, 2.0, 3.0]], [[1.0, 2.0]] * 5])
def test_too_little_for_friedman(ranked: list[list[float]]) -> None:
    assert all(math.isnan(one) for one in friedman(ranked))


@pytest.mark.parametrize(("methods", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_critical_difference_with_the_printed_q(methods: int, q: float) -> None:
    """Demšar's Table 5(a)."""
    expected = q * math.sqrt(methods * (methods + 1) / (6 * 14))
    assert critical_difference(methods, 14) == pytest.approx(expected, rel=5e-4)


@pytest.mark.parametrize(("methods", "blocks"), [(1, 5), (4, 0)])
def test_no_critical_difference(methods: int, blocks: int) -> None:
    assert math.isnan(critical_difference(methods, blocks))


def test_cliques_are_as_wide_as_can_be() -> None:
    assert cliques([1.0, 1.5, 2.4, 4.0], 1.0) == [(0, 1), (1, 2)]
    assert cliques([1.0, 1.5, 1.9], 1.0) == [(0, 2)]
    assert cliques([1.0, 2.0], 1.0) == []  # a critical difference is a difference
    assert cliques([1.0, 2.0], NAN) == []


def test_signed_rank_by_hand() -> None:
    # Ranks 1, 2, 3 of which 1 is negative: W+ = 5. Of 8 sign patterns two give 5 or more (5, 6): p = 2 · 2/8.
    assert signed_rank([-1.0, 2.0, 3.0]) == (pytest.approx(0.5), pytest.approx(4 / 6))


def test_signed_rank_leaves_zeros_out() -> None:
    assert signed_rank([0.0, -1.0, 0.0, 2.0, 3.0]) == signed_rank([-1.0, 2.0, 3.0])


@pytest.mark.parametrize("differences", [[], [0.0, 0.0, 0.0]])
def test_no_difference_is_none(differences: list[float]) -> None:
    assert signed_rank(differences) == (1.0, 0.0)


@pytest.mark.parametrize("size", [4, 9, 28])
def test_signed_rank_is_the_exact_test(size: int) -> None:
    differences = np.random.default_rng(size).normal(0.3, 1, size)
    expected = stats.wilcoxon(differences, method="exact").pvalue
    assert signed_rank(list(differences)).p == pytest.approx(expected)


def test_signed_rank_with_ties_counts_every_pattern_of_signs() -> None:
    differences = np.array([1.0, 1.0, -1.0, 2.0, 3.0, 3.0, 3.0, -0.5])
    ranked = stats.rankdata(abs(differences))
    signs = np.array(np.meshgrid(*[[0, 1]] * 8)).reshape(8, -1)
    sums, own = ranked @ signs, ranked[differences > 0].sum()
    expected = 2 * min((sums >= own).mean(), (sums <= own).mean())
    assert signed_rank(list(differences)).p == pytest.approx(expected)


def test_differences_that_rounding_parts_are_tied() -> None:
    assert signed_rank([0.3 - 0.2, -0.1, 0.5]) == signed_rank([0.1, -0.1, 0.5])


def test_the_effect_is_negative_for_losses() -> None:
    assert signed_rank([-1.0, -2.0]).effect == -1.0


def test_holm_by_hand() -> None:
    # Sorted .01 .02 .03 .04, times 4 3 2 1: .04 .06 .06 .04, and none smaller than the one before.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_least_holm_is_what_all_wins_give() -> None:
    wins = signed_rank([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]).p
    assert least_holm(7, 5) == pytest.approx(min(holm([wins] * 5)))
    assert least_holm(1, 5) == 1.0
