"""Random search over L2TL's policy (§5.1.2): the weights of classes are drawn at random in every step; α is learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from amalgam.strategy import Paper
from amalgam.transfer.method import Beside
from amalgam.transfer.policy import Mode


@dataclass(frozen=True)
class RandomSearch(Beside):
    """The student learns target and source together, the classes of the source with weights at random."""

    paper: ClassVar[Paper | None] = Paper(
        title="Random actions instead of a learned policy, as L2TL compares it", where="l2tl, section 5.1.2"
    )
    mode: ClassVar[Mode] = "random"
