"""Word similarity: do cosines order pairs of words as people do? (knowledge-amalgamation, section 2.6, task 1)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from amalgam.embeddings.lexicon import ABSENT
from amalgam.fingerprint import of_array
from amalgam.wordtests.asked import PAIRS, Asked
from amalgam.wordtests.outcome import Outcome

_BY_CHANCE = 1.96  # standard errors, 1/√(n - 1), within which 95 % of the correlations of what is unrelated lie


class Rated(NamedTuple):
    """P pairs of words and how alike people find them: first (P,) and second (P,) words, and scores (P,)."""

    first: tuple[str, ...]
    second: tuple[str, ...]
    scores: NDArray[np.float64]


def similarity(asked: Asked, rated: Rated) -> Outcome:
    """Spearman's and Pearson's correlation of cosines with people's scores.

    The paper says "correlation" alone; the field reports Spearman's.
    """
    pairs = np.stack([asked.entries(rated.first), asked.entries(rated.second)], axis=1)
    chosen = (pairs != ABSENT).all(1)
    cosines, covered = asked.cosines(pairs[chosen])
    scores = rated.scores[chosen]
    measures = {"spearman": spearman(cosines, scores), "pearson": pearson(cosines, scores)}
    count = len(scores)
    by_chance = min(1.0, _BY_CHANCE / math.sqrt(max(1, count - 1)))
    note = f"of {count:,} pairs, correlations within ±{by_chance:.2f} can be chance"
    return Outcome(measures, len(pairs), count, int(covered.sum()), PAIRS, of_array(chosen), (note,))


def pearson(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Pearson's correlation of n numbers with n others; NaN where either are all the same, as fewer than two are."""
    if len(one) < 2 or not np.ptp(one) or not np.ptp(other):
        return math.nan
    return float(np.corrcoef(one, other)[0, 1])


def spearman(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Spearman's correlation: Pearson's of the ranks; equals share the mean of their ranks."""
    from scipy.stats import rankdata

    return pearson(rankdata(one), rankdata(other))
