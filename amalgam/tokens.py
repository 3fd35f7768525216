"""Texts as words, and words as numbers that need no vocabulary."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from functools import lru_cache
from html import unescape
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

NUMBERS = 2**24
"""Words are numbered below it; float32 holds all of these exactly."""
LONGEST = 256
"""Words that are read of a text where nobody says how many."""
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def tokens(text: str) -> list[str]:
    """The words of a text in lower case: letters and digits, with apostrophes between them (`don't`, `o'brien`).

    All else separates words, underscores too. HTML's entities become the signs they stand for first, twice, since
    reviews are often escaped twice; a curly apostrophe becomes a straight one.
    """
    return _WORD.findall(unescape(unescape(text)).replace("\u2019", "'").lower())


@lru_cache(maxsize=2**16)
def number(word: str) -> int:
    """A word's number, a hash of it: the same in every file, on every machine."""
    return zlib.crc32(word.encode()) % NUMBERS


def are_texts(given: object) -> TypeGuard[Sequence[str]]:
    """Whether something is a list of texts."""
    return isinstance(given, list | tuple) and bool(given) and all(isinstance(one, str) for one in given)


def numbered(texts: Sequence[Sequence[str]], longest: int) -> NDArray[np.float32]:
    """The words of N texts as series of one channel, (N, T, 1), NaN beyond a text's end.

    Args:
        texts: their words.
        longest: words that are kept of a text, its first; T is no more, and at least 1.
    """
    steps = max(1, min(longest, max(map(len, texts), default=0)))
    found = np.full((len(texts), steps, 1), np.nan, dtype=np.float32)
    for row, words in enumerate(texts):
        own = [number(word) for word in words[:steps]]
        found[row, : len(own), 0] = own
    return found
