"""A student of one teacher alone: what amalgamation must beat (knowledge-amalgamation, ch. 3, "Original Teachers").

The text measures the teachers themselves, which `amalgam bench` and every report do, too. A student of one of them is
what somebody ships who has to choose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from pydantic import NonNegativeInt

from amalgam.classes import among
from amalgam.errors import RequestError
from amalgam.panel import Panel
from amalgam.signals import ProbabilityTargets, Rows, Votes
from amalgam.strategy import Paper, Strategy


@dataclass(frozen=True)
class Single(Strategy[None]):
    """The student learns what one teacher says; of labels which that teacher does not know, it learns nothing.

    Attributes:
        teacher: its number in the panel, from 0 on.
    """

    paper: ClassVar[Paper | None] = Paper(
        title="TC: a teacher alone, as its text compares it (AAAI 2021)",
        where="knowledge-amalgamation, chapter 3, compared methods",
    )
    exclusive: ClassVar[bool | None] = None

    teacher: NonNegativeInt = 0

    def targets(self, panel: Panel, rows: Rows, votes: Votes, state: None) -> ProbabilityTargets:
        """The teacher's probabilities, (B, L)."""
        if self.teacher >= len(panel.seats):
            raise RequestError(
                f"strategy 'single' asks for teacher {self.teacher}, but there are {len(panel.seats)}, numbered from 0"
            )
        said, known = votes.scores[self.teacher], votes.known[self.teacher]
        if self.chooses(panel):
            wanted = among(said)
            return ProbabilityTargets(wanted, torch.ones_like(wanted), exclusive=True)
        wanted = votes.binary()[self.teacher].sigmoid().nan_to_num()
        return ProbabilityTargets(wanted, known.float().expand_as(wanted))
