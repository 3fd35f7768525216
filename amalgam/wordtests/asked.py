"""An embedding as word tests ask it: which words are meant, their vectors, and the cosines of pairs of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amalgam.embeddings.entries import Floats
from amalgam.embeddings.lexicon import ABSENT
from amalgam.embeddings.words import WordVectors
from amalgam.errors import RequestError

Entries = NDArray[np.int64]
"""Words by their numbers among those that may be asked for; `ABSENT` for a word that is not among them."""

_BLOCK = 2**12  # pairs whose vectors are gathered at once


@dataclass(frozen=True)
class Asked:
    """An embedding, and the words that it may be asked for; no other is looked at.

    Attributes:
        vectors: (V, D), the embedding's; only the rows that are asked for are read.
        places: word → its entry, a number from 0 to A - 1.
        rows: (A + 1,), the row of each entry, `ABSENT` where the embedding does not know the word. The last is `ABSENT`
            too: it is what the entry `ABSENT`, which is -1, finds.
    """

    vectors: Floats
    places: Mapping[str, int]
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, embedding: WordVectors, among: Collection[str] | None = None) -> Asked:
        """An embedding that is asked for words among these, by default for its own."""
        if among is None:
            return cls(embedding.vectors, embedding.places, np.append(np.arange(len(embedding.words)), ABSENT))
        places = {word: entry for entry, word in enumerate(dict.fromkeys(among))}
        rows = [embedding.places.get(word, ABSENT) for word in places]
        return cls(embedding.vectors, places, np.array([*rows, ABSENT], dtype=np.int64))

    def entries(self, words: Iterable[str]) -> Entries:
        """(n,), the entries of n words.

        A word is looked up as it is written; if that is not there, with blanks for underscores or underscores for
        blanks; and then in lower case in the same ways. No vector is made of the parts of a term.
        """
        places = self.places
        found = (
            places[word] if word in places else next((places[form] for form in _forms(word) if form in places), ABSENT)
            for word in words
        )
        return np.fromiter(found, np.int64)

    def known(self, entries: Entries) -> NDArray[np.bool_]:
        """Whether the embedding knows words, in whichever shape they come."""
        known: NDArray[np.bool_] = self.rows[entries] != ABSENT
        return known

    def units(self, entries: Entries) -> Floats:
        """(n, D), vectors of n words at length one; zeros for one that is not known, or whose vector is zeros.

        Raises:
            RequestError: a vector that is not finite.
        """
        rows = self.rows[entries]
        found = np.zeros((len(rows), self.vectors.shape[1]), dtype=np.float32)
        found[rows != ABSENT] = self.vectors[rows[rows != ABSENT]]
        lengths = np.sqrt(np.einsum("nd,nd->n", found, found, dtype=np.float64))
        if not np.isfinite(lengths).all():
            raise RequestError(
                "a vector of the embedding is not finite, and has no cosine to any other; train it again"
            )
        return (found / np.where(lengths > 0, lengths, 1.0)[:, None]).astype(np.float32)

    def cosines(self, pairs: Entries) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """(P,), the cosine of the words of each pair (P, 2), and whether the embedding knows both.

        A pair that it does not know gets the mean cosine of those that it knows, which is 0 if there are none.
        """
        covered = np.all(self.known(pairs), axis=1)
        cosines = np.zeros(len(pairs))
        for some in np.split(np.flatnonzero(covered), range(_BLOCK, int(covered.sum()), _BLOCK)):
            first, second = (self.units(own) for own in pairs[some].T)
            cosines[some] = np.einsum("nd,nd->n", first, second)
        cosines[~covered] = cosines[covered].mean() if covered.any() else 0.0
        return cosines, covered


PAIRS = "a pair with a word that the embedding does not know gets the mean cosine of the pairs that it knows"
"""What `Asked.cosines` does, for an outcome."""


def _forms(word: str) -> Iterator[str]:
    """The ways to write a word, in the order in which they are looked up."""
    for own in (word, word.lower()):
        yield own
        yield own.replace("_", " ")
        yield own.replace(" ", "_")
