"""What students minimise: the cross-entropy with probabilities, of classes and of labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from amalgam.classes import class_cross_entropy, pieces
from amalgam.signals import Loss, ProbabilityTargets, StudentOutput, Targets


def cross_entropy(logits: Tensor, targets: ProbabilityTargets) -> Loss:
    """The cross-entropy with targets: over the classes of each task, label by label elsewhere, all added up.

    It is counted in rows; of one task of all labels in weights, so that a row without a class does not count.

    Args:
        logits: (B, L), or (S, B, L) of a student with S steps, whose cross-entropies are added.
        targets: probabilities and weights (B, L).
    """
    if targets.exclusive:
        return Loss(*class_cross_entropy(logits, targets.probabilities, targets.weights))
    if not targets.spans:
        return label_cross_entropy(logits, targets)
    told = []
    for first, last, one_task in pieces(targets.spans, logits.shape[-1]):
        own = ProbabilityTargets(
            targets.probabilities[..., first:last],
            targets.weights[..., first:last],
            spans=((0, last - first),) * one_task,
        )
        told.append(cross_entropy(logits[..., first:last], own).sum)
    return Loss(torch.stack(told).sum(), torch.as_tensor(float(len(targets)), device=logits.device))


def label_cross_entropy(logits: Tensor, targets: ProbabilityTargets) -> Loss:
    """Eq. (37) of ANT: J = −Σ_j P_j log σ(L_j) + (1 − P_j) log(1 − σ(L_j)), summed over rows, counted in rows.

    Args:
        logits: as for `cross_entropy`.
        targets: probabilities and weights (B, L).
    """
    wanted, weights = targets.probabilities.expand_as(logits), targets.weights.expand_as(logits)
    each = F.binary_cross_entropy_with_logits(logits.float(), wanted, weight=weights, reduction="sum")
    return Loss(each, torch.as_tensor(float(len(targets)), device=logits.device))


def stepwise(output: StudentOutput, targets: Targets) -> Loss:
    """Cross-entropy with the targets, summed over the steps of a chain."""
    assert isinstance(targets, ProbabilityTargets)
    return cross_entropy(output.logits if output.steps is None else output.steps, targets)
