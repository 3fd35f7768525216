"""CAEME, concatenated autoencoded meta-embedding (Bao and Bollegala, COLING 2018; knowledge-amalgamation, ch. 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from amalgam.strategies._autoencoders import Autoencoded, shared_out, side_by_side
from amalgam.strategy import Paper


@dataclass(frozen=True)
class CAEME(Autoencoded):
    """A word's vector is its encodings side by side, and rebuilds every source's vector as a whole.

    Each encoding is d / K wide, the first one dimension wider where that leaves a rest; the authors' are as wide as
    their sources.

    Attributes:
        unknown: what stands for a word that a source does not know: a `learned` vector, which is that source's word
            like any other, as knowledge-amalgamation has it (the authors' code has zeros); or, with `none`, nothing:
            its encoding there is zeros, and it costs nothing.
        activation: what encoders end with; `relu` is the default of the authors' code.
        noise: the share of an encoder's inputs that is set to zero in training, as in the authors' code, 5 %; there it
            is a fixed number of a vector's components, here each with this probability.
        weights: λ of each source's errors; 1 each by default, as in the authors' code.
    """

    paper: ClassVar[Paper | None] = Paper(
        title="Learning Word Meta-Embeddings by Autoencoding (Bao and Bollegala, COLING 2018)",
        where="their concatenated one; knowledge-amalgamation, chapter 2, compared methods",
    )

    def widths(self, sources: int, width: int) -> Sequence[int]:
        """d in K parts."""
        return shared_out(width, sources)

    def meta(self, parts: Sequence[Tensor]) -> Tensor:
        """The encodings side by side, at length one, (B, d)."""
        return side_by_side(parts)

    def read(self, parts: Sequence[Tensor], meta: Tensor) -> Sequence[Tensor]:
        """Every decoder the meta-embeddings, K times (B, d)."""
        return [meta] * len(parts)
