"""Smaller files of exported students: what they lose, and what they take beside the teachers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from amalgam.errors import RequestError
from amalgam.progress import shown
from amalgam.views.console import columns, console

if TYPE_CHECKING:
    from amalgam.export.quantise import How
    from amalgam.finished import Real
    from amalgam.progress import Progress
    from amalgam.student import Student
    from amalgam.timings import Timing


@dataclass(frozen=True)
class Smaller:
    """What is asked of a smaller file.

    Attributes:
        how: `int8` or `fp16`; None wants none.
        max_drop: how much of the task's measure it may lose; None leaves it to the gate.
        trust: the user's word that code which cards name may run, for the teachers are timed beside it.
    """

    how: How | None
    max_drop: float | None
    trust: bool


def beside(path: Path, how: How) -> Path:
    """Where the smaller file of a file goes."""
    return path.with_suffix(f".{how}.onnx")


def quantise(folder: Path, student: Student, graph: Path, real: Callable[[], Real], asked: Smaller) -> Path:
    """A smaller file beside the fp32 one, what it loses, and what both and the teachers take; where it lies."""
    from amalgam import timings
    from amalgam.export.gate import MAX_DROP
    from amalgam.export.rows import MEASURED, annotated_as, spread
    from amalgam.export.shrink import shrink
    from amalgam.finished import record_smaller

    assert asked.how is not None
    path, measured = beside(graph, asked.how), real().measured
    some = spread(len(measured), MEASURED)
    rows, learned = measured.inputs(some).numpy(), real().learned
    with shown() as progress, progress.step(asked.how, 2, "models") as bar:
        found = shrink(
            graph, path, asked.how, rows, annotated_as(measured.take(some), student.labels),
            calibration=learned.inputs(spread(len(learned), MEASURED)).numpy(),
            max_drop=MAX_DROP if asked.max_drop is None else asked.max_drop,
        )  # fmt: skip
        bar.advance(1, asked.how)
        teachers, why = _teachers(folder, rows, asked.trust, progress)
        bar.advance(1, "teachers")
    every = (*found.timings, *teachers)
    to, lost = console(), found.drop
    table = columns(*timings.headings())
    for line in timings.told(every):
        table.add_row(*line)
    to.print(table)
    if why:
        to.print(Text(f"note: the teachers are not timed: {why}"))
    to.print(
        Text(
            f"{found.how}: {lost.measure} {lost.after:.4f}, before {lost.before:.4f}, on {lost.rows:,} rows, of which "
            f"{lost.alike:.2%} are decided alike"
        )
    )
    to.print(Text(f"The smaller file lies in {path}"))
    record_smaller(folder, found, every)
    return path


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
