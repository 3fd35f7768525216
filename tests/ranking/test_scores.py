"""The scores of teachers, against numbers worked out by hand and the slow reference."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from amalgam.ranking.answers import by_score
from amalgam.ranking.h_score import h_score
from amalgam.ranking.leep import leep
from amalgam.ranking.log_me import log_me
from amalgam.ranking.nce import nce
from amalgam.ranking.scores import SCORES, Answers, Score, scored
from amalgam.ranking.trans_rate import EPSILON, trans_rate
from tests.reference import ranking as reference

Floats = NDArray[np.float64]
FEW = settings(max_examples=40, deadline=None)
LN2 = math.log(2)


def shares(chance: np.random.Generator, rows: int, classes: int) -> Floats:
    drawn = chance.random((rows, classes)) ** 3
    return np.asarray(drawn / drawn.sum(1, keepdims=True))


def one_hot(classes: NDArray[np.int64]) -> Floats:
    return np.eye(int(classes.max()) + 1)[classes]


# NCE and LEEP.


def test_nce_by_hand() -> None:
    said, classes = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    assert nce(said, classes) == pytest.approx(-LN2 / 2)  # half the rows leave one bit open
    assert nce(classes, classes) == 0
    assert nce(np.zeros(4, dtype=np.int64), np.array([0, 1, 2, 3])) == pytest.approx(-2 * LN2)


def test_leep_by_hand() -> None:
    classes = np.array([0, 1, 1, 1])
    sure = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    assert leep(sure, classes) == pytest.approx(-LN2 / 2)  # of sure teachers it is NCE
    assert leep(np.full((4, 2), 0.5), classes) == pytest.approx((math.log(0.25) + 3 * math.log(0.75)) / 4)
    # P̂(y = 0 | z) = 3/4, 1/4 and P̂(y = 1 | z) the other way round, so each row has 9/16 + 1/16.
    assert leep(np.array([[0.75, 0.25], [0.25, 0.75]]), np.array([0, 1])) == pytest.approx(math.log(10 / 16))
    assert leep(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 1])) == pytest.approx(-LN2)  # nobody says class 1


@FEW
@given(st.integers(1, 20), st.integers(1, 5), st.integers(1, 5), st.integers(0, 10_000))
def test_nce_and_leep_are_the_references(rows: int, own: int, asked: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    said, classes = chance.integers(0, own, rows), chance.integers(0, asked, rows)  # some classes without a row
    assert nce(said, classes) == pytest.approx(reference.nce(said.tolist(), classes.tolist()), abs=1e-12)
    theta = shares(chance, rows, own)
    assert leep(theta, classes) == pytest.approx(reference.leep(theta, classes.tolist()), abs=1e-12)


# The H-score.


def test_the_h_score_by_hand() -> None:
    classes = np.array([0, 0, 1, 1])
    assert h_score(np.array([[0.0], [0], [2], [2]]), classes) == pytest.approx(1)  # all there is lies between classes
    assert h_score(np.array([[0.0], [2], [0], [2]]), classes) == pytest.approx(0)
    # Means 1 and 3 of 0, 2, 2, 4: 1 of a variance of 2.
    assert h_score(np.array([[0.0], [2], [2], [4]]), classes) == pytest.approx(0.5)
    assert h_score(np.full((4, 3), 7.0), classes) == 0
    corners = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]] * 2)
    assert h_score(corners, np.array([0, 1, 2, 0, 1, 2])) == pytest.approx(2)  # the number of classes less 1


@FEW
@given(st.integers(2, 12), st.integers(1, 15), st.integers(1, 4), st.integers(0, 10_000), st.booleans())
def test_the_h_score_is_the_references(rows: int, width: int, classes: int, seed: int, twice: bool) -> None:
    chance = np.random.default_rng(seed)
    features, known = chance.normal(size=(rows, width)), chance.integers(0, classes, rows)
    features = np.concatenate([features, 2 * features[:, :1], np.ones((rows, 1))], 1) if twice else features
    assert h_score(features, known) == pytest.approx(reference.h_score(features, known.tolist()), abs=1e-6)


# TransRate.


def test_trans_rate_by_hand() -> None:
    crossed = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])  # a class along each axis
    wanted = math.log(1 + 0.5 / EPSILON) - math.log(1 + 1 / EPSILON) / 2
    assert trans_rate(crossed, np.array([0, 0, 1, 1])) == pytest.approx(wanted)
    # A class's part is not centred anew, so that what tells the classes apart by their means alone counts nothing.
    assert trans_rate(np.array([[1.0], [1], [-1], [-1]]), np.array([0, 0, 1, 1])) == pytest.approx(0)
    assert trans_rate(np.full((4, 2), 3.0), np.array([0, 0, 1, 1])) == 0


@FEW
@given(st.integers(1, 12), st.integers(1, 15), st.integers(1, 4), st.integers(0, 10_000), st.floats(1e-4, 1))
def test_trans_rate_is_the_references(rows: int, width: int, classes: int, seed: int, epsilon: float) -> None:
    chance = np.random.default_rng(seed)
    features, known = chance.normal(size=(rows, width)), chance.integers(0, classes, rows)
    wanted = reference.trans_rate(features, known.tolist(), epsilon)
    assert trans_rate(features, known, epsilon) == pytest.approx(wanted, abs=1e-9)


# LogME.


def test_log_me_of_features_that_say_nothing_by_hand() -> None:
    """Without a weight the labels are noise of the variance q / n = 1/2, whose log evidence is −(log 2πq/n + 1) / 2."""
    half = -(math.log(math.pi) + 1) / 2
    assert log_me(np.zeros((2, 3)), np.array([[1.0], [0.0]])) == pytest.approx(half)
    across = np.array([[1.0], [1.0], [-1.0], [-1.0]])  # at right angles to the label
    assert log_me(across, np.array([[1.0], [0.0], [1.0], [0.0]])) == pytest.approx(half)


def test_log_me_of_features_that_explain_all_is_held_by_hand() -> None:
    """F is y: s = (uᵀy)² = 2, t is held at 2 · 10⁻¹² and q is then 2 t / (2 + t), where it would vanish."""
    label = np.array([[1.0], [1], [0], [0]])
    held = -2 * (math.log(2 * math.pi * 2e-12 / 4) + 1) - math.log(1e12) / 2
    assert log_me(label, label) == pytest.approx(held / 4)


def test_log_me_by_trying_all_precisions() -> None:
    """Far from where two maxima are, the fixed point is the greatest evidence there is."""
    chance = np.random.default_rng(3)
    features = chance.normal(size=(30, 4))
    label = (features[:, 0] + 0.3 * chance.normal(size=30) > 0).astype(float)
    assert log_me(features, label[:, None]) == pytest.approx(reference.highest_evidence(features, label) / 30, abs=1e-8)


@FEW
@given(st.integers(3, 14), st.integers(1, 18), st.integers(1, 4), st.integers(0, 10_000), st.sampled_from([1, 2, 3]))
def test_log_me_is_the_references(rows: int, width: int, classes: int, seed: int, kind: int) -> None:
    """Also of more columns than rows, of columns that come twice or are constant, and of features after a ReLU."""
    chance = np.random.default_rng(seed)
    features, known = chance.normal(size=(rows, width)), chance.integers(0, classes, rows)
    if kind == 2:
        features = np.concatenate([features, features, np.ones((rows, 1))], 1)
    if kind == 3:
        features = 100 * features.clip(0)
    wanted = reference.log_me(features, known.tolist())
    if math.isinf(wanted):
        assert math.isfinite(log_me(features, one_hot(known)))
    else:
        assert log_me(features, one_hot(known)) == pytest.approx(wanted, rel=2e-6, abs=2e-6)


def test_log_me_does_not_count_a_class_without_rows() -> None:
    features = np.random.default_rng(0).normal(size=(10, 3))
    marks = np.eye(3)[np.arange(10) % 2]
    assert log_me(features, marks) == log_me(features, marks[:, :2])


# What a teacher shows decides by what it can be scored.


def answers(marks: Floats, one_class: bool = True, seed: int = 0) -> Answers:
    chance = np.random.default_rng(seed)
    return Answers(marks, one_class, chance.normal(size=(len(marks), 3)), shares(chance, len(marks), 4))


def test_rows_of_one_class_are_scored_by_their_classes() -> None:
    known = np.array([0, 2, 2, 0, 1, 2, 0, 1])
    told = answers(one_hot(known))
    assert told.features is not None
    assert told.probabilities is not None
    assert scored("log_me", told) == log_me(told.features, one_hot(known))
    assert scored("h_score", told) == h_score(told.features, known)
    assert scored("trans_rate", told) == trans_rate(told.features, known)
    assert scored("leep", told) == leep(told.probabilities, known)
    assert scored("nce", told) == nce(told.probabilities.argmax(1), known)


@pytest.mark.parametrize("score", SCORES)
def test_rows_of_several_labels_are_scored_label_by_label(score: Score) -> None:
    """The mean over labels; a label that all rows have, or none, is left out."""
    marks = np.array([[1.0, 0, 1, 1, 0], [1, 1, 0, 1, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 0], [1, 1, 1, 1, 0]])
    each = [scored(score, answers(marks[:, [place]], False)) for place in range(3)]
    assert None not in each
    assert scored(score, answers(marks, False)) == pytest.approx(sum(one or 0.0 for one in each) / 3)
    assert scored(score, answers(marks[:, 3:], False)) is None


def test_a_teacher_is_not_scored_by_what_it_does_not_show() -> None:
    known = one_hot(np.array([0, 1, 0, 1]))
    blind = Answers(known, True, None, shares(np.random.default_rng(0), 4, 2))
    mute = Answers(known, True, np.random.default_rng(0).normal(size=(4, 2)), None)
    assert [score for score in SCORES if scored(score, blind) is None] == ["log_me", "h_score", "trans_rate"]
    assert [score for score in SCORES if scored(score, mute) is None] == ["leep", "nce"]


@pytest.mark.parametrize("score", SCORES)
def test_a_teacher_that_knows_more_scores_higher(score: Score) -> None:
    """Of one that sees the class, and one that sees noise of the same size."""
    chance = np.random.default_rng(0)
    known = np.arange(60) % 3
    seen = one_hot(known) + 0.2 * chance.normal(size=(60, 3))
    noise = seen[chance.permutation(60)]
    odds = [np.exp(3 * one) / np.exp(3 * one).sum(1, keepdims=True) for one in (seen, noise)]
    better, worse = (Answers(one_hot(known), True, one, p) for one, p in zip((seen, noise), odds, strict=True))
    assert (scored(score, better) or 0.0) > (scored(score, worse) or 0.0) + 0.05


@pytest.mark.parametrize("rows", [300, 3000])
@pytest.mark.parametrize("score", ["leep", "h_score", "log_me"])
def test_the_spread_of_a_score_is_that_of_new_rows(score: Score, rows: int) -> None:
    """Of half the rows, and of 512 of 3,000: as wide as what 60 other samples of so many rows score."""

    def sample(seed: int) -> Answers:
        chance = np.random.default_rng(seed)
        known = chance.integers(0, 3, rows)
        seen = one_hot(known) + 0.7 * chance.normal(size=(rows, 3))
        odds = np.exp(2 * seen)
        return Answers(one_hot(known), True, seen, odds / odds.sum(1, keepdims=True))

    anew = np.std([scored(score, sample(seed)) for seed in range(1, 61)])
    places, found = by_score(score, [None, sample(0)], 0)
    assert places == [1]
    low, high = found.interval()
    assert 0.6 < (high - low).item() / (2 * 1.96 * anew) < 1.6
