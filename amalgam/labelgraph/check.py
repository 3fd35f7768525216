"""What is wrong with a label graph, with the nodes named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import networkx

from amalgam.errors import RequestError, listed, nearest
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
    yield from _of_names(graph)
    yield from _of_edges(graph)
    yield from _of_groups(graph)
    yield from _of_labels(graph)
    if networkx.is_directed_acyclic_graph(graph.network):
        yield from _useless(graph)
        yield from _isolated(graph)
        yield from _not_competing(graph)


def _of_names(graph: LabelGraph) -> Iterator[Finding]:
    """Nodes, groups and sources without a name, and what lists nothing."""
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
    for what, names in (("node", graph.nodes), ("group", graph.groups), ("source", graph.labels)):
        if any(not name.strip() for name in names):
            yield Finding("no name", f"a {what} has an empty name; name it, or leave it out", True)


def _of_edges(graph: LabelGraph) -> Iterator[Finding]:
    """What stands above the root, and a cycle of every knot of edges."""
    network = graph.network
    above = list(network.predecessors(graph.root))
    if above:
        yield Finding("root", f"its root {graph.root!r} stands below {listed(above)}; a root is below nothing", True)
    place = {node: number for number, node in enumerate(network)}
    knots = [sorted(knot, key=place.__getitem__) for knot in networkx.strongly_connected_components(network)]
    for knot in sorted(knots, key=lambda knot: place[knot[0]]):
        if len(knot) > 1 or network.has_edge(knot[0], knot[0]):
            cycle = [parent for parent, _ in networkx.find_cycle(network.subgraph(knot), knot[0])]
            first = cycle.index(min(cycle, key=place.__getitem__))
            cycle = cycle[first:] + cycle[:first]
            yield Finding("cycle", f"its edges {' → '.join([*cycle, cycle[0]])} are a cycle; take one out", True)


def _of_groups(graph: LabelGraph) -> Iterator[Finding]:
    """Nodes in two groups."""
    groups = dict[str, list[str]]()
    for group, own in graph.groups.items():
        for node in own:
            groups.setdefault(node, []).append(group)
    for node, names in groups.items():
        if len(names) > 1:
            says = f"{node!r} is in the groups {listed(names)}; a node competes in one group alone"
            yield Finding("two groups", says, True)


def _of_labels(graph: LabelGraph) -> Iterator[Finding]:
    """Labels that no path leads to, and labels that stand below others of their source."""
    network = graph.network
    reached, joined = _reached(graph), [node for node, degree in network.degree if degree]
    for source, own in graph.labels.items():
        lost = [label for label in own if label not in reached]
        if lost:
            hint = nearest(lost[0], joined) if lost[0] not in joined else ""
            says = f"no path leads from {graph.root!r} to {listed(lost)} of {source!r}{hint}"
            yield Finding("unreachable label", f"{says}; add edges from what they are a kind of", True)
    if not networkx.is_directed_acyclic_graph(network):
        return
    for source, own in graph.labels.items():
        for upper in own:
            below = networkx.descendants(network, upper)
            if lower := [label for label in own if label in below]:
                says = (
                    f"{listed(lower)} below {upper!r} and {upper!r} itself are labels of {source!r}, of which a row "
                    f"has one; give {upper!r} a node of its own below it, such as '{upper} (other)', and let that be "
                    "the label"
                )
                yield Finding("label above label", says, True)


def _useless(graph: LabelGraph) -> Iterator[Finding]:
    """Nodes that are on no path from the root to a label."""
    network, labels, reached = graph.network, set(graph.label_nodes), _reached(graph)
    leading = {node for label in labels for node in networkx.ancestors(network, label)} | labels
    joined = [node for node, degree in network.degree if degree]
    for node in network:
        if node not in reached and node not in labels:
            hint = nearest(node, joined) if node not in joined else ""
            says = f"no path leads to {node!r}{hint}; add an edge to it, or leave it out"
            yield Finding("unreachable node", says, False)
        elif node not in leading and node != graph.root:
            says = f"{node!r} is a dead end: neither a label nor above one; no path goes there"
            yield Finding("dead end", says, False)


def _isolated(graph: LabelGraph) -> Iterator[Finding]:
    """Sources that share no node but the root with the paths to any other's labels."""
    network = graph.network
    on_paths = {
        source: {node for label in own for node in {label} | networkx.ancestors(network, label)} - {graph.root}
        for source, own in graph.labels.items()
    }
    for source, own in on_paths.items():
        others = [its for other, its in on_paths.items() if other != source]
        if own and others and not own & set().union(*others):
            says = f"the labels of {source!r} share no node with any other source's paths: nothing joins it to them"
            yield Finding("isolated source", says, False)


def _not_competing(graph: LabelGraph) -> Iterator[Finding]:
    """Groups in which nothing is decided, or whose nodes cannot exclude each other; children in no group."""
    network = graph.network
    for group, own in graph.groups.items():
        if len(own) == 1:
            says = (
                f"groups.{group} has only {own[0]!r}, so that nothing competes with it; add its rivals, or leave it out"
            )
            yield Finding("group of one", says, False)
        for upper in own:
            below = networkx.descendants(network, upper)
            if lower := [node for node in own if node in below]:
                says = (
                    f"{listed(lower)} below {upper!r} and {upper!r} itself are in the group {group!r}; a row that is "
                    "the lower is the upper, too, so they exclude each other in no row"
                )
                yield Finding("group above itself", says, False)
    for node in network:
        free = [child for child in graph.children(node) if child not in graph.group_of]
        if len(free) > 1:
            says = f"the children {listed(free)} of {node!r} are in no group, so that none excludes another"
            yield Finding("no group", says, False)


def _reached(graph: LabelGraph) -> set[str]:
    return {graph.root, *networkx.descendants(graph.network, graph.root)}
