"""A student of one teacher alone: what amalgamation must beat (knowledge-amalgamation, ch. 3, "Original Teachers").

The text measures the teachers themselves, which `amalgam bench` and every report do, too. A student of one of them is
what somebody ships who has to choose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from pydantic import NonNegativeInt

from amalgam.classes import among, by_task
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
        spans, said, known = self.spans(panel), votes.scores[self.teacher], votes.known[self.teacher]
        said = votes.read(spans)[self.teacher]
        wanted = by_task(said, spans, among, torch.sigmoid).nan_to_num()
        # It knows a task of which it knows a class: the others do not occur to it.
        able = by_task(known, spans, lambda some: some.any().expand_as(some), lambda some: some)
        return ProbabilityTargets(wanted, able.float().expand_as(wanted), spans=spans)
