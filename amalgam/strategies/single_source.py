"""A single source: what every meta-embedding must be better than (knowledge-amalgamation, ch. 2, Table 1)."""

from __future__ import annotations

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
class SingleSource(MetaEmbedding):
    """The vectors of one source, with a vector for every word.

    Attributes:
        number: which source, from 1 on.
        unknown: what stands for a word that it does not know: its `token` for unknown words, as printed, or `zero`.
    """

    paper: ClassVar[Paper | None] = Paper(
        title="Wiki, Biomed and Twitter, each alone", where="knowledge-amalgamation, chapter 2, Table 1"
    )

    number: int = 1
    unknown: Unknown = "token"

    def vectors(self, lexicon: Lexicon, width: int, learn: Learn) -> Tensor:
        """The source's vectors (V, D_k)."""
        if not 1 <= self.number <= len(lexicon.sources):
            raise RequestError(f"strategy.number is {self.number}, and there are {len(lexicon.sources)} sources")
        return torch.cat([some[self.number - 1] for some in filled(lexicon, self.unknown, False)])
