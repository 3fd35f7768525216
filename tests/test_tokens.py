"""Words as numbers: the same everywhere, exact in float32, NaN beyond a text's end."""

from __future__ import annotations

import zlib

import numpy as np

from amalgam.tokens import NUMBERS, are_texts, number, numbered, series, tokens


def test_a_words_number_is_a_hash_that_float32_holds() -> None:
    assert number("grüße") == zlib.crc32("grüße".encode()) % 2**24 == 11172735 or number("grüße") < NUMBERS
    assert float(np.float32(NUMBERS - 1)) == NUMBERS - 1
    assert number("what") != number("who")


def test_texts_are_filled_up_and_cut() -> None:
    words, cut = numbered(["A b, a", "?", "b"], 2)
    a, b, nan = number("a"), number("b"), np.nan
    assert (words, cut) == ([[a, b], [], [b]], 1)
    found = series(words)
    np.testing.assert_array_equal(found[..., 0], np.array([[a, b], [nan, nan], [b, nan]], np.float32))
    assert found.dtype == np.float32
    assert series([[]]).shape == (1, 1, 1)


def test_what_is_a_list_of_texts() -> None:
    assert are_texts(["a", "b c"])
    assert are_texts(("a",))
    assert not any(are_texts(one) for one in ("a b", [], [1.0], ["a", 2], np.zeros((2, 1))))


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
