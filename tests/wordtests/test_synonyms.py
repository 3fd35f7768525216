"""Synonyms against other pairs, and questions with several choices."""

from __future__ import annotations

import math

import numpy as np
import pytest

from amalgam.wordtests.synonyms import Question, Synonyms, area, choices, gathered, other_pairs, synonyms
from amalgam.wordtests.vectors import WordVectors

from .words import cosine, embedding, vector

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


def test_the_area_is_that_of_plain_python() -> None:
    truth, scores = [True, True, False, True, False, False], [0.9, 0.3, 0.3, 0.5, 0.7, 0.1]
    assert area(np.array(truth), np.array(scores)) == pytest.approx(slow_area(truth, scores))
    assert math.isnan(area(np.array([True, True]), np.array([0.1, 0.2])))


def test_the_auc_is_of_the_known_synonyms_and_as_many_other_pairs() -> None:
    """The pairs that are drawn are read off a second, tiny embedding, whose cosines name them."""
    asked = embedding(WORDS)
    found = synonyms(asked, KNOWN, seed=3)
    chosen = KNOWN.pairs[:5]
    drawn = other_pairs(chosen, np.arange(len(KNOWN.words)), chosen, np.random.default_rng(3))
    names = [[KNOWN.words[number] for number in pair] for pair in (*chosen, *drawn)]
    said = [cosine(vector(asked, one), vector(asked, other)) for one, other in names]
    assert found.measures == {"auc": pytest.approx(slow_area([True] * 5 + [False] * 5, said))}
    assert (found.covered, found.items) == (5, 7)
    assert found.others == "a pair with a missing word is left out"
    assert found.notes == ("5 pairs of synonyms, 5 other pairs",)


@pytest.mark.parametrize("seed", range(5))
def test_other_pairs_are_of_the_same_words_no_synonyms_and_different(seed: int) -> None:
    drawn = other_pairs(KNOWN.pairs[:5], np.arange(12), KNOWN.pairs, np.random.default_rng(seed))
    synonymous = {frozenset(pair) for pair in KNOWN.pairs.tolist()}
    kinds = {frozenset(pair) for pair in drawn.tolist()}
    assert len(kinds) == len(drawn) == 5
    assert all(len(kind) == 2 for kind in kinds)
    assert not kinds & synonymous
    assert set(drawn.ravel().tolist()) <= set(KNOWN.pairs[:5].ravel().tolist())


def test_there_may_not_be_as_many_other_pairs() -> None:
    """Of three words that are all synonyms but for one pair, that is drawn once; of two words, none."""
    two = gathered([("a", "b"), ("b", "c")])
    found = synonyms(embedding("a b c"), two, seed=0)
    assert found.notes == ("2 pairs of synonyms, 1 other pairs",)
    alone = synonyms(embedding("a b"), two, seed=0)
    assert (alone.covered, alone.notes) == (1, ("1 pairs of synonyms, 0 other pairs",))
    assert math.isnan(alone.measures["auc"])
    assert math.isnan(synonyms(embedding("z"), two, seed=0).measures["auc"])


def test_a_words_frequency_among_synonyms_is_its_frequency_among_other_pairs() -> None:
    """Four hubs are in half of the pairs of both kinds, so that being a hub does not tell them apart."""
    known = gathered([(f"hub{n % 4}", f"w{n}") for n in range(400)] + [(f"u{n}", f"v{n}") for n in range(400)])
    drawn = other_pairs(known.pairs, np.arange(len(known.words)), known.pairs, np.random.default_rng(0))
    hubs = [number for number, word in enumerate(known.words) if word.startswith("hub")]
    shares = [np.isin(pairs, hubs).mean() for pairs in (known.pairs, drawn)]
    assert shares[0] == 0.25
    assert 0.2 < shares[1] < 0.3


