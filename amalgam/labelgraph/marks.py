"""How tables and GraphML say of a node in which group it competes, and whose label it is."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping

import networkx

from amalgam.errors import RequestError
from amalgam.labelgraph.graph import LabelGraph


def joined(names: Iterable[str]) -> str:
    """Names with commas between; one that has a comma is quoted, as in a CSV file."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow(names)
    return written.getvalue().removesuffix("\n")


def parted(text: str, where: str) -> list[str]:
    """The names in what `joined` wrote; RequestError for a quotation mark that is not closed."""
    try:
        rows = list(csv.reader([text], skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise RequestError(f"{where}: {text!r} is no list of names with commas between ({error})") from None
    return [name.strip() for row in rows for name in row if name.strip()]


def collected(marks: Iterable[tuple[str, list[str]]]) -> dict[str, tuple[str, ...]]:
    """Of (node, names): name → its nodes, each once, in the order in which they are first met."""
    found = dict[str, dict[str, None]]()
    for node, names in marks:
        for name in names:
            found.setdefault(name, {})[node] = None
    return {name: tuple(own) for name, own in found.items()}


def marks_of(own: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Of name → its nodes: node → its names, joined."""
    found = dict[str, list[str]]()
    for name, nodes in own.items():
        for node in nodes:
            found.setdefault(node, []).append(name)
    return {node: joined(names) for node, names in found.items()}


def in_order(graph: LabelGraph) -> list[str]:
    """All nodes, so that those of each source and group come in their order; where orders contradict, as in the graph.

    A file that lists nodes once can keep no more of the orders.
    """
    before: networkx.DiGraph[str] = networkx.DiGraph()
    before.add_nodes_from(graph.nodes)
    for own in (*graph.labels.values(), *graph.groups.values()):
        networkx.add_path(before, own)
    if not networkx.is_directed_acyclic_graph(before):
        return list(graph.nodes)
    place = {node: number for number, node in enumerate(graph.nodes)}
    return list(networkx.lexicographical_topological_sort(before, key=place.__getitem__))


def sources_of(graph: LabelGraph) -> dict[str, tuple[str, ...]]:
    """Label → its sources."""
    found = dict[str, tuple[str, ...]]()
    for source, own in graph.labels.items():
        for label in own:
            found[label] = (*found.get(label, ()), source)
    return found
