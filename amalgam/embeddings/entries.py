"""What files of embeddings hold: words and vectors, block by block, and which of them are fit for use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_NAMED = 3  # words, at most, that a note names of each kind


class Block(NamedTuple):
    """Some entries of a file, one after the other.

    Attributes:
        words: n words as they are written.
        vectors: (n, D).
        places: n numbers of lines, or of entries where a file has no lines.
    """

    words: list[bytes]
    vectors: Floats
    places: Sequence[int]


@dataclass
class Sieve:
    """Lets entries through that are fit for use, and tells of the others.

    A word is let through once, with its first vector: files are ordered by frequency, and that is how gensim reads
    them. A vector that is not finite has no similarity to any other, and one of zeros has no direction.

    Attributes:
        place: what a place is called, "line" or "entry".
        seen: the words that were let through, in order.
        left_out: why → words and where they are.
        count: how many entries there were.
    """

    place: str
    count: int = 0
    seen: dict[str, None] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def fit(self, blocks: Iterable[Block]) -> Iterator[tuple[list[str], Floats]]:
        """The entries of blocks that are fit for use: words, and vectors (n, D)."""
        for block in blocks:
            self.count += len(block.words)
            kept, words = list[int](), list[str]()
            unfit = _unfit(block.vectors)
            for number, word in enumerate(_decoded(block.words)):
                why = self._why_not(word, unfit.get(number, ""))
                if why:
                    name = repr(word if word is not None else block.words[number])
                    self.left_out.setdefault(why, []).append(f"{name} in {self.place} {block.places[number]}")
                    continue
                assert word is not None
                self.seen[word] = None
                words.append(word)
                kept.append(number)
            yield words, block.vectors if len(kept) == len(block.words) else block.vectors[kept]

    def _why_not(self, word: str | None, unfit: str) -> str:
        if word is None:
            return "no UTF-8 text"
        if not word:
            return "no word"
        if "\n" in word or "\r" in word:
            return "a line break within the word"
        if word in self.seen:
            return "there before"
        return unfit

    def notes(self) -> list[str]:
        """What was left out, and why."""
        return [
            f"{len(places):,} left out, {why}: {', '.join(places[:_NAMED])}{', …' if len(places) > _NAMED else ''}"
            for why, places in self.left_out.items()
        ]


def single(numbers: NDArray[Any]) -> Floats:
    """Numbers in single precision; one that is too large for it is infinite."""
    with np.errstate(over="ignore"):
        return numbers.astype(np.float32, copy=False)


def _decoded(words: Sequence[bytes]) -> list[str | None]:
    """Words as text without blanks around them; None for what is not UTF-8."""
    try:
        found = b"\n".join(words).decode().split("\n") if words else []
    except UnicodeDecodeError:
        found = []
    # One decoding is much faster than one a word, but cannot tell breaks between words from those within.
    return [word.strip() for word in found] if len(found) == len(words) else [_text(word) for word in words]


def _text(word: bytes) -> str | None:
    try:
        return word.decode().strip()
    except UnicodeDecodeError:
        return None


def _unfit(vectors: Floats) -> dict[int, str]:
    """Row → what is wrong with its vector."""
    squares = np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64)
    found = {int(row): "a vector of zeros" for row in np.flatnonzero(squares == 0)}
    return found | {int(row): "a vector that is not finite" for row in np.flatnonzero(~np.isfinite(squares))}
