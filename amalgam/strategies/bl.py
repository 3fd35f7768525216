"""BL, the majority's vote (knowledge-amalgamation, ch. 4, "Baseline"): the simplest compared method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from amalgam.panel import Panel, majority
from amalgam.signals import ProbabilityTargets, Rows, Votes
from amalgam.strategy import Paper, Strategy


@dataclass(frozen=True)
class BL(Strategy[None]):
    """The student learns, label by label, what most of the teachers that know the label say: yes or no.

    Every teacher has one vote, however sure it is; a tie is positive. There is nothing to choose.
    """

    paper: ClassVar[Paper | None] = Paper(
        title="BL: the baseline that ANT is compared with (AAAI 2023)",
        where="knowledge-amalgamation, chapter 4, compared methods",
        equations=(37,),
        files=("losses.py",),
    )

    def targets(self, panel: Panel, rows: Rows, votes: Votes, state: None) -> ProbabilityTargets:
        """The majority's hard votes, (B, L) of 0 and 1."""
        hard = majority(votes)
        return ProbabilityTargets(hard, torch.ones_like(hard))
