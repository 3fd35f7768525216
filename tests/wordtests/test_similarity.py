"""Correlations with people's scores, against plain Python and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from amalgam.wordtests.asked import PAIRS
from amalgam.wordtests.similarity import Rated, pearson, similarity, spearman

from .words import asking, of


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


def test_correlations_by_hand() -> None:
    """Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: 4.5 over the root of 4.5 times 5."""
    assert spearman(np.array([1, 2, 3.0]), np.array([1, 10, 1000.0])) == pytest.approx(1)
    assert spearman(np.array([1, 5, 5, 9.0]), np.array([1, 2, 3, 4.0])) == pytest.approx(math.sqrt(0.9))
    assert pearson(np.array([0, 1, 2.0]), np.array([0, 1, 0.0])) == pytest.approx(0)
    assert pearson(np.array([0, 1, 2.0]), np.array([0, 0, -1.0])) == pytest.approx(-math.sqrt(3) / 2)


@pytest.mark.parametrize("numbers", [[], [1.0], [2.0, 2.0, 2.0]])
def test_what_does_not_vary_correlates_with_nothing(numbers: list[float]) -> None:
    others = np.arange(len(numbers), dtype=np.float64)
    assert math.isnan(pearson(np.array(numbers), others))
    assert math.isnan(spearman(others, np.array(numbers)))


GIVEN = rated(("a", "b", 9), ("a", "x", 1), ("b", "c", 4), ("c", "c", 5), ("y", "z", 2), ("A", "c", 3))
"""Where a, b, c are (1, 0), (0, 1), (3, 4): cosines 0, -, .8, 1, -, .6."""


def test_an_embedding_is_asked_for_its_own_words() -> None:
    found = similarity(of("a b c", [[1, 0], [0, 1], [3, 4]]), GIVEN)
    assert (found.items, found.asked, found.covered, found.missing) == (6, 4, 4, PAIRS)
    assert found.measures == {
        "spearman": pytest.approx(slow_pearson([1, 3, 4, 2], [4, 2, 3, 1])),
        "pearson": pytest.approx(slow_pearson([0, 0.8, 1, 0.6], [9, 4, 5, 3])),
    }
    assert found.main == ("spearman", found.measures["spearman"])


def test_or_among_given_words_of_which_it_lacks_some() -> None:
    """The mean cosine, .6, stands for that of a and x, and ties with that of a and c; nobody is asked for y and z."""
    found = similarity(of("a b c", [[1, 0], [0, 1], [3, 4]], among="c b a x"), GIVEN)
    assert (found.items, found.asked, found.covered) == (6, 5, 4)
    assert found.measures["pearson"] == pytest.approx(slow_pearson([0, 0.6, 0.8, 1, 0.6], [9, 1, 4, 5, 3]))


def test_nothing_known_is_no_number() -> None:
    for among, count in ((None, 0), (["x", "y", "z"], 2)):
        found = similarity(asking("a b", among=among), rated(("x", "y", 1), ("y", "z", 2)))
        assert (found.items, found.asked, found.covered) == (2, count, 0)
        assert all(math.isnan(number) for number in found.measures.values())
