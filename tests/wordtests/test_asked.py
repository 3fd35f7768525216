"""Words are looked up as they are written, no other word is looked at, and what is missing is told apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from amalgam.embeddings.lexicon import ABSENT
from amalgam.embeddings.words import WordVectors
from amalgam.errors import RequestError
from amalgam.wordtests.asked import Asked

from .words import asking, cosine, embedding, of, vector


def test_a_word_is_looked_up_as_written_and_then_in_lower_case() -> None:
    assert asking(["king", "King", "of"]).entries(["King", "KING", "OF", "of", "no"]).tolist() == [1, 0, 2, 2, ABSENT]
    assert asking(["King"]).entries(["king"]).tolist() == [ABSENT]


def test_a_term_is_looked_up_in_both_ways_to_write_it_and_never_made_of_its_parts() -> None:
    own = asking(["New York", "new_york", "ice", "cream", "a_b", "a b"])
    words = ["New_York", "New York", "NEW YORK", "ice cream", "a b", "a_b"]
    assert own.entries(words).tolist() == [0, 0, 1, ABSENT, 5, 4]


def test_no_other_word_than_those_is_looked_at() -> None:
    own = asking("a b c", among=["c", "x", "c", "a"])
    entries = own.entries(["a", "b", "c", "x", "y"])
    assert entries.tolist() == [2, ABSENT, 0, 1, ABSENT]
    assert own.known(entries).tolist() == [True, False, True, False, False]
    assert own.known(entries[:4].reshape(2, 2)).tolist() == [[True, False], [True, False]]
    nobody = asking("a b c", among=[])
    assert nobody.known(nobody.entries(["a", "x"])).tolist() == [False, False]


def test_what_a_word_means_is_settled_by_the_words_among_and_not_by_the_embedding() -> None:
    """So that embeddings that are told the same words are asked for the same."""
    own = asking("US us", among=["us"])
    assert own.rows[own.entries(["US", "us"])].tolist() == [1, 1]


def test_vectors_have_length_one_however_long_they_are() -> None:
    own = of("a long zero", [[3, 4], [3e30, 4e30], [0, 0]], among="a x long zero")
    assert own.units(own.entries(["a", "long", "x", "zero", "no"])).tolist() == [
        pytest.approx([0.6, 0.8]), pytest.approx([0.6, 0.8]), [0, 0], [0, 0], [0, 0],
    ]  # fmt: skip


@pytest.mark.parametrize("block", [1, 3, 25, 4096])
def test_cosines_are_those_of_plain_python(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amalgam.wordtests.asked._BLOCK", block)
    own = embedding("a b c d e")
    pairs = [(one, other) for one in "abcde" for other in "abcde"]
    asked = Asked.of(own)
    said, covered = asked.cosines(np.array([asked.entries(pair) for pair in pairs]))
    assert said == pytest.approx([cosine(vector(own, one), vector(own, other)) for one, other in pairs], abs=1e-6)
    assert covered.all()


def test_pairs_with_a_missing_word_get_the_mean_of_the_others() -> None:
    own = of("a b c", [[1, 0], [0, 1], [3, 4]])
    given = np.array([[0, 1], [0, ABSENT], [1, 2], [ABSENT, ABSENT], [0, 0]])
    said, covered = own.cosines(given)
    assert said.tolist() == pytest.approx([0, 0.6, 0.8, 0.6, 1])
    assert covered.tolist() == [True, False, True, False, True]
    assert own.cosines(given[3:4])[0].tolist() == [0]
    assert own.cosines(given[:0])[0].tolist() == []


def test_only_the_rows_that_are_asked_for_are_read(tmp_path: Path) -> None:
    """Mapped vectors stay on disk, and one that is no number harms nobody who does not ask for it."""
    np.save(tmp_path / "a.npy", np.array([[3, 4], [np.nan, 1], [0, 2]], dtype=np.float32))
    own = Asked.of(WordVectors(("a", "b", "c"), np.load(tmp_path / "a.npy", mmap_mode="r")))
    assert own.cosines(np.array([[0, 2]]))[0] == pytest.approx([0.8])
    with pytest.raises(RequestError, match="not finite"):
        own.cosines(np.array([[0, 1]]))
