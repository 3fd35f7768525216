"""Student to ONNX: one file with the scaling inside, checked against torch before it appears.

torch's exporter keeps state between the exports of a process and then fails, so each graph is traced by a process of
its own: `python -m amalgam.export STUDENT GRAPH ROWS`.
"""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from amalgam import __version__
from amalgam.errors import RequestError, WorkError
from amalgam.files import draft, writable
from amalgam.signals import StudentOutput
from amalgam.student import Student, load

Floats = NDArray[np.float32]

THRESHOLD = "logit > 0, probability > 0.5"
LIKELIEST = "the largest logit; probabilities are their softmax"
MIXED = f"of each task's classes {LIKELIEST}; of other labels {THRESHOLD}"
_LOGITS = "logits"
TRACED = 2
"""Rows of the example that is traced; never one of the batch sizes of the check."""
MOST = 1024
"""Rows of the largest batch of the check, so that its memory stays flat."""


FIXED = (
    "its forward makes a Python number of the batch size, which fixes the graph to one size; "
    "write inputs.shape[0] instead of len(inputs)"
)


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
    rows = _drawn(student) if check is None else _rows(student, check)
    with writable(path), draft(path) as graph:
        _trace(student, graph, rows)
        found = compare(graph, student, rows, tolerance)
        if not found.difference <= tolerance:  # NaN is no agreement either
            raise WorkError(
                f"the exported student differs from torch by {found.difference:.3g} at a batch of {found.batch} "
                f"rows, more than the tolerance of {tolerance:g}; {path} was not written"
            )
        drawn = "drawn from seed 0 with the scaling's mean and spread" if check is None else "given"
        _describe(graph, student, found, tolerance, drawn)
    return path


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


def _rows(student: Student, given: ArrayLike | Tensor) -> Floats:
    """Rows to compare on, as float32; RequestError for what the student would refuse, and for none."""
    rows = given.detach().cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)
    if not len(student.logits(rows)):
        raise RequestError("there are no rows to check the export with; give at least one, or None for drawn ones")
    if rows.shape[1:] != student.shape:
        raise RequestError(
            f"the rows to check the export with have the shape {rows.shape[1:]}, and the exported student reads series "
            f"of the shape {student.shape} alone, as it learned from; give such"
        )
    return np.ascontiguousarray(rows, dtype=np.float32)


def _drawn(student: Student) -> Floats:
    """256 rows from a fixed seed, with the mean and spread of the student's scaling; or texts of numbers of words."""
    if student.texts:
        return _drawn_texts(student)
    noise = torch.randn(256, *student.shape, generator=torch.Generator().manual_seed(0))
    scaling = student.scaling
    drawn: Floats = (scaling.mean.cpu() + scaling.spread.cpu() * noise).numpy()
    return drawn


def _drawn_texts(student: Student) -> Floats:
    """256 texts of 1 to T words from a fixed seed, few of them full; numbers that every vocabulary has."""
    drawn = np.random.default_rng(0)
    rows = drawn.integers(0, 1000, (256, *student.shape)).astype(np.float32)
    lengths = drawn.integers(1, student.shape[0] + 1, 256)
    rows[np.arange(student.shape[0]) >= lengths[:, None]] = np.nan
    return rows


