"""Ranks and tests for methods measured on the same blocks (Demšar, JMLR 7, 2006): pure functions of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

ALPHA = 0.05
"""Differences whose (corrected) p-value is below are called significant."""
_DIGITS = 12  # means that differ by less do so by rounding


class Friedman(NamedTuple):
    """Friedman's chi-square and its p-value; NaN where there is nothing to test."""

    chi_square: float
    p: float


class SignedRank(NamedTuple):
    """Wilcoxon's two-sided p-value, and the rank-biserial correlation: 1 when every difference is positive."""

    p: float
    effect: float


def ranks(gains: Sequence[float]) -> list[float]:
    """The rank of each number, 1 for the greatest; equal ones share their average rank, NaN has rank NaN."""
    from scipy.stats import rankdata

    return [float(rank) for rank in rankdata(-np.round(gains, _DIGITS), nan_policy="omit")]


def friedman(ranked: Sequence[Sequence[float]]) -> Friedman:
    """Whether methods differ at all.

    Args:
        ranked: a row of ranks for each block, without NaN. Fewer than 2 blocks or 3 methods cannot be tested.
    """
    from scipy.stats import friedmanchisquare

    columns = list(zip(*ranked, strict=True))
    if len(ranked) < 2 or len(columns) < 3:
        return Friedman(math.nan, math.nan)
    if all(len(set(row)) == 1 for row in ranked):
        return Friedman(0.0, 1.0)  # all the same everywhere, where SciPy divides by zero
    found = friedmanchisquare(*columns)
    return Friedman(float(found.statistic), float(found.pvalue))


def critical_difference(methods: int, blocks: int) -> float:
    """Nemenyi's critical difference of average ranks, q √(k(k+1) / 6N); NaN without two methods and a block.

    Args:
        methods: k.
        blocks: N.
    """
    from scipy.stats import studentized_range

    if methods < 2 or not blocks:
        return math.nan
    q = float(studentized_range.ppf(1 - ALPHA, methods, math.inf)) / math.sqrt(2)
    return q * math.sqrt(methods * (methods + 1) / (6 * blocks))


def cliques(average: Sequence[float], distance: float) -> list[tuple[int, int]]:
    """The widest runs (first, last) of sorted average ranks that differ by less than the critical difference."""
    runs = list[tuple[int, int]]()
    for first, lowest in enumerate(average):
        last = max(place for place, rank in enumerate(average) if rank - lowest < distance or place == first)
        if last > first and (not runs or last > runs[-1][1]):
            runs.append((first, last))
    return runs


def signed_rank(differences: Sequence[float]) -> SignedRank:
    """Wilcoxon's signed-rank test of paired differences; zeros are left out, and no difference has p = 1.

    The distribution is the exact one, over all signs of the ranks that were seen; SciPy's falls back to a normal
    approximation where differences are tied.
    """
    from scipy.stats import rankdata

    known = np.round(differences, _DIGITS)
    known = known[known != 0]
    if not len(known):
        return SignedRank(1.0, 0.0)
    doubled = np.rint(2 * rankdata(abs(known))).astype(int)  # average ranks are halves: twice them are whole numbers
    chance = np.ones(1)  # of each sum of the ranks with a positive sign
    for rank in doubled:
        chance = (np.pad(chance, (0, rank)) + np.pad(chance, (rank, 0))) / 2
    positive, total = int(doubled[known > 0].sum()), int(doubled.sum())
    tail = min(chance[: positive + 1].sum(), chance[positive:].sum())
    return SignedRank(min(1.0, 2 * float(tail)), (2 * positive - total) / total)


def holm(values: Sequence[float]) -> list[float]:
    """Holm's step-down correction of p-values for their number, in the order given."""
    corrected, least = [0.0] * len(values), 0.0
    for place, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        least = max(least, min(1.0, (len(values) - place) * values[index]))
        corrected[index] = least
    return corrected


def least_holm(blocks: int, rivals: int) -> float:
    """The smallest corrected p-value of a method against each of its rivals that so many blocks can give."""
    return min(1.0, rivals * 2.0 ** (1 - blocks))
