"""Does an exported file say what torch says? Compared on the same rows, at several batch sizes and lengths."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from amalgam.classes import decided
from amalgam.errors import WorkError
from amalgam.export.rows import MANY, stretched
from amalgam.export.trace import FIXED, LOGITS, TRACED, other_lengths, outputs
from amalgam.signals import StudentOutput
from amalgam.student import Student

Floats = NDArray[np.float32]

MOST = 1024
"""Rows of the largest batch of the check, so that its memory stays flat."""
_ALONE = 8
"""Rows that are asked about one by one."""


@dataclass(frozen=True)
class Where:
    """Where a difference was met.

    Attributes:
        output: its name.
        label: of the logits; of other outputs the column.
        row: its place among the rows compared.
        batch: rows at a time.
        length: steps of the rows where they are series, else None.
    """

    output: str
    label: str
    row: int
    batch: int
    length: int | None

    def told(self, row: int) -> str:
        """In a sentence, with the number that the row has elsewhere."""
        column = f"label {self.label!r}" if self.output == LOGITS else f"column {self.label}"
        steps = "" if self.length is None else f" of {self.length} steps"
        return f"in the {self.output} of row {row}, {column}, at a batch of {self.batch} rows{steps}"


@dataclass(frozen=True)
class Parity:
    """How an ONNX file compares with torch.

    Attributes:
        difference: the largest absolute difference of an output; NaN where either says NaN.
        mean: the mean absolute difference of all outputs.
        agreement: the share of rows of which both decide every label alike.
        where: the largest difference was met.
        rows: rows compared.
        batches: the batch sizes they were compared at.
        lengths: the lengths of series they were compared at; none where the rows are no series.
        undecided: rows set aside, see `compare`.
    """

    difference: float
    mean: float
    agreement: float
    where: Where
    rows: int
    batches: tuple[int, ...]
    lengths: tuple[int, ...]
    undecided: int


class Session:
    """An exported student as a function on the CPU.

    Attributes:
        any_length: whether it reads series of any length.

    Raises:
        WorkError: a file that onnxruntime cannot run, or one for a single batch size.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # a failure is raised, it need not be printed as well
        self._failures = (
            state.Fail,
            state.InvalidArgument,
            state.InvalidGraph,
            state.InvalidProtobuf,
            state.NoSuchFile,
            state.NotImplemented,
            state.RuntimeException,
        )
        try:
            self._opened = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except self._failures as error:
            raise WorkError(f"onnxruntime cannot run {path}: {' '.join(str(error).split())[:300]}") from None
        shape = self._opened.get_inputs()[0].shape
        if isinstance(shape[0], int):
            raise WorkError(f"the student could not be exported to ONNX: {FIXED}")
        self.any_length = len(shape) == 3 and not isinstance(shape[1], int)

    def __call__(self, inputs: Floats) -> Floats:
        """Inputs (B, *shape) float32 to its outputs side by side, (B, C): the logits first, places of nodes as numbers.

        Raises:
            WorkError: the graph cannot be run at such a size.
        """
        try:
            return _beside(self._opened.run(None, {"inputs": inputs}))
        except self._failures as error:
            said = " ".join(str(error).split())[:300]
            size = f"a batch of {len(inputs)} rows of the shape {inputs.shape[1:]}"
            raise WorkError(f"onnxruntime cannot run the graph at {size}: {said}") from None


def session(path: Path) -> Session:
    """An exported student as a function: inputs (B, *shape) float32 to its outputs side by side, (B, C), on the CPU."""
    return Session(path)


