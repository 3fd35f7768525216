"""A meta-embedding: what is saved is loaded, what is written gensim reads, and neighbours are those of the cosine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from amalgam.embeddings.words import VECTORS, WORDS, WordVectors
from amalgam.errors import RequestError

NAMES = ("king", "queen", "New York", "straße", "🙂", "New_York", "zero")


@pytest.fixture
def made() -> WordVectors:
    vectors = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    vectors[0] *= 1e-30
    vectors[6] = 0
    return WordVectors(NAMES, vectors)


def test_what_is_saved_is_loaded(made: WordVectors, tmp_path: Path) -> None:
    made.save(tmp_path)
    again = WordVectors.load(tmp_path)
    assert again.words == NAMES
    assert np.array_equal(again.vectors, made.vectors)


@pytest.mark.parametrize("binary", [True, False])
def test_gensim_reads_what_is_written(made: WordVectors, binary: bool, tmp_path: Path) -> None:
    """To the last bit; a blank ends a word there, and of two words that are then the same the first is written."""
    assert made.write_word2vec(tmp_path / "made", binary) == ["New_York"]
    theirs = KeyedVectors.load_word2vec_format(str(tmp_path / "made"), binary=binary)
    assert theirs.index_to_key == ["king", "queen", "New_York", "straße", "🙂", "zero"]
    assert np.array_equal(theirs.vectors, made.vectors[[0, 1, 2, 3, 4, 6]])


def test_the_nearest_words_are_gensims(made: WordVectors, tmp_path: Path) -> None:
    some = WordVectors(NAMES[1:6], made.vectors[1:6])
    theirs = KeyedVectors(4)
    theirs.add_vectors(list(some.words), some.vectors)
    for word in some.words:
        ours = some.nearest(word, 3)
        expected = theirs.most_similar(word, topn=3)
        assert [one for one, _ in ours] == [one for one, _ in expected]
        assert [cosine for _, cosine in ours] == pytest.approx([cosine for _, cosine in expected], abs=1e-6)


def test_neighbours_are_no_more_than_there_are(made: WordVectors) -> None:
    found = made.nearest("queen", 50)
    assert sorted(word for word, _ in found) == sorted(set(NAMES) - {"queen"})
    assert dict(found)["zero"] == 0
    assert [cosine for _, cosine in found] == sorted((cosine for _, cosine in found), reverse=True)
    assert WordVectors(("alone",), np.ones((1, 2), np.float32)).nearest("alone") == []


def test_a_word_that_is_not_there_is_named(made: WordVectors) -> None:
    with pytest.raises(RequestError, match=r"no word 'quen' among 7.*'queen'"):
        made.nearest("quen")


def test_a_damaged_embedding_is_named(made: WordVectors, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="holds no embedding"):
        WordVectors.load(tmp_path)
    made.save(tmp_path)
    (tmp_path / WORDS).write_text("king\n", encoding="utf-8")
    with pytest.raises(RequestError, match="1 words, 7 vectors"):
        WordVectors.load(tmp_path)
    (tmp_path / VECTORS).write_bytes(b"no such thing")
    with pytest.raises(RequestError, match="is damaged"):
        WordVectors.load(tmp_path)
