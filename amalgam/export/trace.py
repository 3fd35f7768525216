"""A student traced to an ONNX graph.

torch's exporter keeps state between the exports of a process and then fails, so each graph is traced by a process of
its own: `python -m amalgam.export STUDENT GRAPH ROWS`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from amalgam.errors import WorkError
from amalgam.signals import StudentOutput
from amalgam.student import Student

LOGITS = "logits"
TRACED = 2
"""Rows of the example that is traced; never one of the batch sizes of the check."""
FIXED = (
    "its forward makes a Python number of the batch size, which fixes the graph to one size; "
    "write inputs.shape[0] instead of len(inputs)"
)


def traced(student: Student, graph: Path, rows: NDArray[np.float32]) -> None:
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


def outputs(student: Student, said: StudentOutput) -> dict[str, Tensor]:
    """What a student's file says of a batch, by name: the logits, and the path of one that walks down a label graph."""
    path = student.walk(said)
    return {LOGITS: said.logits} | ({} if path is None else {"path": path.nodes, "steps": path.probabilities})
