"""Rows that are images: those that paths go through, and those of a source's classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from amalgam.figures.canvas import ACCENT, SECOND, short, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from amalgam.labelgraph.walked import Walked
    from amalgam.thumbnails import Thumbnails
    from amalgam.transfer.told import Transferred

MOST_CLASSES = 12
"""Classes of a source that one figure shows at most."""


def walked(nodes: Sequence[Walked], images: Thumbnails) -> str:
    """Of each node the images of rows whose decoded path goes through it, framed by the path's kind; an SVG."""
    names = [short(one.node, 22) for one in nodes]
    left = 0.4 + 0.085 * max(map(len, names))
    cell, line, top = 0.82, 0.95, 0.4  # inches: from image to image, from node to node, the legend
    width = left + cell * max(5, *(len(one.examples) for one in nodes))  # the legend has its room
    height = top + line * len(nodes)

    def draw(figure: Figure) -> None:
        figure.set_layout_engine("none")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        for place, (kind, says) in enumerate(((True, "deterministic path"), (False, "nondeterministic path"))):
            _frame(axes, left + 2.1 * place, 0.08, 0.22, 0.16, kind)
            axes.text(left + 2.1 * place + 0.32, 0.16, says, va="center")
        for number, one in enumerate(nodes):
            y = top + line * number
            axes.text(left - 0.2, y + 0.31, names[number], ha="right", va="center", parse_math=False)
            for place, example in enumerate(one.examples):
                image = images.of(example.row)
                if image is not None:
                    frame = partial(_frame, deterministic=example.deterministic)
                    picture = _imaged(axes, image, left + cell * place, y, frame)
                    picture.set_gid(f"{number}-{example.row}")  # an image may be there twice
                    axes.text(left + cell * place + 0.31, y + 0.76, str(example.row), ha="center", fontsize=7)
        axes.set(xlim=(0, width), ylim=(height, 0))

    return svg("walked", (width, height), draw)


def class_weights(found: Transferred, images: Thumbnails | None) -> str:
    """The classes of a source that count most, as bars, with some of their rows where these are images; an SVG."""
    classes = found.classes[:MOST_CLASSES]
    names = [short(one.name, 36) for one in classes]
    left, cell, line = 0.5 + 0.085 * max(map(len, names)), 0.78, 0.72 if images is not None else 0.3
    most = max(len(one.examples) for one in classes) if images is not None else 0
    width, height = left + 3.4 + cell * most, line * len(classes) + 0.1

    def draw(figure: Figure) -> None:
        figure.set_layout_engine("none")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        for number, one in enumerate(classes):
            y = line * (number + 0.5) + 0.05
            axes.text(left - 0.15, y, names[number], ha="right", va="center", parse_math=False)
            axes.barh(y, 2.4 * max(one.weight, 0.004), height=min(0.2, line * 0.7), left=left, color=ACCENT)
            axes.text(left + 2.4 * one.weight + 0.1, y, f"{one.weight:.2f}", va="center")
            for place, row in enumerate(one.examples):
                image = None if images is None else images.of(row)
                if image is not None:
                    _imaged(axes, image, left + 3.2 + cell * place, y - 0.31).set_gid(f"class-{number}-{row}")
        axes.set(xlim=(0, width), ylim=(height, 0))

    return svg("classes", (width, height), draw)


def _imaged(axes: Axes, image: Any, x: float, y: float, frame: Callable[..., None] = lambda *_: None) -> Any:
    """An image (H, W, C) in the middle of a square of 0.62 inches whose corner is at (x, y), and its frame."""
    high, wide = (0.62 * length / max(image.shape[:2]) for length in image.shape[:2])
    x, y = x + (0.62 - wide) / 2, y + (0.62 - high) / 2
    frame(axes, x - 0.03, y - 0.03, wide + 0.06, high + 0.06)
    coloured = image.repeat(3 // image.shape[2], 2)
    return axes.imshow(coloured, extent=(x, x + wide, y + high, y), interpolation="none", aspect="auto")


def _frame(axes: Axes, x: float, y: float, wide: float, high: float, deterministic: bool) -> None:
    """The frame of a deterministic path is blue, that of another one orange and dashed."""
    from matplotlib.patches import Rectangle

    colour, style = (ACCENT, "solid") if deterministic else (SECOND, (0, (3, 1.5)))
    axes.add_patch(Rectangle((x, y), wide, high, fill=False, edgecolor=colour, linestyle=style, linewidth=2.2))
