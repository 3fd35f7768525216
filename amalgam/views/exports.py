"""Exports: a run's student as one ONNX file, and how it compares with torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from amalgam.errors import RequestError
from amalgam.progress import shown
from amalgam.views.console import columns, console, options
from amalgam.views.words import export_words, none_of

if TYPE_CHECKING:
    from amalgam.export.quantise import How
    from amalgam.export.timing import Timing
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
) -> None:
    """`amalgam export`."""
    from amalgam import run

    if run.is_of_words(folder):
        none_of({"--check": check, "--option": given or None, "--opset": opset, "--quantize": smaller.how}, folder)
        export_words(folder, out, force)
        return
    if given and check in (None, DRAWN):
        raise RequestError("--option says what the file of --check does not say itself; name one")
    from amalgam.export import export, facts
    from amalgam.finished import provenance
    from amalgam.student import load

    student, path = load(folder), out if out is not None else folder / run.ONNX
    with shown() as progress:
        real = _real(folder, student, check, given, progress)
        with progress.step("export", 1, "model") as bar:
            rows = None if real is None else lambda: real().measured
            export(student, path, rows, opset=opset, made=provenance(folder), force=force)
            bar.advance(1)
    show([facts(path)])
    console().print(Text(f"The student lies in {path}"))
    if smaller.how is not None:
        quantise(folder, student, path, real, smaller, force)


def _real(
    folder: Path, student: Student, check: str | None, given: Sequence[str], progress: Progress
) -> Callable[[], Real] | None:
    """Who reads real rows, once; None for drawn ones, as of a student that no run made."""
    from amalgam import run
    from amalgam.finished import Real, real_rows
    from amalgam.parts import rows_for

    def others(data: str) -> Real:
        rows = rows_for(student, data, options(None, assignments=given))
        return Real(rows, rows)

    if check is not None and check != DRAWN:
        return cache(lambda: others(check))
    if check == DRAWN or not (folder / run.RECIPE).is_file():
        return None
    return cache(lambda: real_rows(folder, progress))


@dataclass(frozen=True)
class Smaller:
    """What is asked of a smaller file.

    Attributes:
        how: `int8` or `fp16`; None wants none.
        max_drop: how much of the task's measure it may lose.
        trust: the user's word that code which cards name may run, for the teachers are timed beside it.
    """

    how: How | None
    max_drop: float
    trust: bool


def quantise(
    folder: Path, student: Student, graph: Path, real: Callable[[], Real] | None, asked: Smaller, force: bool
) -> None:
    """A smaller file beside the fp32 one, what it loses, and what both and the teachers take."""
    from amalgam.export.described import refuse_another
    from amalgam.export.rows import MEASURED, annotated_as, spread
    from amalgam.export.shrink import shrink
    from amalgam.export.timing import shown as as_rows

    assert asked.how is not None
    if real is None:
        raise RequestError(
            "what a smaller file loses is measured on real rows, and there are none; name some with --check DATA"
        )
    path = graph.with_suffix(f".{asked.how}.onnx")
    if not force:
        refuse_another(path, student)
    measured = real().measured
    some = spread(len(measured), MEASURED)
    rows, learned = measured.inputs(some).numpy(), real().learned
    with shown() as progress, progress.step(asked.how, 2, "models") as bar:
        found = shrink(
            graph, path, asked.how, rows, annotated_as(measured.take(some), student.labels),
            calibration=learned.inputs(spread(len(learned), MEASURED)).numpy(), max_drop=asked.max_drop,
        )  # fmt: skip
        bar.advance(1, asked.how)
        teachers, why = _teachers(folder, rows, asked.trust, progress)
        bar.advance(1, "teachers")
    to = console()
    headings, lines = as_rows([*found.timings, *teachers])
    table = columns(*headings)
    for line in lines:
        table.add_row(*line)
    to.print(table)
    if why:
        to.print(Text(f"note: the teachers are not timed: {why}"))
    lost = found.drop
    to.print(
        Text(
            f"{found.how}: {lost.measure} {lost.after:.4f}, before {lost.before:.4f}, on {lost.rows:,} rows, of which "
            f"{lost.alike:.2%} are decided alike"
        )
    )
    to.print(Text(f"The smaller file lies in {path}"))


def _teachers(folder: Path, rows: Any, trust: bool, progress: Progress) -> tuple[list[Timing], str]:
    """What all teachers of a run take, asked one after another; or why nobody knows."""
    from amalgam.costs import bytes_of
    from amalgam.export.timing import ensemble, of_callable
    from amalgam.finished import teachers_of

    try:
        panel = teachers_of(folder, trust=trust, progress=progress)
    except RequestError as error:
        return [], str(error)
    name = "teacher" if len(panel.seats) == 1 else f"{len(panel.seats)} teachers"
    return [of_callable(name, ensemble(panel), rows, bytes=bytes_of(panel))], ""


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
