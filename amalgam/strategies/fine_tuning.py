"""Fine-tuning (L2TL, Eq. 3): a network learns the source, then the target from where it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from amalgam.strategy import Paper
from amalgam.transfer.method import Transfer


@dataclass(frozen=True)
class FineTuning(Transfer):
    """The student begins with what a network learned of the source, and learns the target alone."""

    paper: ClassVar[Paper | None] = Paper(title="Fine-tuning, as L2TL compares it", where="l2tl, section 3, Eq. (3)")
