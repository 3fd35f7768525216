"""Relations: what every source says of words, whose cosines are SimME's targets, and which pairs are held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from amalgam.embeddings.lexicon import ABSENT, Lexicon
from amalgam.embeddings.source import Source
from amalgam.signals import Index, Targets

_ROWS = 2**14  # that are looked at together
_GROUPS = 128  # of words; each has one opposite, so that one pair in so many is held out
_FEWEST = 100  # words that can tell what all have in common
_SHARE = 12  # of so many dimensions, one may be common to all words


def units(vectors: Tensor) -> Tensor:
    """Eq. (2): vectors (..., D) at length one, whose products are cosines; one of zeros stays of zeros."""
    return torch.nn.functional.normalize(vectors, dim=-1)


def lengths(vectors: Tensor) -> Tensor:
    """(B, 1), of vectors (B, D); those of zeros are told to be something, to be divided by."""
    found: Tensor = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return found.clamp_min_(1e-12)


@dataclass(frozen=True)
class Sight:
    """What the sources say of the B words of a batch.

    Attributes:
        words: B numbers of words.
        vectors: K tensors (B, D_k), at length one; zeros where a source does not know the word.
        known: (B, K), 1 where a source knows the word, else 0.
        weights: (K,), how much a source counts.
        groups: (B,), the group of each word; pairs of words whose groups are `opposite` are held out. None holds out
            none.
        apart: whether those are what is asked about, instead of all the others.
    """

    words: Tensor
    vectors: tuple[Tensor, ...]
    known: Tensor
    weights: Tensor
    groups: Tensor | None = None
    apart: bool = False

    def to(self, device: torch.device) -> Sight:
        """The same on a device."""
        vectors = tuple(one.to(device) for one in self.vectors)
        words, known, weights = (one.to(device) for one in (self.words, self.known, self.weights))
        return Sight(
            words, vectors, known, weights, None if self.groups is None else self.groups.to(device), self.apart
        )

    def at(self, places: Tensor) -> Sight:
        """Of some of the words alone."""
        groups = None if self.groups is None else self.groups[places]
        vectors = tuple(one[places] for one in self.vectors)
        return Sight(self.words[places], vectors, self.known[places], self.weights, groups, self.apart)


@dataclass(frozen=True)
class Common:
    """What all words of a source have in common: their mean, and the directions in which they differ most.

    Embeddings of words point into few common directions, which have more to do with how often words are written than
    with what they mean, and every cosine is the larger for it (Mu and Viswanath, All-but-the-top, ICLR 2018).

    Attributes:
        mean: (D,), of the unit vectors.
        directions: (D, t), orthonormal.
    """

    mean: Tensor
    directions: Tensor

    @classmethod
    def of(cls, source: Source, count: int) -> Common | None:
        """Of a source's words: their mean, and the t strongest directions about it.

        None of a source of fewer than 100 words, or of fewer than 12 dimensions a direction (the authors had 300 for
        each): in what so few words differ, or have so few numbers for, may be what they mean.
        """
        if len(source.words) < _FEWEST or source.dimensions < _SHARE * max(1, count):
            return None
        total, products = torch.zeros(source.dimensions), torch.zeros(source.dimensions, source.dimensions)
        for start in range(0, len(source.words), _ROWS):
            some = units(torch.from_numpy(source.taken(slice(start, start + _ROWS))))
            total, products = total + some.sum(0), products + some.T @ some
        mean = total / len(source.words)
        directions = torch.linalg.eigh(products / len(source.words) - torch.outer(mean, mean)).eigenvectors.flip(1)
        return cls(mean, directions[:, :count].contiguous())

    def off(self, vectors: Tensor) -> Tensor:
        """Unit vectors (..., D) without it."""
        rest = vectors - self.mean
        return rest - rest @ self.directions @ self.directions.T


class Relations(Targets):
    """The relations between words that every source knows, row by row of what a sampler made.

    Args:
        lexicon: the sources, aligned; their vectors stay where they are, and a batch reads its own.
        rows: (N, W), the words of each row.
        weights: (K,), how much a source counts; 1 each by default.
        groups: (V,), the group of each word; pairs of words whose groups are `opposite` are held out. None holds out
            none.
        apart: whether those are what is asked about.
        common: what is taken off each source's vectors first, None where nothing is; by default nothing is.
    """

    counts: Mapping[str, Tensor] = {}

    def __init__(
        self,
        lexicon: Lexicon,
        rows: Tensor,
        weights: Sequence[float] = (),
        groups: Tensor | None = None,
        apart: bool = False,
        common: Sequence[Common | None] = (),
    ) -> None:
        self.lexicon, self.rows, self.groups, self.apart, self.common = lexicon, rows, groups, apart, common
        self.weights = torch.tensor(list(weights) or [1.0] * len(lexicon.sources))

    def held_out(self) -> Relations:
        """The same words, asked about the pairs that are held out."""
        return Relations(self.lexicon, self.rows, self.weights.tolist(), self.groups, True, self.common)

    @classmethod
    def of(cls, arrays: Mapping[str, Any]) -> Relations:
        """Relations are of a lexicon, not of stored arrays."""
        raise NotImplementedError

    def arrays(self) -> dict[str, Tensor]:
        """The store keeps nothing of them: sources are on disk already."""
        return {}

    def __len__(self) -> int:
        return len(self.rows)

    def to(self, device: torch.device) -> Relations:
        """They stay where they are; a batch of them is brought to the device."""
        return self

    def at(self, index: Index) -> Any:
        """The `Sight` of the words of some rows."""
        return self.sight(self.rows[index.cpu() if isinstance(index, Tensor) else index].flatten())

    def sight(self, words: Tensor) -> Sight:
        """What the sources say of B words."""
        places = self.lexicon.rows[:, words.numpy()]
        known = torch.from_numpy((places != ABSENT).astype(np.float32))
        vectors = []
        for number, (source, place, there) in enumerate(zip(self.lexicon.sources, places, known, strict=True)):
            found = torch.from_numpy(source.taken(np.maximum(place, 0)))
            common = self.common[number] if self.common else None
            found = found if common is None else common.off(units(found))
            vectors.append(found.mul_((there / lengths(found)[:, 0])[:, None]))
        groups = None if self.groups is None else self.groups[words]
        return Sight(words, tuple(vectors), known.T.contiguous(), self.weights, groups, self.apart)


def reach(lexicon: Lexicon, weights: Sequence[float] = (), words: Tensor | None = None) -> Tensor:
    """How much the sources weigh that know a word and another, (V,), on average over the others.

    Args:
        lexicon: the sources, aligned.
        weights: (K,), how much a source counts; 1 each by default.
        words: (N,), which others; all by default.
    """
    others = lexicon.known if words is None else lexicon.known[:, words.numpy()]
    shares = others.mean(1) * (np.array(weights) if weights else 1.0)
    return torch.from_numpy((shares[:, None] * lexicon.known).sum(0).astype(np.float32))


def groups_of(words: int) -> Tensor:
    """A group for each of V words, (V,): the same in every run, whatever its seed, so that errors can be compared."""
    return torch.randint(_GROUPS, (words,), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def opposite(groups: Tensor, others: Tensor) -> Tensor:
    """Whether groups (...) and others (...) are opposite: they add up to a multiple of their number.

    Whether a pair is held out follows from its two words, whatever batch they meet in, and no list of pairs is kept.
    """
    together: Tensor = (groups + others).bitwise_and_(_GROUPS - 1) == 0
    return together


def held_out(sight: Sight) -> Tensor:
    """The places (2, P) of the pairs of a batch that are held out, the first before the second, in order of both.

    Words are sorted by group, so that those of a word's opposite group that stand after it lie side by side, and no
    more is looked at than is found: one pair in 128, and not all B².
    """
    if sight.groups is None:
        return torch.empty(2, 0, dtype=torch.long, device=sight.words.device)
    many, own = len(sight.groups), sight.groups.long()
    places = torch.arange(many, device=own.device)
    keys = (own % _GROUPS * many + places).sort().values
    wanted = -own % _GROUPS * many
    begin = torch.searchsorted(keys, wanted + places, right=True)
    counts = torch.searchsorted(keys, wanted + many) - begin
    first = places.repeat_interleave(counts)
    shift = begin - (counts.cumsum(0) - counts)  # from a pair's number to where its second word's key stands
    return torch.stack([first, keys[shift[first] + torch.arange(len(first), device=own.device)] % many])
