"""Concept categorization: do words of one category flock together? (knowledge-amalgamation, section 2.6, task 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from amalgam.embeddings.lexicon import ABSENT
from amalgam.wordtests.outcome import Outcome
from amalgam.wordtests.vectors import WordVectors

_STARTS = 10


class Concepts(NamedTuple):
    """N words and the category of each; a word may stand in several. `notes` tell what a file's reader left out."""

    words: Sequence[str]
    categories: Sequence[str]
    notes: tuple[str, ...] = ()


def concepts(asked: WordVectors, given: Concepts, seed: int) -> Outcome:
    """NMI and purity of k-means clusters of the known words' vectors, brought to length one.

    The paper reports NMI and does not name how it clusters. There are as many clusters as the known words have
    categories. A word in several categories counts in its first.
    """
    first = dict[str, str]()
    for word, category in zip(given.words, given.categories, strict=True):
        first.setdefault(word, category)
    rows = asked.rows(first)
    known = rows != ABSENT
    names = [category for category, there in zip(first.values(), known, strict=True) if there]
    categories = np.unique(np.array(names, dtype=np.str_), return_inverse=True)[1]
    measures = {"nmi": math.nan, "purity": math.nan}
    if len(names):
        from sklearn.cluster import KMeans
        from sklearn.metrics import normalized_mutual_info_score

        groups = KMeans(len(set(names)), n_init=_STARTS, random_state=seed).fit_predict(asked.units(rows[known]))
        measures = {
            "nmi": float(normalized_mutual_info_score(categories, groups)),
            "purity": purity(categories, groups),
        }
    return Outcome(measures, len(names), len(first), "a missing word is left out", given.notes)


def purity(categories: NDArray[np.int64], clusters: NDArray[np.int64]) -> float:
    """1/N Σ_c max_k |c ∩ k|: the share of N items that are in the commonest category k of their cluster c.

    Args:
        categories: (N,), numbers from 0 on.
        clusters: (N,), numbers from 0 on.
    """
    counts = np.zeros((clusters.max() + 1, categories.max() + 1))
    np.add.at(counts, (clusters, categories), 1)
    return float(counts.max(1).sum() / len(categories))
