"""The process of its own that traces a student: `python -m amalgam.export STUDENT GRAPH ROWS`."""

from __future__ import annotations

import sys

import numpy as np
import torch
from torch import Tensor, nn

from amalgam.export.trace import outputs
from amalgam.student import Student, load


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
