"""Label graphs to look at: as a tree in a terminal, and as a picture."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from amalgam.errors import RequestError
from amalgam.files import draft, writable
from amalgam.labelgraph.graph import LabelGraph
from amalgam.labelgraph.layout import arranged
from amalgam.labelgraph.marks import sources_of
from amalgam.labelgraph.picture import Kind, paint

PICTURES = (".svg", ".png")


def tree(graph: LabelGraph) -> Tree:
    """A graph as a tree for a terminal.

    A label has its sources behind it, a node of a group the group. What stands below a node is shown where the node is
    met first; nodes that no path leads to come last.
    """
    whose = sources_of(graph)

    def told(node: str) -> Text:
        style = "green" if node in whose else "yellow" if node == graph.root else "blue"
        found = Text(node, style=style)
        if node in whose:
            found.append(f"  ← {', '.join(whose[node])}", style="bold")
        if node in graph.group_of:
            found.append(f"  ({graph.group_of[node]})", style="dim")
        return found

    shown, met = Tree(told(graph.root), guide_style="dim"), {graph.root}
    waiting: list[tuple[Tree, Iterator[str]]] = [(shown, iter(graph.children(graph.root)))]
    while waiting:
        branch, left = waiting[-1]
        child = next(left, None)
        if child is None:
            waiting.pop()
        elif child in met:
            branch.add(told(child).append("  … see above" if graph.children(child) else "  again", style="dim"))
        else:
            met.add(child)
            waiting.append((branch.add(told(child)), iter(graph.children(child))))
    if lost := [node for node in graph.nodes if node not in met]:
        aside = shown.add(Text("no path leads to", style="red"))
        for node in lost:
            aside.add(told(node))
    return shown


def text(graph: LabelGraph) -> str:
    """What `tree` shows, as plain lines."""
    written = io.StringIO()
    Console(file=written, width=10_000, highlight=False).print(tree(graph))
    return "".join(f"{line.rstrip()}\n" for line in written.getvalue().splitlines())


def draw(graph: LabelGraph, path: Path) -> None:
    """Draw a graph: layers from the root at the left to the labels at the right.

    The root is yellow, labels are green, in a shade for each source, augmented nodes blue; nodes of a group have an
    outline of one colour. An edge is dashed where all paths over it are nondeterministic, and grey where none leads to
    a label.

    Args:
        graph: whose paths can be made.
        path: where, ending in .svg or .png; what is there is replaced.

    Raises:
        RequestError: another ending, a place where nothing can be written, or a graph of which no paths can be made.
    """
    if path.suffix not in PICTURES:
        raise RequestError(f"{path} should end in {' or '.join(PICTURES)}, as pictures do")
    kinds = kinds_of_edges(graph)
    placed = arranged(graph)
    with writable(path), draft(path) as written:
        paint(graph, placed, kinds, written)


def kinds_of_edges(graph: LabelGraph) -> dict[tuple[str, str], Kind]:
    """What paths go over each edge; raises what `LabelGraph.paths` does."""
    paths = graph.paths
    sure = np.zeros(len(paths), dtype=bool)
    ends, kinds = paths.to(*graph.label_nodes)
    sure[ends[kinds]] = True
    for depth in range(paths.longest, 0, -1):
        own = np.flatnonzero((paths.depth == depth) & sure)
        sure[paths.parent[own]] = True
    found: dict[tuple[str, str], Kind] = dict.fromkeys(graph.edges, "idle")
    names = [paths.nodes[place] for place in paths.node]
    for prefix in range(1, len(paths)):
        edge = (names[paths.parent[prefix]], names[prefix])
        if found[edge] != "sure":
            found[edge] = "sure" if sure[prefix] else "unsure"
    return found
