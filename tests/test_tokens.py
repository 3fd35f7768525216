"""Words as numbers: the same everywhere, exact in float32, NaN beyond a text's end."""

from __future__ import annotations

import zlib

import numpy as np
import pandas
import pytest
import torch

from amalgam.errors import RequestError
from amalgam.tokens import NUMBERS, Reading, number, series, texts_in, tokens


def test_a_words_number_is_a_hash_that_float32_holds() -> None:
    assert number("grüße") == zlib.crc32("grüße".encode()) % 2**24 == 11172735 or number("grüße") < NUMBERS
    assert float(np.float32(NUMBERS - 1)) == NUMBERS - 1
    assert number("what") != number("who")


def test_texts_are_filled_up_and_cut() -> None:
    words, cut = Reading(2).read(["A b, a", "?", "b"])
    a, b, nan = number("a"), number("b"), np.nan
    assert (words, cut) == ([[a, b], [], [b]], 1)
    found = series(words)
    np.testing.assert_array_equal(found[..., 0], np.array([[a, b], [nan, nan], [b, nan]], np.float32))
    assert found.dtype == np.float32
    assert series([[]]).shape == (1, 1, 1)


def test_what_is_a_list_of_texts() -> None:
    assert (
        texts_in(["a", "b c"])
        == texts_in(np.array(["a", "b c"]))
        == texts_in(pandas.Series(["a", "b c"]))
        == ["a", "b c"]
    )
    assert texts_in(("a",)) == ["a"]
    assert all(texts_in(one) is None for one in ([], [1.0], np.zeros((2, 1)), torch.zeros(2), [[1, 2]], None))
    with pytest.raises(RequestError, match="expected a list of texts, not the text 'a b'"):
        texts_in("a b")
    with pytest.raises(RequestError, match="text 1 is None, expected a text"):
        texts_in(["a", None])


def test_signs_separate_words() -> None:
    assert tokens("What's the U.S.\u2019 O\u2019Brien_x &amp; 3rd?") == [
        "what's",
        "the",
        "u",
        "s",
        "o'brien",
        "x",
        "3rd",
    ]
