"""ONNX models as teachers, run by onnxruntime."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from amalgam.adapters import Conversion, Kind, identity, source, unanswered
from amalgam.errors import RequestError, listed
from amalgam.files import inside
from amalgam.fingerprint import of_file
from amalgam.labels import Tasks, canonical, spans_of, told_tasks
from amalgam.teacher import Card

LABELS = "amalgam.labels"
"""The metadata key under which an exported student keeps its labels, a JSON list."""
EXCLUSIVE = "amalgam.exclusive"
"""The key that says, `true` or `false`, whether an exported student's labels are all the classes of one task."""
TASKS = "amalgam.tasks"
"""The key under which it keeps its tasks of several classes, a JSON object: task → classes."""


class OnnxTeacher:
    """A model with one input (B, ...) and an output (B, L), called `logits` or the first.

    A model with a fixed batch size is run in batches of that size, the last one filled up with copies of its last row.

    Attributes:
        labels: the names of its outputs.
        name: what it is called in messages.
        kind: what the model answers with.
        tasks: its tasks of several classes.
        fingerprint: of the file, and of the weights it keeps in other files.
    """

    labels: Sequence[str]

    def __init__(
        self, path: Path, labels: Sequence[object], name: str, kind: Kind, exclusive: bool, tasks: Tasks, cuda: bool
    ) -> None:
        self.name = name
        self.kind = kind
        self._session = _open(path, name, cuda)
        metadata = self._session.get_modelmeta().custom_metadata_map
        entries = self._session.get_inputs()
        if len(entries) != 1:
            raise RequestError(
                f"teacher {name!r}: {path} has the inputs {listed(one.name for one in entries)}, expected one"
            )
        self._input = entries[0]
        outputs = [one.name for one in self._session.get_outputs()]
        self._output = "logits" if "logits" in outputs else outputs[0]
        self.labels = canonical(labels or _listed_in(metadata.get(LABELS), path, name), {}, f"teacher {name!r}")
        if not (exclusive or tasks):
            exclusive, tasks = _tasks_in(metadata, path, name)
        self.tasks = told_tasks(tasks, exclusive, self.labels, f"teacher {name!r}")
        spans = spans_of(self.tasks, self.labels)
        self.fingerprint = identity("onnx", _hashes(path, name), self._output, self.labels, kind, spans)
        self._logits = Conversion(name, kind, spans)

    def score(self, inputs: Tensor) -> Tensor:
        """Logits (B, L) of inputs (B, ...)."""
        values = inputs.detach().cpu().float().numpy()
        size = self._input.shape[0] if self._input.shape else None
        if not isinstance(size, int):
            return self._logits(self._run(values, inputs)).to(inputs.device)
        filled = np.concatenate([values, np.repeat(values[-1:], -len(values) % size, axis=0)])
        parts = [self._run(filled[start : start + size], inputs) for start in range(0, len(filled), size)]
        return self._logits(np.concatenate(parts)[: len(values)]).to(inputs.device)

    def _run(self, values: NDArray[np.float32], inputs: Tensor) -> NDArray[Any]:
        from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

        try:
            (answer,) = self._session.run([self._output], {self._input.name: values})
        except (Fail, InvalidArgument, RuntimeException) as error:
            raise unanswered(self.name, inputs, error) from error
        return np.asarray(answer)


def load(card: Card, folder: Path, device: torch.device, trust: bool) -> OnnxTeacher:
    """The teacher of a card whose source is a `.onnx` file; labels come from the card, else from the file.

    Raises:
        RequestError: a source that is missing or damaged, several inputs, or labels nowhere.
    """
    path = source(card, folder, "a .onnx file")
    cuda = device.type == "cuda"
    return OnnxTeacher(path, card.labels, card.name, card.scores, card.exclusive, card.tasks, cuda)


def _open(path: Path, name: str, cuda: bool) -> Any:
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import (
        Fail,
        InvalidArgument,
        InvalidGraph,
        InvalidProtobuf,
        NoSuchFile,
        NotImplemented,
    )

    providers = ["CPUExecutionProvider"]
    if cuda and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        providers.insert(0, "CUDAExecutionProvider")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # what fails is raised; the warnings are about the graph, not for the reader
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile, NotImplemented) as error:
        reason = " ".join(str(error).split())[:200]
        raise RequestError(
            f"teacher {name!r}: {path} is no ONNX model that onnxruntime can run ({reason}); fetch or export it again"
        ) from None


def _listed_in(written: str | None, path: Path, name: str) -> Sequence[object]:
    if written is None:
        raise RequestError(
            f"teacher {name!r} names no labels: neither its card nor {path} (metadata {LABELS!r}) lists them; write "
            "`labels:` in the card, one name an output"
        )
    try:
        labels = json.loads(written)
    except json.JSONDecodeError:
        labels = None
    if not isinstance(labels, list):
        raise RequestError(
            f"teacher {name!r}: the metadata {LABELS!r} of {path} is no JSON list; write `labels:` in the card"
        )
    return labels


def _tasks_in(metadata: Mapping[str, str], path: Path, name: str) -> tuple[bool, Tasks]:
    """Whether all labels are the classes of one task, and the tasks, as an exported student's file has them."""
    written = metadata.get(TASKS)
    if written is None:
        return metadata.get(EXCLUSIVE) == "true", {}
    try:
        tasks = json.loads(written)
    except json.JSONDecodeError:
        tasks = None
    if not isinstance(tasks, dict) or not all(isinstance(classes, list) for classes in tasks.values()):
        raise RequestError(
            f"teacher {name!r}: the metadata {TASKS!r} of {path} is no JSON object of lists; write `tasks:` in the card"
        )
    return False, tasks


def _hashes(path: Path, name: str) -> list[str]:
    """The checksums of a model and of the files beside it that hold its weights."""
    import onnx

    graph = onnx.load(str(path), load_external_data=False).graph
    external = [one for one in graph.initializer if one.data_location == onnx.TensorProto.EXTERNAL]
    named = {entry.value for one in external for entry in one.external_data if entry.key == "location"}
    beside = [inside(path.parent, location, f"teacher {name!r}") for location in sorted(named)]
    return [of_file(one) for one in [path, *beside]]
