"""Reliability diagrams: how often what a model states with a probability is true."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from amalgam.figures.canvas import INK, named_legend, short, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from amalgam.calibration import Calibration

FEWEST = 10
"""Claims of an interval, at least, through whose dot the line goes: of fewer it would jump about."""


def reliability(models: Sequence[tuple[str, Calibration]], shades: Mapping[str, str]) -> str:
    """For each model how often its claims are true, by the probability it states; how many the first states; an SVG.

    Args:
        models: (name, calibration), the student first.
        shades: model → its colour.
    """

    def draw(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(5, 1))
        above.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
        lines = []
        for number, (name, found) in enumerate(models):
            colour = shades[name]
            stated, true = [one.stated for one in found.bins], [one.true for one in found.bins]
            sizes = [6 + 130 * math.sqrt(one.claims / found.claims) for one in found.bins]
            above.scatter(stated, true, sizes, color=colour, alpha=0.7, linewidths=0, zorder=3 - number / 99)
            sure = [one.true if one.claims >= FEWEST else math.nan for one in found.bins]
            lines += above.plot(
                stated, sure, color=colour, linewidth=2.2 if number == 0 else 1.2, zorder=3 - number / 99
            )
        above.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), ylabel="how often it is true")
        above.grid(True, linewidth=0.6)
        called = [f"{short(name, 14)} {found.error:.3f}" for name, found in models]
        named_legend(above, lines, called, columns=2)
        student, first = models[0]
        shares = [one.claims / first.claims for one in first.bins]
        width = 1 / len(shares)
        below.bar(
            [width * (place + 0.5) for place in range(len(shares))], shares, width=0.86 * width, color=shades[student]
        )
        below.set(xlabel="stated probability", ylabel="share", ylim=(0, None))
        below.grid(True, axis="y", linewidth=0.6)

    return svg("reliability", (4.7, 4.7 + 0.22 * math.ceil(len(models) / 2)), draw)
