"""A ranking as a picture, like P2L's Fig. 4: how large candidates are, how near the target, and what they promise."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amalgam.errors import RequestError, listed
from amalgam.figures import short
from amalgam.files import draft, writable
from amalgam.ranking.entries import Entry, Ranking
from amalgam.ranking.scores import SCORES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURES = (".svg", ".png")
DIVERGENCES = {"kl": "KL", "js": "Jensen–Shannon", "chi2": "χ²", "euclidean": "Euclidean", "cityblock": "city block"}
"""What divergences are called."""
RANKERS: dict[str, str] = {"p2l": "P2L", "largest": "size", "least_divergent": "divergence", **dict(SCORES.items())}
"""What rankers are called."""

_INK, _FAINT, _PAPER = "#22303f", "#c3c8cf", "#ffffff"
_PALE, _DARK = "#d9e6fb", "#1d4fa8"  # of the least and the greatest estimate
_ACROSS, _DOWN, _LEFT, _BOTTOM, _WIDE, _HIGH = 7.6, 5.4, 0.85, 1.2, 6.4, 3.95  # inches: the picture, and in it the axes
_LEAST, _MOST = 0.08, 0.3  # inches: radii of bubbles
_AWAY = (0.04, 0.12, 0.25, 0.4, 0.6, 0.85, 1.15, 1.5)  # inches: from a bubble to its name, the nearest that is free
_AROUND = (0, 180, 90, 270, *range(23, 360, 45), *range(45, 360, 90), *range(68, 360, 45))  # degrees: where from it
_APART, _DOT = 0.06, 0.05  # inches: of a name from other bubbles; of the squares that stand for a line
_LONGEST, _POINTS = 30, 9  # letters of a name; of the type
_TICKS = 8  # of a logarithmic axis, at most
_MANY = 30  # times the least divergence, from which on the axis is logarithmic


@dataclass(frozen=True)
class Box:
    """A rectangle: its left, lower, right and upper end."""

    left: float
    low: float
    right: float
    high: float

    def shared(self, other: Box) -> float:
        """The area of what both cover."""
        across = min(self.right, other.right) - max(self.left, other.left)
        up = min(self.high, other.high) - max(self.low, other.low)
        return max(across, 0.0) * max(up, 0.0)

    def nearest(self, point: tuple[float, float]) -> tuple[float, float]:
        """The place in it that is nearest to a point."""
        return min(max(point[0], self.left), self.right), min(max(point[1], self.low), self.high)

    @property
    def area(self) -> float:
        """How much it covers."""
        return (self.right - self.left) * (self.high - self.low)


def refuse_place(path: Path) -> None:
    """RequestError for a path that is no place for a picture: another ending, or a file that is there already."""
    if path.suffix not in PICTURES:
        raise RequestError(f"--out {path} should end in {' or '.join(PICTURES)}, as pictures do")
    if path.exists():
        raise RequestError(f"--out {path} is there already and is never overwritten; name a new file")


def draw(ranking: Ranking, path: Path) -> None:
    """Draw the candidates that have rows: a bubble's place is its size and its divergence, nearest at the top.

    The larger and darker a bubble, the higher its estimate; one that has none is white.

    Args:
        ranking: what is shown.
        path: a new file, ending in .svg or .png.

    Raises:
        RequestError: another ending, a file that is there already, a place where nothing can be written, or a ranking
            none of whose candidates has rows.
    """
    refuse_place(path)
    shown = [one for one in ranking.entries if one.size is not None and one.divergence is not None]
    if not shown:
        raise RequestError(
            f"--out {path} shows how large candidates are and how far from the target, and nothing says what any of "
            "these was trained on; leave it out, or name data sets with --source"
        )
    with writable(path), draft(path) as written:
        _paint(ranking, shown, written)


def _paint(ranking: Ranking, shown: Sequence[Entry], path: Path) -> None:
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with (
        rc_context({"svg.fonttype": "none", "svg.hashsalt": "bubbles", "font.size": _POINTS}),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # a viewer has a font with the glyph
        figure = Figure(figsize=(_ACROSS, _DOWN), facecolor=_PAPER)
        FigureCanvasAgg(figure)
        place = (_LEFT / _ACROSS, _BOTTOM / _DOWN, _WIDE / _ACROSS, _HIGH / _DOWN)
        scales, inches = figure.add_axes(place), figure.add_axes(place)
        _scales(scales, ranking, shown)
        inches.set(xlim=(0, _WIDE), ylim=(0, _HIGH))
        inches.set_axis_off()
        data = [((one.size or 0), (one.divergence or 0.0)) for one in shown]
        points = inches.transData.inverted().transform(scales.transData.transform(data))
        _bubbles(inches, shown, [(float(x), float(y)) for x, y in points])
        figure.text(0.15 / _ACROSS, 0.15 / _DOWN, _caption(ranking), va="bottom", color=_INK, parse_math=False)
        told: dict[str, Any] = {"metadata": {"Date": None, "Creator": None}} if path.suffix == ".svg" else {}
        figure.savefig(path, format=path.suffix[1:], dpi=150, facecolor=_PAPER, **told)


def _scales(axes: Axes, ranking: Ranking, shown: Sequence[Entry]) -> None:
    """Scales and ticks: sizes on a logarithmic one, divergences on one that is turned round."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    sizes, far = [float(one.size or 0) for one in shown], [float(one.divergence or 0.0) for one in shown]
    least, most = _logarithmic(sizes)
    axes.set_xscale("log")
    axes.set_xlim(least, most)
    _ticks(axes.xaxis, least, most, "{:,.0f}")
    if min(far) > 0 and max(far) / min(far) > _MANY:
        near, farthest = _logarithmic(far)
        axes.set_yscale("log")
        _ticks(axes.yaxis, near, farthest, "{:g}")
    else:
        room = 0.2 * (max(far) - min(far) or max(far) or 1.0)
        near, farthest = min(far) - room, max(far) + room
        axes.yaxis.set_major_locator(FixedLocator(MaxNLocator(7).tick_values(0, farthest)))
    axes.set_ylim(farthest, near)
    axes.set_xlabel("rows (logarithmic)", color=_INK)
    axes.set_ylabel(f"{DIVERGENCES[ranking.divergence]} divergence from the target (nearest at the top)", color=_INK)
    axes.grid(True, color=_FAINT, linewidth=0.5, alpha=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_INK, length=3)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(_FAINT)


