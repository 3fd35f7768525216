"""SupKD (knowledge-amalgamation, ch. 3): distillation and supervision, on the few labelled rows.

The student imitates the teachers' mean logits and learns the annotations, of the labelled rows alone, as the text has
it. That the other rows are left out is its weakness: `everywhere` lets it imitate the teachers on all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydantic import NonNegativeFloat

from amalgam.classes import as_targets
from amalgam.panel import Panel
from amalgam.signals import Loss, ProbabilityTargets, Rows, StudentOutput, Targets, Taught, Votes, cross_entropy
from amalgam.strategies.kd import KD
from amalgam.strategy import Paper


class TaughtDistillation(Taught):
    """Softened mean logits, and the annotations."""

    form: ClassVar[type[Targets]] = ProbabilityTargets


@dataclass(frozen=True)
class SupKD(KD):
    """The student imitates the mean logit of the teachers that know a class, and learns the annotations.

    Attributes:
        temperature: as for `kd`.
        supervision: what the cross-entropy with a row's annotation counts beside its imitation (chosen).
        everywhere: whether the teachers are imitated on all rows; the text's are only the labelled ones.
    """

    paper: ClassVar[Paper | None] = Paper(
        title="SupKD: distillation on the few labelled rows, as TC compares it (AAAI 2021)",
        where="knowledge-amalgamation, chapter 3, compared methods",
    )
    form: ClassVar[type[Targets]] = TaughtDistillation
    exclusive: ClassVar[bool | None] = True
    sees_labels: ClassVar[bool] = True

    code: ClassVar[tuple[str, ...]] = ("amalgam.strategies.kd",)

    supervision: NonNegativeFloat = 1.0
    everywhere: bool = False

    def targets(self, panel: Panel, rows: Rows, votes: Votes, state: None) -> TaughtDistillation:  # type: ignore[override]
        """What `kd` targets, and the annotations."""
        truth = ProbabilityTargets(*as_targets(rows.annotated), exclusive=True)
        return TaughtDistillation.made(super().targets(panel, rows, votes, state), truth, self.everywhere)

    def loss(self, output: StudentOutput, targets: Targets) -> Loss:
        """The loss of `kd`, and the cross-entropy with the annotations."""
        assert isinstance(targets, TaughtDistillation)
        imitation, supervision = super().loss(output, targets.said), cross_entropy(output.logits, targets.truth)
        return Loss(imitation.sum + self.supervision * supervision.sum, imitation.count)
