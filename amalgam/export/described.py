"""What an exported file says of itself: its metadata, written and read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from amalgam import __version__
from amalgam.errors import RequestError
from amalgam.export.parity import Parity
from amalgam.export.rows import DRAWN
from amalgam.export.trace import LOGITS
from amalgam.fingerprint import of_tensors
from amalgam.student import Student
from amalgam.tokens import Reading

THRESHOLD = "logit > 0, probability > 0.5"
LIKELIEST = "the largest logit; probabilities are their softmax"
MIXED = f"of each task's classes {LIKELIEST}; of other labels {THRESHOLD}"
WEIGHTS = "amalgam.weights"


@dataclass(frozen=True)
class Provenance:
    """Where a student comes from; what nobody knows is None.

    Attributes:
        strategy: that made what it learned.
        recipe: the SHA-256 of its run's `recipe.yaml`.
        teachers: of each its `name`, the `licence` of its weights, and their `fingerprint`.
    """

    strategy: str | None = None
    recipe: str | None = None
    teachers: tuple[Mapping[str, str | None], ...] = ()


def describe(
    graph: Path, student: Student, found: Parity, tolerance: float, source: str, made: Provenance, fixed: str | None
) -> None:
    """Add the metadata: what a device needs to know that has only this file.

    Args:
        graph: the file.
        student: that it holds.
        found: how it compares with torch.
        tolerance: the largest difference that was allowed.
        source: where the rows of the comparison come from.
        made: where the student comes from.
        fixed: why it reads series of one length alone, of a student that reads others.
    """
    import onnx

    model = onnx.load(graph)
    reading = (student.reading or Reading()) if student.texts else None
    about = {
        "amalgam.version": __version__,
        "amalgam.student": type(student).__module__.rpartition(".")[2],
        WEIGHTS: of_tensors(student.state_dict()),
        "amalgam.labels": json.dumps(student.labels),
        "amalgam.preprocessing": json.dumps(
            {
                "scaling": "inside the graph",
                "input": "raw features, float32" if student.reading is None else str(student.reading),
                "shape": student.shape,
                "nan": "missing" if student.masks else "refused",
            }
        ),
        "amalgam.inputs": json.dumps([_end(one) for one in model.graph.input]),
        "amalgam.outputs": json.dumps([_end(one) for one in model.graph.output]),
        **({} if fixed is None else {"amalgam.fixed": f"series of {student.shape[0]} steps alone: {fixed}"}),
        **({} if not student.features else {"amalgam.features": json.dumps(student.features)}),
        **({} if reading is None else {"amalgam.texts": json.dumps(asdict(reading.told()))}),
        "amalgam.exclusive": json.dumps(student.exclusive),
        "amalgam.tasks": json.dumps({task: list(classes) for task, classes in student.tasks.items()}),
        **({} if student.graph is None else {"amalgam.nodes": json.dumps(student.graph.paths.nodes)}),
        "amalgam.threshold": LIKELIEST if student.exclusive else MIXED if student.tasks else THRESHOLD,
        "amalgam.opset": str(next(one.version for one in model.opset_import if not one.domain)),
        **({} if made.strategy is None else {"amalgam.strategy": made.strategy}),
        **({} if made.recipe is None else {"amalgam.recipe": made.recipe}),
        "amalgam.teachers": json.dumps([dict(one) for one in made.teachers]),
        "amalgam.parity": json.dumps(
            {
                "largest_difference": found.difference,
                "mean_difference": found.mean,
                "agreement": found.agreement,
                "tolerance": tolerance,
                "rows": found.rows,
                "rows_from": source,
                "batch_sizes": found.batches,
                "lengths": found.lengths,
                "undecided_rows": found.undecided,
            }
        ),
    }
    onnx.helper.set_model_props(model, about)
    onnx.save(model, graph)


def _end(value: Any) -> dict[str, Any]:
    """An input or output: its name, type and sizes; a size that may be any has a name."""
    import onnx

    kind = value.type.tensor_type
    return {
        "name": value.name,
        "type": onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name,
        "shape": [one.dim_param or one.dim_value for one in kind.shape.dim],
    }


def refuse_another(path: Path, student: Student) -> None:
    """RequestError for a file that is there already, unless it is an export of this very student."""
    if path.is_file() and _metadata(path).get(WEIGHTS) != of_tensors(student.state_dict()):
        raise RequestError(
            f"{path} is there already and is no export of this student; name another file, or replace it with --force "
            "(in Python force=True)"
        )


def _metadata(path: Path) -> dict[str, str]:
    """What a file says of itself; nothing where it is no ONNX file."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        return {one.key: one.value for one in onnx.load(path, load_external_data=False).metadata_props}
    except DecodeError:
        return {}


def facts(path: Path) -> dict[str, str | int | float]:
    """What an exported file says of itself, in words for a report: its size, how it was checked."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    opened = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    about = opened.get_modelmeta().custom_metadata_map
    checked = json.loads(about["amalgam.parity"])
    further = [one.name for one in opened.get_outputs() if one.name != LOGITS]
    return {
        "file": path.name,
        "bytes": path.stat().st_size,
        "opset": int(about["amalgam.opset"]),
        **({"outputs beside the logits": ", ".join(further)} if further else {}),
        "largest difference from torch": checked["largest_difference"],
        "mean difference from torch": checked["mean_difference"],
        "rows decided alike": checked["agreement"],
        "rows checked": checked["rows"],
        "batch sizes checked": ", ".join(map(str, checked["batch_sizes"])),
        **({"lengths checked": ", ".join(map(str, checked["lengths"]))} if checked["lengths"] else {}),
        **({"reads": about["amalgam.fixed"]} if "amalgam.fixed" in about else {}),
        "rows are": checked["rows_from"],
    }


def are_drawn(told: Mapping[str, str | int | float]) -> bool:
    """Whether the facts of a file say that it was checked on no real rows."""
    return told["rows are"] == DRAWN
