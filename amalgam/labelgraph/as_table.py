"""Label graphs as tables, CSV or TSV: an edge a line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import networkx

from amalgam.errors import RequestError, nearest
from amalgam.labelgraph.building import only_top
from amalgam.labelgraph.graph import LabelGraph
from amalgam.labelgraph.marks import collected, in_order, marks_of, parted
from amalgam.labelgraph.texts import read_text

COLUMNS = ("parent", "child", "group", "source")
_ROOT = "say it in a line of its own with an empty parent, before the others: `,Animal`"
_Line = tuple[str, str, str, str]


def read(path: Path) -> LabelGraph:
    """The graph in a table with the columns `parent` and `child`, and perhaps `group` and `source`.

    `group` and `source` speak of the child: in which group it competes, and whose label it is (several with commas
    between); they are needed in one of its lines. A line without a parent names a node that may stand below nothing;
    the first such is the root.

    Raises:
        RequestError: names file and line, or column.
    """
    where = f"label graph {path}"
    numbered = list(_lines(path, where))
    lines = [line for _, line in numbered]
    if not lines:
        raise RequestError(f"{where} holds no edges; write one a line, after the line of columns")
    met = dict[tuple[str, str], int]()
    for number, (parent, child, *_) in numbered:
        if not child:
            raise RequestError(f"{where} line {number}: the child is empty; name it, or take the line out")
        if (parent, child) in met:
            edge = f"{parent!r} → {child!r}" if parent else repr(child)
            raise RequestError(
                f"{where} line {number}: {edge} is in line {met[parent, child]} already; list each edge once"
            )
        met[parent, child] = number
    edges = tuple((parent, child) for parent, child, *_ in lines if parent)
    tops = [child for parent, child, *_ in lines if not parent]
    root = tops[0] if tops else only_top(networkx.DiGraph(edges), where, _ROOT)
    places = [f"{where} line {number}" for number, _ in numbered]
    return LabelGraph(
        name=path.stem,
        root=root,
        edges=edges,
        groups=collected((line[1], parted(line[2], place)) for line, place in zip(lines, places, strict=True)),
        labels=collected((line[1], parted(line[3], place)) for line, place in zip(lines, places, strict=True)),
    )


def write(graph: LabelGraph, path: Path) -> None:
    """Write a graph.

    Where the edges come in another order than the labels or the nodes of a group, lines without a parent say theirs.
    """
    groups, sources = marks_of(graph.groups), marks_of(graph.labels)
    below = {child for _, child in graph.edges}
    tops = [graph.root, *(node for node in graph.nodes if node not in below and node != graph.root)]
    told = dict.fromkeys([*tops, *(child for _, child in graph.edges)])
    if any(
        [node for node in told if node in own] != list(own) for own in (*graph.groups.values(), *graph.labels.values())
    ):
        marked = [node for node in in_order(graph) if node in groups or node in sources]
        tops = list(dict.fromkeys([graph.root, *marked, *tops]))
    lines = list[_Line]()
    for parent, child in (*(("", node) for node in tops), *graph.edges):
        lines.append((parent, child, groups.pop(child, ""), sources.pop(child, "")))
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, delimiter=_separator(path), lineterminator="\n")
        rows.writerows([COLUMNS, *lines])


def _lines(path: Path, where: str) -> Iterator[tuple[int, _Line]]:
    """The lines of a table by their number, in the order of `COLUMNS`."""
    text = io.StringIO(read_text(path, "label graph"), newline="")
    rows = csv.reader(text, delimiter=_separator(path), strict=True)
    try:
        header = [name.strip() for name in next(rows, [])]
        _refuse_header(header, where)
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(header):
                raise RequestError(
                    f"{where} line {rows.line_num} has {len(row)} cells, expected {len(header)}: {', '.join(header)}"
                )
            cells = dict(zip(header, (cell.strip() for cell in row), strict=True))
            parent, child, group, source = (cells.get(column, "") for column in COLUMNS)
            yield rows.line_num, (parent, child, group, source)
    except csv.Error as error:
        raise RequestError(
            f"{where} line {rows.line_num} is no line of a table: {error}; is the file cut short?"
        ) from None


def _refuse_header(header: Sequence[str], where: str) -> None:
    known = ", ".join(COLUMNS)
    for name in header:
        if name not in COLUMNS:
            raise RequestError(f"{where} line 1: unknown column {name!r}{nearest(name, COLUMNS)} (known: {known})")
    for name in COLUMNS[:2]:
        if name not in header:
            raise RequestError(f"{where} line 1: the column {name!r} is missing (known: {known})")
    if len(set(header)) < len(header):
        raise RequestError(f"{where} line 1 has a column twice; name each once (known: {known})")


def _separator(path: Path) -> str:
    return "\t" if path.suffix == ".tsv" else ","
