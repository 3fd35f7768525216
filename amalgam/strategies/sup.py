"""Supervision alone (knowledge-amalgamation, ch. 3, "SupLSTM"): a student of the few labelled rows, no teachers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from amalgam.classes import as_targets
from amalgam.panel import Panel
from amalgam.signals import ProbabilityTargets, Rows, Votes
from amalgam.strategy import Paper, Strategy


@dataclass(frozen=True)
class Sup(Strategy[None]):
    """The student learns the annotations of the labelled rows. There is nothing to choose."""

    paper: ClassVar[Paper | None] = Paper(
        title="SupLSTM: the few labelled rows alone, as TC compares it (AAAI 2021)",
        where="knowledge-amalgamation, chapter 3, compared methods",
    )
    exclusive: ClassVar[bool | None] = None
    sees_labels: ClassVar[bool] = True

    def targets(self, panel: Panel, rows: Rows, votes: Votes, state: None) -> ProbabilityTargets:
        """The annotations, (B, L), with no weight where there are none."""
        return ProbabilityTargets(*as_targets(rows.annotated), spans=self.spans(panel))
