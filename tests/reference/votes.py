"""Random votes, and what each teacher says in them of one label of one row, in Python's floats."""

from __future__ import annotations

import math

import torch

from amalgam.classes import Spans
from amalgam.labels import LabelSpace
from amalgam.panel import Panel
from amalgam.signals import Votes

TEACHERS, ROWS, LABELS = 4, 6, 5


def drawn(seed: int) -> Votes:
    """Votes of four teachers that know different labels; the last one's labels exclude each other."""
    random = torch.Generator().manual_seed(seed)
    known = torch.rand(TEACHERS, LABELS, generator=random) < 0.5
    known[0] |= ~known.any(0)  # somebody knows each label
    known[-1, :2] = True
    scores = 2 * torch.randn(TEACHERS, ROWS, LABELS, generator=random)
    spans: tuple[Spans, ...] = ((), (), (), ((0, LABELS),))
    features = tuple(torch.randn(ROWS, 3 + k, generator=random) for k in range(TEACHERS))
    return Votes(torch.where(known[:, None], scores, torch.nan), known, spans, features)


def nobody() -> Panel:
    """A panel for strategies that read the votes alone."""
    return Panel((), LabelSpace(tuple(f"label {column}" for column in range(LABELS)), ()))


def logits(votes: Votes, row: int, label: int) -> list[float]:
    """The logit of every teacher that knows the label: of a softmax teacher, log p / (1 − p)."""
    said = []
    for k in range(TEACHERS):
        if not bool(votes.known[k, label]):
            continue
        own = {one: float(votes.scores[k, row, one]) for one in range(LABELS) if bool(votes.known[k, one])}
        if votes.spans[k]:
            p = math.exp(own[label]) / sum(math.exp(one) for one in own.values())
            said.append(math.log(p / (1 - p)))
        else:
            said.append(own[label])
    return said


def sigmoid(logit: float) -> float:
    """1 / (1 + e^−z)."""
    return 1 / (1 + math.exp(-logit))


def cross_entropy(wanted: float, logit: float) -> float:
    """−p log σ(z) − (1 − p) log(1 − σ(z))."""
    return -wanted * math.log(sigmoid(logit)) - (1 - wanted) * math.log(1 - sigmoid(logit))
