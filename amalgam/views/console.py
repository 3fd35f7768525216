"""Where the commands write, and what several of them read from their options."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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


def options(labels: str | None, series: bool = False, assignments: Sequence[str] = ()) -> DataOptions | None:
    """What `--labels cat,dog`, `--series` and `--option tasks=colour,shape` say of the data; None for nothing."""
    from amalgam.datasets import DataOptions
    from amalgam.schema import assigned, parse

    told: dict[str, Any] = {}
    for one in assignments:
        key, equals, text = one.partition("=")
        # Columns' names as they are: YAML would make a number of 01, and nothing of #id.
        names = equals and key in ("labels", "tasks", "drop", "only") and not text.startswith("[")
        value = _names(text) if names else assigned(one, "--option", "tasks=colour,shape")[1]
        told[key] = told[key] + value if isinstance(value, list) and isinstance(told.get(key), list) else value
    if labels is not None:
        told["labels"] = _names(labels)
    if series:
        told["series"] = True
    return parse(DataOptions, told, "--option") if told else None


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]
