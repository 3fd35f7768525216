"""Concat and SVD: the d strongest directions of the sources side by side (Yin and Schütze, ACL 2016)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, cast

import torch
from torch import Tensor

from amalgam.embeddings.filled import Unknown
from amalgam.embeddings.lexicon import Lexicon
from amalgam.embeddings.method import Learn, MetaEmbedding
from amalgam.errors import RequestError
from amalgam.strategies.concat import joined
from amalgam.strategy import Paper


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
        most = min(len(lexicon.words), sum(source.dimensions for source in lexicon.sources))
        if width > most:
            raise RequestError(
                f"student.width is {width}, and {len(lexicon.words):,} words of "
                f"{sum(source.dimensions for source in lexicon.sources)} dimensions have no more than {most}; choose a "
                "smaller one"
            )
        together = partial(joined, lexicon, self.unknown, self.at_length_one, self.weights)
        return projected(together, len(lexicon.words), width)


def projected(parts: Callable[[], Iterable[Tensor]], words: int, width: int) -> Tensor:
    """Vectors (V, D) on their d strongest directions, (V, d), by the eigenvectors of their D × D products.

    The same as U_d S_d but for rounding, at the cost of one product, where V is many times D. Each direction's sign is
    such that its largest component is positive, so that the result does not hang on the library.

    Args:
        parts: gives them from the start, so many at once; it is asked twice, so that they are never there together.
        words: V.
        width: d; of fewer directions than that, the rest are zeros.
    """
    products = cast(Tensor, sum(own.T @ own for own in (part.double() for part in parts())))
    values, directions = torch.linalg.eigh(products)
    strongest = directions[:, values.argsort(descending=True)[:width]]
    largest = strongest.gather(0, strongest.abs().argmax(0, keepdim=True))
    onto = (strongest * largest.sign()).float()
    found, start = torch.zeros(words, width), 0
    for part in parts():
        torch.mm(part, onto, out=found[start : start + len(part), : onto.shape[1]])
        start += len(part)
    return found
