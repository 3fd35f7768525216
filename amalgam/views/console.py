"""Where the commands write, and what several of them read from their options."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from amalgam.datasets import DataOptions


def console() -> Console:
    """Standard output; what goes into a file or a pipe is not folded at a terminal's width."""
    return Console(width=None if sys.stdout.isatty() else 200, highlight=False)


def columns(*headings: str) -> Table:
    """A table of these columns, without lines."""
    table = Table(box=None, header_style="bold")
    for heading in headings:
        table.add_column(Text(heading))
    return table


def options(labels: str | None, series: bool = False) -> DataOptions | None:
    """What `--labels cat,dog` and `--series` say of the data; None for nothing."""
    from amalgam.datasets import DataOptions

    if labels is None and not series:
        return None
    named = () if labels is None else tuple(label.strip() for label in labels.split(","))
    return DataOptions(labels=named or None, series=series)
