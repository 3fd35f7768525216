"""The label graph: the labels of several datasets and teachers as nodes, joined by what is known of them.

Paper: Zhao, Ou, Xue, Cui, Wu, Chen, "Joining datasets via data augmentation in the label space for neural networks",
§3.2.1 and Definition 3.1. A row is a walk from the root down to the row's label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import networkx
from pydantic import BaseModel, ConfigDict, StrictStr, model_validator

from amalgam.errors import RequestError, nearest

if TYPE_CHECKING:
    from amalgam.labelgraph.paths import Paths


class LabelGraph(BaseModel):
    """A directed graph without cycles.

    Attributes:
        name: what it is called, for messages.
        root: the node where every path begins.
        edges: (parent, child), in the order in which nodes are shown.
        groups: group → the nodes that exclude each other ("competing nodes", Definition 3.1). A node is in one group at
            most; one that is in none competes with nobody.
        labels: source → its labels, of which a row of it has one. A source is a dataset or a teacher, or one question
            of it. All other nodes are augmented ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: StrictStr = "graph"
    root: StrictStr
    edges: tuple[tuple[StrictStr, StrictStr], ...]
    groups: dict[str, tuple[StrictStr, ...]] = {}
    labels: dict[str, tuple[StrictStr, ...]] = {}

    @model_validator(mode="before")
    @classmethod
    def _by_parent(cls, given: Any) -> Any:
        """Edges may be told as parent → children, as people write them."""
        if isinstance(given, Mapping) and isinstance(given.get("edges"), Mapping):
            told = {parent: [below] if isinstance(below, str) else below for parent, below in given["edges"].items()}
            for parent, below in told.items():
                if below is not None and not isinstance(below, list | tuple):
                    raise ValueError(f"edges.{parent} to be a list of the nodes below it, not {below!r}")
            given = {**given, "edges": [(parent, child) for parent, below in told.items() for child in below or ()]}
        return given

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        listings: dict[str, Sequence[object]] = {
            "edges": self.edges,
            **{f"groups.{one}": own for one, own in self.groups.items()},
            **{f"labels.{one}": own for one, own in self.labels.items()},
        }
        for what, listing in listings.items():
            first, count = next(iter(Counter(listing).most_common(1)), (None, 0))
            if count > 1:
                raise ValueError(f"{what} to list each once, not {first!r} twice")
        return self

    @cached_property
    def network(self) -> networkx.DiGraph[str]:
        """The nodes and edges as networkx knows them, in their order."""
        network: networkx.DiGraph[str] = networkx.DiGraph()
        network.add_node(self.root)
        network.add_edges_from(self.edges)
        network.add_nodes_from(node for own in (*self.groups.values(), *self.labels.values()) for node in own)
        return network

    @property
    def nodes(self) -> tuple[str, ...]:
        """All nodes, the root first."""
        return tuple(self.network)

    @cached_property
    def group_of(self) -> dict[str, str]:
        """Node → the group it competes in; nodes that are in none are left out."""
        return {node: group for group, own in self.groups.items() for node in own}

    @cached_property
    def label_nodes(self) -> tuple[str, ...]:
        """The labels of all sources, each once."""
        return tuple(dict.fromkeys(label for own in self.labels.values() for label in own))

    @cached_property
    def augmented(self) -> tuple[str, ...]:
        """The nodes that are no source's label, without the root."""
        labels = {self.root, *self.label_nodes}
        return tuple(node for node in self.nodes if node not in labels)

    @cached_property
    def tasks(self) -> dict[str, tuple[str, ...]]:
        """What of a row can be asked, of which it has one: a source's labels, or the augmented nodes of a group.

        A label of several sources is asked for with the first. What would be a single choice is none.
        """
        asked, left = dict[str, tuple[str, ...]](), set(self.paths.nodes) - {self.root}
        augmented = {group: [node for node in own if node in self.augmented] for group, own in self.groups.items()}
        for name, own in (*self.labels.items(), *augmented.items()):
            free = tuple(label for label in own if label in left)
            if len(free) > 1:
                asked[f"{name} (group)" if name in asked else name] = free
                left -= set(free)
        return asked

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """The nodes on the way to a label: first those of the tasks, side by side, then the others; not the root."""
        asked = dict.fromkeys(node for own in self.tasks.values() for node in own)
        return tuple(asked | dict.fromkeys(self.paths.nodes[1:]))

    @cached_property
    def implied(self) -> dict[str, tuple[str, ...]]:
        """Label → the nodes that every path to it passes through, itself among them, not the root."""
        names = self.paths.nodes
        place = {name: number for number, name in enumerate(names)}
        return {
            label: tuple(names[node] for node in self.paths.implied[place[label]].nonzero()[0] if node)
            for label in self.label_nodes
        }

    @cached_property
    def paths(self) -> Paths:
        """All paths from the root to a label; raises what `paths.compiled` does."""
        from amalgam.labelgraph.paths import compiled

        return compiled(self)

    def children(self, node: str) -> tuple[str, ...]:
        """The nodes below a node."""
        return tuple(self.network.successors(node))

    def without(self, nodes: Iterable[str]) -> LabelGraph:
        """The same graph without some augmented nodes; what stands below these alone comes below their parents.

        Raises:
            RequestError: a node that is not there, or no augmented one.
        """
        network = self.network.copy()
        for node in nodes:
            if node not in self.augmented:
                raise RequestError(
                    f"{node!r} is no augmented node of the label graph {self.name}{nearest(node, list(self.augmented))}"
                )
            left = [child for child in network.successors(node) if network.in_degree(child) == 1]
            network.add_edges_from((parent, child) for parent in network.predecessors(node) for child in left)
            network.remove_node(node)
        groups = {group: tuple(one for one in own if one in network) for group, own in self.groups.items()}
        return LabelGraph(
            name=self.name,
            root=self.root,
            edges=tuple(network.edges),
            groups={group: own for group, own in groups.items() if own},
            labels=self.labels,
        )


def require_nodes(graph: LabelGraph, labels: Iterable[str], owner: str) -> None:
    """RequestError for the first label of an owner that is no node of the graph."""
    for label in labels:
        if label not in graph.network:
            raise RequestError(
                f"{owner} has the label {label!r}, which is no node of the label graph {graph.name}; add it there "
                "below what it is a kind of, or say under labels.aliases which node it is"
                f"{nearest(label, list(graph.nodes))}"
            )
