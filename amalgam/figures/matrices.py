"""Heat maps of teachers, or labels, × teachers, with their numbers written in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from amalgam.figures.bars import MOST_LABELS
from amalgam.figures.canvas import ACCENT, INK, names_on, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from amalgam.evaluation import Evaluation
    from amalgam.strategy import Grid


def disagreement(evaluation: Evaluation) -> str:
    """How often each pair of teachers disagrees on the labels both know; an SVG."""
    names = [one.teacher.name for one in evaluation.teachers]
    between = [list(row) for row in evaluation.disagreement.between]
    return _matrix("disagreement", names, between, "{:.0%}")


def overlap(teachers: Mapping[str, Sequence[str]]) -> str:
    """How many labels each pair of teachers shares; an SVG.

    Args:
        teachers: teacher name → its labels.
    """
    own = [set(labels) for labels in teachers.values()]
    shared = [[float(len(one & other)) for other in own] for one in own]
    return _matrix("overlap", list(teachers), shared, "{:.0f}")


def grid(found: Grid) -> str:
    """The numbers of labels × teachers, of the first `MOST_LABELS` labels; an SVG."""
    values = [[math.nan if one is None else one for one in row] for row in found.values[:MOST_LABELS]]
    return _matrix("grid", list(found.teachers), values, "{:.2f}", list(found.labels[:MOST_LABELS]))


def _matrix(name: str, names: list[str], values: list[list[float]], style: str, labels: list[str] | None = None) -> str:
    """A heat map of teachers, or labels, × teachers with its numbers written in; unknown cells hold a dash."""
    import numpy as np
    from matplotlib.colors import to_rgb

    table = np.array(values)
    top = max(float(np.nanmax(table, initial=0)), 1e-9)
    colours = np.empty((*table.shape, 4))
    # The accent's opacity is the value, so that the map reads on light and on dark paper.
    colours[..., :3] = to_rgb(ACCENT)
    colours[..., 3] = np.nan_to_num(table / top) * 0.75

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.imshow(colours, interpolation="nearest")
        for (row, column), value in np.ndenumerate(table):
            text = "–" if math.isnan(value) else style.format(value)
            axes.text(column, row, text, ha="center", va="center", color=INK, fontsize=9)
        names_on(axes.set_xticks, range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor")
        rows = names if labels is None else labels
        names_on(axes.set_yticks, range(len(rows)), rows)
        axes.set(xlabel="teacher", ylabel="teacher" if labels is None else "label")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    width, height = 2.4 + 0.5 * len(names), 2.4 + 0.5 * len(values)
    return svg(name, (width + 0.6, height), draw)
