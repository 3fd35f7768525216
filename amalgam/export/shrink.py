"""An exported student made smaller, measured and timed beside the file it was made of."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amalgam.export.gate import MAX_DROP, Drop, drop, refuse
from amalgam.export.quantise import How, note, quantised
from amalgam.export.timing import of_file
from amalgam.files import draft, writable
from amalgam.timings import Timing

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Shrunk:
    """A smaller file, and what became of the student in it.

    Attributes:
        path: of the smaller file.
        how: what was done.
        drop: what it loses.
        timings: of the fp32 file and of the smaller one, in that order.
    """

    path: Path
    how: str
    drop: Drop
    timings: tuple[Timing, Timing]


def shrink(
    graph: Path,
    target: Path,
    how: How,
    rows: Floats,
    annotated: Floats | None = None,
    *,
    calibration: Floats | None = None,
    max_drop: float = MAX_DROP,
    threads: int = 1,
    seconds: float = 1.0,
) -> Shrunk:
    """Write a smaller file of an exported student, unless it loses too much; the file says what it loses.

    Args:
        graph: the fp32 file.
        target: where the smaller one goes; an older one is replaced only by one that is not refused.
        how: `int8` or `fp16`.
        rows: (N, *shape) to measure and time both files on, best those that nobody learned from.
        annotated: (N, L), see `drop`.
        calibration: rows (M, *shape) that a student of convolutions is calibrated with; None takes `rows`.
        max_drop: what may be lost of the measure.
        threads: that both are timed with.
        seconds: about, for each file and batch size.

    Raises:
        RequestError: too few rows, annotations of another shape, a path that cannot be written.
        WorkError: a file that cannot be quantised or run, or loses more than `max_drop`; nothing is left of it.
    """
    with writable(target), draft(target) as smaller:
        said = quantised(graph, smaller, how, rows if calibration is None else calibration)
        found = drop(graph, smaller, rows, annotated)
        refuse(found, max_drop, said)
        note(smaller, **asdict(found))
        timings = (
            of_file("fp32", graph, rows, threads=threads, seconds=seconds),
            of_file(how, smaller, rows, threads=threads, seconds=seconds),
        )
    return Shrunk(target, said, found, timings)
