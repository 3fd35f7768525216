"""The critical-difference diagram (Demšar, JMLR 7, 2006): who ranks where, and who cannot be told apart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from amalgam.bench.significance import cliques
from amalgam.bench.words import rank
from amalgam.figures import ACCENT, INK, short, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from amalgam.bench.standing import Standing

_ROW, _GAP = 0.36, 0.22  # inches between two names, and between two bars
_TOP = 0.85  # inches from the upper edge to the axis
_WIDTH, _LETTER = 5.6, 0.085  # inches of the figure, and of a letter


def critical_differences(standing: Standing) -> str:
    """The compared methods on an axis of average ranks, best on the left; an SVG.

    A bar joins methods whose average ranks differ by less than Nemenyi's critical difference.
    """
    average, distance = standing.overall.average, standing.overall.distance
    order = sorted(average, key=lambda method: average[method])
    places = [average[method] for method in order]
    bars = cliques(places, distance)
    left = math.ceil(len(order) / 2)
    bottom = _TOP + _GAP * (len(bars) + 1)
    height = bottom + _ROW * left + 0.1
    names = [f"{short(standing.table.shown(method), 16)} {rank(average[method])}" for method in order]
    margin = 0.2 + _LETTER * max(map(len, names))
    edge = margin / (_WIDTH - 2 * margin) * (len(order) - 1)  # the same in ranks

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.set_position((0, 0, 1, 1))
        axes.set(xlim=(1 - edge, len(order) + edge), ylim=(height, 0))  # y: inches from the upper edge
        axes.axis("off")
        axes.hlines(_TOP, 1, len(order), color=INK, linewidth=1)
        for tick in range(1, len(order) + 1):
            axes.vlines(tick, _TOP - 0.08, _TOP, color=INK, linewidth=1)
            axes.text(tick, _TOP - 0.13, str(tick), ha="center", va="bottom")
        axes.hlines(0.34, 1, 1 + distance, color=INK, linewidth=1)  # beyond the figure where nothing can be told apart
        axes.vlines([1, 1 + distance], 0.28, 0.4, color=INK, linewidth=1)
        axes.text(1, 0.24, f"critical difference {distance:.2f}", ha="left", va="bottom")
        for number, (first, last) in enumerate(bars, 1):
            axes.hlines(_TOP + _GAP * number, places[first], places[last], color=ACCENT, linewidth=4)
        for number, (method, place) in enumerate(zip(order, places, strict=True)):
            on_left = number < left
            row = bottom + _ROW * (number if on_left else len(order) - 1 - number)
            side = 1 - 0.06 * edge if on_left else len(order) + 0.06 * edge
            axes.plot([place, place, side], [_TOP, row, row], color=INK, linewidth=0.6, alpha=0.6)
            weight = "bold" if method == standing.table.headline else "normal"
            style: dict[str, Any] = {
                "ha": "right" if on_left else "left",
                "va": "center",
                "weight": weight,
                "parse_math": False,
            }
            axes.text(side + (-0.04 if on_left else 0.04) * edge, row, names[number], **style)

    return svg("ranks", (_WIDTH, height), draw)
