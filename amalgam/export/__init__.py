"""Student to ONNX: one file with the scaling inside, checked against torch before it appears."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from numpy.typing import ArrayLike
from torch import Tensor

from amalgam.errors import RequestError, WorkError
from amalgam.export.described import Provenance, describe, facts, refuse_another
from amalgam.export.parity import Parity, compare, session
from amalgam.export.rows import sample, stretched
from amalgam.export.trace import LENGTH, other_lengths, refuse_opset, tracing
from amalgam.files import draft, writable
from amalgam.signals import Rows
from amalgam.student import Student

__all__ = ["Parity", "Provenance", "compare", "export", "facts", "session"]


def export(
    student: Student,
    path: Path,
    check: ArrayLike | Tensor | Rows | Callable[[], Rows] | None = None,
    *,
    tolerance: float = 1e-4,
    opset: int | None = None,
    made: Provenance | None = None,
    force: bool = False,
) -> Path:
    """Write a student as one ONNX file: `inputs` (batch, *shape) float32, raw, to `logits` (batch, L).

    Of a student of series or texts `inputs` are (batch, time, C), of any length. Of one that walks down a label graph
    the file also gives each row's `path` (batch, T), as places among the metadata's `amalgam.nodes` and -1 after its
    end, and the probability of its `steps` (batch, T). The file carries its labels, preprocessing, threshold,
    provenance and parity as metadata (`amalgam.*`); `amalgam.edge` runs it without torch. It appears under its name
    only after its outputs agree with torch at several batch sizes and lengths.

    Args:
        student: what to export.
        path: of the file.
        check: rows (N, *shape) to compare on; of `Rows` up to 256 from all over them; a function is asked for its rows
            while the student is traced. None draws 256 from a fixed seed with the scaling's own mean and spread, which
            are no real rows; the metadata say so.
        tolerance: the largest difference of an output.
        opset: of the graph, one of `trace.OPSETS`; None leaves it to torch's exporter.
        made: where the student comes from.
        force: replace whatever file is there; else only an export of this very student is replaced.

    Raises:
        RequestError: rows of another shape, NaN or none; an opset that torch's exporter does not make; a path that
            cannot be written, does not end in `.onnx`, or is another file.
        WorkError: the exporter fails, or the file differs from torch; no file is left.
    """
    if path.suffix != ".onnx":  # a recipe or a report is not replaced by a slip
        raise RequestError(f"{path} does not end in .onnx and was not written; name a file such as student.onnx")
    refuse_opset(opset)
    if not force:
        refuse_another(path, student)
    with writable(path), draft(path) as graph:
        with tracing(student, graph, opset) as finish:
            rows = sample(student, check() if callable(check) else check)
            fixed = finish()
        values, numbers = rows.values, rows.numbers
        if other_lengths(student, student.shape[0]) and not session(graph).any_length:
            fixed = fixed or LENGTH
            values, kept = stretched(values, student.shape[0])
            numbers = numbers[kept]
        found = compare(graph, student, values, tolerance)
        if not found.difference <= tolerance:  # NaN is no agreement either
            raise WorkError(
                f"the exported student differs from torch by {found.difference:.3g} "
                f"{found.where.told(int(numbers[found.where.row]))}, more than the tolerance of {tolerance:g}; {path} "
                "was not written"
            )
        describe(graph, student, found, tolerance, rows.source, made or Provenance(), fixed)
    return path
