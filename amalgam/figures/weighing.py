"""What models weigh and how long they take, beside each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from amalgam.figures.canvas import colours, named_legend, svg
from amalgam.results import Weighed, duration, storage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def size_latency(panels: Sequence[tuple[str, Sequence[Weighed]]], shades: Mapping[str, str]) -> str:
    """Bytes × seconds of models on logarithmic axes, nearer to the lower left corner the better; an SVG.

    Args:
        panels: (what is timed, the models), the student first.
        shades: model → its colour; others have one of their own.
    """
    names = list(dict.fromkeys(one.name for _, models in panels for one in models))
    shade = {**dict(zip(names, colours(len(names)), strict=True)), **shades}

    def draw(figure: Figure) -> None:
        every: list[Axes] = list(figure.subplots(len(panels), 1, squeeze=False, sharex=True)[:, 0])
        drawn = {}
        for axes, (what, models) in zip(every, panels, strict=True):
            for number, one in enumerate(models):
                marker, size = ("o", 95) if one.name == names[0] else ("s", 50)
                drawn[one.name] = axes.scatter(
                    [one.bytes], [one.seconds], size, marker=marker, color=shade[one.name], linewidths=0, alpha=0.9,
                    zorder=3 - number / 99,
                )  # fmt: skip
            axes.set(xscale="log", yscale="log", ylabel=what)
            axes.set_ylim(*_around([one.seconds for one in models]))
            axes.yaxis.set_major_formatter(lambda value, _: duration(value))
            axes.yaxis.set_minor_formatter("")
            axes.grid(True, linewidth=0.6)
        every[-1].set_xlim(*_around([one.bytes for _, models in panels for one in models]))
        every[-1].xaxis.set_major_formatter(lambda value, _: storage(value))
        every[-1].xaxis.set_minor_formatter("")
        every[-1].set_xlabel("size")
        named_legend(every[0], [drawn[name] for name in names], names, columns=2)

    return svg("weighing", (4.7, 0.8 + 2.1 * len(panels) + 0.22 * math.ceil(len(names) / 2)), draw)


def _around(values: Sequence[float]) -> tuple[float, float]:
    """Limits with the values well inside, at least a power of ten apart and on powers of ten, which have names."""
    low, high = math.floor(math.log10(min(values)) - 0.1), math.ceil(math.log10(max(values)) + 0.1)
    return 10.0**low, 10.0**high
