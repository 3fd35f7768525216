"""Label set (Deng et al., ECCV 2014), as dataset-joining compares it (Table 3): the paths' nodes without their order.

The labels on a row's paths are flattened to a set, and the student decides node by node whether a row has it: what the
graph knows, without the walk.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from amalgam.labelgraph import CODE
from amalgam.labelgraph.graph import LabelGraph
from amalgam.labels import Tasks
from amalgam.panel import Panel
from amalgam.signals import ProbabilityTargets, Rows, Votes
from amalgam.strategies._joined import labelled
from amalgam.strategy import Labelled, Paper, Strategy


@dataclass(frozen=True)
class LabelSet(Strategy[None]):
    """The student learns of every node whether it holds of a row, as far as the row's labels say.

    A row has the nodes on the deterministic paths to its label. It has none that competes with one of these, nor one
    all of whose paths pass through such a node. Of the others nothing is said: the text's labels are all fine ones,
    which leave nothing open, and a coarse label does (chosen).

    Attributes:
        graph: the label graph.
    """

    paper: ClassVar[Paper | None] = Paper(
        title="Label Set, after large-scale object classification using label relation graphs (ECCV 2014)",
        where="as dataset-joining, section 4.1, compares it",
    )
    exclusive: ClassVar[bool | None] = None
    sees_labels: ClassVar[bool] = True
    code: ClassVar[tuple[str, ...]] = (*CODE, "amalgam.strategies._joined")

    graph: LabelGraph

    def labels(self) -> Labelled:
        """All nodes on the way to a label."""
        return labelled(self.graph, self.graph.outputs)

    def tasks(self, panel: Panel) -> Tasks:
        """Each source's labels, and the augmented nodes of each group: of which the student decides for one."""
        return self.graph.tasks

    def targets(self, panel: Panel, rows: Rows, votes: Votes, state: None) -> ProbabilityTargets:
        """Which nodes each row has and has not, (B, L), every one by itself."""
        assert rows.annotated is not None
        said = (rows.annotated == 1).float()
        has, has_not = self._sets
        yes = said @ has > 0
        no = (said @ has_not > 0) & ~yes
        return ProbabilityTargets(yes.float(), (yes | no).float())

    @cached_property
    def _sets(self) -> tuple[Tensor, Tensor]:
        """(L, L) which nodes a row of each label has, and which it has not."""
        return label_sets(self.graph)


def label_sets(graph: LabelGraph) -> tuple[Tensor, Tensor]:
    """(L, L) of each of a graph's outputs as a row's label, which of them it has, and which it has not."""
    paths = graph.paths
    nodes, own = len(paths.nodes), torch.from_numpy(paths.block)
    competing = (own[:, None] == own) & ~torch.eye(nodes, dtype=torch.bool)
    has = torch.zeros(nodes, nodes, dtype=torch.bool)
    for node in range(nodes):
        sure = paths.ending[node][paths.deterministic[node]]
        has[node] = torch.from_numpy(paths.passes[sure].any(0))
        has[node, node] = True
    has_not = (has.float() @ competing.float() > 0) & ~has
    every = torch.from_numpy(paths.passes)
    blocked = has_not.float() @ every.T.float() > 0  # (V, Q): paths that pass through what a row has not
    for node in range(nodes):
        ends = torch.from_numpy(paths.ending[node][paths.ending[node] >= 0])
        has_not[:, node] |= blocked[:, ends].all(1) & ~has[:, node]
    place = {name: number for number, name in enumerate(paths.nodes)}
    column = torch.tensor([place[name] for name in graph.outputs])
    return has[column][:, column].float(), has_not[column][:, column].float()
