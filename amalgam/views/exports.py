"""Exports: a run's student as one ONNX file, and how it compares with torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from amalgam.errors import RequestError
from amalgam.progress import shown
from amalgam.views.console import columns, console, options
from amalgam.views.pages import Page, ready, rows_page, words_page
from amalgam.views.smaller import Smaller, beside, quantise
from amalgam.views.words import export_words, none_of

if TYPE_CHECKING:
    from amalgam.finished import Real
    from amalgam.progress import Progress
    from amalgam.student import Student

DRAWN = "drawn"
"""What `--check` takes for rows that are no real ones."""


def export_run(
    folder: Path,
    out: Path | None,
    check: str | None,
    given: Sequence[str],
    opset: int | None,
    force: bool,
    smaller: Smaller,
    page: Page,
) -> None:
    """`amalgam export`."""
    from amalgam import run

    if page.folder is None and page.package is not None:
        raise RequestError("--runtime is onnxruntime-web for a page; say where the page goes with --page DIR")
    if smaller.how is None and smaller.max_drop is not None:
        raise RequestError("--max-drop says what a smaller file may lose; ask for one with --quantize int8 or fp16")
    if run.is_of_words(folder):
        none_of({"--check": check, "--option": given or None, "--opset": opset, "--quantize": smaller.how}, folder)
        ready(page)
        made = export_words(folder, out, force)
        if page.folder is not None:
            words_page(folder, made, page)
        return
    if given and check in (None, DRAWN):
        raise RequestError("--option says what the file of --check does not say itself; name one")
    from amalgam.export import export, facts
    from amalgam.export.trace import refuse_opset
    from amalgam.finished import provenance, record_export
    from amalgam.student import load

    refuse_opset(opset)
    student, path = load(folder), out if out is not None else folder / run.ONNX
    with shown() as progress:
        real = _real(folder, student, check, given, progress)
        refuse_early(student, path, real, smaller, page, force)
        with progress.step("export", 1, "model") as bar:
            rows = None if real is None else lambda: real().measured
            export(student, path, rows, opset=opset, made=provenance(folder), force=force)
            bar.advance(1)
    told = facts(path)
    if path.resolve() == (folder / run.ONNX).resolve():
        record_export(folder, told)
    show([told])
    console().print(Text(f"The student lies in {path}"))
    if smaller.how is not None and real is not None:
        path = quantise(folder, student, path, real, smaller)
    if page.folder is not None and real is not None:
        rows_page(folder, student, path, real, page)


def _real(
    folder: Path, student: Student, check: str | None, given: Sequence[str], progress: Progress
) -> Callable[[], Real] | None:
    """Who reads real rows, once; None for drawn ones, as of a student that no run made."""
    from amalgam import run
    from amalgam.finished import Real, real_rows
    from amalgam.parts import as_read, rows_for

    def others(data: str) -> Real:
        read = as_read(student, options(None, assignments=given))
        rows = rows_for(student, data, read)
        return Real(rows, rows, ((data, read),))

    if check is not None and check != DRAWN:
        return cache(lambda: others(check))
    if check == DRAWN or not (folder / run.RECIPE).is_file():
        return None
    return cache(lambda: real_rows(folder, progress))


def refuse_early(
    student: Student, path: Path, real: Callable[[], Real] | None, smaller: Smaller, page: Page, force: bool
) -> None:
    """What can be refused before any work: no real rows or runtime where they are needed, outputs that are there.

    Raises:
        RequestError: any of these.
        WorkError: npm fails, which brings the runtime.
    """
    from amalgam.export.described import refuse_another

    if smaller.how is not None:
        if real is None:
            raise RequestError(
                "what a smaller file loses is measured on real rows, and there are none; name some with --check DATA"
            )
        if not force:
            refuse_another(beside(path, smaller.how), student)
    if page.folder is not None and real is None:
        raise RequestError("a page begins with some real rows, and there are none; name some with --check DATA")
    ready(page)


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
