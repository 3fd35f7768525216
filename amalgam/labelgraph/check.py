"""What is wrong with a label graph, with the nodes named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import networkx

from amalgam.errors import RequestError, listed
from amalgam.labelgraph.graph import LabelGraph


@dataclass(frozen=True)
class Finding:
    """Something to mend.

    Attributes:
        kind: of what.
        says: with the nodes named, and what to do.
        fatal: whether no paths can be made of the graph as it is.
    """

    kind: str
    says: str
    fatal: bool


def refuse(graph: LabelGraph) -> None:
    """RequestError with the first fatal finding."""
    for one in findings(graph):
        if one.fatal:
            raise RequestError(f"the label graph {graph.name}: {one.says}")


def findings(graph: LabelGraph) -> Iterator[Finding]:
    """All that is wrong with a graph, what is fatal first."""
    yield from _fatal(graph)
    if networkx.is_directed_acyclic_graph(graph.network):
        yield from _doubtful(graph)


def _fatal(graph: LabelGraph) -> Iterator[Finding]:
    network = graph.network
    if not graph.label_nodes:
        yield Finding("no labels", "it has no labels; say under `labels:` which nodes are whose", True)
    for source, own in graph.labels.items():
        if not own:
            yield Finding("no labels", f"labels.{source} is empty; list its labels, or leave it out", True)
        if graph.root in own:
            yield Finding("root", f"its root {graph.root!r} is a label of {source!r}; put a root above it", True)
    for group, own in graph.groups.items():
        if not own:
            yield Finding("empty group", f"groups.{group} is empty; list its nodes, or leave it out", True)
    above = list(network.predecessors(graph.root))
    if above:
        yield Finding("root", f"its root {graph.root!r} stands below {listed(above)}; a root is below nothing", True)
    try:
        cycle = [parent for parent, _ in networkx.find_cycle(network)]
        yield Finding("cycle", f"its edges {' → '.join([*cycle, cycle[0]])} are a cycle; take one out", True)
    except networkx.NetworkXNoCycle:
        pass
    for node in network:
        groups = [group for group, own in graph.groups.items() if node in own]
        if len(groups) > 1:
            says = f"{node!r} is in the groups {listed(groups)}; a node competes in one group alone"
            yield Finding("two groups", says, True)
    reached = {graph.root, *networkx.descendants(network, graph.root)}
    for source, own in graph.labels.items():
        if lost := [label for label in own if label not in reached]:
            says = f"no path leads from {graph.root!r} to {listed(lost)} of {source!r}; add edges from what they are"
            yield Finding("unreachable label", says, True)
        over = [
            (upper, lower)
            for upper in own
            for lower in own
            if upper != lower and upper in network and networkx.has_path(network, upper, lower)
        ]
        if over and networkx.is_directed_acyclic_graph(network):
            upper, lower = over[0]
            says = (
                f"{lower!r} stands below {upper!r}, and both are labels of {source!r}, of which a row has one; give "
                f"{upper!r} a node of its own below it, such as '{upper} (other)', and let that be the label"
            )
            yield Finding("label above label", says, True)


def _doubtful(graph: LabelGraph) -> Iterator[Finding]:
    network, labels = graph.network, set(graph.label_nodes)
    reached = {graph.root, *networkx.descendants(network, graph.root)}
    for node in network:
        if node not in reached and node not in labels:
            says = f"no path leads to {node!r}; add an edge to it, or leave it out"
            yield Finding("unreachable node", says, False)
        elif not graph.children(node) and node not in labels and node != graph.root:
            says = f"{node!r} is a dead end: neither a label nor above one; no path goes there"
            yield Finding("dead end", says, False)
    for source, own in graph.labels.items():
        others = {label for other, its in graph.labels.items() if other != source for label in its}
        near = set(own)
        for label in own:
            near |= networkx.ancestors(network, label) | networkx.descendants(network, label)
        near -= {graph.root}
        around = {one for label in others for one in {label} | networkx.ancestors(network, label)} - {graph.root}
        if others and not near & (around | others):
            says = f"the labels of {source!r} share no node with any other source's paths: nothing joins it to them"
            yield Finding("isolated source", says, False)
    for node in network:
        free = [child for child in graph.children(node) if child not in graph.group_of]
        if len(free) > 1:
            says = f"the children {listed(free)} of {node!r} are in no group, so that none excludes another"
            yield Finding("no group", says, False)
