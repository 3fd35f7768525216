"""The report's figures, as SVG to put into a page: the page's style sheet gives them its ink, in light and in dark."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from amalgam.evaluation import Evaluation, Line
    from amalgam.labelgraph.walked import Walked
    from amalgam.strategy import Grid
    from amalgam.thumbnails import Thumbnails
    from amalgam.transfer.told import Transferred

# Colours that stand for the page's own; `svg` puts the style sheet's variables in their place.
INK, _RULE = "#010203", "#040506"
ACCENT, _SECOND = "#4c7ef3", "#e8873a"
_SERIES = ("#4c7ef3", "#8a94a6", "#c2c9d6", "#e8873a", "#2fa37c", "#b565c9", "#d6a518", "#e0566f", "#35a7c4", "#8f7a5c")
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: the page's font, searchable, small
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": _RULE,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": _RULE,
    "axes.grid": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "image.composite_image": False,  # several images stay several, each as sharp as it is
}
MOST_LABELS = 24
"""Labels that one figure shows at most."""
MOST_CLASSES = 12
"""Classes of a source that one figure shows at most."""


def training_curves(history: Sequence[Mapping[str, float | None]]) -> str:
    """Loss and validation loss, and the learning rate, by epoch; an SVG."""

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, width_ratios=(2, 1))

        def column(key: str) -> list[float]:
            values = [row.get(key) for row in history]
            return [math.nan if value is None else value for value in values]

        epochs = column("epoch")

        def curve(axes: Axes, key: str, colour: str) -> Any:
            return axes.plot(epochs, column(key), color=colour, marker="." if len(epochs) < 40 else None)[0]

        lines = [curve(left, "loss", ACCENT), curve(left, "validation", _SECOND)]
        named_legend(left, lines, ["training", "validation"], columns=2)
        left.set_ylabel("loss")
        curve(right, "learning_rate", ACCENT)
        right.set_ylabel("learning rate")
        for axes in (left, right):
            axes.set_xlabel("epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.grid(True, axis="y", linewidth=0.6)

    return svg("training", (8.6, 3.0), draw)


def label_bars(evaluation: Evaluation) -> str:
    """F1 of each label as grouped bars: student, majority, mean and the teachers that know the label; an SVG.

    Of more labels than `MOST_LABELS`, those on which student and majority differ most.
    """
    lines = [evaluation.student, *evaluation.ensembles, *(one.teacher for one in evaluation.teachers)]
    scores = [dict(zip(line.labels, line.measures.f1_per_label, strict=True)) for line in lines]
    labels = _shown_labels(evaluation.student, evaluation.majority or evaluation.student)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        thick = 0.8 / len(lines)
        bars = []
        for number, score in enumerate(scores):
            # A bar of zero is not drawn, so 0 gets a sliver: it is not the same as unknown.
            width = [max(score.get(label, math.nan), 0.004) for label in labels]
            place = [row - 0.4 + thick * (number + 0.5) for row in range(len(labels))]
            bars.append(axes.barh(place, width, height=thick * 0.92, color=_SERIES[number % len(_SERIES)]))
        _names(axes.set_yticks, range(len(labels)), labels)
        axes.set(xlim=(0, 1), ylim=(len(labels) - 0.5, -0.5), xlabel="F1", ylabel="label")
        axes.grid(True, axis="x", linewidth=0.6)
        named_legend(axes, bars, [line.name for line in lines], columns=min(len(lines), 4))

    legend = 0.25 * math.ceil(len(lines) / 4)
    return svg("labels", (8.6, 0.8 + legend + len(labels) * (0.14 + 0.085 * len(lines))), draw)


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


def policy_curves(history: Sequence[Mapping[str, float | None]]) -> str:
    """What a policy was rewarded with, and how much it made of the source, by epoch; an SVG."""

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)

        def curve(axes: Axes, key: str, colour: str) -> Any:
            values = [math.nan if row.get(key) is None else row[key] for row in history]
            return axes.plot([row["epoch"] for row in history], values, color=colour)[0]  # type: ignore[arg-type]

        curve(left, "reward", ACCENT)
        left.set_ylabel("reward")
        lines = [curve(right, "source_weight", ACCENT), curve(right, "alpha", _SECOND)]
        named_legend(right, lines, ["weight of a row", "α, of the source"], columns=2)
        for axes in (left, right):
            axes.set_xlabel("epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.grid(True, axis="y", linewidth=0.6)

    return svg("policy", (8.6, 2.8), draw)


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

    colour, style = (ACCENT, "solid") if deterministic else (_SECOND, (0, (3, 1.5)))
    axes.add_patch(Rectangle((x, y), wide, high, fill=False, edgecolor=colour, linestyle=style, linewidth=2.2))


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
        _names(axes.set_xticks, range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor")
        rows = names if labels is None else labels
        _names(axes.set_yticks, range(len(rows)), rows)
        axes.set(xlabel="teacher", ylabel="teacher" if labels is None else "label")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    width, height = 2.4 + 0.5 * len(names), 2.4 + 0.5 * len(values)
    return svg(name, (width + 0.6, height), draw)


def _shown_labels(student: Line, rival: Line) -> list[str]:
    """The labels a figure has room for, in their order."""
    labels = list(student.labels)
    if len(labels) <= MOST_LABELS:
        return labels
    pairs = zip(student.measures.f1_per_label, rival.measures.f1_per_label, strict=True)
    gap = {label: abs(one - other) for label, (one, other) in zip(labels, pairs, strict=True)}
    chosen = set(sorted(labels, key=lambda label: gap[label], reverse=True)[:MOST_LABELS])
    return [label for label in labels if label in chosen]


def _names(set_ticks: Any, places: Sequence[int], names: Sequence[str], **style: Any) -> None:
    """Ticks with users' names, which matplotlib must not read as formulas."""
    set_ticks(list(places), [short(name) for name in names], parse_math=False, **style)


def named_legend(on: Axes | Figure, handles: Sequence[Any], names: Sequence[str], columns: int, **where: Any) -> None:
    """A legend, above the axes if nothing else is said, with users' names as they are (one may hold a `$`)."""
    usual: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2}
    drawn = on.legend(handles, ["name"] * len(handles), ncols=columns, **{**usual, **where})
    for text, name in zip(drawn.get_texts(), names, strict=True):
        text.set_parse_math(False)
        text.set_text(short(name, 20))


def colours(count: int) -> list[str]:
    """So many colours of lines, which come again after ten."""
    return [_SERIES[place % len(_SERIES)] for place in range(count)]


def short(name: str, most: int = 28) -> str:
    """A name that fits, without characters that XML refuses."""
    plain = "".join(letter for letter in " ".join(name.split()) if letter.isprintable())
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def svg(name: str, size: tuple[float, float], draw: Any) -> str:
    """What `draw` draws on a figure of a size in inches, as an SVG element coloured by the page's style sheet."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    # The salt makes the element ids the same in every run, and different between the figures of a page.
    with rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # matplotlib measures text in its own font; the browser draws it in one that has the glyph.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure)
        written = io.StringIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawn = written.getvalue()
    return re.sub("<[^>]*>", lambda tag: _page_tag(tag[0], name), drawn[drawn.index("<svg") :])


def _page_tag(tag: str, name: str) -> str:
    """A tag of a figure with the page's colours, and with ids that the page's other figures do not have."""
    tag = tag.replace(INK, "var(--ink)").replace(_RULE, "var(--rule)")
    return re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", tag)
