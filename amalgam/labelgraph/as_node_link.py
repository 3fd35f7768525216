"""Taxonomies of classes in networkx's node-link form, JSON, as the trees that were made of WordNet for image sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import networkx

from amalgam.errors import RequestError, nearest
from amalgam.labelgraph.building import of_classes, only_top
from amalgam.labelgraph.graph import LabelGraph
from amalgam.labelgraph.texts import read_json

SOURCE, GROUP = "classes", "class"


def read(path: Path) -> LabelGraph:
    """The graph of a taxonomy.

    Nodes are called by their `label`, or else their `id`; a name that several have is the only leaf's among them, the
    others are called `name (id)`. Leaves are the labels of the source `classes` and the group `class`; the other
    children of a node form a group `below NODE`.

    Raises:
        RequestError: no such JSON, a link of an unknown node, a link or a node twice, a cycle, or several roots.
    """
    where = f"label graph {path}"
    content = read_json(path, "label graph")
    if not content.get("directed", True):
        raise RequestError(f'{where}: its links have no direction; say "directed": true, from parent to child')
    titles = _titles(content.get("nodes"), where)
    network: networkx.DiGraph[str] = networkx.DiGraph()
    network.add_nodes_from(titles)
    for number, one in enumerate(_listing(content, "links" if "links" in content else "edges", where)):
        ends = [str(_told(one, key, f"{where}: link {number}")) for key in ("source", "target")]
        for end in ends:
            if end not in titles:
                raise RequestError(f"{where}: link {number} names {end!r}, which is no node's id{nearest(end, titles)}")
        if network.has_edge(*ends):
            raise RequestError(f"{where}: link {number}, {ends[0]!r} → {ends[1]!r}, is listed already; list each once")
        network.add_edge(*ends)
    if not networkx.is_directed_acyclic_graph(network):
        cycle = [titles[parent] for parent, _ in networkx.find_cycle(network)]
        raise RequestError(f"{where}: its links {' → '.join([*cycle, cycle[0]])} are a cycle; take one out")
    root = only_top(network, where, "add one above them")
    leaves = [node for node, degree in network.out_degree if not degree and node != root]
    return of_classes(path.stem, network, root, titles, {GROUP: leaves}, {SOURCE: leaves})


def _titles(nodes: Any, where: str) -> dict[str, str]:
    """Id → label."""
    titles = dict[str, str]()
    for number, one in enumerate(_listing({"nodes": nodes}, "nodes", where)):
        key = str(_told(one, "id", f"{where}: node {number}"))
        if key in titles:
            raise RequestError(
                f"{where}: node {number} has the id {key!r}, which another one has; ids are each node's own"
            )
        titles[key] = str(one.get("label", key))
    return titles


def _listing(content: dict[str, Any], key: str, where: str) -> list[Any]:
    found = content.get(key)
    if not isinstance(found, list) or not found:
        raise RequestError(f"{where}: expected a list `{key}`, as networkx's node_link_data writes it")
    return found


def _told(one: Any, key: str, where: str) -> str | int:
    if not isinstance(one, dict) or not isinstance(one.get(key), str | int):
        raise RequestError(f"{where} has no `{key}`; expected a mapping with it")
    found: str | int = one[key]
    return found
