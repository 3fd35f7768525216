"""P2L's equations: which source will transfer best (Bhattacharjee, Kender and others, §3).

The text leaves the value of k to a figure. K is what `amalgam bench p2l-table1` found on the targets that are there to
tune it (docs/tables.md says how); it is negative, for a source that is far from the target transfers worse.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Numbers = NDArray[np.float64]

K = -1.0
GRID = tuple(round(-5 + 0.1 * step, 1) for step in range(71))
"""The values of k that `fit_k` tries, from −5 to 2."""


def improvement(transferred: float, alone: float) -> float:
    """Eq. (1): I(t, s) = P(M(t, s)) − P(M(t, ∅)): what transfer adds to a measure of the target."""
    return transferred - alone


def summary(features: Tensor, trim: float = 0.0, weights: Tensor | None = None) -> Tensor:
    """F(t): the mean of a data set's feature vectors, L1-normalised (§3.2).

    Args:
        features: (N, D).
        trim: the share of values that are left out at each end of a column; above 0 it is the trimmed mean.
        weights: (R, N), how often each row counts in each of R resamplings; of a trimmed mean the values that count are
            those of the sample itself.

    Returns:
        (D,), or (R, D) with weights.
    """
    cut = int(trim * len(features))
    counted = torch.ones_like(features)
    if cut:
        order = features.argsort(0)
        counted.scatter_(0, order[:cut], 0.0).scatter_(0, order[len(features) - cut :], 0.0)
    if weights is None:
        mean = (features * counted).double().sum(0) / counted.double().sum(0)
    else:
        mean = ((weights @ (features * counted)).double()) / (weights @ counted).double().clamp_min(1.0)
    return mean / mean.abs().sum(-1, keepdim=True).clamp_min(1e-300)


def z(values: Numbers) -> Numbers:
    """z(x) = (x − μ) / σ over the last axis, (..., M); 0 where all are equal."""
    deviation = values.std(-1, keepdims=True)
    return np.where(deviation > 0, (values - values.mean(-1, keepdims=True)) / np.where(deviation > 0, deviation, 1), 0)


def estimate(sizes: Numbers, divergences: Numbers, k: float = K) -> Numbers:
    """Eq. (2): E(t, s) = z(log |s|) + k z(D(t, s)) of M sources, (..., M); the largest promises most.

    Args:
        sizes: |s|, (..., M), rows of each source.
        divergences: D(t, s), (..., M).
        k: how much the divergence counts.
    """
    found: Numbers = z(np.log(sizes)) + k * z(divergences)
    return found


def spearman(one: Numbers, other: Numbers) -> float:
    """Spearman's ρ of two lists (M,), ties with their mean rank; 0 where all of one are equal."""
    from scipy.stats import rankdata

    first, second = rankdata(one), rankdata(other)
    first, second = first - first.mean(), second - second.mean()
    length = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / length if length > 0 else 0.0


def agreement(
    sizes: Sequence[Numbers], divergences: Sequence[Numbers], gains: Sequence[Numbers], grid: Sequence[float] = GRID
) -> Numbers:
    """The mean ρ of estimate and measured gain over targets, for each k of a grid (Fig. 1), (len(grid),).

    Args:
        sizes: of each target, |s| of its M sources.
        divergences: of each target, D(t, s).
        gains: of each target, I(t, s).
        grid: values of k.
    """
    every = zip(sizes, divergences, gains, strict=True)
    found = np.array([[spearman(estimate(size, far, k), gain) for k in grid] for size, far, gain in every])
    return np.asarray(found.mean(0))


def fit_k(
    sizes: Sequence[Numbers], divergences: Sequence[Numbers], gains: Sequence[Numbers], grid: Sequence[float] = GRID
) -> float:
    """The k by which the estimate orders the sources most as the measured gains do (§3.1); of several, nearest 0."""
    found = agreement(sizes, divergences, gains, grid)
    return min((k for k, rho in zip(grid, found, strict=True) if rho >= found.max() - 1e-12), key=abs)


def picks(estimated: Numbers, gains: Numbers) -> int:
    """How many sources are picked, in order of an estimate, until one of the greatest gain is (Fig. 7)."""
    order = np.argsort(-estimated, kind="stable")
    return int(np.flatnonzero(gains[order] == gains.max())[0]) + 1


def resampled(rows: int, times: int, chance: torch.Generator) -> Tensor:
    """How often each of N rows counts in each of R bootstrap samples, (R, N): Poisson, which needs no fixed total."""
    return torch.poisson(torch.ones(times, rows), chance)
