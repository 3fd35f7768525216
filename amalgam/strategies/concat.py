"""Concat: a word's vectors one after the other (Yin and Schütze, ACL 2016; knowledge-amalgamation, ch. 2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from amalgam.embeddings.filled import Unknown, filled
from amalgam.embeddings.lexicon import Lexicon
from amalgam.embeddings.method import Learn, MetaEmbedding
from amalgam.errors import RequestError
from amalgam.strategy import Paper


@dataclass(frozen=True)
class Concat(MetaEmbedding):
    """A word's vector is all that the sources have for it; the cosine of two words is the sources' weighted mean.

    Attributes:
        unknown: what stands for a word that a source does not know: its `token` for unknown words, as printed, or
            `zero`.
        at_length_one: whether vectors are brought to length one first, as Yin and Schütze do.
        weights: how much longer each source's vectors are than one; 1 each by default.
    """

    paper: ClassVar[Paper | None] = Paper(
        title="Learning Word Meta-Embeddings (Yin and Schütze, ACL 2016)",
        where="knowledge-amalgamation, chapter 2, compared methods",
    )

    unknown: Unknown = "token"
    at_length_one: bool = True
    weights: tuple[float, ...] = ()

    def vectors(self, lexicon: Lexicon, width: int, learn: Learn) -> Tensor:
        """Side by side, (V, Σ D_k)."""
        return torch.cat(list(joined(lexicon, self.unknown, self.at_length_one, self.weights)))


def joined(lexicon: Lexicon, unknown: Unknown, at_length_one: bool, weights: Sequence[float]) -> Iterator[Tensor]:
    """The sources' vectors side by side, (n, Σ D_k), each source's times its weight, so many words at once.

    Raises:
        RequestError: not a weight for each source.
    """
    if weights and len(weights) != len(lexicon.sources):
        raise RequestError(
            f"strategy.weights has {len(weights)} numbers for {len(lexicon.sources)} sources; give each one"
        )
    each = weights or [1.0] * len(lexicon.sources)
    for some in filled(lexicon, unknown, at_length_one):
        yield torch.cat([vectors * weight for vectors, weight in zip(some, each, strict=True)], dim=1)
