"""Classes: labels that exclude each other, of which a row has one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def among(scores: Tensor) -> Tensor:
    """The probabilities (..., L) of the classes that somebody knows, which share 1; 0 where the scores are NaN."""
    return scores.nan_to_num(nan=-torch.inf).softmax(-1)


def one_hot(scores: Tensor) -> Tensor:
    """The likeliest class of each row, (..., L) bool; the first of equals. A NaN is no class.

    Args:
        scores: (..., L), rising with a class's probability.
    """
    best = scores.nan_to_num(nan=-torch.inf).argmax(-1)
    return F.one_hot(best, scores.shape[-1]).bool()


def decided(logits: Tensor, exclusive: bool) -> Tensor:
    """The labels that logits stand for, (..., L) bool: the likeliest class, or every label above one half."""
    return one_hot(logits) if exclusive else logits > 0


def truth_of(annotated: Tensor) -> Tensor:
    """Which class rows are annotated with, (N,) long; −1 where nobody annotated.

    Args:
        annotated: (N, L) of 0, 1, and NaN; one 1 a row.
    """
    classes = annotated.nan_to_num().argmax(1)
    return torch.where((annotated == 1).any(1), classes, -1)


def class_cross_entropy(logits: Tensor, probabilities: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Eqs. (13), (14) of TC: J = −Σ_j P_j log Q_j, Q = softmax(logits), summed over rows; and the sum of weights.

    Args:
        logits: (B, L), or (S, B, L) of a student with S steps, whose cross-entropies are added.
        probabilities: P, (B, L).
        weights: how much each row counts, (B, L), equal in a row.
    """
    each = weights * probabilities * logits.float().log_softmax(-1)
    return -each.sum(), weights.mean(-1).sum()


def as_targets(annotated: Tensor | None) -> tuple[Tensor, Tensor]:
    """Annotations as probabilities and weights (N, L), both 0 where nobody annotated.

    Args:
        annotated: (N, L) of 0, 1, and NaN.
    """
    assert annotated is not None
    return annotated.nan_to_num(), (~annotated.isnan()).float()
