"""FFN (dataset-joining, Table 3): an encoder and a plain softmax over the finer data set's labels.

No label graph, and nothing of the coarser data set: what label-graph joining has to beat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from amalgam.panel import Panel
from amalgam.signals import ProbabilityTargets, Rows, Votes
from amalgam.strategies._joined import Finer
from amalgam.strategy import Paper


@dataclass(frozen=True)
class FFN(Finer[None]):
    """The student learns the rows that are annotated with a label of the target, and no others.

    Attributes:
        graph: the label graph, which says which labels are whose.
        target: the source whose labels are learned, the finer one; the graph's first by default.
    """

    paper: ClassVar[Paper | None] = Paper(
        title="FFN: a plain classifier of the finer data set (ICML 2021)",
        where="dataset-joining, section 4.1, baseline setup",
    )

    def targets(self, panel: Panel, rows: Rows, votes: Votes, state: None) -> ProbabilityTargets:
        """The annotations."""
        return self.exclusive_targets(self.annotated(rows))
