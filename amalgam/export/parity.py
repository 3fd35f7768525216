"""Does an exported file say what torch says? Compared on the same rows, at several batch sizes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from amalgam.errors import WorkError
from amalgam.export.trace import FIXED, TRACED, outputs
from amalgam.signals import StudentOutput
from amalgam.student import Student

Floats = NDArray[np.float32]

MOST = 1024
"""Rows of the largest batch of the check, so that its memory stays flat."""


@dataclass(frozen=True)
class Parity:
    """How an ONNX file compares with torch.

    Attributes:
        difference: the largest absolute difference of an output; NaN where either says NaN.
        batch: the batch size where it was met.
        rows: rows compared.
        batches: the batch sizes they were compared at.
        undecided: rows set aside, see `compare`.
    """

    difference: float
    batch: int
    rows: int
    batches: tuple[int, ...]
    undecided: int


def compare(path: Path, student: Student, rows: Floats, tolerance: float = 1e-4) -> Parity:
    """Compare an ONNX file with torch, on the same rows at several batch sizes.

    A student that decides (a label chain, a path decoder) may decide otherwise by a rounding, in torch as well. Rows
    that differ only for that are set aside and counted, one row in a hundred at most; see `_undecided`.

    Args:
        path: the ONNX file.
        student: the student it came from.
        rows: (N, *shape) float32; all of them, in batches of at most 1024, then 3 and 1, repeated where they are fewer.
        tolerance: differences up to here need no second look.
    """
    run = session(path)
    largest: dict[int, float] = {}
    undecided = 0
    for batch in sorted({min(len(rows), MOST), 3, 1} - {TRACED}, reverse=True):
        some = rows if batch == min(len(rows), MOST) else np.resize(rows, (batch, *student.shape))
        wanted = _said(student, some, batch)
        parts = [run(some[start : start + batch]) for start in range(0, len(some), batch)]
        difference = np.abs(np.concatenate(parts) - wanted).max(axis=1)
        far = np.flatnonzero(difference > tolerance)
        if 0 < len(far) <= max(1, len(some) // 100):
            far = far[_undecided(student, some[far], tolerance)]
            difference[far] = 0
            undecided += len(far)
        largest[batch] = float(difference.max())
    worst = max(largest, key=lambda batch: np.nan_to_num(largest[batch], nan=np.inf))
    return Parity(largest[worst], worst, len(rows), tuple(largest), undecided)


def session(path: Path) -> Callable[[Floats], Floats]:
    """An exported student as a function: inputs (B, *shape) float32 to its outputs side by side, (B, C), on the CPU.

    The logits are the first; places of nodes are numbers like the others.

    Raises:
        WorkError: a file that onnxruntime cannot run, or one for a single batch size.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # a failure is raised, it need not be printed as well
    failures = (
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NoSuchFile,
        state.NotImplemented,
        state.RuntimeException,
    )
    try:
        opened = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except failures as error:
        raise WorkError(f"onnxruntime cannot run {path}: {' '.join(str(error).split())[:300]}") from None
    if isinstance(opened.get_inputs()[0].shape[0], int):
        raise WorkError(f"the student could not be exported to ONNX: {FIXED}")

    def run(inputs: Floats) -> Floats:
        try:
            return _beside(opened.run(None, {"inputs": inputs}))
        except failures as error:
            said = " ".join(str(error).split())[:300]
            raise WorkError(f"onnxruntime cannot run the graph at a batch of {len(inputs)} rows: {said}") from None

    return run


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
