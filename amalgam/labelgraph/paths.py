"""The paths of a label graph: which lead to which label, which are deterministic; compiled to arrays.

Paths that begin alike share their beginnings: each *prefix*, a path from the root to any node on the way to a label, is
kept once. The prefixes are a tree, ordered by length, so all that a decoder says of all paths is computed length by
length, without a loop over rows or paths.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import networkx
import numpy as np
from numpy.typing import NDArray

from amalgam.errors import RequestError, listed
from amalgam.labelgraph.graph import LabelGraph

LIMIT = 20_000
"""Prefixes, at most: what a decoder computes for a row grows with them."""

LONGEST = 64
"""Steps of a path, at most: a decoder takes them one after the other."""

Numbers = NDArray[np.int64]
Marks = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Paths:
    """The Q prefixes of a graph, V of whose nodes lie on the way to a label. Tables are padded with -1.

    A *choice* is what is decided by a step of a path: between the children of one node that compete with each other.

    Attributes:
        nodes: the V nodes, the root first.
        block: (V,) the number of the group in which each node competes; one that competes with nobody has its own.
        node: (Q,) the last node of each prefix; the first prefix is the root alone.
        parent: (Q,) the prefix without its last node; the root's is itself.
        depth: (Q,) how many steps a prefix has; they do not fall.
        choice: (Q,) the number of the choice that its last step decides; the root's is 0, of itself alone.
        ending: (V, W) the prefixes that end in each node: its paths.
        deterministic: (V, W) which of them are so (Definition 3.2); where `ending` is padded, False.
    """

    nodes: tuple[str, ...]
    block: Numbers
    node: Numbers
    parent: Numbers
    depth: Numbers
    choice: Numbers
    ending: Numbers
    deterministic: Marks

    def __len__(self) -> int:
        """Q."""
        return len(self.node)

    @property
    def longest(self) -> int:
        """How many steps the longest path has."""
        return int(self.depth.max())

    @cached_property
    def alternatives(self) -> Numbers:
        """(choices, R): the prefixes among which each choice is."""
        return _table(self.choice, int(self.choice.max()) + 1)

    @cached_property
    def longer(self) -> Numbers:
        """(Q, C): the prefixes that are a step longer than each."""
        return _table(np.where(np.arange(len(self)) > 0, self.parent, -1), len(self))

    @cached_property
    def blocks(self) -> Numbers:
        """(groups, R): the nodes of each group."""
        return _table(self.block, int(self.block.max()) + 1)

    @cached_property
    def questions(self) -> Numbers:
        """(Q,): how many choices there are after the prefix without its last node, of which a step decides one."""
        asked = self.parent[self.alternatives[:, 0]]  # of each choice, the prefix after which it is
        asked[0] = -1  # the root is no step
        found: Numbers = (asked[:, None] == np.arange(len(self))).sum(0)[self.parent]
        found[0] = 1
        return found

    @cached_property
    def passes(self) -> Marks:
        """(Q, V): whether a prefix passes through a node, or ends in it."""
        found = np.zeros((len(self), len(self.nodes)), dtype=bool)
        found[np.arange(len(self)), self.node] = True
        for depth in range(1, self.longest + 1):
            own = np.flatnonzero(self.depth == depth)
            found[own] |= found[self.parent[own]]
        return found

    @cached_property
    def trail(self) -> Numbers:
        """(Q, T): the prefixes that each passes, itself the last, without the root; T is the longest path's length."""
        found = np.full((len(self), self.longest), -1, dtype=np.int64)
        for depth in range(1, self.longest + 1):
            own = np.flatnonzero(self.depth == depth)
            found[own] = found[self.parent[own]]
            found[own, depth - 1] = own
        return found

    @cached_property
    def sure(self) -> Marks:
        """(Q,): whether each prefix is a deterministic path to its last node."""
        found = np.zeros(len(self), dtype=bool)
        found[self.ending[self.deterministic]] = True
        return found

    @cached_property
    def implied(self) -> Marks:
        """(V, V): whether every path to the first node passes through the second."""
        return np.stack([self.passes[own[own >= 0]].all(0) for own in self.ending])

    @cached_property
    def under(self) -> Marks:
        """(V, V): whether the second node is where a path through the first can end."""
        last = np.flatnonzero(self.longer[:, 0] < 0)
        found = np.zeros((len(self.nodes), len(self.nodes)), dtype=bool)
        for prefix in last:
            found[self.passes[prefix], self.node[prefix]] = True
        return found

    def to(self, *names: str) -> tuple[Numbers, Marks]:
        """The paths to some nodes, one after the other: (n,) their prefixes, and which are deterministic."""
        own = [self.nodes.index(name) for name in names]
        there = self.ending[own] >= 0
        return self.ending[own][there], self.deterministic[own][there]

    def names(self, prefix: int) -> list[str]:
        """The nodes of a prefix after the root."""
        found = list[str]()
        while prefix:
            found.append(self.nodes[self.node[prefix]])
            prefix = int(self.parent[prefix])
        return found[::-1]


