"""A student traced to an ONNX graph.

torch's exporter keeps state between the exports of a process and then fails, so each graph is traced by a process of
its own: `python -m amalgam.export STUDENT GRAPH ASKED`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from torch import Tensor

from amalgam.errors import RequestError, WorkError
from amalgam.signals import StudentOutput
from amalgam.student import Student

LOGITS = "logits"
BATCH, TIME = "batch", "time"
"""What the sizes of a graph are called that may be any."""
TRACED = 2
"""Rows of the example that is traced; never one of the batch sizes of the check."""
OPSETS = range(18, 26)
"""The sets of ONNX's operators that torch's exporter, which makes 18, can turn that into."""
FIXED = (
    "its forward makes a Python number of the batch size, which fixes the graph to one size; "
    "write inputs.shape[0] instead of len(inputs)"
)
LENGTH = "its forward makes a Python number of how long series are, which fixes the graph to one length"
_LACKS = "has no counterpart in ONNX"
_OWN = "amalgam.students."


def other_lengths(student: Student, steps: int) -> tuple[int, ...]:
    """A length of series that is shorter than some steps, and a longer one, where the student reads such."""
    if len(student.shape) != 2:
        return ()
    near = (steps // 2, steps + max(1, steps // 3))
    return tuple(one for one in near if one and one != steps and student.accepts((one, *student.shape[1:])))


def refuse_opset(opset: int | None) -> None:
    """RequestError for a set of operators that torch's exporter does not make; None leaves it to the exporter."""
    if opset is not None and opset not in OPSETS:
        raise RequestError(
            f"there is no export to opset {opset}; choose one from {OPSETS[0]} to {OPSETS[-1]}, or leave it out"
        )


@contextmanager
def tracing(student: Student, graph: Path, opset: int | None = None) -> Iterator[Callable[[], str | None]]:
    """The graph of a student, in the making; what else there is to do can be done meanwhile.

    Args:
        student: what to trace; a class of one's own is imported by its name.
        graph: the file to write.
        opset: of the graph; None leaves it to torch's exporter.

    Yields:
        what waits for the graph. A student that reads series of any length is traced so; where that fails, the graph is
        of the length it learned from, and the reason is returned.

    Raises:
        RequestError: a class that another process cannot import.
        WorkError: the exporter fails; it names the operator, or the line, where it does.
    """
    symbolic = bool(other_lengths(student, student.shape[0]))
    with tempfile.TemporaryDirectory() as name:
        begin = partial(_Child, student, student.save(Path(name) / "student"), graph, opset)
        children = [begin(symbolic)]

        def finish() -> str | None:
            why = children[0].reason()
            if why is None:
                return None
            if symbolic and _LACKS not in why:
                children.append(begin(False))
                if children[1].reason() is None:
                    return why
            raise WorkError(f"the student could not be exported to ONNX: {why}")

        try:
            yield finish
        finally:
            for child in children:
                child.stop()


class _Child:
    """The process that traces the student of a folder into a graph; `time` says whether of series of any length."""

    def __init__(self, student: Student, folder: Path, graph: Path, opset: int | None, time: bool) -> None:
        kind = _kind(student)
        told = json.dumps({"kind": kind, "opset": opset, "time": time})
        command = [sys.executable, "-P", "-m", "amalgam.export", str(folder), str(graph.resolve()), told]
        # A class of one's own is found there as it is here.
        seen = {} if kind is None else {"PYTHONPATH": os.pathsep.join(str(Path(one).resolve()) for one in sys.path)}
        self._said = folder.parent / "said"
        with self._said.open("wb") as said:
            self._process = begun(command, said, {**os.environ, **seen})

    def reason(self) -> str | None:
        """Why it failed, once it has ended; None where it did not."""
        status = self._process.wait()
        return _reason(self._said.read_text("utf-8", "replace"), status) if status else None

    def stop(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()


def begun(command: Sequence[str], said: BinaryIO, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """A process that has begun, and writes into a file what it says."""
    return subprocess.Popen(command, stdout=said, stderr=said, env=environment)


def outputs(student: Student, said: StudentOutput) -> dict[str, Tensor]:
    """What a student's file says of a batch, by name: the logits, and the path of one that walks down a label graph."""
    path = student.walk(said)
    return {LOGITS: said.logits} | ({} if path is None else {"path": path.nodes, "steps": path.probabilities})


def _kind(student: Student) -> str | None:
    """Where a class of one's own is found, `module:name`; None for amalgam's."""
    kind = type(student)
    if kind.__module__.startswith(_OWN):
        return None
    if kind.__module__ == "__main__" or "<locals>" in kind.__qualname__:
        raise RequestError(
            f"the student {kind.__name__} is traced by a process of its own, which cannot import it from where it is "
            "written; put the class into a module"
        )
    return f"{kind.__module__}:{kind.__qualname__}"


def _reason(said: str, status: int) -> str:
    """What a failed process has to say, without its traceback."""
    if status < 0:
        return f"the exporter was killed by signal {-status}; it may need more memory"
    if operator := re.search(r"No ONNX function found for <OpOverload\(op='([\w.]+)'", said):
        return f"the operator {operator[1]} {_LACKS}; write its forward without it"
    if "data-dependent" in said:
        where = re.search(r'raised this error:\s+File "(.+)", line (\d+), in .+\n\s+(.+)', said)
        line = f" (`{where[3].strip()}`, line {where[2]} of {Path(where[1]).name})" if where else ""
        return f"its forward goes by the values of a batch{line}, which a graph cannot do; torch.where can"
    if re.search(rf"Constraints violated \({TIME}\)|derived min value of .*_{TIME}", said):
        return LENGTH
    if "inferred a static shape" in said or "specialized it to be a constant" in said:
        return FIXED
    # torch's exporter ends in advice and names the cause as `<class 'ValueError'>: …`
    causes = re.findall(r"^(?:<class '[\w.]+'>|[\w.]+(?:Error|Exception|Interrupt)): (.+)", said, re.MULTILINE)
    summary = re.findall(r"^<class '[\w.]+'>: (.+)", said, re.MULTILINE)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return str((summary or causes or lines or [f"the exporter ended with status {status}"])[-1])[:300]