def compare(path: Path, student: Student, rows: Floats, tolerance: float = 1e-4) -> Parity:
    """Compare an ONNX file with torch, on the same rows at several batch sizes, and at several lengths of series.

    A student that decides (a label chain, a path decoder) may decide otherwise by a rounding, in torch as well. Rows
    that differ only for that are set aside and counted, one row in a hundred at most; see `_undecided`.

    Args:
        path: the ONNX file.
        student: the student it came from.
        rows: (N, *shape) float32; all of them in batches of at most 1024, 256 of them 3 at a time, and a few alone. A
            file for series of any length also reads them cut in half, and begun again at their end.
        tolerance: differences up to here need no second look.
    """
    run, columns = session(path), _columns(student, rows[:1])
    met, gaps, alike = list[tuple[float, Where]](), list[Floats](), list[NDArray[np.bool_]]()
    aside, many = set[int](), min(len(rows), MOST)
    for batch, steps, some, places in _ways(student, rows, many, run.any_length):
        wanted = _said(student, some, many)
        found = np.concatenate([run(some[start : start + batch]) for start in range(0, len(some), batch)])
        gap, same = np.abs(found - wanted), (_decisions(student, found) == _decisions(student, wanted)).all(1)
        far = np.flatnonzero(~(gap.max(1) <= tolerance))
        if 0 < len(far) <= max(1, len(some) // 100) and not np.isnan(gap).any():
            far = far[_undecided(student, some[far], tolerance)]
            gap[far], same[far] = 0, True
            aside |= set(places[far].tolist())
        row, column = np.unravel_index(np.nan_to_num(gap, nan=np.inf).argmax(), gap.shape)
        met.append((float(gap[row, column]), Where(*columns[column], int(places[row]), batch, steps)))
        gaps.append(gap)
        alike.append(same)
    difference, where = max(met, key=lambda one: np.nan_to_num(one[0], nan=np.inf))
    series = bool(other_lengths(student, student.shape[0]))
    return Parity(
        difference=difference,
        mean=float(np.concatenate(gaps).mean(dtype=np.float64)),
        agreement=float(np.concatenate(alike).mean()),
        where=where if series else replace(where, length=None),
        rows=len(rows),
        batches=tuple(dict.fromkeys(one.batch for _, one in met)),
        lengths=tuple(dict.fromkeys(one.length for _, one in met if one.length is not None)) if series else (),
        undecided=len(aside),
    )


def _ways(
    student: Student, rows: Floats, many: int, any_length: bool
) -> Iterator[tuple[int, int, Floats, NDArray[np.int64]]]:
    """How rows are asked about: the batch size, the steps of each, the rows, and their places among all."""
    steps = rows.shape[1]
    for batch in sorted({many, 3, 1} - {TRACED}, reverse=True):
        most = len(rows) if batch == many else MANY if batch == 3 else _ALONE
        places = np.arange(max(batch, min(len(rows), most))) % len(rows)
        yield batch, steps, rows[places], places
    for length in other_lengths(student, steps) if any_length else ():
        some, kept = stretched(rows[:MANY], length)
        if len(some):
            yield many, length, some, kept


def _columns(student: Student, row: Floats) -> list[tuple[str, str]]:
    """What stands in each column of what `session` says: the output, and the label or the place in it."""

    def named(output: StudentOutput) -> list[tuple[str, str]]:
        found = list[tuple[str, str]]()
        for name, one in outputs(student, output).items():
            labels = student.labels if name == LOGITS else map(str, range(one.shape[1]))
            found += [(name, label) for label in labels]
        return found

    return student.each(row, named)[0]


def _decisions(student: Student, said: Floats) -> NDArray[np.bool_]:
    """The labels (B, L) that outputs side by side stand for."""
    found: NDArray[np.bool_] = decided(torch.from_numpy(said[:, : len(student.labels)]), student.spans).numpy()
    return found


def _said(student: Student, rows: Floats, batch_size: int = 1024) -> Floats:
    """What torch says of rows (N, *shape), as `session` has it."""

    def read(output: StudentOutput) -> Floats:
        return _beside([one.cpu().numpy() for one in outputs(student, output).values()])

    return np.concatenate(student.each(rows, read, batch_size))


def _beside(outputs: Sequence[NDArray[Any]]) -> Floats:
    """Outputs (B, ...) as columns, (B, C)."""
    return np.concatenate([one.reshape(len(one), -1).astype(np.float32) for one in outputs], 1)


def _undecided(student: Student, rows: Floats, tolerance: float) -> NDArray[np.bool_]:
    """Which rows (N,) torch itself decides otherwise when its weights move by about a rounding."""
    wanted = torch.from_numpy(_said(student, rows))
    generator = torch.Generator().manual_seed(0)
    moved = torch.zeros(len(rows))
    for _ in range(16):
        nudged = copy.deepcopy(student).cpu()
        with torch.no_grad():
            for weight in nudged.parameters():
                weight.mul_(1 + 1e-6 * torch.randn(weight.shape, generator=generator))
        moved = moved.maximum((torch.from_numpy(_said(nudged, rows)) - wanted).abs().amax(1))
    found: NDArray[np.bool_] = (moved > tolerance).numpy()
    return found
