"""What the methods share that label-graph joining is compared with: the one data set whose labels are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from amalgam.classes import whole
from amalgam.errors import RequestError
from amalgam.labelgraph import CODE
from amalgam.labelgraph.graph import LabelGraph
from amalgam.labels import Tasks
from amalgam.panel import Panel
from amalgam.signals import ProbabilityTargets, Rows
from amalgam.strategy import Labelled, State, Strategy


def labelled(graph: LabelGraph, names: tuple[str, ...]) -> Labelled:
    """The labels that a strategy with a label graph says: some of its nodes, as the student's."""
    return Labelled(names, graph.outputs, graph.tasks, graph.labels, graph.implied, f"the label graph {graph.name}")


@dataclass(frozen=True)
class Finer(Strategy[State]):
    """A method whose student knows one source's labels alone.

    Attributes:
        graph: the label graph; these methods know of it which labels are whose, and which go together.
        target: the source whose labels are learned, the finer one; the graph's first by default.
    """

    exclusive: ClassVar[bool | None] = None
    sees_labels: ClassVar[bool] = True
    code: ClassVar[tuple[str, ...]] = (*CODE, "amalgam.strategies._joined")

    graph: LabelGraph
    target: str | None = None

    @property
    def wanted(self) -> tuple[str, ...]:
        """The labels that are learned; RequestError for a target that is no source."""
        sources = self.graph.labels
        target = next(iter(sources)) if self.target is None else self.target
        if target not in sources:
            raise RequestError(
                f"strategy.target is {target!r}, which is no source of the label graph {self.graph.name}; its sources "
                f"are {', '.join(sources)}"
            )
        return sources[target]

    def labels(self) -> Labelled:
        """Those of the target; the others' annotations are seen."""
        return labelled(self.graph, self.wanted)

    def tasks(self, panel: Panel) -> Tasks:
        """One task of them all."""
        return {"class": self.wanted}

    def annotated(self, rows: Rows) -> Tensor:
        """(B, L) which of the labels that are learned rows are annotated with."""
        assert rows.annotated is not None
        return (rows.annotated[:, [rows.labels.index(label) for label in self.wanted]] == 1).float()

    def exclusive_targets(self, said: Tensor) -> ProbabilityTargets:
        """Classes (B, L), at most one a row, as targets; a row without one does not count."""
        told = said.any(1, keepdim=True).float().expand_as(said)
        return ProbabilityTargets(said, told.clone(), spans=whole(said))