def compiled(graph: LabelGraph, limit: int = LIMIT) -> Paths:
    """All paths from the root to the labels of a graph.

    Args:
        graph: without what `check.findings` calls fatal.
        limit: prefixes, at most.

    Raises:
        RequestError: a cycle, a node in two groups, a label that cannot be reached, too many paths or too long ones.
    """
    from amalgam.labelgraph.check import refuse

    refuse(graph)
    useful = _on_the_way(graph)
    number = {name: place for place, name in enumerate(useful)}
    _refuse_many(graph, useful, limit)
    below = {number[name]: [number[one] for one in graph.children(name) if one in number] for name in useful}
    block = _blocks(graph, useful)
    node, parent, depth, choice = [0], [0], [0], [0]
    choices, first = 1, 0
    while first < len(node):  # prefixes are appended behind those that they lengthen, shorter ones first
        own = dict[int, int]()
        for child in below[node[first]]:
            own.setdefault(int(block[child]), choices + len(own))
            node.append(child)
            parent.append(first)
            depth.append(depth[first] + 1)
            choice.append(own[int(block[child])])
        choices, first = choices + len(own), first + 1
    last = np.array(node)
    ending = _table(last, len(useful))
    made = Paths(
        tuple(useful), block, last, np.array(parent), np.array(depth), np.array(choice),
        ending, np.zeros(ending.shape, dtype=bool),
    )  # fmt: skip
    made.deterministic[:] = determined(made)
    return made


def determined(paths: Paths) -> Marks:
    """Definitions 3.2, 3.3: which paths of each node, (V, W), are deterministic.

    A path to a node is nondeterministic if another path to it passes through a node that competes with one of its own
    and is another node.
    """
    found = paths.ending >= 0
    for node in np.flatnonzero(found.sum(1) > 1):  # a path that is the only one is deterministic
        own = paths.ending[node][found[node]]
        through = paths.passes[own]
        met = np.flatnonzero(through.any(0))
        through = through[:, met]
        others = (through.sum(0) > through).astype(np.int64)  # which nodes another of the paths passes through
        rivals = others @ (paths.block[met][:, None] == paths.block[met]) - others  # without the node itself
        found[node, : len(own)] = ~(through & (rivals > 0)).any(1)
    return found


def _on_the_way(graph: LabelGraph) -> list[str]:
    """The nodes from which a label can be reached, or which are one; in the graph's order, the root first."""
    wanted = set(graph.label_nodes)
    above = {node for label in wanted for node in networkx.ancestors(graph.network, label)}
    return [node for node in graph.nodes if node in wanted | above | {graph.root}]


def _refuse_many(graph: LabelGraph, useful: list[str], limit: int) -> None:
    """RequestError for more prefixes than a limit, counted without being listed, or for a path that is too long."""
    count, steps, own = {graph.root: 1}, {graph.root: 0}, set(useful)
    for node in networkx.topological_sort(graph.network.subgraph(own)):
        for child in graph.children(node):
            if child in own:
                count[child] = count.get(child, 0) + count.get(node, 0)
                steps[child] = max(steps.get(child, 0), steps.get(node, 0) + 1)
    if (total := sum(count.values())) > limit:
        worst = sorted(count, key=lambda name: -count[name])[:3]
        raise RequestError(
            f"the label graph {graph.name} has {total:,} paths, more than {limit:,}: most lead to {listed(worst)} "
            f"({count[worst[0]]:,}); leave out edges that say the same twice, or augmented nodes that many labels share"
        )
    far = max(steps, key=lambda name: steps[name])
    if steps[far] > LONGEST:
        raise RequestError(
            f"the label graph {graph.name} has a path of {steps[far]:,} steps, to {far!r}, more than {LONGEST}; leave "
            "out nodes that tell no labels apart"
        )


def _blocks(graph: LabelGraph, nodes: list[str]) -> Numbers:
    """(V,) of each node the number of its group, or one of its own."""
    numbers = dict[tuple[str, str], int]()
    keys = [("group", graph.group_of[name]) if name in graph.group_of else ("alone", name) for name in nodes]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys])


def _table(owner: Numbers, owners: int) -> Numbers:
    """(owners, R): the places in `owner` where each number stands, in order; -1 pads, an owner of -1 is nobody."""
    there = np.flatnonzero(owner >= 0)
    order = there[np.argsort(owner[there], kind="stable")]
    counts = np.bincount(owner[there], minlength=owners)
    rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    found = np.full((owners, max(1, int(counts.max(initial=0)))), -1, dtype=np.int64)
    found[owner[order], rank] = order
    return found
