"""Exports: a run's student as one ONNX file, and how it compares with torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from amalgam.errors import RequestError
from amalgam.progress import shown
from amalgam.views.console import columns, console, options
from amalgam.views.words import export_words, none_of

if TYPE_CHECKING:
    from amalgam.progress import Progress
    from amalgam.signals import Rows
    from amalgam.student import Student

DRAWN = "drawn"
"""What `--check` takes for rows that are no real ones."""


def export_run(
    folder: Path, out: Path | None, check: str | None, given: Sequence[str], opset: int | None, force: bool
) -> None:
    """`amalgam export`."""
    from amalgam import run

    if run.is_of_words(folder):
        none_of({"--check": check, "--option": given or None, "--opset": opset}, folder)
        export_words(folder, out, force)
        return
    if given and check in (None, DRAWN):
        raise RequestError("--option says what the file of --check does not say itself; name one")
    from amalgam.export import export, facts
    from amalgam.finished import provenance
    from amalgam.student import load

    student, path = load(folder), out if out is not None else folder / run.ONNX
    with shown() as progress, progress.step("export", 1, "model") as bar:
        rows = _rows(folder, student, check, given, progress)
        export(student, path, rows, opset=opset, made=provenance(folder), force=force)
        bar.advance(1)
    show([facts(path)])
    console().print(Text(f"The student lies in {path}"))


def _rows(
    folder: Path, student: Student, check: str | None, given: Sequence[str], progress: Progress
) -> Callable[[], Rows] | None:
    """Who reads the rows that the file is checked on; None for drawn ones, as of a student that no run made."""
    from amalgam import run
    from amalgam.finished import held_out
    from amalgam.parts import rows_for

    if check is not None and check != DRAWN:
        return lambda: rows_for(student, check, options(None, assignments=given))
    if check == DRAWN or not (folder / run.RECIPE).is_file():
        return None
    return lambda: held_out(folder, progress)


def show(files: Sequence[Mapping[str, Any]]) -> None:
    """Exported files in a table, and what a reader must know of them.

    Args:
        files: the facts of each (`export.facts`).
    """
    from amalgam.export.described import are_drawn

    table = columns("file", "size", "largest error", "mean error", "decided alike", "rows", "batches", "lengths")
    for told in files:
        table.add_row(
            told["file"], f"{told['bytes']:,} B", f"{told['largest difference from torch']:.1e}",
            f"{told['mean difference from torch']:.1e}", f"{told['rows decided alike']:.2%}",
            f"{told['rows checked']:,}", told["batch sizes checked"], told.get("lengths checked", "–"),
        )  # fmt: skip
    to = console()
    to.print(table)
    for told in files:
        if "reads" in told:
            to.print(Text(f"note: {told['file']} reads {told['reads']}"))
        if are_drawn(told):
            to.print(
                Text(
                    f"note: {told['file']} was checked on {told['rows checked']} rows that were {told['rows are']}: no "
                    "real ones; name some with --check DATA"
                )
            )
        else:
            to.print(Text(f"Checked against torch on {told['rows checked']:,} {_whose(told['rows are'])}"))


def _whose(source: str) -> str:
    """`rows of digits`, however the file says it."""
    return source if source.startswith("rows") else f"{source} rows"
