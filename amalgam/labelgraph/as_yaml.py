"""Label graphs in YAML: the form that people write."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from amalgam.errors import RequestError
from amalgam.labelgraph.graph import LabelGraph
from amalgam.schema import parse, read_yaml

_TEXT, _NOTHING = "tag:yaml.org,2002:str", "tag:yaml.org,2002:null"
_KINDS = {"bool": "yes or no", "int": "a number", "float": "a number", "timestamp": "a date", "null": "nothing"}
_OF_NAMES = ("name", "root", "edges", "groups", "labels")
CONFIRMED = "confirmed"
"""The key by which a draft says that nobody has confirmed it."""


def read(path: Path) -> LabelGraph:
    """The graph in a YAML file.

    Its keys are `root`, `edges` (parent → its children, or a list of pairs), `groups` (group → its nodes), `labels`
    (source → its labels) and `name`, which is the file's by default.

    Raises:
        RequestError: a draft that nobody has confirmed, a misspelt key, a key twice, or a name that YAML does not read
            as text, by its line.
    """
    where = f"label graph {path}"
    try:
        content = read_yaml(path, "label graph")
        _refuse_unclear(yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader), where)
    except RecursionError:
        raise RequestError(
            f"{where} is nested too deeply; edges are parent → children, each parent by itself"
        ) from None
    if content.pop(CONFIRMED, True) is not True:
        raise RequestError(
            f"{where} is a draft: its edges were proposed and nobody has confirmed them; look at every line that says "
            f"`suggested`, take out what is wrong, and delete the line `{CONFIRMED}: false`"
        )
    return parse(LabelGraph, {"name": path.stem, **content}, where)


def write(graph: LabelGraph, path: Path) -> None:
    """Write a graph, edges as parent → children where that keeps their order."""
    below = dict[str, list[str]]()
    for parent, child in graph.edges:
        below.setdefault(parent, []).append(child)
    kept = [(parent, child) for parent, own in below.items() for child in own] == list(graph.edges)
    content: dict[str, Any] = {
        "name": graph.name,
        "root": graph.root,
        "edges": below if kept else [list(edge) for edge in graph.edges],
        "groups": {group: list(own) for group, own in graph.groups.items()},
        "labels": {source: list(own) for source, own in graph.labels.items()},
    }
    told = {key: value for key, value in content.items() if value or key == "edges"}
    with path.open("w", encoding="utf-8", newline="\n") as file:
        yaml.safe_dump(told, file, sort_keys=False, allow_unicode=True, width=100, default_flow_style=None)


def _refuse_unclear(top: yaml.Node | None, where: str) -> None:
    """RequestError for what PyYAML would silently read as something else than its writer meant."""
    if not isinstance(top, yaml.MappingNode):
        return
    for node in _nodes(top):
        if isinstance(node, yaml.MappingNode):
            keys = sorted((key for key, _ in node.value if isinstance(key, yaml.ScalarNode)), key=lambda one: one.value)
            for first, second in pairwise(keys):
                if first.value == second.value:
                    raise RequestError(
                        f"{where} line {_line(second)}: the key {second.value!r} is in line {_line(first)} already; "
                        "join what they hold"
                    )
    for key, value in top.value:
        if key.value in _OF_NAMES:
            empty = {id(own) for _, own in value.value} if isinstance(value, yaml.MappingNode) else {id(value)}
            _refuse_unlike_text(value, empty, where)
            _refuse_nested(key.value, value, where)


def _refuse_unlike_text(top: yaml.Node, empty: set[int], where: str) -> None:
    """RequestError for a name that is read as a number, a date, …; of the nodes `empty`, it may be missing."""
    for node in _nodes(top):
        if isinstance(node, yaml.ScalarNode) and node.tag != _TEXT and not (node.tag == _NOTHING and id(node) in empty):
            kind = _KINDS.get(node.tag.rpartition(":")[2], node.tag)
            raise RequestError(
                f"{where} line {_line(node)}: YAML reads {node.value!r} as {kind}; quote it: '{node.value}'"
            )


def _refuse_nested(key: str, value: yaml.Node, where: str) -> None:
    """RequestError for names that have something below them where they stand."""
    if isinstance(value, yaml.ScalarNode):
        return
    pairs = key == "edges" and isinstance(value, yaml.SequenceNode)
    listings = (
        [own for _, own in value.value] if isinstance(value, yaml.MappingNode) else value.value if pairs else [value]
    )
    for listing in listings:
        for one in listing.value if isinstance(listing, yaml.SequenceNode) else [listing]:
            if not isinstance(one, yaml.ScalarNode):
                raise RequestError(
                    f"{where} line {_line(one)}: expected lists of names under `{key}:`, and found more inside one; "
                    "give each name that has some below it a line of its own, as in `Cat: [Shorthair, Longhair]`"
                )


def _nodes(top: yaml.Node) -> Iterator[yaml.Node]:
    """A node of YAML and all below it, each once, however often it is referred to."""
    waiting, met = [top], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in met:
            continue
        met.add(id(node))
        yield node
        if isinstance(node, yaml.MappingNode):
            waiting += [one for pair in node.value for one in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
