"""Sources on one vocabulary: which words there are, in which order, and which source knows which."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from amalgam.embeddings import Source, Vocabulary, align, from_arrays
from amalgam.errors import RequestError


def source(name: str, *words: str) -> Source:
    vectors = np.arange(1, 2 * len(words) + 1, dtype=np.float32).reshape(-1, 2)
    return from_arrays(name, words, vectors)


NEWS, FILMS, HEALTH = source("news", "b", "a", "C"), source("films", "a", "c", "d"), source("health", "d", "b")


@pytest.mark.parametrize(
    ("asked", "words", "rows"),
    [
        ({}, "b a C c d", [[0, 1, 2, -1, -1], [-1, 0, -1, 1, 2], [1, -1, -1, -1, 0]]),
        ({"minimum": 2}, "b a d", [[0, 1, -1], [-1, 0, 2], [1, -1, 0]]),
        ({"fold": True}, "b a c d", [[0, 1, 2, -1], [-1, 0, 1, 2], [1, -1, -1, 0]]),
        ({"fold": True, "minimum": 2}, "b a c d", [[0, 1, 2, -1], [-1, 0, 1, 2], [1, -1, -1, 0]]),
    ],
)
def test_words_and_rows(asked: dict[str, object], words: str, rows: list[list[int]]) -> None:
    found = align([NEWS, FILMS, HEALTH], Vocabulary.model_validate(asked))
    assert found.words == tuple(words.split())
    assert found.rows.tolist() == rows
    assert found.known.tolist() == [[row >= 0 for row in own] for own in rows]
    assert found.notes == ()


def test_of_words_that_become_one_the_first_counts() -> None:
    found = align([source("a", "King", "king", "KING", "queen"), source("b", "queen", "king")], Vocabulary(fold=True))
    assert found.words == ("king", "queen")
    assert found.rows.tolist() == [[0, 3], [1, 0]]
    assert found.notes == ("a: 2 words are others in lower case; the first counts",)


def test_a_word_list_has_its_own_order(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("d\n\n a \nzebra\na\nC\n", encoding="utf-8")
    found = align([NEWS, FILMS, HEALTH], Vocabulary(words=tmp_path / "words.txt"))
    assert found.words == ("d", "a", "C")
    assert found.notes == ("1 of 4 listed words are in too few sources: 'zebra'",)
    found = align([NEWS, FILMS, HEALTH], Vocabulary(words=tmp_path / "words.txt", minimum=2, fold=True))
    assert found.words == ("d", "a", "c")


def test_one_source_is_a_lexicon() -> None:
    assert align([NEWS]).rows.tolist() == [[0, 1, 2]]


def test_the_fingerprint_is_of_sources_and_words() -> None:
    assert align([NEWS, FILMS]).fingerprint == align([NEWS, FILMS]).fingerprint
    others = [
        align([FILMS, NEWS]),
        align([NEWS, FILMS], Vocabulary(minimum=2)),
        align([NEWS, source("films", "a", "c")]),
    ]
    assert len({one.fingerprint for one in [align([NEWS, FILMS]), *others]}) == 4


def test_a_source_that_shares_no_word_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as error:
        align([NEWS, FILMS, source("emoji", "🙂", "👔")])
    assert str(error.value) == (
        "'emoji' and 'news', 'films' have no word in common (they begin with '🙂', '👔', and with 'b', 'a', 'C'); look "
        "whether their words are written alike: vocabulary.fold makes them lower case"
    )
    with pytest.raises(RequestError, match="'films' and 'upper' have no word in common"):
        align([source("upper", "A", "B"), FILMS])
    with pytest.raises(RequestError, match="'c', 'd' and 'a', 'b' have no word in common"):
        align([source("a", "x", "y"), source("b", "y", "z"), source("c", "u", "v"), source("d", "v", "w")])
    listed = tmp_path / "words.txt"
    listed.write_text("a\nb")
    with pytest.raises(RequestError, match="'second' and 'first' have no word in common"):  # of the words that are left
        align([source("first", "a", "x"), source("second", "b", "x")], Vocabulary(words=listed))
    assert align([source("upper", "A", "B"), FILMS], Vocabulary(fold=True)).words == ("a", "b", "c", "d")


def test_no_word_is_left(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="a word cannot be in 3 sources where there are 2"):
        align([NEWS, FILMS], Vocabulary(minimum=3))
    with pytest.raises(RequestError, match="no word is in 3 sources or more"):
        align([NEWS, FILMS, HEALTH], Vocabulary(minimum=3))
    (tmp_path / "words.txt").write_text("zebra\n", encoding="utf-8")
    with pytest.raises(RequestError, match=r"no word is in any source that .*words.txt lists"):
        align([NEWS, FILMS], Vocabulary(words=tmp_path / "words.txt"))
    (tmp_path / "words.txt").write_text("\n \n", encoding="utf-8")
    with pytest.raises(RequestError, match="has no word; write one a line"):
        align([NEWS, FILMS], Vocabulary(words=tmp_path / "words.txt"))


def test_a_copy_of_a_lexicon_is_itself() -> None:
    """A moving average of networks copies what they hold, and sources are large."""
    from copy import deepcopy

    lexicon = align([NEWS, FILMS])
    assert deepcopy([lexicon])[0] is lexicon
