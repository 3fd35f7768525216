"""The maskout loss (knowledge-amalgamation, Eqs. 3 to 5): one embedding against what every source says of pairs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from amalgam.embeddings.relations import Sight, held_out, lengths, opposite, units
from amalgam.signals import Loss

_PAIRS = 2**14  # that are looked at together
_TILE = 256  # words, whose products fit in a core's cache


def distinct(words: Tensor) -> Tensor:
    """Where each of B words (B,) stands first, in order: a word that several rows have has its pairs once."""
    firsts = np.unique(words.cpu().numpy(), return_index=True)[1]
    return torch.from_numpy(np.sort(firsts)).to(words.device)


def all_pairs(vectors: Tensor, sight: Sight) -> Loss:
    """Eqs. (3)–(5): the maskout loss over all pairs of the words of a batch, as a few matrix products.

    Σ_j 1_j (y - y_j)² is C y² - 2 T y + Q, where C counts the sources that know both words, T adds up what they say,
    and Q, its squares, no embedding can change. A pair of a word with itself says 1 everywhere and adds nothing.

    Args:
        vectors: (B, d), the words' embeddings.
        sight: what the sources say of them.

    Returns:
        The sum over the pairs of unlike words but those that are held out, or over those alone, and their number: pairs
        that no source knows count, as n does in print.
    """
    places = distinct(sight.words)
    if len(places) < len(vectors):
        vectors, sight = vectors[places], sight.at(places)
    held = held_out(sight)
    if sight.apart:
        places = held.T.flatten()
        return some_pairs(vectors[places], sight.at(places))
    total = cast(Tensor, _AllPairs.apply(vectors, sight, held))
    return Loss(total, total.new_tensor(len(vectors) * (len(vectors) - 1) // 2 - held.shape[1]))


@torch.no_grad()
def difference(vectors: Tensor, sight: Sight) -> float | None:
    """The mean squared difference between cosines and those of each source, over the pairs that are held out.

    Unlike Eq. (4), whose n counts pairs that no source knows, and a pair once that several know, it is a mean over what
    sources say, so that it can be compared between panels.

    Args:
        vectors: (B, d), of unlike words.
        sight: what the sources say of them.

    Returns:
        the mean over pairs and the sources that know both words; None where there is none.
    """
    own, total, count = units(vectors), 0.0, 0.0
    for first, second in torch.split(held_out(sight), _PAIRS, dim=1):
        said = (own[first] * own[second]).sum(1)
        for theirs, known in zip(sight.vectors, sight.known.T, strict=True):
            both = known[first] * known[second]
            total += float((both * (said - (theirs[first] * theirs[second]).sum(1)).square()).sum())
            count += float(both.sum())
    return total / count if count else None


class _AllPairs(torch.autograd.Function):
    """The sum over pairs of B words, with its gradient.

    What is symmetric is reckoned once, tile by tile, and a tile stays in a core's cache from its first product to its
    last. A GPU, which has neither that cache nor time for small tiles, takes one.
    """

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, sight: Sight, apart: Tensor) -> Tensor:
        """The loss () of vectors (B, d), without the pairs at places (2, P), the first before the second."""
        long = lengths(vectors)
        own = vectors / long
        size = _TILE if own.device.type == "cpu" else max(1, len(own))
        total, gradient = own.new_zeros(()), torch.zeros_like(own)
        for row, column, places in _tiles(len(own), size, apart):
            found, slope = _tile(own, sight, row, column, places)
            total += found
            gradient[row].addmm_(slope, own[column])
            if row != column:
                gradient[column].addmm_(slope.T, own[row])
        ctx.save_for_backward(gradient, own, long)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_total: Tensor) -> tuple[Tensor, None, None]:
        """d/dE of Σ_kl ½ f(ê_k · ê_l) is (f' + f'ᵀ) Ê / 2, and f' = 2 (C y - T) is symmetric.

        Of that, a vector's direction feels what is across it, the less the longer it is.
        """
        gradient, own, long = ctx.saved_tensors
        along = torch.linalg.vecdot(gradient, own)[:, None]
        return torch.addcmul(gradient, own, along, value=-1).mul_(2 * of_total / long), None, None


def _tiles(words: int, size: int, pairs: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
    """The tiles on the diagonal and above it, and the places in each, row by row, of its own of some pairs (2, P)."""
    starts = range(0, words, size)
    numbers = pairs[0] // size * len(starts) + pairs[1] // size
    counts = numbers.bincount(minlength=len(starts) ** 2).tolist() if len(starts) > 1 else [pairs.shape[1]]
    own = torch.split(pairs[:, numbers.argsort()] % size, counts, dim=1)
    for row, start in enumerate(starts):
        for column, beside in enumerate(starts[row:], row):
            width = min(size, words - beside)
            first, second = own[row * len(starts) + column]
            places = first * width + second
            if row == column:
                places = torch.cat([places, second * width + first])
            yield slice(start, start + size), slice(beside, beside + size), places


def _tile(own: Tensor, sight: Sight, row: slice, column: slice, without: Tensor) -> tuple[Tensor, Tensor]:
    """The sum () over the pairs of a tile, and C y - T of each; both nothing at the places (P,) that are held out.

    A tile on the diagonal has each of its pairs twice, and words with themselves, which add nothing.
    """

    def products(of: Tensor, by: Tensor) -> Tensor:
        return (of[row] @ by[column].T).view(-1)

    said, squares = products(own, own), own.new_zeros(())
    asked = torch.zeros_like(said)
    for vectors, weight in zip(sight.vectors, sight.weights.tolist(), strict=True):
        cosines = products(vectors, vectors).index_fill_(0, without, 0.0)
        squares += weight * torch.dot(cosines, cosines)
        asked.add_(cosines, alpha=weight)
    slope = products(sight.known * sight.weights, sight.known).index_fill_(0, without, 0.0).mul_(said).sub_(asked)
    total = torch.dot(said, slope) - torch.dot(said, asked) + squares
    return total / 2 if row == column else total, slope.view(len(own[row]), -1)


def some_pairs(vectors: Tensor, sight: Sight) -> Loss:
    """Eqs. (3)–(5): the maskout loss over given pairs alone.

    Args:
        vectors: (2 P, d), the embeddings of the two words of each pair, side by side.
        sight: what the sources say of them.

    Returns:
        The sum over the P pairs but those that are held out, or over those alone, and their number.
    """

    def cosines(of: Tensor) -> Tensor:
        return (of[0::2] * of[1::2]).sum(1)

    said = cosines(units(vectors))
    counting = torch.ones_like(said)
    if sight.groups is not None:
        counting = (opposite(sight.groups[0::2], sight.groups[1::2]) == sight.apart).to(said)
    total = said.new_zeros(())
    for place, (own, weight) in enumerate(zip(sight.vectors, sight.weights, strict=True)):
        both = counting * sight.known[0::2, place] * sight.known[1::2, place]
        total = total + weight * (both * (said - cosines(own)).square()).sum()
    return Loss(total, counting.sum())
