"""Joint training with uniform weights (L2TL, §5.1.2): every class of the source counts as much; α is still learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from amalgam.strategy import Paper
from amalgam.transfer.method import Beside
from amalgam.transfer.policy import Mode


@dataclass(frozen=True)
class Joint(Beside):
    """The student learns target and source together, all classes of the source alike."""

    paper: ClassVar[Paper | None] = Paper(
        title="Joint training with uniform weights, as L2TL compares it", where="l2tl, section 5.1.2"
    )
    mode: ClassVar[Mode] = "uniform"
