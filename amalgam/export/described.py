"""What an exported file says of itself: its metadata, written and read."""

from __future__ import annotations

import json
from pathlib import Path

from amalgam import __version__
from amalgam.export.parity import Parity
from amalgam.export.trace import LOGITS
from amalgam.student import Student

THRESHOLD = "logit > 0, probability > 0.5"
LIKELIEST = "the largest logit; probabilities are their softmax"
MIXED = f"of each task's classes {LIKELIEST}; of other labels {THRESHOLD}"


def describe(graph: Path, student: Student, found: Parity, tolerance: float, source: str) -> None:
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
    further = [one.name for one in opened.get_outputs() if one.name != LOGITS]
    return {
        "file": path.name,
        "bytes": path.stat().st_size,
        **({"outputs beside the logits": ", ".join(further)} if further else {}),
        "largest difference from torch": checked["largest_difference"],
        "rows checked": checked["rows"],
        "batch sizes checked": ", ".join(map(str, checked["batch_sizes"])),
        "rows are": checked["rows_from"],
    }
