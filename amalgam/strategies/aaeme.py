"""AAEME, averaged autoencoded meta-embedding (Bao and Bollegala, COLING 2018; knowledge-amalgamation, ch. 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from amalgam.embeddings.relations import units
from amalgam.strategies._autoencoders import Autoencoded
from amalgam.strategy import Paper


@dataclass(frozen=True)
class AAEME(Autoencoded):
    """A word's vector is the mean of its encodings, each d wide, and rebuilds every source's vector.

    Attributes:
        unknown: what stands for a word that a source does not know: a `learned` vector, which is that source's word
            like any other, as knowledge-amalgamation has it (the authors' code has zeros); or, with `none`, nothing:
            the mean is over the sources that know the word, and it costs nothing in the others.
        activation: what encoders end with; `relu` is the default of the authors' code.
        noise: the share of an encoder's inputs that is set to zero in training, as in the authors' code, 5 %; there it
            is a fixed number of a vector's components, here each with this probability.
        weights: λ of each source's errors; 1 each by default, as in the authors' code.
    """

    paper: ClassVar[Paper | None] = Paper(
        title="Learning Word Meta-Embeddings by Autoencoding (Bao and Bollegala, COLING 2018)",
        where="their averaged one; knowledge-amalgamation, chapter 2, compared methods",
    )

    def widths(self, sources: int, width: int) -> Sequence[int]:
        """d for each."""
        return (width,) * sources

    def meta(self, parts: Sequence[Tensor]) -> Tensor:
        """(Σ_k E_k(s_k(w))) / ‖Σ_k E_k(s_k(w))‖ (unnumbered here), over the sources that have a vector, (B, d).

        At length one a mean is what the sum is.
        """
        return units(torch.stack(list(parts)).sum(0))

    def read(self, parts: Sequence[Tensor], meta: Tensor) -> Sequence[Tensor]:
        """Every decoder the meta-embeddings, K times (B, d)."""
        return [meta] * len(parts)
