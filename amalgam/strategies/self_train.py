"""Self-training (Rosenberg, Hebert, Schneiderman, WACV 2005): a student that teaches itself.

It learns the few labelled rows, labels those of the others that it is sure of, learns from all of them, and so on. The
teachers are not asked. The paper is about finding objects and knows no classes, so the rule is the text's that compares
it (knowledge-amalgamation, ch. 3): what passes a threshold of confidence is added; neither the threshold nor the number
of rounds is printed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from amalgam.classes import as_targets, one_hot, whole
from amalgam.losses import stepwise
from amalgam.panel import Ballots, Panel
from amalgam.signals import ProbabilityTargets, Rows, Votes
from amalgam.strategy import Learn, Paper, Strategy

_CHUNK = 1024


@dataclass(frozen=True)
class SelfTrain(Strategy[tuple[nn.Module, ...]]):
    """The student learns the labelled rows, and what the students before it said of the others and were sure of.

    Attributes:
        confidence: the probability of its class above which a row counts as labelled from then on (chosen).
        rounds: students before the last, at most; fewer when no further row passes (chosen).
    """

    paper: ClassVar[Paper | None] = Paper(
        title="Semi-Supervised Self-Training of Object Detection Models (WACV/MOTION 2005)",
        where="as knowledge-amalgamation, chapter 3, compares it",
    )
    exclusive: ClassVar[bool | None] = True
    sees_labels: ClassVar[bool] = True
    trains: ClassVar[bool] = True

    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.9
    rounds: PositiveInt = 3

    def prepare(self, panel: Panel, rows: Rows, ballots: Ballots, learn: Learn) -> tuple[nn.Module, ...]:
        """The students of all rounds but the last."""
        students, before = tuple[nn.Module, ...](), 0
        for number in range(self.rounds):
            taught = self._labelled(rows, students)
            where = taught.weights.any(1).nonzero()[:, 0]
            if len(where) == before:
                break
            before = len(where)
            name = f"self-training, round {number + 1}"
            students += (learn(None, taught.at(where), stepwise, name, rows=rows.take(where)),)
        return students

    def targets(self, panel: Panel, rows: Rows, votes: Votes, state: tuple[nn.Module, ...]) -> ProbabilityTargets:
        """The annotations, the classes that a student was the first to be sure of, and no weight for other rows."""
        taught = self._labelled(rows, state)
        added = (taught.weights.any(1) & ~as_targets(rows.annotated)[1].bool().any(1)).sum()
        return replace(taught, counts={"rows it labelled itself": added})

    def _labelled(self, rows: Rows, students: tuple[nn.Module, ...]) -> ProbabilityTargets:
        said, weights = as_targets(rows.annotated)
        for student in students:
            sure, chosen = self._sure(rows, student)
            new = (sure & ~weights.any(1))[:, None]
            said, weights = torch.where(new, chosen, said), torch.where(new, 1.0, weights)
        return ProbabilityTargets(said, weights, spans=whole(said))

    def _sure(self, rows: Rows, student: nn.Module) -> tuple[Tensor, Tensor]:
        """Which rows (B,) a student is sure of, and its classes (B, L)."""
        device = next(student.parameters()).device
        with torch.no_grad():
            said = [student(inputs.to(device)).logits.softmax(1).cpu() for _, inputs in rows.chunks(_CHUNK)]
        likely = torch.cat(said)
        return likely.amax(1) > self.confidence, one_hot(likely).float()
