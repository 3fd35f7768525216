"""DAEME, decoupled autoencoded meta-embedding (Bao and Bollegala, COLING 2018; knowledge-amalgamation, ch. 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from amalgam.embeddings.relations import Sight
from amalgam.signals import Loss
from amalgam.strategies._autoencoders import Autoencoded, Coded, shared_out, side_by_side
from amalgam.strategy import Paper


@dataclass(frozen=True)
class DAEME(Autoencoded):
    """A word's vector is its encodings side by side, each of which rebuilds its own source's vector.

    Encodings of a word shall be alike, too, which is all that ties the sources together. Each is d / K wide, the first
    one dimension wider where that leaves a rest; the authors' are as wide as their sources. Of two that are not equally
    wide, the components that both have are compared, as in the authors' code.

    Attributes:
        unknown: what stands for a word that a source does not know: a `learned` vector, which is that source's word
            like any other, as knowledge-amalgamation has it (the authors' code has zeros); or, with `none`, nothing: it
            has no encoding there, or one of zeros, and costs nothing.
        activation: what encoders end with; `relu` is the default of the authors' code.
        noise: the share of an encoder's inputs that is set to zero in training, as in the authors' code, 5 %; there it
            is a fixed number of a vector's components, here each with this probability.
        weights: λ of each source's errors; 1 each by default, as in the authors' code.
        agreement: λ of two encodings' squared distance, for every two of the K; 1 in the authors' code.
    """

    paper: ClassVar[Paper | None] = Paper(
        title="Learning Word Meta-Embeddings by Autoencoding (Bao and Bollegala, COLING 2018)",
        where="their decoupled one; knowledge-amalgamation, chapter 2, compared methods",
    )

    agreement: NonNegativeFloat = 1.0

    def widths(self, sources: int, width: int) -> Sequence[int]:
        """d in K parts."""
        return shared_out(width, sources)

    def meta(self, parts: Sequence[Tensor]) -> Tensor:
        """The encodings side by side, at length one, (B, d)."""
        return side_by_side(parts)

    def read(self, parts: Sequence[Tensor], meta: Tensor) -> Sequence[Tensor]:
        """Each decoder its own source's encodings, K tensors (B, d_k)."""
        return parts

    def loss(self, coded: Coded, sight: Sight) -> Loss:
        """What the decoders lost, and how far a word's encodings are apart, summed over the words."""
        lost = super().loss(coded, sight)
        return Loss(lost.sum + self.agreement * disagreement(coded.parts, coded.there), lost.count)


def disagreement(parts: Sequence[Tensor], there: Tensor) -> Tensor:
    """Σ_w Σ_j<k ‖E_j(s_j(w)) - E_k(s_k(w))‖² (unnumbered here), over the sources that have vectors of both, ().

    Args:
        parts: K tensors (B, d_k).
        there: (B, K), 1 where a source has a vector for the word.
    """
    total = there.new_zeros(())
    for (one, of_one), (other, of_other) in combinations(zip(parts, there.T, strict=True), 2):
        common = min(one.shape[1], other.shape[1])
        apart = (one[:, :common] - other[:, :common]).square().sum(1)
        total = total + torch.dot(of_one * of_other, apart)
    return total
