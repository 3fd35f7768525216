"""Curves over the epochs of a training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from amalgam.figures.canvas import ACCENT, SECOND, named_legend, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_FEW = 40  # epochs, below which each has a dot: of one alone there is no line


def training_curves(history: Sequence[Mapping[str, float | None]]) -> str:
    """Loss and, where rows are held back, validation loss, and the learning rate, by epoch; an SVG."""

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, width_ratios=(2, 1))

        def column(key: str) -> list[float]:
            values = [row.get(key) for row in history]
            return [math.nan if value is None else value for value in values]

        epochs = column("epoch")

        def curve(axes: Axes, key: str, colour: str) -> Any:
            return axes.plot(epochs, column(key), color=colour, marker="." if len(epochs) < _FEW else None)[0]

        lines = [curve(left, "loss", ACCENT), *([curve(left, "validation", SECOND)] if holds_back(history) else [])]
        named_legend(left, lines, ["training", "validation"][: len(lines)], columns=2)
        left.set_ylabel("loss")
        curve(right, "learning_rate", ACCENT)
        right.set_ylabel("learning rate")
        for axes in (left, right):
            axes.set_xlabel("epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.grid(True, axis="y", linewidth=0.6)

    return svg("training", (8.6, 3.0), draw)


def holds_back(history: Sequence[Mapping[str, float | None]]) -> bool:
    """Whether a training held rows back for early stopping; without any, its validation loss is its own."""
    return any(row.get("validation") != row.get("loss") for row in history)


def policy_curves(history: Sequence[Mapping[str, float | None]]) -> str:
    """What a policy was rewarded with, and how much it made of the source, by epoch; an SVG."""

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)

        def curve(axes: Axes, key: str, colour: str) -> Any:
            values = [math.nan if row.get(key) is None else row[key] for row in history]
            epochs, marker = [row["epoch"] for row in history], "." if len(history) < _FEW else None
            return axes.plot(epochs, values, color=colour, marker=marker)[0]  # type: ignore[arg-type]

        curve(left, "reward", ACCENT)
        left.set_ylabel("reward")
        lines = [curve(right, "source_weight", ACCENT), curve(right, "alpha", SECOND)]
        named_legend(right, lines, ["weight of a row", "α, of the source"], columns=2)
        for axes in (left, right):
            axes.set_xlabel("epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.grid(True, axis="y", linewidth=0.6)

    return svg("policy", (8.6, 2.8), draw)
