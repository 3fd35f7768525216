"""What a word test asks an embedding: the vectors of words, and the cosines of pairs of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from amalgam.embeddings.entries import Floats
from amalgam.embeddings.lexicon import ABSENT
from amalgam.errors import RequestError

Rows = NDArray[np.int64]

_BLOCK = 2**14  # pairs whose vectors are gathered at once


@dataclass(frozen=True)
class WordVectors:
    """An embedding as word tests see it.

    Attributes:
        places: word → its row.
        vectors: (V, D); they may be mapped into memory, and only the rows that are asked for are read.
        fold: whether a word that is not known as it is written is looked up in lower case.
        unknown: (D,), what stands for a word that is not known, if anything does.

    Raises:
        RequestError: shapes that do not fit each other, or a place that is no row.
    """

    places: Mapping[str, int]
    vectors: Floats
    fold: bool = False
    unknown: Floats | None = None

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or not self.vectors.size:
            raise RequestError(f"vectors of the shape {self.vectors.shape}; expected (words, dimensions)")
        rows = self.places.values()
        if rows and not 0 <= min(rows) <= max(rows) < len(self.vectors):
            raise RequestError(f"places from {min(rows)} to {max(rows)}, and vectors of {len(self.vectors)} words")
        if self.unknown is not None and self.unknown.shape != self.vectors.shape[1:]:
            raise RequestError(
                f"an unknown word's vector of the shape {self.unknown.shape}; expected {self.vectors.shape[1:]}, as "
                "other words have"
            )

    @classmethod
    def of(
        cls, words: Sequence[str], vectors: Floats, fold: bool = False, unknown: Floats | None = None
    ) -> WordVectors:
        """Of V words in the order of their vectors; of a word that is there twice, the first counts.

        Raises:
            RequestError: not a vector for each word.
        """
        if len(words) != len(vectors):
            raise RequestError(f"{len(words):,} words and {len(vectors):,} vectors; expected a vector for each word")
        places = dict[str, int]()
        for row, word in enumerate(words):
            places.setdefault(word, row)
        return cls(places, vectors, fold, unknown)

    def rows(self, words: Iterable[str]) -> Rows:
        """(n,), the rows of n words; `ABSENT` for one that is not known."""
        return rows_among(self.places, words, self.fold)

    def units(self, rows: Rows) -> Floats:
        """(n, D), the vectors in n rows at length one; `ABSENT` means the unknown word's, else zeros."""
        found = np.asarray(self.vectors[np.maximum(rows, 0)], dtype=np.float32)
        found[rows == ABSENT] = 0.0 if self.unknown is None else self.unknown
        return units(found)

    def cosines(self, pairs: Rows) -> NDArray[np.float64]:
        """(P,), the cosine of the two words of each pair of rows (P, 2)."""
        parts = [pairs[start : start + _BLOCK] for start in range(0, len(pairs), _BLOCK)]
        said = [np.einsum("nd,nd->n", self.units(part[:, 0]), self.units(part[:, 1])) for part in parts]
        return np.concatenate(said, dtype=np.float64) if said else np.zeros(0)


def rows_among(places: Mapping[str, int], words: Iterable[str], fold: bool) -> Rows:
    """(n,), the places of n words, `ABSENT` for one that has none.

    A word is looked up as it is written; a term of several words also with blanks and with underscores, whichever it is
    written with; if `fold`, then each of these in lower case. No vector is made of the parts of a term.
    """
    found = (next((places[form] for form in _forms(word, fold) if form in places), ABSENT) for word in words)
    return np.fromiter(found, np.int64)


def _forms(word: str, fold: bool) -> Iterator[str]:
    """The ways to write a word, in the order in which they are looked up."""
    for own in (word, word.lower()) if fold else (word,):
        yield own
        if "_" in own:
            yield own.replace("_", " ")
        if " " in own:
            yield own.replace(" ", "_")


def units(vectors: Floats) -> Floats:
    """(n, D), vectors at length one; one of zeros has no direction and stays as it is.

    Raises:
        RequestError: one that is not finite.
    """
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    if not np.isfinite(lengths).all():
        raise RequestError("a vector of the embedding is not finite, and has no cosine to any other; train it again")
    return (vectors / np.where(lengths > 0, lengths, 1.0)[:, None]).astype(np.float32)


class Completed(NamedTuple):
    """What an embedding says of pairs, also of those that it cannot know.

    Attributes:
        cosines: (P,).
        covered: (P,), whether both words of a pair are known.
        others: what stands for the cosine of the other pairs.
    """

    cosines: NDArray[np.float64]
    covered: NDArray[np.bool_]
    others: str


def completed(asked: WordVectors, pairs: Rows) -> Completed:
    """The cosines of pairs of rows (P, 2), in which words may be `ABSENT`.

    Where one word is missing, its vector is the unknown word's. Where none is given, or both words are missing (an
    unknown word has the cosine 1 to itself, as if both words were the same), the pair gets the mean cosine of the
    covered ones, which is 0 if there are none.
    """
    known = pairs != ABSENT
    covered = known.all(1)
    told = covered if asked.unknown is None else known.any(1)
    cosines = np.zeros(len(pairs))
    cosines[told] = asked.cosines(pairs[told])
    cosines[~told] = cosines[covered].mean() if covered.any() else 0.0
    mean = "the mean cosine of the covered pairs"
    if asked.unknown is None:
        return Completed(cosines, covered, f"a pair with a missing word gets {mean}")
    return Completed(cosines, covered, f"a missing word has the unknown word's vector; a pair of two gets {mean}")
