"""Student to ONNX: one file with the scaling inside, checked against torch before it appears."""

from __future__ import annotations

from pathlib import Path

from numpy.typing import ArrayLike
from torch import Tensor

from amalgam.errors import RequestError, WorkError
from amalgam.export.described import describe, facts
from amalgam.export.parity import Parity, compare, session
from amalgam.export.rows import drawn, given
from amalgam.export.trace import traced
from amalgam.files import draft, writable
from amalgam.student import Student

__all__ = ["Parity", "compare", "export", "facts", "session"]


def export(student: Student, path: Path, check: ArrayLike | Tensor | None = None, *, tolerance: float = 1e-4) -> Path:
    """Write a student as one ONNX file: `inputs` (batch, *shape) float32, raw, to `logits` (batch, L).

    Of a student that walks down a label graph the file also gives each row's `path` (batch, T), as places among the
    metadata's `amalgam.nodes` and -1 after its end, and the probability of its `steps` (batch, T). The file carries its
    labels, preprocessing, threshold and parity as metadata (`amalgam.*`). It appears under its name, in place of an
    older one, only after its outputs agree with torch at several batch sizes.

    Args:
        student: what to export.
        path: of the file.
        check: rows (N, *shape) to compare on. None draws 256 from a fixed seed with the scaling's own mean and spread,
            which are no real rows; the metadata say so.
        tolerance: the largest difference of an output.

    Raises:
        RequestError: rows of another shape, NaN or none; a path that cannot be written or does not end in `.onnx`.
        WorkError: the exporter fails, or the file differs from torch; no file is left.
    """
    if path.suffix != ".onnx":  # a recipe or a report is not replaced by a slip
        raise RequestError(f"{path} does not end in .onnx and was not written; name a file such as student.onnx")
    rows = drawn(student) if check is None else given(student, check)
    with writable(path), draft(path) as graph:
        traced(student, graph, rows)
        found = compare(graph, student, rows, tolerance)
        if not found.difference <= tolerance:  # NaN is no agreement either
            raise WorkError(
                f"the exported student differs from torch by {found.difference:.3g} at a batch of {found.batch} "
                f"rows, more than the tolerance of {tolerance:g}; {path} was not written"
            )
        source = "drawn from seed 0 with the scaling's mean and spread" if check is None else "given"
        describe(graph, student, found, tolerance, source)
    return path
