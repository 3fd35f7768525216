"""Which pairs of words are learned: words with their neighbours in each source, those of a list, or of texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from amalgam.datasets.compressed import opened_text
from amalgam.embeddings.lexicon import ABSENT, Lexicon
from amalgam.embeddings.relations import units
from amalgam.errors import RequestError

_TEXT = 2**18  # words of a text whose pairs are formed together
_AROUND = ".,;:!?\"'()[]{}<>*_-–—…“”‘’"  # punctuation around words
_COSINES = 2**25  # that are looked at together


def nearest(vectors: Tensor, count: int) -> Tensor:
    """The rows of the k vectors with the largest cosine to each, (V, k), itself not among them.

    Args:
        vectors: (V, D), at length one.
        count: k, fewer than V.
    """
    found, block = [], max(1, _COSINES // len(vectors))
    for start in range(0, len(vectors), block):
        cosines = vectors[start : start + block] @ vectors.T
        cosines[torch.arange(len(cosines)), torch.arange(start, start + len(cosines))] = -torch.inf
        found.append(cosines.topk(count, dim=1).indices)
    return torch.cat(found)


def with_neighbours(lexicon: Lexicon, count: int) -> Tensor:
    """Each word and its k nearest in every source, (V, 1 + K k); where a source does not know it, the word again.

    Neighbours are sought among the words of the lexicon.
    """
    words = torch.arange(len(lexicon.words))[:, None]
    parts = [words]
    for source, rows in zip(lexicon.sources, lexicon.rows, strict=True):
        known = torch.from_numpy(np.flatnonzero(rows != ABSENT))
        near = words.expand(-1, count).clone()
        own = units(torch.from_numpy(source.taken(rows[known])))
        within = min(count, len(known) - 1)
        if within > 0:
            near[known, :within] = known[nearest(own, within)]
        parts.append(near)
    return torch.cat(parts, dim=1)


def listed_pairs(path: Path, lexicon: Lexicon) -> Tensor:
    """The pairs of a file that the lexicon has both words of, (P, 2), each as often as it is there.

    Args:
        path: two words a line, with a tab or blanks between; what follows them is not read.
        lexicon: the words; where it is folded, so is the list.

    Raises:
        RequestError: a line with one word, or no pair is left.
    """
    places = {word: place for place, word in enumerate(lexicon.words)}
    pairs = list[tuple[int, int]]()
    with opened_text(path) as text:
        for number, line in enumerate(text, start=1):
            written = line.lower() if lexicon.fold else line
            words = [one.strip() for one in written.split("\t")] if "\t" in line.strip() else written.split()
            if not any(words):
                continue
            if len(words) < 2 or not all(words[:2]):
                raise RequestError(f"{path} line {number} has one word, {''.join(words)!r}, expected two")
            if words[0] != words[1] and words[0] in places and words[1] in places:
                pairs.append((places[words[0]], places[words[1]]))
    if not pairs:
        raise RequestError(f"{path} has no pair of words that the vocabulary has both of")
    return torch.tensor(pairs)


def written_together(path: Path, lexicon: Lexicon, window: int) -> Tensor:
    """The pairs of words that stand near each other in a text, each once, (P, 2).

    The authors make their pairs of the texts of a task, and do not print how; here two words are a pair that stand in
    one line and no further apart than the window.

    Args:
        path: the texts, a line each; words are what blanks divide, without the punctuation around them.
        lexicon: the words; others stand in the way, and are in no pair. Where it is folded, so are the texts.
        window: how far apart, in words; 1 are neighbours.

    Raises:
        RequestError: no pair is there.
    """
    places = {word: place for place, word in enumerate(lexicon.words)}
    found, block = list[np.ndarray[Any, np.dtype[np.int64]]](), list[int]()

    def taken() -> None:
        if block:
            found.append(_near(np.array(block), window))
            block.clear()

    with opened_text(path) as text:
        for line in text:
            words = (
                word if word in places else word.strip(_AROUND)
                for word in (line.lower() if lexicon.fold else line).split()
            )
            block.extend(places.get(word, ABSENT) for word in words)
            block.extend([ABSENT] * window)  # so that no pair reaches into the next line
            if len(block) >= _TEXT:
                taken()
    taken()
    pairs = np.unique(np.concatenate(found), axis=0) if found else np.empty((0, 2), np.int64)
    if not len(pairs):
        raise RequestError(f"{path} has no two words of the vocabulary within {window} of each other in a line")
    return torch.from_numpy(pairs)


def _near(words: np.ndarray[Any, np.dtype[np.int64]], window: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The pairs of unlike known words (n,) that are no further apart than a window, the smaller number first, once."""
    pairs = [np.stack([words[:-apart], words[apart:]], axis=1) for apart in range(1, window + 1)]
    every = np.sort(np.concatenate(pairs), axis=1)
    return np.unique(every[(every[:, 0] != ABSENT) & (every[:, 0] != every[:, 1])], axis=0)
