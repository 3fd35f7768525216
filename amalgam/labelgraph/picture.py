"""The picture of a label graph, painted by matplotlib: boxes in columns, curves between them, and a key."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from amalgam.figures import short
from amalgam.labelgraph.graph import LabelGraph
from amalgam.labelgraph.layout import Layout
from amalgam.labelgraph.marks import sources_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Kind: TypeAlias = Literal["sure", "unsure", "idle"]
"""Of an edge: on a deterministic path, on nondeterministic paths alone, on the way to no label."""

_ROOT, _AUGMENTED, _PAPER, _INK, _IDLE = "#f7d354", "#a9c9f0", "#ffffff", "#22303f", "#c3c8cf"
_LABELS = ("#a6e3a8", "#5fc08a", "#d8ec94", "#62c6bd", "#c9ebd3", "#9ccb5c", "#a5e3d5", "#83b58e")
_GROUPS = ("#d1495b", "#6a4c93", "#e08e2b", "#1d6fa5", "#8a6d3b", "#c2519f", "#2f6b3a", "#4d4d4d")
_LINES: dict[Kind, dict[str, Any]] = {
    "sure": {"color": _INK, "linewidth": 1.0},
    "unsure": {"color": _INK, "linewidth": 0.9, "linestyle": (0, (4, 2.5))},
    "idle": {"color": _IDLE, "linewidth": 0.8},
}
_SAYS: dict[Kind, str] = {
    "sure": "on a deterministic path",
    "unsure": "on nondeterministic paths alone",
    "idle": "on the way to no label",
}
_NAMED = 8
"""Groups that the key names at most."""
_POINTS = 9  # of the type
_ROW, _GAP, _BOX, _PAD, _MARGIN = 0.33, 0.9, 0.24, 0.1, 0.2  # inches: rows, between columns, boxes, in them, around
_NARROWEST = 7.0  # inches: the key has its room
_LONGEST = 40  # letters of a name
_SHARP, _DOTS = 150, 20_000  # dots an inch; dots a side, at most


@dataclass(frozen=True)
class _Entry:
    """What the key says of a colour or a line."""

    says: str
    fill: str = _PAPER
    outline: str = _INK
    line: Kind | None = None


def paint(graph: LabelGraph, layout: Layout, kinds: Mapping[tuple[str, str], Kind], path: Path) -> None:
    """Write the picture of a graph.

    Args:
        graph: its nodes, sources and groups.
        layout: where its nodes stand.
        kinds: what each edge is.
        path: where, ending in .svg or .png.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    fills, outlines = _fills(graph), _outlines(graph)
    names = {node: short(node, _LONGEST) for node in graph.nodes}
    widths = {node: _width(name) + 2 * _PAD for node, name in names.items()}
    left = _columns(layout, widths)
    entries = _key(graph, fills, outlines, set(kinds.values()))
    across = max(left[layout.layer[node]] + width for node, width in widths.items()) + _MARGIN
    across = max(across, _NARROWEST)
    lines = _wrapped(entries, across)
    top = _MARGIN + 0.4 + len(lines) * 0.26
    down = top + layout.rows * _ROW + _MARGIN
    places = {node: (left[layout.layer[node]], top + (height + 0.5) * _ROW) for node, height in layout.height.items()}

    # The salt makes the ids the same each time that the same graph is drawn.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "graph", "font.size": _POINTS}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # a viewer has a font with the glyph
        figure = Figure(figsize=(across, down), facecolor=_PAPER)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, across), ylim=(down, 0))
        axes.set_axis_off()
        said = f"{len(graph.nodes):,} nodes, {len(graph.paths.to(*graph.label_nodes)[0]):,} paths"
        _say(axes, _MARGIN, _MARGIN + 0.12, f"{short(graph.name, 60)}: {said}", weight="bold")
        _paint_key(axes, lines)
        for (parent, child), kind in sorted(kinds.items(), key=lambda one: one[1] != "idle"):  # grey ones behind
            start = (places[parent][0] + widths[parent], places[parent][1])
            passing = enumerate(layout.passing[parent, child], layout.layer[parent] + 1)
            turns = [(left[layer], left[layer + 1] - _GAP, top + (height + 0.5) * _ROW) for layer, height in passing]
            _paint_edge(axes, start, turns, places[child], kind)
        for node, (x, y) in places.items():
            _paint_box(
                axes, (x, y), (widths[node], _BOX), fills[node], outlines.get(node, _INK), grouped=node in outlines
            )
            _say(axes, x + _PAD, y, names[node])
        dots = min(_SHARP, _DOTS / max(across, down))
        told: dict[str, Any] = {"metadata": {"Date": None, "Creator": None}} if path.suffix == ".svg" else {}
        figure.savefig(path, format=path.suffix[1:], dpi=dots, facecolor=_PAPER, **told)


def _fills(graph: LabelGraph) -> dict[str, str]:
    """Node → its colour."""
    shades = dict[tuple[str, ...], str]()
    for source in graph.labels:
        shades[(source,)] = _LABELS[len(shades) % len(_LABELS)]
    fills = dict.fromkeys(graph.nodes, _AUGMENTED)
    for label, sources in sources_of(graph).items():
        fills[label] = shades.setdefault(sources, _LABELS[len(shades) % len(_LABELS)])
    return {**fills, graph.root: _ROOT}


