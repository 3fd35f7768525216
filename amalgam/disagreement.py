"""Where teachers contradict each other on a label that both know, and which side the annotations take."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from amalgam.metrics import Number


@dataclass(frozen=True)
class Disagreement:
    """Where teachers that share labels contradict each other; every row counts, annotated or not.

    Attributes:
        between: (K, K) share of (row, shared label) pairs with different hard predictions, NaN without shared labels.
        per_label: (L,) share of rows on which the teachers that know the label disagree, NaN where fewer than two do.
        contradictions: (row, label) pairs on which teachers disagree.
        judged: how many of them are annotated.
        positive_right: in how many of those the positive side is right.
    """

    between: tuple[tuple[Number, ...], ...]
    per_label: tuple[Number, ...]
    contradictions: int
    judged: int
    positive_right: int


class Clashes:
    """Counts of contradictions between teachers; they add up over chunks."""

    def __init__(self, known: Tensor) -> None:
        teachers, labels = known.shape
        self.known = known
        self.rows = 0
        self.between = torch.zeros(teachers, teachers, dtype=torch.float64)
        self.per_label = torch.zeros(labels, dtype=torch.long)
        self.judged = self.positive_right = 0

    def update(self, hard: Tensor, truth: Tensor) -> None:
        """Count hard predictions (K, B, L) and annotations (B, L)."""
        known = self.known[:, None]
        yes, no = hard & known, ~hard & known
        sides = yes.flatten(1).double() @ no.flatten(1).double().T
        self.between += sides + sides.T
        clash = yes.any(0) & no.any(0)
        self.rows += len(truth)
        self.per_label += clash.sum(0)
        self.judged += int((clash & ~truth.isnan()).sum())
        self.positive_right += int((clash & (truth == 1)).sum())

    def disagreement(self) -> Disagreement:
        """The counts as shares; a share of nothing is NaN."""
        known = self.known.double()
        between = self.between / (known @ known.T * self.rows)
        alone = self.known.sum(0) < 2
        per_label = (self.per_label / self.rows).masked_fill(alone, torch.nan)
        return Disagreement(
            tuple(tuple(row) for row in between.tolist()),
            tuple(per_label.tolist()),
            int(self.per_label.sum()),
            self.judged,
            self.positive_right,
        )
