"""Correlations with people's scores, against plain Python and against gensim."""

from __future__ import annotations

import math

import numpy as np
import pytest

from amalgam.wordtests.similarity import Rated, pearson, similarity, spearman

from .words import cosine, embedding, vector


def slow_pearson(one: list[float], other: list[float]) -> float:
    a, b = sum(one) / len(one), sum(other) / len(other)
    return sum((x - a) * (y - b) for x, y in zip(one, other, strict=True)) / math.sqrt(
        sum((x - a) ** 2 for x in one) * sum((y - b) ** 2 for y in other)
    )


def slow_ranks(numbers: list[float]) -> list[float]:
    return [sum(b < a for b in numbers) + (sum(b == a for b in numbers) + 1) / 2 for a in numbers]


def rated(*pairs: tuple[str, str, float]) -> Rated:
    first, second, scores = zip(*pairs, strict=True)
    return Rated(first, second, np.array(scores, dtype=np.float64))


def test_correlations_are_those_of_plain_python() -> None:
    one, other = [3.0, 1.0, 1.0, 7.0, 2.5], [2.0, 9.0, 4.0, 4.0, 4.0]
    assert pearson(np.array(one), np.array(other)) == pytest.approx(slow_pearson(one, other))
    assert spearman(np.array(one), np.array(other)) == pytest.approx(slow_pearson(slow_ranks(one), slow_ranks(other)))
    assert spearman(np.array([1, 2, 3.0]), np.array([1, 10, 1000.0])) == pytest.approx(1)


@pytest.mark.parametrize("numbers", [[], [1.0], [2.0, 2.0, 2.0]])
def test_what_does_not_vary_correlates_with_nothing(numbers: list[float]) -> None:
    others = np.arange(len(numbers), dtype=np.float64)
    assert math.isnan(pearson(np.array(numbers), others))
    assert math.isnan(spearman(others, np.array(numbers)))


def test_measures_are_over_the_covered_pairs_and_over_all() -> None:
    asked = embedding("a b c d")
    given = rated(("a", "b", 9), ("a", "x", 1), ("b", "c", 4), ("c", "d", 5), ("y", "z", 2), ("a", "d", 3))
    said = [cosine(vector(asked, one), vector(asked, other)) for one, other in ("ab", "bc", "cd", "ad")]
    mean = sum(said) / 4
    whole, scores = [said[0], mean, said[1], said[2], mean, said[3]], given.scores.tolist()
    found = similarity(asked, given)
    assert (found.covered, found.items) == (4, 6)
    assert found.others == "a pair with a missing word gets the mean cosine of the covered pairs"
    assert found.measures == {
        "pearson": pytest.approx(slow_pearson(said, [9, 4, 5, 3]), abs=1e-6),
        "spearman": pytest.approx(slow_pearson(slow_ranks(said), slow_ranks([9, 4, 5, 3])), abs=1e-6),
        "pearson_all": pytest.approx(slow_pearson(whole, scores), abs=1e-6),
        "spearman_all": pytest.approx(slow_pearson(slow_ranks(whole), slow_ranks(scores)), abs=1e-6),
    }


def test_an_unknown_words_vector_changes_what_is_over_all_alone() -> None:
    asked, own = embedding("a b c d"), embedding("a b c d", unknown=np.ones(5, np.float32))
    given = rated(("a", "b", 9), ("a", "x", 1), ("b", "c", 4), ("c", "d", 5), ("y", "d", 2))
    one, other = similarity(asked, given), similarity(own, given)
    said = [cosine(vector(asked, a), vector(asked, b)) for a, b in ("ab", "bc", "cd")]
    with_unknown = [cosine(vector(asked, word), [1.0] * 5) for word in "ad"]
    filled = [said[0], with_unknown[0], said[1], said[2], with_unknown[1]]
    assert one.measures["pearson"] == other.measures["pearson"]
    assert other.measures["pearson_all"] == pytest.approx(slow_pearson(filled, given.scores.tolist()), abs=1e-6)
    assert (one.covered, other.covered) == (3, 3)
    assert "unknown" in other.others


def test_nothing_covered_is_no_number() -> None:
    found = similarity(embedding("a b"), rated(("x", "y", 1), ("y", "z", 2)))
    assert (found.covered, found.items) == (0, 2)
    assert all(math.isnan(number) for number in found.measures.values())