def _outlines(graph: LabelGraph) -> dict[str, str]:
    """Node of a group → the group's colour."""
    colours = {group: _GROUPS[place % len(_GROUPS)] for place, group in enumerate(graph.groups)}
    return {node: colours[group] for node, group in graph.group_of.items()}


def _key(graph: LabelGraph, fills: Mapping[str, str], outlines: Mapping[str, str], kinds: set[Kind]) -> list[_Entry]:
    whose = {sources: label for label, sources in reversed(sources_of(graph).items())}
    entries = [_Entry("root", _ROOT)]
    entries += [_Entry(f"label of {' and of '.join(own)}", fills[label]) for own, label in reversed(whose.items())]
    entries += [_Entry("augmented", _AUGMENTED)] if graph.augmented else []
    groups = [(group, own[0]) for group, own in graph.groups.items() if own]
    entries += [_Entry(f"group {group}", outline=outlines[node]) for group, node in groups[:_NAMED]]
    if len(groups) > _NAMED:
        entries.append(_Entry(f"and {len(groups) - _NAMED} groups more", outline=_PAPER))
    return [*entries, *(_Entry(says, line=kind) for kind, says in _SAYS.items() if kind in kinds)]


def _wrapped(entries: Sequence[_Entry], across: float) -> list[list[tuple[float, _Entry]]]:
    """The key's lines: where in a line each entry begins."""
    lines: list[list[tuple[float, _Entry]]] = [[]]
    x = _MARGIN
    for entry in entries:
        width = 0.42 + _width(short(entry.says, _LONGEST)) + 0.25
        if lines[-1] and x + width > across:
            lines.append([])
            x = _MARGIN
        lines[-1].append((x, entry))
        x += width
    return lines


def _columns(layout: Layout, widths: Mapping[str, float]) -> list[float]:
    """Where each column begins, and where one more would."""
    widest = [0.0] * (max(layout.layer.values()) + 1)
    for node, layer in layout.layer.items():
        widest[layer] = max(widest[layer], widths[node])
    left = [_MARGIN]
    for width in widest:
        left.append(left[-1] + width + _GAP)
    return left


def _width(name: str) -> float:
    """Inches that a name takes."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        width, _, _ = text_to_path.get_text_width_height_descent(name, FontProperties(size=_POINTS), ismath=False)
    return float(width) / 72


def _say(axes: Axes, x: float, y: float, what: str, **style: Any) -> None:
    """Text as it is: a user's name may hold a `$`."""
    axes.text(x, y, what, va="center", ha="left", color=_INK, fontsize=_POINTS, parse_math=False, zorder=4, **style)


def _paint_box(
    axes: Axes, at: tuple[float, float], size: tuple[float, float], fill: str, outline: str, grouped: bool
) -> None:
    from matplotlib.patches import FancyBboxPatch

    axes.add_patch(
        FancyBboxPatch(
            (at[0], at[1] - size[1] / 2), *size, boxstyle="round,pad=0,rounding_size=0.07",
            facecolor=fill, edgecolor=outline, linewidth=1.8 if grouped else 0.7, zorder=3,
        )
    )  # fmt: skip


def _paint_edge(
    axes: Axes,
    start: tuple[float, float],
    turns: Sequence[tuple[float, float, float]],
    end: tuple[float, float],
    kind: Kind,
) -> None:
    """A curve from a box to another, straight past the columns between: where each begins, where it ends, how low."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Curve

    stops = [start, *(point for begins, ends, y in turns for point in ((begins, y), (ends, y))), end]
    points, codes = [start], [Curve.MOVETO]
    for number, ((x, y), (to_x, to_y)) in enumerate(pairwise(stops)):
        if number % 2:
            points.append((to_x, to_y))
            codes.append(Curve.LINETO)
        else:
            bend = max((to_x - x) / 2, _GAP / 2)
            points += [(x + bend, y), (to_x - bend, to_y), (to_x, to_y)]
            codes += [Curve.CURVE4] * 3
    axes.add_patch(PathPatch(Curve(points, codes), facecolor="none", zorder=1, **_edge_style(kind)))


def _edge_style(kind: Kind) -> dict[str, Any]:
    style = dict(_LINES[kind])
    return {"edgecolor": style.pop("color"), **style}


def _paint_key(axes: Axes, lines: Sequence[Sequence[tuple[float, _Entry]]]) -> None:
    for number, line in enumerate(lines):
        y = _MARGIN + 0.42 + number * 0.26
        for x, entry in line:
            if entry.line is not None:
                axes.plot([x, x + 0.32], [y, y], zorder=3, **_LINES[entry.line])
            else:
                grouped = entry.outline != _INK
                _paint_box(axes, (x, y), (0.32, 0.15), entry.fill, entry.outline, grouped)
            _say(axes, x + 0.4, y, short(entry.says, _LONGEST))
