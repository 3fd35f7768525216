"""SupUHC (knowledge-amalgamation, ch. 3): UHC with a supervised objective beside it.

The text "extends UHC by adding a supervised objective into the loss of the original" and prints numbers like those of
the labelled rows alone, so these alone are learned, as for `sup_kd`; `everywhere` imitates the teachers on all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from amalgam.signals import Targets
from amalgam.strategies._taught import Supervised, Taught
from amalgam.strategies.uhc import UHC, SubsetTargets
from amalgam.strategy import Paper


class TaughtSubsets(Taught):
    """What each teacher says of its own classes, and the annotations."""

    form: ClassVar[type[Targets]] = SubsetTargets


@dataclass(frozen=True)
class SupUHC(Supervised, UHC):
    """The student's class subsets imitate each teacher on its own, and the student learns the annotations.

    Attributes:
        supervision: what the cross-entropy with a row's annotation counts beside its imitation (chosen).
        everywhere: whether the teachers are imitated on all rows; the text's are only the labelled ones.
    """

    paper: ClassVar[Paper | None] = Paper(
        title="SupUHC: UHC and the few labelled rows, as TC compares it (AAAI 2021)",
        where="knowledge-amalgamation, chapter 3, compared methods",
    )
    form: ClassVar[type[Targets]] = TaughtSubsets
    code: ClassVar[tuple[str, ...]] = ("amalgam.strategies._taught", "amalgam.strategies.uhc")
