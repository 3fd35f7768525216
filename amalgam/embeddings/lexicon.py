"""The words of a meta-embedding, and which source knows which of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from amalgam.datasets.compressed import opened_text
from amalgam.embeddings.source import Source
from amalgam.errors import RequestError, listed
from amalgam.fingerprint import fingerprint

ABSENT = -1


class Vocabulary(BaseModel):
    """Which words a meta-embedding has.

    Attributes:
        minimum: in how many sources a word must be; 1 is the union, as many as there are the intersection.
        words: a text file with a word a line, which are taken alone, as far as `minimum` sources know them.
        fold: whether words are written in lower case first; of those that become one, a source's first counts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    minimum: int = Field(default=1, gt=0)
    words: Path | None = None
    fold: bool = False


@dataclass(frozen=True)
class Lexicon:
    """The sources of a run, aligned on one vocabulary of V words.

    Attributes:
        sources: K of them.
        words: V words, each once: those of the word list in its order, else the first source's, the second's, ….
        rows: (K, V), a word's row in a source; `ABSENT` where that source does not know it.
        notes: what a reader should know of the alignment.
        fold: whether words were written in lower case first, so that what is looked up in it should be.
    """

    sources: tuple[Source, ...]
    words: tuple[str, ...]
    rows: NDArray[np.int64]
    notes: tuple[str, ...] = ()
    fold: bool = False

    def __deepcopy__(self, memo: object) -> Lexicon:
        """Itself: nobody changes it, and its sources are large."""
        return self

    @property
    def known(self) -> NDArray[np.bool_]:
        """(K, V), whether a source knows a word."""
        known: NDArray[np.bool_] = self.rows != ABSENT
        return known

    @property
    def fingerprint(self) -> str:
        """Of the sources and the vocabulary."""
        return fingerprint("lexicon", [one.fingerprint for one in self.sources], self.words)


def align(sources: Sequence[Source], vocabulary: Vocabulary | None = None) -> Lexicon:
    """Sources on one vocabulary.

    Args:
        sources: K of them, with names of their own.
        vocabulary: which words; by default all that any source knows.

    Raises:
        RequestError: no word is left, or sources share none with the others.
    """
    wanted = vocabulary or Vocabulary()
    if wanted.minimum > len(sources):
        raise RequestError(
            f"a word cannot be in {wanted.minimum} sources where there are {len(sources)}; lower vocabulary.minimum"
        )
    places = [_places(source, wanted.fold) for source in sources]
    asked = None if wanted.words is None else _listed(wanted.words, wanted.fold)
    words = tuple(asked) if asked is not None else tuple(dict.fromkeys(word for own in places for word in own))
    rows = np.stack([np.fromiter((own.get(word, ABSENT) for word in words), np.int64, len(words)) for own in places])
    kept = (rows != ABSENT).sum(0) >= wanted.minimum
    if not kept.any():
        least = "in any source" if wanted.minimum == 1 else f"in {wanted.minimum} sources or more"
        raise RequestError(f"no word is {least}{'' if wanted.words is None else f' that {wanted.words} lists'}")
    _require_common(sources, rows[:, kept] != ABSENT, words)
    notes = []
    if asked is not None and not kept.all():
        lost = [word for word, there in zip(words, kept, strict=True) if not there]
        notes.append(f"{len(lost):,} of {len(words):,} listed words are in too few sources: {listed(lost, 5)}")
    notes += _folded(sources, places, wanted.fold)
    chosen = tuple(word for word, there in zip(words, kept, strict=True) if there)
    return Lexicon(tuple(sources), chosen, np.ascontiguousarray(rows[:, kept]), tuple(notes), wanted.fold)


def _places(source: Source, fold: bool) -> dict[str, int]:
    """Word → its row in a source; the first of those that are one word when folded."""
    found = dict[str, int]()
    for row, word in enumerate(source.words):
        found.setdefault(word.lower() if fold else word, row)
    return found


def _require_common(sources: Sequence[Source], known: NDArray[np.bool_], words: Sequence[str]) -> None:
    """Sources that share no word with the others, not even by way of third ones, have nothing to be joined by.

    Args:
        sources: K of them.
        known: (K, V), whether a source knows a word.
        words: V words.
    """
    from scipy.sparse.csgraph import connected_components

    shared = known.astype(np.float32)
    count, groups = connected_components(shared @ shared.T > 0, directed=False)
    if count < 2:
        return
    own = groups == groups[-1]

    def told(some: NDArray[np.bool_]) -> tuple[str, str]:
        first = [words[place] for place in np.flatnonzero(known[some].any(0))[:3]]
        names = listed(source.name for source, there in zip(sources, some, strict=True) if there)
        return names, listed(first) if first else "no word of the vocabulary"

    (names, begin), (others, others_begin) = told(own), told(~own)
    raise RequestError(
        f"{names} and {others} have no word in common (they begin with {begin}, and with {others_begin}); look whether "
        "their words are written alike: vocabulary.fold makes them lower case"
    )


def _folded(sources: Sequence[Source], places: Sequence[Mapping[str, int]], fold: bool) -> Iterator[str]:
    for source, own in zip(sources, places, strict=True):
        if fold and len(own) < len(source.words):
            yield f"{source.name}: {len(source.words) - len(own):,} words are others in lower case; the first counts"


def _listed(path: Path, fold: bool) -> Iterable[str]:
    """The words of a list, each once."""
    with opened_text(path) as text:
        lines = (line.strip() for line in text.read().split("\n"))
        words = dict.fromkeys(line.lower() if fold else line for line in lines if line)
    if not words:
        raise RequestError(f"the word list {path} has no word; write one a line")
    return words
