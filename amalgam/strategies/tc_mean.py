"""TC without labels (knowledge-amalgamation, ch. 3, as ch. 4 compares it): the student imitates the mean logits.

TC weighs its teachers by a trust learner that labelled rows train. With none, ch. 4 sets the weights equal, and a label
that one teacher alone knows keeps that teacher's logit. TC's own loss (Eq. 14) is a cross-entropy over classes that
exclude each other; over labels that do not, it is ch. 4's Eq. 37.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from amalgam.panel import Panel, mean_logit
from amalgam.signals import ProbabilityTargets, Rows, Votes
from amalgam.strategy import Paper, Strategy


@dataclass(frozen=True)
class TCMean(Strategy[None]):
    """The student learns, label by label, the probability of the mean logit of the teachers that know the label.

    All teachers weigh the same. There is nothing to choose.
    """

    paper: ClassVar[Paper | None] = Paper(
        title="TC: semi-supervised knowledge amalgamation, without the supervision",
        where="knowledge-amalgamation, chapter 3; as compared in chapter 4",
        equations=(37,),
        files=("losses.py",),
    )

    def targets(self, panel: Panel, rows: Rows, votes: Votes, state: None) -> ProbabilityTargets:
        """σ of the mean logit, (B, L)."""
        wanted = mean_logit(votes).sigmoid()
        return ProbabilityTargets(wanted, torch.ones_like(wanted))
