"""SupKD (knowledge-amalgamation, ch. 3): distillation and supervision, on the few labelled rows.

The student imitates the teachers' mean logits and learns the annotations, of the labelled rows alone, as the text has
it. That the other rows are left out is its weakness: `everywhere` lets it imitate the teachers on all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from amalgam.signals import ProbabilityTargets, Targets
from amalgam.strategies._taught import Supervised, Taught
from amalgam.strategies.kd import KD
from amalgam.strategy import Paper


class TaughtDistillation(Taught):
    """Softened mean logits, and the annotations."""

    form: ClassVar[type[Targets]] = ProbabilityTargets


@dataclass(frozen=True)
class SupKD(Supervised, KD):
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
    code: ClassVar[tuple[str, ...]] = ("amalgam.strategies._taught", "amalgam.strategies.kd")
