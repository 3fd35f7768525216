"""A table in a terminal: methods × settings for every measure, the average ranks, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table as Grid
from rich.text import Text

from amalgam.bench.notes import notes
from amalgam.bench.shown import Mark, average_ranks, by_measure, of_tasks
from amalgam.bench.standing import Standing
from amalgam.bench.verdict import verdict
from amalgam.results import Entry
from amalgam.sheets import Sheet

_DIGITS = 3
_SHORT = 5  # letters of a heading where there is no room for more


class Fitting:
    """The first of some tables that fits in the width there is, or the last."""

    def __init__(self, choices: Sequence[Grid]) -> None:
        self.choices = choices

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        unbounded = options.update(width=10_000)
        widths = (Measurement.get(console, unbounded, one).maximum for one in self.choices)
        fitting = (one for one, width in zip(self.choices, widths, strict=True) if width <= options.max_width)
        yield next(fitting, self.choices[-1])


def rendered(standing: Standing) -> list[RenderableType]:
    """What a terminal shows of a table; where it is narrow, deviations go first, then the ends of headings."""
    parts: list[RenderableType] = []
    if standing.table.by_task:
        for full, short in zip(of_tasks(standing, _DIGITS), of_tasks(standing, _DIGITS, False), strict=True):
            parts += [Text(full.title, style="bold"), Fitting([_grid(full), _grid(short), _grid(short, _SHORT)])]
    for measure in () if standing.table.by_task else standing.table.measures:
        wide = by_measure(standing, measure, _DIGITS)
        narrow = by_measure(standing, measure, _DIGITS, deviations=False)
        parts += [Text(wide.title, style="bold"), Fitting([_grid(wide), _grid(narrow), _grid(narrow, _SHORT)])]
    if standing.overall.blocks:
        parts += [Text("average rank ↓", style="bold"), _grid(average_ranks(standing))]
    lead, *others = verdict(standing)
    parts += [Text(lead, style="bold"), *(Text(f"• {sentence}") for sentence in others)]
    return parts + [Text(f"note: {note}") for note in notes(standing)]


def _grid(sheet: Sheet, letters: int | None = None) -> Grid:
    grid = Grid(box=SIMPLE_HEAD, padding=0, show_edge=False)
    for place, heading in enumerate(sheet.headings):
        # Text, not a string: a user's `[red]` is a name, no markup.
        short = heading if letters is None or len(heading) <= letters else f"{heading[: letters - 1]}…"
        grid.add_column(Text(short if place else heading), justify="right" if place else "left", no_wrap=place > 0)
    for block in sheet.blocks:
        for name, entries in block:
            grid.add_row(Text(name), *map(_text, entries))
        grid.add_section()
    return grid


def _text(entry: Entry) -> Text:
    second = isinstance(entry, Mark) and entry.mark == "second"
    return Text(entry.text.replace(" ± ", "±"), style="bold" if entry.best else "underline" if second else "")
