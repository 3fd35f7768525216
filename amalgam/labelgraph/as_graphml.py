"""Label graphs in GraphML, through networkx: the form that graph editors read and write."""

from __future__ import annotations

from pathlib import Path
from xml.parsers import expat

import networkx

from amalgam.errors import RequestError, nearest
from amalgam.labelgraph.building import only_top
from amalgam.labelgraph.graph import LabelGraph
from amalgam.labelgraph.marks import collected, in_order, marks_of, parted

_ROOT = "say it as the graph's attribute `root`"
_ORDER = "order"  # of edges: networkx writes them by their parents


def read(path: Path) -> LabelGraph:
    """The graph in a GraphML file.

    A node's id is its name; its attributes `group` and `labels` say in which group it competes, and whose label it is
    (several sources with commas between). The graph's attributes are `root`, by default the only node that stands below
    nothing, and `name`, by default the file's. Other attributes, such as colours, are passed over.

    Raises:
        RequestError: no GraphML, by its line; a declaration of entities, which may unfold without end; an edge of an
            unknown node; the same edge twice; edges without direction.
    """
    where = f"label graph {path}"
    _refuse_unsafe(path, where)
    try:
        network = networkx.read_graphml(path)
    except (networkx.NetworkXError, KeyError, ValueError, TypeError) as error:
        raise RequestError(f"{where} is no GraphML that networkx can read: {' '.join(str(error).split())}") from None
    if not network.is_directed():
        raise RequestError(f'{where}: its edges have no direction; say edgedefault="directed", from parent to child')
    edges = list(network.edges(data=_ORDER))
    if all(isinstance(order, int) for *_, order in edges):
        edges.sort(key=lambda edge: edge[2])
    told = network.graph
    root = str(told["root"]) if told.get("root") else only_top(network, where, _ROOT)
    return LabelGraph(
        name=str(told.get("name") or path.stem),
        root=root,
        edges=tuple((parent, child) for parent, child, _ in edges),
        groups=_marked(network, "group", where),
        labels=_marked(network, "labels", where),
    )


def write(graph: LabelGraph, path: Path) -> None:
    """Write a graph."""
    groups, sources = marks_of(graph.groups), marks_of(graph.labels)
    network: networkx.DiGraph[str] = networkx.DiGraph(name=graph.name, root=graph.root)
    for node in in_order(graph):
        told = {"group": groups.get(node), "labels": sources.get(node)}
        network.add_node(node, **{key: value for key, value in told.items() if value})
    for order, (parent, child) in enumerate(graph.edges):
        network.add_edge(parent, child, **{_ORDER: order})
    try:
        networkx.write_graphml(network, path)
    except ValueError as error:  # a character that XML has no way to write
        raise RequestError(
            f"a name of the label graph {graph.name} cannot be in GraphML ({error}); write YAML"
        ) from None


def _marked(network: networkx.DiGraph[str], attribute: str, where: str) -> dict[str, tuple[str, ...]]:
    return collected(
        (node, parted(str(value), f"{where}: {attribute} of {node!r}"))
        for node, value in network.nodes(data=attribute)
        if value is not None
    )


def _refuse_unsafe(path: Path, where: str) -> None:
    """RequestError for what is wrong with the XML by itself, by its line."""
    nodes, edges = dict[str, int](), dict[tuple[str, str], int]()
    parser = expat.ParserCreate(namespace_separator=" ")

    def declared(*_: object) -> None:
        raise RequestError(
            f"{where} line {parser.CurrentLineNumber} declares a document type, which may define entities that unfold "
            "without end; GraphML needs none: take the declaration (<!DOCTYPE …>) out"
        )

    def started(tag: str, attributes: dict[str, str]) -> None:
        kind, line = tag.rpartition(" ")[2], parser.CurrentLineNumber
        for wanted in {"node": ("id",), "edge": ("source", "target")}.get(kind, ()):
            if wanted not in attributes:
                raise RequestError(f"{where} line {line}: the {kind} has no {wanted}; name it")
        if kind == "node":
            name = attributes["id"]
            if name in nodes:
                raise RequestError(f"{where} line {line}: the node {name!r} is in line {nodes[name]} already")
            nodes[name] = line
        if kind == "edge":
            edge = (attributes["source"], attributes["target"])
            if edge in edges:
                parent, child = edge
                raise RequestError(
                    f"{where} line {line}: the edge {parent!r} → {child!r} is in line {edges[edge]} already; list each "
                    "edge once"
                )
            edges[edge] = line

    parser.StartDoctypeDeclHandler, parser.EntityDeclHandler = declared, declared
    parser.StartElementHandler = started
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except FileNotFoundError:
        raise RequestError(f"{where}: no such file") from None
    except IsADirectoryError:
        raise RequestError(f"{where} is a folder; name a file") from None
    except OSError as error:
        raise RequestError(f"{where} cannot be read: {error.strerror}") from None
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code)
        raise RequestError(f"{where} line {error.lineno} is no XML: {what}; is the file cut short?") from None
    for edge, line in edges.items():
        for end in edge:
            if end not in nodes:
                raise RequestError(
                    f"{where} line {line}: its edge names {end!r}, which is no node{nearest(end, nodes)}"
                )
