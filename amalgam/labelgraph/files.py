"""Label graphs in files, by what their names end with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from amalgam.errors import RequestError
from amalgam.files import draft, writable
from amalgam.labelgraph import as_graphml, as_node_link, as_table, as_yaml
from amalgam.labelgraph.graph import LabelGraph

_READERS: dict[str, Callable[[Path], LabelGraph]] = {
    ".yaml": as_yaml.read,
    ".yml": as_yaml.read,
    ".graphml": as_graphml.read,
    ".csv": as_table.read,
    ".tsv": as_table.read,
    ".json": as_node_link.read,
}
_WRITERS: dict[str, Callable[[LabelGraph, Path], None]] = {
    ".yaml": as_yaml.write,
    ".yml": as_yaml.write,
    ".graphml": as_graphml.write,
    ".csv": as_table.write,
    ".tsv": as_table.write,
}
READ, WRITTEN = tuple(_READERS), tuple(_WRITERS)
"""The endings of files that can be read, and written."""


def read(path: Path) -> LabelGraph:
    """The label graph in a file; what is wrong with it as a graph, `check.findings` says.

    Args:
        path: YAML, GraphML, a table (CSV, TSV), or JSON in networkx's node-link form; each is described where it is
            read, in `as_yaml`, `as_graphml`, `as_table` and `as_node_link`.

    Raises:
        RequestError: no such file or kind, or what in it is wrong, by line, node or column.
    """
    if path.is_dir():
        raise RequestError(f"label graph {path} is a folder; name a file ({', '.join(READ)})")
    if path.suffix not in _READERS:
        raise RequestError(f"label graph {path} is of no kind that can be read; expected {', '.join(READ)}")
    return _READERS[path.suffix](path)


def write(graph: LabelGraph, path: Path) -> None:
    """Write a label graph; reading the file gives the same graph.

    A table has no name but the file's. Tables and GraphML keep the order of the labels of each source, and of the nodes
    of each group, as far as those orders agree with each other.

    Args:
        graph: any.
        path: where, ending in .yaml, .yml, .graphml, .csv or .tsv; what is there is replaced.

    Raises:
        RequestError: an ending of none of these, a place where nothing can be written, or a graph that such a file
            cannot hold (an empty group, a name with blanks around it or with control characters).
    """
    if path.suffix not in _WRITERS:
        raise RequestError(f"{path} should end in {', '.join(WRITTEN)}, as files do that hold a label graph")
    with writable(path), draft(path) as written:
        _WRITERS[path.suffix](graph, written)
        try:
            kept = _content(_READERS[path.suffix](written)) == _content(graph)
        except RequestError:
            kept = False
        if not kept:
            raise RequestError(
                f"{path} cannot hold the label graph {graph.name} as it is: there, names have no blanks around "
                "them and no control characters, and groups and sources are not empty; mend the graph, or write .yaml"
            )


def _content(graph: LabelGraph) -> tuple[object, ...]:
    """What a graph says, without its name and the order of labels."""
    groups, labels = ({name: set(own) for name, own in every.items()} for every in (graph.groups, graph.labels))
    return graph.root, graph.edges, groups, labels
