"""How a teacher usually answers, learned from its own votes: what a present answer is measured against."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

_REACH, _FINE = 16, 32  # thresholds are sought between ±16, to the 32nd of a logit


@dataclass(frozen=True)
class Habit:
    """How a teacher usually scores its l labels.

    Attributes:
        threshold: (l,) the logit above which its decisions lie.
        usual: (2, l) how far its logits usually lie from the threshold, where it denies a label and where it affirms.
    """

    threshold: Tensor
    usual: Tensor

    def sureness(self, scores: Tensor) -> Tensor:
        """How far logits lie from the threshold, beside what is usual on that side of it, (B, l).

        A rare label is usually denied surely and affirmed hesitantly. So the larger of two logits says little; a
        hesitant denial and a hesitant affirmation are weighed alike when both are half of what is usual.

        Args:
            scores: logits minus thresholds, (B, l).
        """
        return scores.abs() / torch.where(scores > 0, self.usual[1], self.usual[0])


def learn_habit(votes: Callable[[], Iterable[Tensor]], prevalence: float) -> Habit:
    """The habit of a teacher from its votes (N, l), read chunk by chunk, and once more for thresholds.

    Args:
        votes: gives the logits (B, l), from the first chunk on, each time it is called.
        prevalence: how far the thresholds go from 0 towards `expected_threshold`.
    """
    threshold = prevalence * expected_threshold(votes()) if prevalence else torch.zeros(())
    # As if each side had been seen once more, at the distance 1: the mean of a few rows says little.
    rows, distances = torch.ones(()).double(), torch.ones(()).double()
    for scores in votes():
        away = scores.double() - threshold
        side = torch.stack([away <= 0, away > 0]).double()
        rows, distances = rows + side.sum(1), distances + (side * away.abs()).sum(1)
    usual = (distances / rows).float().clamp_min(1e-6)
    return Habit(threshold.expand(usual.shape[1]).float(), usual)


def expected_threshold(votes: Iterable[Tensor]) -> Tensor:
    """The logit (l,), in 32nds, above which lie as many rows as the probabilities of all rows add up to.

    As nearly as can be, and of several such logits the one nearest 0. Decided so, a teacher affirms a label on as many
    rows as it expects to have it; at p > 0.5 a teacher that is unsure of a rare label affirms it on fewer. PCut (Yang,
    SIGIR 2001), with the teacher's own expectation for the share.
    """
    expected, above = torch.zeros(()).double(), torch.zeros((), dtype=torch.long)
    for scores in votes:
        wide = scores.double()
        expected = expected + wide.sigmoid().sum(0)
        lies = ((wide.clamp(-_REACH, _REACH + 1) + _REACH) * _FINE).ceil().long().clamp(max=2 * _REACH * _FINE + 1)
        bins, labels = 2 * _REACH * _FINE + 2, scores.shape[1]  # the last bin lies above every threshold
        counts = torch.bincount((lies + bins * torch.arange(labels)).flatten(), minlength=bins * labels)
        above = above + counts.view(labels, bins).flip(1).cumsum(1).flip(1)[:, 1:]
    grid = torch.arange(above.shape[1]) / _FINE - _REACH
    missed = (above - expected[:, None]).abs()
    nearest = torch.where(missed == missed.amin(1, keepdim=True), grid.abs(), torch.inf).argmin(1)
    return grid[nearest].double()
