"""Concat and SVD: the d strongest directions of the sources side by side (Yin and Schütze, ACL 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from amalgam.embeddings.filled import Unknown
from amalgam.embeddings.lexicon import Lexicon
from amalgam.embeddings.method import Learn, MetaEmbedding
from amalgam.errors import RequestError
from amalgam.strategies.concat import joined
from amalgam.strategy import Paper

_ROWS = 2**14  # that are in double precision at once


@dataclass(frozen=True)
class ConcatSVD(MetaEmbedding):
    """`concat`, brought to d dimensions by a truncated singular value decomposition.

    Attributes:
        unknown: what stands for a word that a source does not know: its `token` for unknown words, or `zero`.
        at_length_one: whether vectors are brought to length one first, as Yin and Schütze do.
        weights: how much longer each source's vectors are than one; 1 each by default.
    """

    paper: ClassVar[Paper | None] = Paper(
        title="Learning Word Meta-Embeddings (Yin and Schütze, ACL 2016)",
        where="their section 5.2; beside the methods of knowledge-amalgamation, chapter 2",
    )

    unknown: Unknown = "token"
    at_length_one: bool = True
    weights: tuple[float, ...] = ()

    def vectors(self, lexicon: Lexicon, width: int, learn: Learn) -> Tensor:
        """U_d S_d of the singular value decomposition, (V, d)."""
        together = joined(lexicon, self.unknown, self.at_length_one, self.weights)
        if width > min(together.shape):
            raise RequestError(
                f"student.width is {width}, and {len(lexicon.words):,} words of {together.shape[1]} dimensions have no "
                f"more than {min(together.shape)}; choose a smaller one"
            )
        return projected(together, width)


def projected(vectors: Tensor, width: int) -> Tensor:
    """Vectors (V, D) on their d strongest directions, (V, d), by the eigenvectors of their D × D products.

    The same as U_d S_d but for rounding, at the cost of one product, where V is many times D. Each direction's sign is
    such that its largest component is positive, so that the result does not hang on the library.
    """
    values, directions = torch.linalg.eigh(_products(vectors))
    strongest = directions[:, values.argsort(descending=True)[:width]]
    largest = strongest.gather(0, strongest.abs().argmax(0, keepdim=True))
    found: Tensor = vectors @ (strongest * largest.sign()).to(vectors.dtype)
    return found


def _products(vectors: Tensor) -> Tensor:
    """VᵀV in double precision, without all vectors in it."""
    total = torch.zeros(vectors.shape[1], vectors.shape[1], dtype=torch.float64)
    for part in torch.split(vectors, _ROWS):
        wide = part.double()
        total += wide.T @ wide
    return total