def test_the_seed_alone_decides_what_is_drawn() -> None:
    """Not the order of the embedding's words, nor what it says of them."""
    many = gathered([(f"a{n}", f"b{n}") for n in range(60)])
    forward = embedding(many.words)
    backward = WordVectors.of(many.words[::-1], forward.vectors[::-1].copy())
    values = [synonyms(one, many, seed=1, most=20).measures for one in (forward, backward, forward)]
    assert values[0] == values[1] == values[2]
    others = [synonyms(forward, many, seed=seed, most=20).measures["auc"] for seed in range(2, 6)]
    assert len({values[0]["auc"], *others}) > 1


def test_at_most_so_many_are_drawn() -> None:
    found = synonyms(embedding(WORDS), KNOWN, seed=0, most=3)
    assert (found.covered, found.items, found.notes) == (5, 7, ("3 pairs of synonyms, 3 other pairs",))


def test_a_pair_that_is_one_entry_asks_nothing() -> None:
    known = Synonyms(("US", "us", "a", "b"), np.array([[0, 1], [2, 3], [0, 2]]))
    assert synonyms(embedding("us a b", fold=True), known, seed=0).covered == 2
    assert synonyms(embedding("us US a b", fold=True), known, seed=0).covered == 3


def test_embeddings_with_words_of_their_own_can_be_asked_the_same() -> None:
    """Drawn among given words, a pair that an embedding does not know counts in `auc_all` with what is made for it."""
    whole = embedding(WORDS)
    part = WordVectors.of(WORDS.split()[:6], whole.vectors[:6], unknown=np.ones(5, np.float32))
    one, other = (synonyms(asked, KNOWN, seed=7, among=WORDS.split()) for asked in (whole, part))
    assert one.measures["auc"] == one.measures["auc_all"] == synonyms(whole, KNOWN, seed=7).measures["auc"]
    assert (one.covered, one.items, other.covered, other.items) == (5, 5, 3, 5)
    assert one.notes == other.notes
    drawn = other_pairs(KNOWN.pairs[:5], np.arange(12), KNOWN.pairs[:5], np.random.default_rng(7))
    said, missing, truth = list[float](), list[int](), [True] * 5 + [False] * 5
    for pair in (*KNOWN.pairs[:5].tolist(), *drawn.tolist()):
        names = [KNOWN.words[number] for number in pair]
        vectors = [vector(part, name) if name in part.places else [1.0] * 5 for name in names]
        said.append(cosine(*vectors))
        missing.append(sum(name not in part.places for name in names))
    covered = [number for number in range(10) if not missing[number]]
    mean = sum(said[number] for number in covered) / len(covered)
    filled = [mean if missing[number] == 2 else said[number] for number in range(10)]
    assert other.measures["auc_all"] == pytest.approx(slow_area(truth, filled))
    assert other.measures["auc"] == pytest.approx(
        slow_area([truth[n] for n in covered], [said[n] for n in covered]), nan_ok=True
    )
    assert other.others.startswith("a missing word has the unknown word's vector")


def test_the_nearest_choice_is_taken() -> None:
    vectors = np.array([[1, 0], [1, 1], [1, 0.1], [0, 1], [1, 1]], dtype=np.float32)
    asked = WordVectors.of(["word", "far", "near", "across", "twin"], vectors)
    right = Question("word", ("far", "near", "across"), "near")
    wrong = Question("word", ("far", "near", "across"), "far")
    even = Question("word", ("far", "twin", "across"), "far")
    missing = Question("word", ("far", "near", "across", "nowhere"), "near")
    found = choices(asked, [right, wrong, even, missing])
    assert found.measures == {"accuracy": pytest.approx(1.5 / 3), "accuracy_all": pytest.approx((1.5 + 1 / 4) / 4)}
    assert (found.covered, found.items) == (3, 4)
    assert found.others == "a question with a missing word counts as guessed"
    none = choices(asked, [missing]).measures
    assert math.isnan(none["accuracy"])
    assert none["accuracy_all"] == 0.25
