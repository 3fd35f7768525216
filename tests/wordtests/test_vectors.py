"""Words are looked up as they are written, and what is missing is told apart from what is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from amalgam.errors import RequestError
from amalgam.wordtests import WordVectors
from amalgam.wordtests.vectors import completed, units

from .words import cosine, embedding, vector

UNKNOWN = np.array([1, 0, 0, 0, 0], dtype=np.float32)


def test_a_word_is_looked_up_as_written_and_then_in_lower_case() -> None:
    words = ["king", "King", "of"]
    assert embedding(words).rows(["King", "KING", "OF", "of"]).tolist() == [1, -1, -1, 2]
    assert embedding(words, fold=True).rows(["King", "KING", "OF", "of"]).tolist() == [1, 0, 2, 2]


def test_a_term_of_several_words_is_looked_up_in_both_ways_to_write_it_and_never_made_of_its_parts() -> None:
    asked = embedding(["New York", "new_york", "ice", "cream", "a_b", "a b"], fold=True)
    assert asked.rows(["New_York", "New York", "NEW YORK", "ice cream", "a b", "a_b"]).tolist() == [0, 0, 1, -1, 5, 4]
    assert embedding(["new_york"]).rows(["New York"]).tolist() == [-1]


def test_the_first_of_equal_words_counts() -> None:
    assert embedding("a b a").rows(["a"]).tolist() == [0]


def test_cosines_are_those_of_plain_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amalgam.wordtests.vectors._BLOCK", 3)
    asked = embedding("a b c d e")
    pairs = [(one, other) for one in "abcde" for other in "abcde"]
    said = asked.cosines(np.array([asked.rows(pair) for pair in pairs]))
    assert said == pytest.approx([cosine(vector(asked, one), vector(asked, other)) for one, other in pairs], abs=1e-6)


def test_a_vector_of_zeros_has_the_cosine_zero() -> None:
    asked = WordVectors.of("ab", np.array([[0, 0], [3, 4]], dtype=np.float32))
    assert asked.cosines(np.array([[0, 1], [0, 0], [1, 1]])).tolist() == pytest.approx([0, 0, 1])


def test_long_vectors_have_directions_too() -> None:
    """Whose squares are beyond single precision."""
    assert units(np.array([[3e30, 4e30]], dtype=np.float32)).tolist() == [pytest.approx([0.6, 0.8])]


def test_pairs_with_a_missing_word_get_the_mean_of_the_others() -> None:
    asked = embedding("a b c")
    given = np.array([[0, 1], [0, -1], [1, 2], [-1, -1]])
    found = completed(asked, given)
    one, other = (cosine(vector(asked, a), vector(asked, b)) for a, b in ("ab", "bc"))
    mean = (one + other) / 2
    assert found.cosines.tolist() == pytest.approx([one, mean, other, mean], abs=1e-6)
    assert found.covered.tolist() == [True, False, True, False]
    assert found.others == "a pair with a missing word gets the mean cosine of the covered pairs"
    assert completed(asked, given[3:]).cosines.tolist() == [0]


def test_the_unknown_words_vector_stands_for_one_missing_word_and_not_for_two() -> None:
    asked = embedding("a b c", unknown=UNKNOWN)
    found = completed(asked, np.array([[0, 1], [-1, 2], [-1, -1]]))
    one = cosine(vector(asked, "a"), vector(asked, "b"))
    assert found.cosines.tolist() == pytest.approx([one, cosine(UNKNOWN.tolist(), vector(asked, "c")), one], abs=1e-6)
    assert found.covered.tolist() == [True, False, False]
    assert found.others.startswith("a missing word has the unknown word's vector; a pair of two gets the mean")


def test_only_the_rows_that_are_asked_for_are_read(tmp_path: Path) -> None:
    """Mapped vectors stay on disk, and one that is no number harms nobody who does not ask for it."""
    np.save(tmp_path / "a.npy", np.array([[3, 4], [np.nan, 1], [0, 2]], dtype=np.float32))
    asked = WordVectors.of("abc", np.load(tmp_path / "a.npy", mmap_mode="r"))
    assert asked.cosines(np.array([[0, 2]])) == pytest.approx([0.8])
    with pytest.raises(RequestError, match="not finite"):
        asked.cosines(np.array([[0, 1]]))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: WordVectors.of(["a"], np.ones((2, 3), np.float32)), "1 words and 2 vectors"),
        (lambda: WordVectors({"a": 2}, np.ones((2, 3), np.float32)), "places from 2 to 2, and vectors of 2 words"),
        (lambda: WordVectors({"a": -1}, np.ones((2, 3), np.float32)), "places from -1 to -1"),
        (lambda: WordVectors({}, np.ones(3, np.float32)), r"the shape \(3,\); expected \(words, dimensions\)"),
        (lambda: WordVectors({}, np.ones((0, 3), np.float32)), r"the shape \(0, 3\)"),
        (lambda: embedding("a b", unknown=UNKNOWN[:2]), r"the shape \(2,\); expected \(5,\)"),
    ],
)
def test_what_does_not_fit_together_is_refused(wrong: object, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        wrong()  # type: ignore[operator]
