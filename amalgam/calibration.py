"""How far stated probabilities can be believed: reliability diagrams and the expected calibration error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from amalgam.classes import Spans, pieces
from amalgam.metrics import Number

BINS = 15
"""Equal intervals of [0, 1], as in Guo et al. (ICML 2017)."""


@dataclass(frozen=True)
class Bin:
    """The claims whose probability lies in one interval.

    Attributes:
        claims: how many.
        stated: the mean of their probabilities; NaN of none.
        true: the share of them that is true; NaN of none.
    """

    claims: int
    stated: Number
    true: Number


@dataclass(frozen=True)
class Calibration:
    """What a model claims with which probability, and how often it is true.

    Attributes:
        bins: of equal intervals of [0, 1], in order.
    """

    bins: tuple[Bin, ...]

    @property
    def claims(self) -> int:
        """How many there are."""
        return sum(one.claims for one in self.bins)

    @property
    def error(self) -> float:
        """The expected calibration error (Guo et al. 2017, Eq. 3): Σ n_b / n · |true_b − stated_b|; NaN of no claim."""
        gaps = (one.claims * abs(one.true - one.stated) for one in self.bins if one.claims)
        return sum(gaps) / self.claims if self.claims else math.nan


class Reliability:
    """Claims that come chunk by chunk; only their sums are kept, so its memory does not grow with the rows."""

    def __init__(self) -> None:
        self._sums = torch.zeros(3, BINS, dtype=torch.float64)

    def update(self, stated: Tensor, true: Tensor) -> None:
        """Count some claims: their probabilities (n,), and whether they are true, (n,) bool."""
        place = (stated * BINS).long().clamp(0, BINS - 1)
        content = torch.stack([torch.ones_like(stated), stated, true.to(stated)]).double()
        self._sums.index_add_(1, place, content)

    def calibration(self) -> Calibration:
        """All claims counted so far."""
        return Calibration(
            tuple(
                Bin(int(count), *((said / count, true / count) if count else (math.nan, math.nan)))
                for count, said, true in self._sums.T.tolist()
            )
        )


def claims(probabilities: Tensor, annotated: Tensor, spans: Spans, columns: Sequence[int]) -> tuple[Tensor, Tensor]:
    """What a model claims of rows, with which probability, and whether it is true: (n,), (n,) bool.

    Of a label that is yes or no it claims that a row has it; of a task of several classes, that it has the likeliest.

    Args:
        probabilities: (B, L); 0 for a class, and anything for a label, that the model does not know.
        annotated: (B, L) of 0, 1, and NaN where nobody annotated or the model is not measured.
        spans: where the classes of tasks stand.
        columns: the labels that it is measured on.
    """
    stated, true = list[Tensor](), list[Tensor]()
    for first, last, one_task in pieces(spans, annotated.shape[1]):
        own = [column for column in columns if first <= column < last]
        if one_task:
            known = (annotated[:, own] == 1).any(1)
            said, likeliest = probabilities[known, first:last].max(1)
            right = annotated[known, first:last].gather(1, likeliest[:, None])[:, 0] == 1
        else:
            known = ~annotated[:, own].isnan()
            said, right = probabilities[:, own][known], annotated[:, own][known] == 1
        stated.append(said)
        true.append(right)
    return torch.cat(stated), torch.cat(true)
