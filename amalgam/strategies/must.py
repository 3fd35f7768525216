"""MuST, multi-task self-training (Ghiasi et al., ICCV 2021), as knowledge-amalgamation, ch. 5, compares it.

The teachers' predictions are taken for labels, one student learns all tasks from them. Here a prediction is a yes or a
no, or one of a task's classes, and a task of several teachers has a label from each of them: where they contradict each
other, half of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from amalgam.classes import Spans, by_task
from amalgam.panel import Panel, choices
from amalgam.signals import ProbabilityTargets, Rows, Votes
from amalgam.strategy import Paper, Strategy


@dataclass(frozen=True)
class MuST(Strategy[None]):
    """The student learns the teachers' hard predictions; there is nothing to choose."""

    paper: ClassVar[Paper | None] = Paper(
        title="MuST: Multi-Task Self-Training for Learning General Representations (ICCV 2021)",
        where="as knowledge-amalgamation, chapter 5, compares it",
    )

    exclusive: ClassVar[bool | None] = None

    def targets(self, panel: Panel, rows: Rows, votes: Votes, state: None) -> ProbabilityTargets:
        """The share of the teachers that know a task and affirm it, (B, L)."""
        spans = self.spans(panel)
        share = pseudo_labels(votes, spans)
        return ProbabilityTargets(share, torch.ones_like(share), spans=spans)


def pseudo_labels(votes: Votes, spans: Spans = ()) -> Tensor:
    """The share of the teachers that affirm a label, or choose a class, of those that know the task, (B, L).

    Args:
        votes: what the teachers said; each chooses among the classes it knows.
        spans: the tasks of several classes.
    """
    able = by_task(votes.known, spans, lambda some: some.any(-1, keepdim=True).expand_as(some), lambda some: some)
    return choices(votes, spans).sum(0) / able.sum(0)
