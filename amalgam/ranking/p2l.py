"""P2L's equations: which source will transfer best (Bhattacharjee, Kender and others, §3).

The text leaves the value of k to a figure. K is ours: on the pictures of `amalgam bench p2l-table1`, under a seed that
no table uses, the mean ρ over six targets was .168 at −0.5, .138 at −1 and .119 at −2, where size alone (k = 0) had
.106 and the divergence alone .099; the paper, too, finds that little hangs on k. `--fit-k` learns another.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Numbers = NDArray[np.float64]

K = -0.5
GRID = tuple(round(-5 + 0.1 * step, 1) for step in range(71))
"""The values of k that `fit_k` tries, from −5 to 2."""


def improvement(transferred: float, alone: float) -> float:
    """Eq. (1): I(t, s) = P(M(t, s)) − P(M(t, ∅)): what transfer adds to a measure of the target."""
    return transferred - alone


def summary(features: Tensor, trim: float = 0.0, weights: Tensor | None = None) -> Tensor:
    """F(t): the mean of a data set's feature vectors, L1-normalised (§3.2).

    Args:
        features: (N, D).
        trim: the share of values that are left out at each end of a column, below a half; above 0 it is the trimmed
            mean.
        weights: (R, N), how often each row counts in each of R resamplings; of a trimmed mean the values that count are
            those of the sample itself, and a column of which a resampling has none keeps the sample's own.

    Returns:
        (D,), or (R, D) with weights.
    """
    cut, kept = int(trim * len(features)), None
    if cut:
        order = features.argsort(0)
        kept = torch.ones_like(features).scatter_(0, order[:cut], 0.0).scatter_(0, order[len(features) - cut :], 0.0)
        features = features * kept
    mean = features.sum(0, dtype=torch.float64) / (len(features) - 2 * cut)
    if weights is not None:
        count = weights.sum(1, keepdim=True) if kept is None else weights @ kept
        mean = torch.where(count > 0, (weights @ features).double() / count.clamp_min(1.0), mean)
    return mean / mean.abs().sum(-1, keepdim=True).clamp_min(1e-300)


def z(values: Numbers) -> Numbers:
    """z(x) = (x − μ) / σ over the last axis, (..., M); 0 where all are equal.

    That is asked of the values: the σ of three times 0.1 is 1e-17.
    """
    mean, deviation = values.mean(-1, keepdims=True), values.std(-1, keepdims=True)
    same = (values == values[..., :1]).all(-1, keepdims=True) | (deviation == 0)
    return np.where(same, 0.0, (values - mean) / np.where(same, 1.0, deviation))


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
    return best_k(agreement(sizes, divergences, gains, grid), grid)


def best_k(curve: Numbers, grid: Sequence[float] = GRID) -> float:
    """The k at which the mean ρ of `agreement` is highest; of several, the one that is nearest 0."""
    return min((k for k, rho in zip(grid, curve, strict=True) if rho >= curve.max() - 1e-12), key=abs)


def picks(estimated: Numbers, gains: Numbers) -> int:
    """How many sources are picked, in order of an estimate, until one of the greatest gain is (Fig. 7)."""
    order = np.argsort(-estimated, kind="stable")
    return int(np.flatnonzero(gains[order] == gains.max())[0]) + 1


def resampled(rows: int, times: int, chance: torch.Generator) -> Tensor:
    """How often each of N rows counts in each of R bootstrap samples of N rows, (R, N)."""
    drawn = torch.randint(rows, (times, rows), generator=chance)
    return torch.zeros(times, rows).scatter_add_(1, drawn, torch.ones(1, 1).expand(times, rows))
