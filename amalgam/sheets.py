"""Comparisons for readers: the same tables and sentences in a terminal, in Markdown and as a page."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amalgam.errors import RequestError
from amalgam.results import Entry, plain

if TYPE_CHECKING:
    from rich.console import RenderableType

WRITTEN = (".md", ".html")
"""The endings of files that a comparison can be written to."""


Row = tuple[str, Sequence[Entry]]


@dataclass(frozen=True)
class Sheet:
    """A table.

    Attributes:
        title: what is above it.
        headings: of the columns, the names' first.
        blocks: groups of rows (name, an entry for each heading after the first).
    """

    title: str
    headings: tuple[str, ...]
    blocks: tuple[Sequence[Row], ...]


@dataclass(frozen=True)
class Picture:
    """A figure of a page.

    Attributes:
        says: what it shows.
        svg: of matplotlib, which has escaped the names in it.
    """

    says: str
    svg: str


@dataclass(frozen=True)
class Sheets:
    """What is told of several runs or benches beside each other.

    Attributes:
        title: what is compared.
        says: the result, in sentences.
        sheets: the tables.
        settings: what was set otherwise, a line each.
        notes: what a reader must know to read the tables.
        facts: the same for programs; JSON can hold it.
        pictures: of the page alone.
        recipe: of one run, as YAML; of the page alone.
    """

    title: str
    says: tuple[str, ...]
    sheets: tuple[Sheet, ...]
    settings: tuple[str, ...]
    notes: tuple[str, ...]
    facts: dict[str, Any]
    pictures: tuple[Picture, ...] = ()
    recipe: str = ""


def shown(comparison: Sheets) -> list[RenderableType]:
    """A comparison for a terminal of 80 columns or more."""
    from rich.text import Text

    parts: list[RenderableType] = []
    for sheet in comparison.sheets:
        parts += [Text(sheet.title, style="bold"), _table(sheet), Text()]
    parts += [Text(sentence) for sentence in comparison.says]
    if comparison.settings:
        parts.append(Text("Set otherwise:", style="bold"))
        parts += [Text(f"  {line}") for line in comparison.settings]
    return parts + [Text(f"note: {note}") for note in comparison.notes]


def _table(sheet: Sheet) -> RenderableType:
    """A sheet as a table of rich; a cell's second line is dim."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, padding=0, show_edge=False)
    for place, heading in enumerate(sheet.headings):
        lines = heading if place == 0 else heading.replace(" ", "\n", 1)
        table.add_column(Text(lines), justify="right" if place else "left", no_wrap=place > 0, overflow="fold")
    for block in sheet.blocks:
        for name, entries in block:
            # Text, not a string: a user's `[red]` is a name, no markup.
            cells = [
                Text.assemble((one.text, "bold" if one.best else ""), (f"\n{one.under}" if one.under else "", "dim"))
                for one in entries
            ]
            table.add_row(Text(name), *cells)
        table.add_section()
    return table


def markdown(comparison: Sheets) -> str:
    """A comparison in Markdown."""
    return fill("compare.md.jinja", comparison=comparison)


def page(comparison: Sheets) -> str:
    """A comparison as one HTML page that needs no other file; every name in it is escaped."""
    return fill("compare.html.jinja", comparison=comparison)


def fill(
    template: str, folder: Path = Path(__file__).parent, filters: Mapping[str, Callable[..., str]] | None = None,
    **content: Any,
) -> str:  # fmt: skip
    """A template of this package, filled; in pages everything is escaped.

    Args:
        template: its file's name; `.html.jinja` makes a page.
        folder: where it lies.
        filters: of its own, beside those of all templates.
        content: what it speaks of.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=template.endswith(".html.jinja"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"cell": cell, "code": code, "literal": literal, "plain": plain, **(filters or {})}
    return environment.get_template(template).render(**content)


def code(text: str) -> str:
    """A user's text as a Markdown code span, in which nothing else has a meaning."""
    line = " ".join(text.split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def cell(text: str) -> str:
    """The same in a cell of a table, which a pipe would end in a code span, too."""
    return code(text).replace("|", "\\|")


def literal(text: str) -> str:
    """A sentence with users' names in it as Markdown in which no sign has a meaning."""
    return re.sub(r"([\\`*_\[\]<>|~#&$])", r"\\\1", " ".join(text.split()))


def ending(out: Path) -> str:
    """The ending of a file that is not there yet, which says what it will be written as.

    Raises:
        RequestError: another ending than those of WRITTEN, or something is there.
    """
    if out.suffix not in WRITTEN:
        raise RequestError(f"--out {out} should end in .md (Markdown) or .html (a page)")
    if out.exists():
        raise RequestError(f"--out {out} is there already and is never overwritten; name a new file")
    return out.suffix