def _trace(student: Student, graph: Path, rows: Floats) -> None:
    """Write the graph, in a fresh process whose output is kept for the message."""
    with tempfile.TemporaryDirectory() as name:
        folder = student.save(Path(name) / "student")
        example = Path(name) / "rows.npy"
        np.save(example, np.resize(rows, (TRACED, *student.shape)))
        command = [sys.executable, "-P", "-m", "amalgam.export", str(folder), str(graph.resolve()), str(example)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise WorkError(f"the student could not be exported to ONNX: {_reason(done.stderr, done.returncode)}")


def _reason(said: str, status: int) -> str:
    """What a failed process has to say, without its traceback."""
    if "inferred a static shape" in said or "specialized it to be a constant" in said:
        return FIXED
    if status < 0:
        return f"the exporter was killed by signal {-status}; it may need more memory"
    # torch's exporter ends in advice and names the cause as `<class 'ValueError'>: …`
    causes = re.findall(r"^(?:<class '[\w.]+'>|[\w.]+(?:Error|Exception|Interrupt)): (.+)", said, re.MULTILINE)
    summary = re.findall(r"^<class '[\w.]+'>: (.+)", said, re.MULTILINE)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return str((summary or causes or lines or [f"the exporter ended with status {status}"])[-1])[:300]


def _describe(graph: Path, student: Student, found: Parity, tolerance: float, source: str) -> None:
    """Add the metadata: what a device needs to know that has only this file."""
    import onnx

    about = {
        "amalgam.version": __version__,
        "amalgam.student": type(student).__module__.rpartition(".")[2],
        "amalgam.labels": json.dumps(student.labels),
        "amalgam.preprocessing": json.dumps(
            {
                "scaling": "inside the graph",
                "input": "raw features, float32" if student.reading is None else str(student.reading),
                "shape": student.shape,
                "nan": "missing" if student.masks else "refused",
            }
        ),
        "amalgam.exclusive": json.dumps(student.exclusive),
        "amalgam.tasks": json.dumps({task: list(classes) for task, classes in student.tasks.items()}),
        **({} if student.graph is None else {"amalgam.nodes": json.dumps(student.graph.paths.nodes)}),
        "amalgam.threshold": LIKELIEST if student.exclusive else MIXED if student.tasks else THRESHOLD,
        "amalgam.parity": json.dumps(
            {
                "largest_difference": found.difference,
                "tolerance": tolerance,
                "rows": found.rows,
                "rows_from": source,
                "batch_sizes": found.batches,
                "undecided_rows": found.undecided,
            }
        ),
    }
    model = onnx.load(graph)
    onnx.helper.set_model_props(model, about)
    onnx.save(model, graph)


def facts(path: Path) -> dict[str, str | int | float]:
    """What an exported file says of itself, in words for a report: its size, how it was checked."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    opened = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    checked = json.loads(opened.get_modelmeta().custom_metadata_map["amalgam.parity"])
    further = [one.name for one in opened.get_outputs() if one.name != _LOGITS]
    return {
        "file": path.name,
        "bytes": path.stat().st_size,
        **({"outputs beside the logits": ", ".join(further)} if further else {}),
        "largest difference from torch": checked["largest_difference"],
        "rows checked": checked["rows"],
        "batch sizes checked": ", ".join(map(str, checked["batch_sizes"])),
        "rows are": checked["rows_from"],
    }


def outputs(student: Student, said: StudentOutput) -> dict[str, Tensor]:
    """What a student's file says of a batch, by name: the logits, and the path of one that walks down a label graph."""
    path = student.walk(said)
    return {_LOGITS: said.logits} | ({} if path is None else {"path": path.nodes, "steps": path.probabilities})


class _Told(nn.Module):
    """A student that says what its file says."""

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.student = student

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(outputs(self.student, self.student(inputs)).values())


def _child(folder: str, graph: str, example: str) -> None:
    """Trace the student of a folder into a graph: the work of the process of its own."""
    inputs, student = torch.from_numpy(np.load(example, allow_pickle=False)), load(folder)
    program = torch.onnx.export(
        _Told(student).eval().requires_grad_(False),
        (inputs,),
        dynamo=True,
        input_names=["inputs"],
        output_names=list(outputs(student, student(inputs))),
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        verbose=False,
    )
    if program is None:
        raise RuntimeError("torch's exporter returned nothing")
    # Every node carries the stack that traced it: half the file, and paths of this machine.
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
    program.save(graph, external_data=False)


if __name__ == "__main__":
    _child(*sys.argv[1:])
