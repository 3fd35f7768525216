"""The meta-embedding that is learned: words to vectors."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn


class Embedding(nn.Module):
    """A vector for each of V words (knowledge-amalgamation, Eq. 1).

    Args:
        words: V.
        width: d.
        start: (V, d) to begin with; by default small random numbers.
    """

    sparse: ClassVar[bool] = True  # as torch calls it: a step moves the words of its batch alone

    def __init__(self, words: int, width: int, start: Tensor | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(words, width) / width**0.5 if start is None else start)
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, words: Tensor) -> Tensor:
        """Eq. (1): e_k = M x_k + b, (B, d), of words (B,) or (B', W), of which B = B' W."""
        found = nn.functional.embedding(words.flatten(), self.weight, sparse=True)
        return found + self.bias

    @torch.no_grad()
    def vectors(self) -> Tensor:
        """Every word's, (V, d)."""
        return self.weight + self.bias
