"""Concept categorization: do words of one category flock together? (knowledge-amalgamation, section 2.6, task 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from amalgam.embeddings.lexicon import ABSENT
from amalgam.fingerprint import fingerprint, of_array
from amalgam.wordtests.asked import Asked
from amalgam.wordtests.outcome import Outcome

_STARTS = 10


class Concepts(NamedTuple):
    """N words and the category of each; a word may stand in several."""

    words: Sequence[str]
    categories: Sequence[str]


def concepts(asked: Asked, given: Concepts, seed: int) -> Outcome:
    """NMI and purity of k-means clusters of words' vectors, brought to length one.

    The paper reports NMI and does not name how it clusters. Here the best of ten starts counts, and there are as many
    clusters as the asked words have categories. A word in several categories counts in its first.
    """
    first = dict[str, str]()
    for word, category in zip(given.words, given.categories, strict=True):
        first.setdefault(word, category)
    entries = asked.entries(first)
    chosen = entries != ABSENT
    categories = np.unique(np.array(list(first.values()), dtype=np.str_)[chosen], return_inverse=True)[1]
    known = asked.known(entries[chosen])
    measures = {"nmi": math.nan, "purity": math.nan}
    count = int(categories.max(initial=-1)) + 1
    if known.any() and 2 <= count < len(known):  # else every clustering is as good
        clusters = clustered(asked.units(entries[chosen]), known, count, seed)
        measures = {"nmi": nmi(categories, clusters), "purity": purity(categories, clusters)}
    missing = "a word that the embedding does not know gets the mean of those that it knows"
    return Outcome(measures, len(first), len(known), int(known.sum()), missing, fingerprint(of_array(chosen), seed))


def clustered(vectors: NDArray[np.float32], known: NDArray[np.bool_], count: int, seed: int) -> NDArray[np.int64]:
    """(N,), the cluster of each vector (N, D); those that are not known (N,) get the mean of the others."""
    from sklearn.cluster import KMeans

    filled = np.where(known[:, None], vectors, vectors[known].mean(0))
    count = min(count, len(np.unique(filled, axis=0)))  # k-means cannot tell equal vectors apart
    found: NDArray[np.int64] = KMeans(count, n_init=_STARTS, random_state=seed).fit_predict(filled)
    return found


def nmi(categories: NDArray[np.int64], clusters: NDArray[np.int64]) -> float:
    """The mutual information of both over the mean of their entropies.

    Few words in many categories have a high one by chance: ESSLLI's 45 words in 9 random clusters have .36.
    """
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(categories, clusters))


def purity(categories: NDArray[np.int64], clusters: NDArray[np.int64]) -> float:
    """1/N Σ_c max_k |c ∩ k|: the share of N items that are in the commonest category k of their cluster c.

    Args:
        categories: (N,), numbers from 0 on.
        clusters: (N,), numbers from 0 on.
    """
    counts = np.zeros((clusters.max() + 1, categories.max() + 1))
    np.add.at(counts, (clusters, categories), 1)
    return float(counts.max(1).sum() / len(categories))