def _logarithmic(values: Sequence[float]) -> tuple[float, float]:
    """The ends of a logarithmic axis that holds values, with room for bubbles."""
    room = max(0.15 * math.log10(max(values) / min(values)), 0.15) if max(values) > min(values) else 0.6
    return min(values) / 10**room, max(values) * 10**room


def _ticks(axis: Any, least: float, most: float, form: str) -> None:
    """Ticks of a logarithmic axis at 1, 2 and 5 times powers of 10, or at these powers alone where there are many."""
    from matplotlib.ticker import FixedLocator, NullLocator

    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    every = [[step * 10.0**power for power in powers for step in steps] for steps in ((1, 2, 5), (1,))]
    inside = [[one for one in values if least <= one <= most] for values in every]
    axis.set_major_locator(FixedLocator(inside[0] if len(inside[0]) <= _TICKS else inside[1]))
    axis.set_major_formatter(lambda value, _: form.format(value))
    axis.set_minor_locator(NullLocator())


def _bubbles(axes: Axes, shown: Sequence[Entry], points: Sequence[tuple[float, float]]) -> None:
    """Bubbles with their names beside them, on axes that count in inches."""
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Circle

    colours = LinearSegmentedColormap.from_list("promise", [_PALE, _DARK])
    shares = _shares([one.estimate for one in shown])
    radii = [_LEAST if one is None else math.sqrt(_LEAST**2 + one * (_MOST**2 - _LEAST**2)) for one in shares]
    names = [
        axes.text(0, 0, short(one.name, _LONGEST), color=_INK, va="center", ha="left", parse_math=False, zorder=5)
        for one in shown
    ]
    inches = axes.transData.inverted()
    extents = [inches.transform_bbox(name.get_window_extent()) for name in names]
    boxes = placed(points, radii, [(float(one.width), float(one.height)) for one in extents], Box(0, 0, _WIDE, _HIGH))
    for (x, y), radius, share, name, box in zip(points, radii, shares, names, boxes, strict=True):
        fill = _PAPER if share is None else colours(share)
        axes.add_patch(
            Circle((x, y), radius, facecolor=fill, edgecolor=_INK, linewidth=0.7, alpha=0.9, zorder=4 - radius)
        )
        name.set_position((box.left, (box.low + box.high) / 2))
        end = box.nearest((x, y))
        if math.dist((x, y), end) > radius + _AWAY[1] + 0.01:  # a name that is not beside its bubble hangs on a line
            axes.plot((x, end[0]), (y, end[1]), color=_INK, linewidth=0.5, zorder=3)


