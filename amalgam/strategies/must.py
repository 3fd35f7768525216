"""MuST, multi-task self-training (Ghiasi et al., ICCV 2021), as knowledge-amalgamation, ch. 5, compares it.

The teachers' predictions are taken for labels, one student learns all tasks from them. Here a prediction is a yes or a
no, and a task of several teachers has a label from each of them: where they contradict each other, half of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from amalgam.classes import one_hot
from amalgam.panel import Panel
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
        chooses = self.chooses(panel)
        share = pseudo_classes(votes) if chooses else pseudo_labels(votes)
        return ProbabilityTargets(share, torch.ones_like(share), exclusive=chooses)


def pseudo_labels(votes: Votes) -> Tensor:
    """The mean over the teachers that know a task of their yes (1) or no (0), (B, L)."""
    said = (votes.binary() > 0) & votes.known[:, None]
    return said.sum(0) / votes.known.sum(0)


def pseudo_classes(votes: Votes) -> Tensor:
    """The share of the teachers that choose a class, (B, L), each among the classes it knows."""
    return one_hot(votes.scores).float().mean(0)
