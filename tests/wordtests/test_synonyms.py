"""Synonyms against other pairs, and questions with several choices."""

from __future__ import annotations

import math

import numpy as np
import pytest

from amalgam.embeddings.words import WordVectors
from amalgam.wordtests.asked import PAIRS, Asked
from amalgam.wordtests.synonyms import Question, area, choices, gathered, other_pairs, synonyms

from .words import asking, cosine, embedding, of, vector

WORDS = "a b c d e f g h i j"
KNOWN = gathered([("a", "b"), ("c", "d"), ("e", "f"), ("g", "h"), ("i", "j"), ("a", "x"), ("x", "y")])


def slow_area(truth: list[bool], scores: list[float]) -> float:
    """How often a synonym's score is above another pair's; equals count half."""
    wins = [
        (own > other) + (own == other) / 2
        for own, right in zip(scores, truth, strict=True) if right
        for other, wrong in zip(scores, truth, strict=True) if not wrong
    ]  # fmt: skip
    return sum(wins) / len(wins)


def test_pairs_are_gathered_once_whichever_word_is_first() -> None:
    found = gathered([("b", "a"), ("a", "b"), ("c", "c"), ("a", "d"), ("b", "a")])
    assert found.words == ("b", "a", "c", "d")
    assert found.pairs.tolist() == [[0, 1], [1, 3]]
    assert gathered([]).pairs.shape == (0, 2)


def test_the_area_is_that_of_plain_python() -> None:
    """Of nine comparisons, six are won and one is even."""
    truth, scores = [True, True, False, True, False, False], [0.9, 0.3, 0.3, 0.5, 0.7, 0.1]
    assert slow_area(truth, scores) == 6.5 / 9
    assert area(np.array(truth), np.array(scores)) == pytest.approx(6.5 / 9)
    assert math.isnan(area(np.array([True, True]), np.array([0.1, 0.2])))


def test_the_auc_is_of_the_synonyms_and_as_many_other_pairs() -> None:
    own = embedding(WORDS)
    found = synonyms(Asked.of(own), KNOWN, seed=3)
    pairs = np.arange(10).reshape(5, 2)
    drawn = other_pairs(pairs, np.random.default_rng(3))
    names = [[own.words[entry] for entry in pair] for pair in (*pairs, *drawn)]
    said = [cosine(vector(own, one), vector(own, other)) for one, other in names]
    assert found.measures == {"auc": pytest.approx(slow_area([True] * 5 + [False] * 5, said))}
    assert (found.items, found.asked, found.covered, found.missing) == (7, 5, 5, PAIRS)
    assert found.notes == ("5 pairs of synonyms, 5 other pairs",)


@pytest.mark.parametrize("seed", range(5))
def test_other_pairs_are_of_the_same_words_no_synonyms_and_different(seed: int) -> None:
    drawn = other_pairs(KNOWN.pairs, np.random.default_rng(seed))
    synonymous = {frozenset(pair) for pair in KNOWN.pairs.tolist()}
    kinds = {frozenset(pair) for pair in drawn.tolist()}
    assert len(kinds) == len(drawn) == 7
    assert all(len(kind) == 2 for kind in kinds)
    assert not kinds & synonymous
    assert set(drawn.ravel().tolist()) <= set(KNOWN.pairs.ravel().tolist())


def test_there_may_not_be_as_many_other_pairs() -> None:
    """Of three words that are all synonyms but for one pair, that is drawn once; of two words, none."""
    two = gathered([("a", "b"), ("b", "c")])
    assert synonyms(asking("a b c"), two, seed=0).notes == ("2 pairs of synonyms, 1 other pairs",)
    alone = synonyms(asking("a b"), two, seed=0)
    assert (alone.covered, alone.notes) == (1, ("1 pairs of synonyms, 0 other pairs",))
    assert math.isnan(alone.measures["auc"])
    assert math.isnan(synonyms(asking("z"), two, seed=0).measures["auc"])


