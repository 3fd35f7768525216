"""Which pairs of words are learned: words with their neighbours in each source, or those of a list."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from amalgam.datasets.compressed import opened_text
from amalgam.embeddings.lexicon import ABSENT, Lexicon
from amalgam.embeddings.relations import units
from amalgam.errors import RequestError

_BLOCK = 1024  # words whose cosines with all others are looked at together


def nearest(vectors: Tensor, count: int) -> Tensor:
    """The rows of the k vectors with the largest cosine to each, (V, k), itself not among them.

    Args:
        vectors: (V, D), at length one.
        count: k, fewer than V.
    """
    found = []
    for start in range(0, len(vectors), _BLOCK):
        cosines = vectors[start : start + _BLOCK] @ vectors.T
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
    """The pairs of a file that the lexicon has both words of, (P, 2).

    Args:
        path: two words a line, with a tab or blanks between; what follows them is not read.
        lexicon: the words.

    Raises:
        RequestError: a line with one word, or no pair is left.
    """
    places = {word: place for place, word in enumerate(lexicon.words)}
    pairs = list[tuple[int, int]]()
    with opened_text(path) as text:
        for number, line in enumerate(text, start=1):
            words = [one.strip() for one in line.split("\t")] if "\t" in line else line.split()
            if not any(words):
                continue
            if len(words) < 2:
                raise RequestError(f"{path} line {number} has one word, {words[0]!r}, expected two")
            if words[0] != words[1] and words[0] in places and words[1] in places:
                pairs.append((places[words[0]], places[words[1]]))
    if not pairs:
        raise RequestError(f"{path} has no pair of words that the vocabulary has both of")
    return torch.tensor(pairs)
