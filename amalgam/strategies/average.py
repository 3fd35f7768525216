"""Average: the mean of a word's vectors (Coates and Bollegala, NAACL 2018; knowledge-amalgamation, ch. 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from amalgam.embeddings.filled import Unknown, filled
from amalgam.embeddings.lexicon import Lexicon
from amalgam.embeddings.method import Learn, MetaEmbedding
from amalgam.strategy import Paper


@dataclass(frozen=True)
class Average(MetaEmbedding):
    """A word's vector is the mean of those that the sources have for it.

    Sources of fewer dimensions than the widest are padded with zeros, as Coates and Bollegala do, who show why it works
    although the spaces have nothing in common: random vectors in many dimensions are nearly orthogonal. Knowledge
    amalgamation asks for sources of equal dimensions, where it is the same.

    Attributes:
        unknown: what stands for a word that a source does not know: its `token` for unknown words, as printed; or, with
            `zero`, nothing: the mean is over the sources that know the word.
        at_length_one: whether vectors are brought to length one first, as Coates and Bollegala do.
    """

    paper: ClassVar[Paper | None] = Paper(
        title="Frustratingly Easy Meta-Embedding (Coates and Bollegala, NAACL 2018)",
        where="knowledge-amalgamation, chapter 2, compared methods",
    )

    unknown: Unknown = "token"
    at_length_one: bool = True

    def vectors(self, lexicon: Lexicon, width: int, learn: Learn) -> Tensor:
        """The means (V, max D_k)."""
        widest = max(source.dimensions for source in lexicon.sources)
        total = torch.cat(
            [
                torch.stack([functional.pad(one, (0, widest - one.shape[1])) for one in some]).sum(0)
                for some in filled(lexicon, self.unknown, self.at_length_one)
            ]
        )
        known = torch.from_numpy(lexicon.known.sum(0)) if self.unknown == "zero" else len(lexicon.sources)
        return total / torch.as_tensor(known).reshape(-1, 1)