def test_a_words_frequency_among_synonyms_is_its_frequency_among_other_pairs() -> None:
    """Four hubs are in half of the pairs of both kinds, so that being a hub does not tell them apart."""
    known = gathered([(f"hub{n % 4}", f"w{n}") for n in range(400)] + [(f"u{n}", f"v{n}") for n in range(400)])
    drawn = other_pairs(known.pairs, np.random.default_rng(0))
    hubs = [number for number, word in enumerate(known.words) if word.startswith("hub")]
    shares = [np.isin(pairs, hubs).mean() for pairs in (known.pairs, drawn)]
    assert shares[0] == 0.25
    assert 0.2 < shares[1] < 0.3


def test_the_seed_alone_decides_what_is_drawn() -> None:
    """Not the order of the words, nor what an embedding says of them."""
    many = gathered([(f"a{n}", f"b{n}") for n in range(60)])
    forward = embedding(many.words)
    backward = WordVectors(many.words[::-1], forward.vectors[::-1].copy())
    values = [synonyms(Asked.of(one), many, seed=1).measures["auc"] for one in (forward, backward, forward)]
    assert values[0] == pytest.approx(values[1])
    assert values[0] == values[2]
    assert len({synonyms(Asked.of(forward), many, seed=seed).measures["auc"] for seed in range(4)}) > 1


def test_a_pair_that_is_one_word_asks_nothing() -> None:
    known = gathered([("US", "us"), ("a", "b"), ("US", "a")])
    assert synonyms(asking("us a b"), known, seed=0).asked == 2
    assert synonyms(asking("us US a b"), known, seed=0).asked == 3


def test_embeddings_with_words_of_their_own_can_be_asked_the_same() -> None:
    """A pair that an embedding does not know has the mean cosine of those that it knows."""
    whole = embedding(WORDS)
    part = WordVectors(whole.words[:6], whole.vectors[:6])
    one, other = (synonyms(Asked.of(own, whole.words), KNOWN, seed=7) for own in (whole, part))
    assert one == synonyms(Asked.of(whole), KNOWN, seed=7)
    assert (one.asked, one.covered, other.asked, other.covered) == (5, 5, 5, 3)
    assert one.notes == other.notes
    pairs = np.arange(10).reshape(5, 2)
    every = [*pairs.tolist(), *other_pairs(pairs, np.random.default_rng(7)).tolist()]
    known = [max(pair) < 6 for pair in every]
    said = [cosine(*(vector(whole, whole.words[entry]) for entry in pair)) for pair in every]
    mean = sum(score for score, there in zip(said, known, strict=True) if there) / sum(known)
    filled = [score if there else mean for score, there in zip(said, known, strict=True)]
    assert other.measures["auc"] == pytest.approx(slow_area([True] * 5 + [False] * 5, filled))


CHOICES = [
    Question("word", ("far", "near", "across"), "near"),
    Question("word", ("far", "near"), "far"),
    Question("word", ("far", "twin", "across"), "far"),
    Question("word", ("far", "near", "across", "nowhere"), "near"),
]
"""One right, one wrong, one of two that are equally near, and one with a word that is not known."""
VECTORS = [[1, 0], [1, 1], [1, 0.1], [0, 1], [1, 1]]


def test_the_nearest_choice_is_taken() -> None:
    words = "word far near across twin"
    found = choices(of(words, VECTORS), CHOICES)
    assert found.measures == {"accuracy": pytest.approx(1.5 / 3)}
    assert (found.items, found.asked, found.covered) == (4, 3, 3)
    found = choices(of(words, VECTORS, among=f"nowhere {words}"), CHOICES)
    assert found.measures == {"accuracy": pytest.approx((1.5 + 1 / 4) / 4)}
    assert (found.items, found.asked, found.covered) == (4, 4, 3)
    assert found.missing == "a question with a word that the embedding does not know counts as guessed"


def test_no_question_has_no_accuracy() -> None:
    for questions in (CHOICES, []):
        found = choices(asking("a"), questions)
        assert (found.items, found.asked, found.covered) == (len(questions), 0, 0)
        assert math.isnan(found.measures["accuracy"])
