"""Bars: how good models are at each label, and what each teacher is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from amalgam.figures.canvas import INK, colours, named_legend, names_on, svg
from amalgam.results import lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from amalgam.evaluation import Evaluation, Line

MOST_LABELS = 24
"""Labels that one figure shows at most."""


def label_bars(evaluation: Evaluation) -> str:
    """F1 of each label as grouped bars: student, majority, mean and the teachers that know the label; an SVG.

    Of more labels than `MOST_LABELS`, those on which student and majority differ most.
    """
    models = lines(evaluation)
    scores = [dict(zip(line.labels, line.measures.f1_per_label, strict=True)) for line in models]
    labels, series = _shown_labels(evaluation.student, evaluation.majority or evaluation.student), colours(len(models))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        thick = 0.8 / len(models)
        bars = []
        for number, score in enumerate(scores):
            width = [_seen(score.get(label, math.nan)) for label in labels]
            place = [row - 0.4 + thick * (number + 0.5) for row in range(len(labels))]
            bars.append(axes.barh(place, width, height=thick * 0.92, color=series[number]))
        names_on(axes.set_yticks, range(len(labels)), labels)
        axes.set(xlim=(0, 1), ylim=(len(labels) - 0.5, -0.5), xlabel="F1", ylabel="label")
        axes.grid(True, axis="x", linewidth=0.6)
        named_legend(axes, bars, [line.name for line in models], columns=min(len(models), 4))

    legend = 0.25 * math.ceil(len(models) / 4)
    return svg("labels", (8.6, 0.8 + legend + len(labels) * (0.14 + 0.085 * len(models))), draw)


def teacher_bars(evaluation: Evaluation, gains: Mapping[str, float]) -> str:
    """Mean F1 of each teacher beside the student on the teacher's own labels, and what it adds; an SVG.

    Args:
        evaluation: of a run with teachers.
        gains: teacher → what it adds to the student's mean F1 (`Contribution.gain`); may be empty.
    """
    names = [one.teacher.name for one in evaluation.teachers]
    first, *_, second = colours(4)

    def ready(axes: Axes, left: float, right: float, what: str) -> None:
        axes.set(xlim=(left, right), ylim=(len(names) - 0.5, -0.5), xlabel=what)
        axes.grid(True, axis="x", linewidth=0.6)

    def draw(figure: Figure) -> None:
        every = figure.subplots(1, 2 if gains else 1, width_ratios=(2, 1) if gains else None, squeeze=False)[0]
        bars = []
        for number, (who, colour) in enumerate((("student", first), ("teacher", second))):
            width = [_seen(getattr(one, who).measures.f1_macro) for one in evaluation.teachers]
            place = [row - 0.18 + 0.36 * number for row in range(len(names))]
            bars.append(every[0].barh(place, width, height=0.33, color=colour))
        ready(every[0], 0, 1, "F1 macro")
        every[0].set_ylabel("teacher")
        names_on(every[0].set_yticks, range(len(names)), names)
        named_legend(every[0], bars, ["student", "teacher"], columns=2)
        if gains:
            added = [gains.get(name, math.nan) for name in names]
            far = 1.1 * max((abs(gain) for gain in added if not math.isnan(gain)), default=0) or 0.1
            every[1].barh(range(len(names)), added, height=0.5, color=first)
            every[1].axvline(0, color=INK, linewidth=0.8)
            every[1].set_yticks([])
            every[1].locator_params(axis="x", nbins=3)
            layout: Any = figure.get_layout_engine()
            layout.set(wspace=0.08)
            ready(every[1], min(0.0, *(-far for gain in added if gain < 0), 0.0), far, "it adds, F1")

    return svg("teachers", (8.6, 1.1 + 0.5 * len(names)), draw)


def _seen(value: float) -> float:
    """The length of a bar: one of zero is not drawn, so 0 gets a sliver, for it is not the same as unknown."""
    return max(value, 0.004)


def _shown_labels(student: Line, rival: Line) -> list[str]:
    """The labels a figure has room for, in their order."""
    labels = list(student.labels)
    if len(labels) <= MOST_LABELS:
        return labels
    pairs = zip(student.measures.f1_per_label, rival.measures.f1_per_label, strict=True)
    gap = {label: abs(one - other) for label, (one, other) in zip(labels, pairs, strict=True)}
    chosen = set(sorted(labels, key=lambda label: gap[label], reverse=True)[:MOST_LABELS])
    return [label for label in labels if label in chosen]
