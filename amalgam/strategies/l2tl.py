"""L2TL, learning to transfer learn (Zhu, Arik, Yang, Pfister).

The student learns the target and the source together. How much each class of the source counts, and the source as a
whole, is drawn in every step by a policy, which learns by REINFORCE from what the target's validation part says of the
student after the step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from amalgam.strategy import Paper
from amalgam.transfer.method import Beside


@dataclass(frozen=True)
class L2TL(Beside):
    """A policy learns which classes of the source help the target."""

    paper: ClassVar[Paper | None] = Paper(
        title="Learning to Transfer Learn",
        where="l2tl, sections 3 and 4, Algorithm 1",
        equations=(1, 2, 3, 4, 5),
        files=("transfer/coach.py", "transfer/reward.py", "transfer/policy.py", "transferring.py"),
    )
