"""What every figure is drawn on: an SVG coloured by the page's style sheet, with users' names as they wrote them."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Colours that stand for the page's own; `svg` puts the style sheet's variables in their place.
INK, _RULE = "#010203", "#040506"
ACCENT, SECOND = "#4c7ef3", "#e8873a"
_BROAD = 6.0  # inches, from which on a figure is too wide for a telephone, which then scrolls it
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
    return re.sub("<[^>]*>", lambda tag: _page_tag(tag[0], name, size[0] > _BROAD), drawn[drawn.index("<svg") :])


def _page_tag(tag: str, name: str, broad: bool) -> str:
    """A tag of a figure with the page's colours, and with ids that the page's other figures do not have."""
    if tag.startswith("<svg") and broad:
        tag = tag.replace("<svg", '<svg class="broad"', 1)
    tag = tag.replace(INK, "var(--ink)").replace(_RULE, "var(--rule)")
    return re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", tag)


def names_on(set_ticks: Any, places: Sequence[int], names: Sequence[str], **style: Any) -> None:
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


def shades(names: Sequence[str]) -> dict[str, str]:
    """Model → the colour that it has in every figure of a page."""
    return dict(zip(names, colours(len(names)), strict=True))


def short(name: str, most: int = 28) -> str:
    """A name that fits, without characters that XML refuses."""
    plain = "".join(letter for letter in " ".join(name.split()) if letter.isprintable())
    return plain if len(plain) <= most else plain[: most - 1] + "…"
