"""Classes: the labels of one task, of which a row has one; a label of no such task is a task by itself, yes or no.

The classes of a task stand side by side. `Spans` says where, in the order of the columns: (first, last + 1) of each
task of several classes, nothing of the other labels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Spans = tuple[tuple[int, int], ...]
"""Which columns are the classes of a task, (first, last + 1) of each such task; other columns are yes or no."""


def whole(values: Tensor) -> Spans:
    """The span of one task whose classes are all columns of values (..., L)."""
    return ((0, values.shape[-1]),)


def pieces(spans: Spans, labels: int) -> list[tuple[int, int, bool]]:
    """All columns of L labels in order: (first, last + 1, whether they are the classes of one task)."""
    found, done = list[tuple[int, int, bool]](), 0
    for first, last in spans:
        if done < first:
            found.append((done, first, False))
        found.append((first, last, True))
        done = last
    if done < labels:
        found.append((done, labels, False))
    return found


def task_columns(spans: Spans, labels: int) -> list[tuple[int, int]]:
    """The columns (first, last + 1) of every task of L labels in order, also of those that are yes or no."""
    found = list[tuple[int, int]]()
    for first, last, one_task in pieces(spans, labels):
        found += [(first, last)] if one_task else [(column, column + 1) for column in range(first, last)]
    return found


def by_task(
    values: Tensor, spans: Spans, classes: Callable[[Tensor], Tensor], labels: Callable[[Tensor], Tensor]
) -> Tensor:
    """What two functions make of values (..., L): one of each task's classes, the other of the labels between them.

    Args:
        values: (..., L).
        spans: the tasks.
        classes: of the columns of a task (..., l).
        labels: of columns that are yes or no.
    """
    if not spans:
        return labels(values)
    cut = [
        (classes if one_task else labels)(values[..., first:last])
        for first, last, one_task in pieces(spans, values.shape[-1])
    ]
    return cut[0] if len(cut) == 1 else torch.cat(cut, -1)


def probabilities(logits: Tensor, spans: Spans) -> Tensor:
    """Eqs. (40), (48) of VENUS: p = σ(ℓ), (..., L), of logits; the softmax of a task's classes."""
    return by_task(logits, spans, lambda some: some.softmax(-1), torch.sigmoid)


def among(scores: Tensor) -> Tensor:
    """The probabilities (..., L) of the classes that somebody knows, which share 1; 0 where the scores are NaN."""
    return scores.nan_to_num(nan=-torch.inf).softmax(-1)


def centred(scores: Tensor) -> Tensor:
    """A softmax's logits (..., L) with mean 0 over the classes that somebody knows; NaN where the scores are."""
    return scores - scores.nanmean(-1, keepdim=True)


def one_hot(scores: Tensor) -> Tensor:
    """The likeliest class of each row, (..., L) bool; the first of equals. A NaN is no class.

    Args:
        scores: (..., L), rising with a class's probability.
    """
    best = scores.nan_to_num(nan=-torch.inf).argmax(-1)
    return F.one_hot(best, scores.shape[-1]).bool()


def decided(logits: Tensor, spans: Spans) -> Tensor:
    """Eq. (49) of VENUS: ŷ = 1 if σ(ℓ) > 0.5, (..., L) bool, of logits; of each task's classes the likeliest."""
    return by_task(logits, spans, one_hot, lambda some: some > 0)


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
