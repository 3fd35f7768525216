"""What a report says of a transfer: the source, and what each of its classes was worth (L2TL, Table 4)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from amalgam.metrics import Number
from amalgam.transfer.source import Source

_EXAMPLES = 4


@dataclass(frozen=True)
class ClassWeight:
    """A class of the source.

    Attributes:
        name: the class, after who says it.
        weight: the mean of λ; NaN where nothing weighed the classes.
        rows: how many the source has of it.
        examples: some of them, by their number in the source.
    """

    name: str
    weight: Number
    rows: int
    examples: tuple[int, ...]


@dataclass(frozen=True)
class Pretraining:
    """What it took to learn the networks that a student begins with: seconds, now or when the store was given them.

    Attributes:
        source: of a network of the source as it is, which serves any target.
        redrawn: of one of the source as the method draws it anew for this target.
    """

    source: float = 0.0
    redrawn: float = 0.0


@dataclass(frozen=True)
class Transferred:
    """The source of a transfer.

    Attributes:
        name: what it is called.
        rows: how many it has.
        alpha: the mean of α; NaN where nothing weighed it.
        classes: those of the greatest weight first.
        pretraining: what learning it alone took.
    """

    name: str
    rows: int
    alpha: Number
    classes: tuple[ClassWeight, ...]
    pretraining: Pretraining = field(default_factory=Pretraining)


def told(source: Source, weights: Tensor | None, alpha: float | None) -> Transferred:
    """The source with its classes in the order of their weights (C,), or of their rows where there are no weights."""
    counts, likeliest = source.counts, source.classes
    order = (counts.float() if weights is None else weights).argsort(descending=True, stable=True)
    found = []
    for column in order.tolist():
        rows = (likeliest == column).any(1).nonzero()[:_EXAMPLES, 0]
        weight = torch.nan if weights is None else float(weights[column])
        found.append(ClassWeight(source.rows.labels[column], weight, int(counts[column]), tuple(rows.tolist())))
    return Transferred(source.rows.name, len(source.rows), torch.nan if alpha is None else alpha, tuple(found))