def _shares(estimates: Sequence[float | None]) -> list[float | None]:
    """Each estimate's place between the least and the greatest, from 0 to 1; 1 where all are equal."""
    told = [one for one in estimates if one is not None]
    least, most = min(told, default=0.0), max(told, default=0.0)
    return [None if one is None else (one - least) / (most - least) if most > least else 1.0 for one in estimates]


def placed(
    points: Sequence[tuple[float, float]], radii: Sequence[float], sizes: Sequence[tuple[float, float]], whole: Box
) -> list[Box]:
    """Where names stand beside bubbles: each as near as it can without lying on a bubble, another name or its line.

    Args:
        points: the bubbles' middles; the first is named first.
        radii: theirs.
        sizes: the names' widths and heights.
        whole: what names stay within.
    """
    bubbles, found, lines = list(zip(points, radii, strict=True)), list[Box](), list[Box]()
    for number, (point, radius) in enumerate(bubbles):
        others = [_square(one, r + _APART) for place, (one, r) in enumerate(bubbles) if place != number]
        taken = [_square(point, radius * math.sqrt(0.5)), *others, *found, *lines]
        least, best = math.inf, None
        for box in _beside(point, radius, sizes[number]):
            hidden = sum(box.shared(other) for other in taken) + box.area - box.shared(whole)
            lost = hidden + sum(dot.shared(name) for dot in _line(point, box) for name in found)
            if lost < least - 1e-9:
                least, best = lost, box
            if lost < 1e-9:
                break
        assert best is not None
        found.append(best)
        lines += _line(point, best)
    return found


def _square(point: tuple[float, float], half: float) -> Box:
    return Box(point[0] - half, point[1] - half, point[0] + half, point[1] + half)


def _line(point: tuple[float, float], box: Box) -> list[Box]:
    """The way from a bubble's middle to its name, as small squares."""
    x, y = box.nearest(point)
    steps = max(int(math.dist(point, (x, y)) / _DOT), 1)
    way = [step / steps for step in range(steps)]
    return [_square((point[0] + (x - point[0]) * one, point[1] + (y - point[1]) * one), _DOT / 2) for one in way]


def _beside(point: tuple[float, float], radius: float, size: tuple[float, float]) -> Iterator[Box]:
    """Boxes of a size around a bubble, the nearest first."""
    (x, y), (wide, high) = point, size
    for away in _AWAY:
        for degrees in _AROUND:
            right, up = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
            side = (right > 0.1) - (right < -0.1)  # beside, or above and below, where it stands in the middle
            left = x + (radius + away) * right + (side - 1) * wide / 2
            low = y + (radius + away + high / 2) * up - high / 2
            yield Box(left, low, left + wide, low + high)


def _caption(ranking: Ranking) -> str:
    k = f"{ranking.k:g}".replace("-", "−")
    by = f"P2L (k = {k})" if ranking.by == "p2l" else RANKERS[ranking.by]
    lines = [
        f"What a transfer to {short(ranking.target, 40)} promises, by {by}: the larger and darker a bubble, the more.",
        f"The divergence is that of mean features: {short(str(ranking.reference), 60)}.",
    ]
    if lost := [short(one.name, 20) for one in ranking.entries if one.size is None]:
        lines.append(f"Not shown, for nothing says what they were trained on: {listed(lost, 4)}")
    return "\n".join(lines)
