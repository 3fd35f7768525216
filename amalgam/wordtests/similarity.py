"""Word similarity: do cosines order pairs of words as people do? (knowledge-amalgamation, section 2.6, task 1)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from amalgam.wordtests.outcome import Outcome
from amalgam.wordtests.vectors import WordVectors, completed


class Rated(NamedTuple):
    """P pairs of words and how alike people find them: first (P,) and second (P,) words, and scores (P,)."""

    first: tuple[str, ...]
    second: tuple[str, ...]
    scores: NDArray[np.float64]


def similarity(asked: WordVectors, rated: Rated) -> Outcome:
    """Spearman's and Pearson's correlation of cosines with people's scores.

    The paper says "correlation" alone; the field reports Spearman's. `spearman` and `pearson` are over the covered
    pairs, `spearman_all` and `pearson_all` over all, whose missing cosines `vectors.completed` fills in.
    """
    pairs = np.stack([asked.rows(rated.first), asked.rows(rated.second)], axis=1)
    cosines, covered, others = completed(asked, pairs)
    measures = {
        "spearman": spearman(cosines[covered], rated.scores[covered]),
        "pearson": pearson(cosines[covered], rated.scores[covered]),
        "spearman_all": spearman(cosines, rated.scores),
        "pearson_all": pearson(cosines, rated.scores),
    }
    return Outcome(measures, int(covered.sum()), len(pairs), others)


def pearson(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Pearson's correlation of n numbers with n others; NaN where either are all the same, as fewer than two are."""
    if len(one) < 2 or not np.ptp(one) or not np.ptp(other):
        return math.nan
    return float(np.corrcoef(one, other)[0, 1])


def spearman(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Spearman's correlation: Pearson's of the ranks; equals share the mean of their ranks."""
    from scipy.stats import rankdata

    return pearson(rankdata(one), rankdata(other))
