"""DATL, domain adaptive transfer learning (Ngiam, Peng, Vasudevan, Kornblith, Le, Pang, 2018), as L2TL compares it.

Fine-tuning, from a network of a source whose classes come as often as the target asks for them: what a first network of
the source says of the target's rows tells how often that is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from amalgam.errors import RequestError
from amalgam.strategy import Paper
from amalgam.transfer.method import Ask, Transfer
from amalgam.transfer.source import Source, listed_tasks, prior_matched


@dataclass(frozen=True)
class DATL(Transfer):
    """The student begins with what a network learned of a source that was matched to the target's prior."""

    paper: ClassVar[Paper | None] = Paper(
        title="Domain adaptive transfer learning with specialist models (arXiv:1811.07056), as L2TL compares it",
        where="l2tl, section 2 and Table 2",
    )

    def begins_with(self, source: Source, ask: Ask, seed: int) -> Source:
        """As many rows, drawn with each class's P_t(y) / P_s(y); RequestError for a source of several tasks."""
        if len(source.tasks) > 1:
            raise RequestError(
                f"strategy 'datl' matches the classes of one source, and there are {listed_tasks(source.tasks)}; name "
                "one, or choose l2tl"
            )
        return prior_matched(source, ask(source).mean(0), seed)
