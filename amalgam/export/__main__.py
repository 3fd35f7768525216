"""The process of its own that traces a student: `python -m amalgam.export STUDENT GRAPH ASKED`."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from operator import attrgetter

import torch
from torch import Tensor, nn

from amalgam.errors import RequestError
from amalgam.export.trace import BATCH, TIME, TRACED, outputs
from amalgam.student import Student, load

_FEW = 5
"""Steps of the example, at least: torch takes a size of 0 or 1 for a fixed one, and blocks halve the steps."""


class _Told(nn.Module):
    """A student that says what its file says."""

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.student = student

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(outputs(self.student, self.student(inputs)).values())


def _child(folder: str, graph: str, told: str) -> None:
    """Trace the student of a folder into a graph: the work of the process of its own."""
    asked = json.loads(told)
    student = load(folder, _own(asked["kind"]))
    shape = student.shape
    if asked["time"] and student.accepts((max(_FEW, shape[0]), *shape[1:])):
        shape = (max(_FEW, shape[0]), *shape[1:])
    inputs = torch.zeros(TRACED, *shape)  # no graph depends on the example's values; the check has real rows
    names = {0: BATCH} | ({1: TIME} if asked["time"] else {})
    program = torch.onnx.export(
        _Told(student).eval().requires_grad_(False),
        (inputs,),
        dynamo=True,
        input_names=["inputs"],
        output_names=list(outputs(student, student(inputs))),
        dynamic_shapes=({axis: torch.export.Dim(name) for axis, name in names.items()},),
        opset_version=asked["opset"],
        verbose=False,
    )
    if program is None:
        raise RuntimeError("torch's exporter returned nothing")
    made = program.model.opset_imports[""]
    if asked["opset"] not in (None, made):
        raise RequestError(f"torch's exporter made opset {made} of it, not {asked['opset']}; ask for another")
    # Every node carries the stack that traced it: half the file, and paths of this machine.
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
    program.save(graph, external_data=False)


def _own(kind: str | None) -> type[Student] | None:
    """A class that is none of amalgam's, `module:name`."""
    if kind is None:
        return None
    module, _, name = kind.partition(":")
    found: type[Student] = attrgetter(name)(import_module(module))
    return found


if __name__ == "__main__":
    _child(*sys.argv[1:])
