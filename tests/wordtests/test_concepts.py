"""Clusters of words against their categories."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from amalgam.wordtests.concepts import Concepts, concepts, purity
from amalgam.wordtests.vectors import WordVectors


def slow_nmi(one: list[int], other: list[int]) -> float:
    """Mutual information over the mean of both entropies."""
    n, joint, a, b = len(one), Counter(zip(one, other, strict=True)), Counter(one), Counter(other)
    mutual = sum(c / n * math.log(c * n / (a[x] * b[y])) for (x, y), c in joint.items())
    entropy = [-sum(c / n * math.log(c / n) for c in counts.values()) for counts in (a, b)]
    return mutual / (sum(entropy) / 2)


def slow_purity(categories: list[int], clusters: list[int]) -> float:
    groups = {cluster: [k for k, c in zip(categories, clusters, strict=True) if c == cluster] for cluster in clusters}
    return sum(max(Counter(group).values()) for group in groups.values()) / len(categories)


def test_purity_is_that_of_plain_python() -> None:
    categories, clusters = [0, 0, 1, 1, 2, 2, 2, 0], [1, 1, 1, 0, 0, 0, 2, 2]
    assert purity(np.array(categories), np.array(clusters)) == slow_purity(categories, clusters) == 5 / 8


def around(angles: dict[str, float]) -> WordVectors:
    """Words at angles (degrees), with lengths that differ much."""
    turns = np.radians(list(angles.values()))
    lengths = np.array([10.0 ** (n % 4) for n in range(len(angles))])
    vectors = np.stack([np.cos(turns), np.sin(turns)], axis=1) * lengths[:, None]
    return WordVectors.of(list(angles), vectors.astype(np.float32))


ANGLES = {"cat": 0.0, "dog": 5.0, "cow": 8.0, "oak": 90.0, "elm": 95.0, "car": 200.0, "bus": 205.0, "ash": 207.0}


def test_words_of_a_direction_are_a_cluster_whatever_their_lengths() -> None:
    given = Concepts(list(ANGLES), ["animal"] * 3 + ["tree"] * 2 + ["vehicle"] * 2 + ["tree"], ("a note",))
    found = concepts(around(ANGLES), given, seed=0)
    categories, clusters = [0, 0, 0, 1, 1, 2, 2, 1], [0, 0, 0, 1, 1, 2, 2, 2]
    assert found.measures == {
        "nmi": pytest.approx(slow_nmi(categories, clusters)),
        "purity": pytest.approx(slow_purity(categories, clusters)),
    }
    assert found.measures["purity"] == 7 / 8
    assert (found.covered, found.items, found.notes) == (8, 8, ("a note",))


def test_clusters_are_as_many_as_the_known_words_have_categories() -> None:
    """Two of the three; with three clusters, one category would be cut in two, and NMI be below 1."""
    asked = around({name: ANGLES[name] for name in ("cat", "cow", "oak", "elm")})
    given = Concepts(["cat", "oak", "cow", "bus", "elm"], ["animal", "tree", "animal", "vehicle", "tree"])
    found = concepts(asked, given, seed=0)
    assert found.measures == {"nmi": pytest.approx(1), "purity": 1}
    assert (found.covered, found.items, found.others) == (4, 5, "a missing word is left out")


def test_a_word_counts_in_its_first_category() -> None:
    asked = around(ANGLES)
    given = Concepts(["cat", "dog", "oak", "elm", "cat", "dog"], ["animal"] * 2 + ["tree"] * 2 + ["pet"] * 2)
    found = concepts(asked, given, seed=0)
    assert (found.covered, found.items) == (4, 4)
    assert found.measures == {"nmi": pytest.approx(1), "purity": 1}


def test_nothing_known_is_no_number() -> None:
    found = concepts(around(ANGLES), Concepts(["x", "y"], ["a", "b"]), seed=0)
    assert (found.covered, found.items) == (0, 2)
    assert all(math.isnan(value) for value in found.measures.values())


def test_the_seed_decides() -> None:
    generator = np.random.default_rng(0)
    words = [f"w{n}" for n in range(60)]
    asked = WordVectors.of(words, generator.normal(size=(60, 6)).astype(np.float32))
    given = Concepts(words, [f"k{n % 12}" for n in range(60)])
    assert concepts(asked, given, seed=1) == concepts(asked, given, seed=1)
    assert len({concepts(asked, given, seed=seed).measures["nmi"] for seed in range(6)}) > 1
