"""Clusters of words against their categories."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from amalgam.embeddings.words import WordVectors
from amalgam.wordtests.asked import Asked
from amalgam.wordtests.concepts import Concepts, concepts, nmi, purity

from .words import asking


def slow_nmi(one: list[int], other: list[int]) -> float:
    """Mutual information over the mean of both entropies."""
    n, joint, a, b = len(one), Counter(zip(one, other, strict=True)), Counter(one), Counter(other)
    mutual = sum(c / n * math.log(c * n / (a[x] * b[y])) for (x, y), c in joint.items())
    entropy = [-sum(c / n * math.log(c / n) for c in counts.values()) for counts in (a, b)]
    return mutual / (sum(entropy) / 2)


def test_the_measures_are_those_of_the_textbook() -> None:
    """Manning, Raghavan, Schütze, Introduction to information retrieval, figure 16.4 and table 16.2."""
    clusters = np.repeat([0, 1, 2], [6, 6, 5])
    categories = np.array([0] * 5 + [1] + [0] + [1] * 4 + [2] + [0] * 2 + [2] * 3)
    assert purity(categories, clusters) == 12 / 17
    assert nmi(categories, clusters) == pytest.approx(0.36, abs=0.005)
    assert nmi(categories, clusters) == pytest.approx(slow_nmi(categories.tolist(), clusters.tolist()))


def around(angles: dict[str, float], among: list[str] | None = None) -> Asked:
    """Words at angles (degrees), with lengths that differ much."""
    turns = np.radians(list(angles.values()))
    lengths = np.array([10.0 ** (n % 4) for n in range(len(angles))])
    vectors = np.stack([np.cos(turns), np.sin(turns)], axis=1) * lengths[:, None]
    return Asked.of(WordVectors(tuple(angles), vectors.astype(np.float32)), among)


ANGLES = {"cat": 0.0, "dog": 5.0, "cow": 8.0, "oak": 90.0, "elm": 95.0, "car": 200.0, "bus": 205.0, "ash": 207.0}
GIVEN = Concepts(list(ANGLES), ["animal"] * 3 + ["tree"] * 2 + ["vehicle"] * 2 + ["tree"])


def test_words_of_a_direction_are_a_cluster_whatever_their_lengths() -> None:
    found = concepts(around(ANGLES), GIVEN, seed=0)
    categories, clusters = [0, 0, 0, 1, 1, 2, 2, 1], [0, 0, 0, 1, 1, 2, 2, 2]
    assert found.measures == {"nmi": pytest.approx(slow_nmi(categories, clusters)), "purity": 7 / 8}
    assert found.main == ("nmi", found.measures["nmi"])
    assert (found.items, found.asked, found.covered) == (8, 8, 8)


def test_clusters_are_as_many_as_the_asked_words_have_categories() -> None:
    """Two of the three; with three clusters, one category would be cut in two, and NMI be below 1."""
    own = around({name: ANGLES[name] for name in ("cat", "cow", "oak", "elm")})
    given = Concepts(["cat", "oak", "cow", "bus", "elm"], ["animal", "tree", "animal", "vehicle", "tree"])
    found = concepts(own, given, seed=0)
    assert found.measures == {"nmi": pytest.approx(1), "purity": 1}
    assert (found.items, found.asked, found.covered) == (5, 4, 4)


def test_missing_words_get_the_mean_of_the_others_and_so_are_together() -> None:
    """The mean of opposite words is no direction, and its cluster their own; the category of both is their cluster."""
    own = around({"cat": 0.0, "dog": 0.0, "oak": 180.0, "elm": 180.0}, ["cat", "dog", "oak", "elm", "car", "bus"])
    given = Concepts(["cat", "dog", "oak", "elm", "car", "bus", "ash"], list("aattvvt"))
    found = concepts(own, given, seed=0)
    assert found.measures == {"nmi": pytest.approx(1), "purity": 1}
    assert (found.items, found.asked, found.covered) == (7, 6, 4)
    assert found.missing == "a word that the embedding does not know gets the mean of those that it knows"


def test_words_may_have_fewer_vectors_than_categories() -> None:
    """One known word, whose vector all the others get: one cluster."""
    found = concepts(around({"cat": 0.0}, list(ANGLES)), GIVEN, seed=0)
    assert found.measures == {"nmi": pytest.approx(0), "purity": 3 / 8}
    assert (found.asked, found.covered) == (8, 1)


def test_a_word_counts_in_its_first_category() -> None:
    given = Concepts(["cat", "dog", "oak", "elm", "cat", "oak"], ["animal"] * 2 + ["tree"] * 2 + ["other"] * 2)
    found = concepts(around(ANGLES), given, seed=0)
    assert (found.items, found.covered) == (4, 4)
    assert found.measures == {"nmi": pytest.approx(1), "purity": 1}


def test_nothing_known_is_no_number() -> None:
    for among, count in ((None, 0), (["x", "y"], 2)):
        found = concepts(around(ANGLES, among), Concepts(["x", "y"], ["a", "b"]), seed=0)
        assert (found.items, found.asked, found.covered) == (2, count, 0)
        assert all(math.isnan(value) for value in found.measures.values())


def test_the_seed_decides() -> None:
    words = [f"w{n}" for n in range(60)]
    own, given = asking(words, dimensions=6), Concepts(words, [f"k{n % 12}" for n in range(60)])
    assert concepts(own, given, seed=1) == concepts(own, given, seed=1)
    assert len({concepts(own, given, seed=seed).measures["nmi"] for seed in range(6)}) > 1
