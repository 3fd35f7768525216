"""The report's figures, as SVG to put into a page: the page's style sheet gives them its ink, in light and in dark."""

from amalgam.figures.bars import MOST_LABELS, label_bars, teacher_bars
from amalgam.figures.canvas import ACCENT, INK, colours, named_legend, shades, short, svg
from amalgam.figures.curves import holds_back, policy_curves, training_curves
from amalgam.figures.matrices import disagreement, grid, overlap
from amalgam.figures.pictures import MOST_CLASSES, class_weights, walked
from amalgam.figures.reliability import FEWEST, reliability
from amalgam.figures.weighing import size_latency

__all__ = [
    "ACCENT",
    "FEWEST",
    "INK",
    "MOST_CLASSES",
    "MOST_LABELS",
    "class_weights",
    "colours",
    "disagreement",
    "grid",
    "holds_back",
    "label_bars",
    "named_legend",
    "overlap",
    "policy_curves",
    "reliability",
    "shades",
    "short",
    "size_latency",
    "svg",
    "teacher_bars",
    "training_curves",
    "walked",
]
