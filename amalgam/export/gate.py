"""What a smaller file loses, by the task's own measure; one that loses more than is allowed is refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amalgam.errors import RequestError, WorkError
from amalgam.export.timing import opened

Floats = NDArray[np.float32]
MAX_DROP = 0.01
"""How much of its measure a smaller file may lose, unless the user says otherwise."""
_CHUNK = 256


@dataclass(frozen=True)
class Drop:
    """What a smaller file says of rows, beside the fp32 file.

    Attributes:
        measure: `accuracy` of labels that exclude each other; its mean over tasks, where some tasks have classes;
            `F1 micro` of other labels.
        annotated: whether rows were measured by their annotations; else by what the fp32 file decides of them.
        before: the measure of the fp32 file.
        after: that of the smaller one.
        rows: how many were measured.
        alike: share of the rows of which both decide alike, in all labels.
        difference: the largest absolute difference of a logit; NaN where the smaller file says NaN.
    """

    measure: str
    annotated: bool
    before: float
    after: float
    rows: int
    alike: float
    difference: float

    @property
    def lost(self) -> float:
        """What the measure fell by; below 0 where it rose."""
        return self.before - self.after


def drop(graph: Path, smaller: Path, rows: Floats, annotated: Floats | None = None) -> Drop:
    """Measure an fp32 file and a smaller one of it on the same rows.

    Args:
        graph: the fp32 file, whose metadata name its labels and tasks.
        smaller: made of it.
        rows: (N, *shape).
        annotated: (N, L) of 0, 1, and NaN where nobody annotated, in the order of the file's labels. None, or
            annotations of which the measure has no value, compare the decisions with those of the fp32 file.

    Raises:
        RequestError: no rows, or annotations of another shape.
        WorkError: onnxruntime cannot run one of the files.
    """
    import onnx
    import torch

    from amalgam.classes import decided
    from amalgam.labels import spans_of
    from amalgam.metrics import CLASS_MEASURES, MEASURES, TASK_MEASURES, Measure, Tally

    about = {one.key: one.value for one in onnx.load(graph).metadata_props}
    labels, tasks = json.loads(about["amalgam.labels"]), json.loads(about["amalgam.tasks"])
    spans = spans_of(tasks, labels)
    if not len(rows):
        raise RequestError("there are no rows to measure a quantised student on; give at least one")
    if annotated is not None and annotated.shape != (len(rows), len(labels)):
        raise RequestError(
            f"the annotations have the shape {annotated.shape}, expected {(len(rows), len(labels))}: one row for each "
            "of the inputs, one column for each of the student's labels"
        )

    def measured(said: torch.Tensor, truth: torch.Tensor, measure: Measure) -> float:
        tally = Tally(len(labels), spans)
        tally.update(said, truth)
        return float(getattr(tally.measures(), measure.key))

    measure = CLASS_MEASURES[0] if spans == ((0, len(labels)),) else TASK_MEASURES[0] if spans else MEASURES[2]
    first, second = (torch.from_numpy(_logits(path, rows)) for path in (graph, smaller))
    before, after = decided(first, spans), decided(second, spans)
    truth = before.float() if annotated is None else torch.as_tensor(annotated).float()
    found = measured(before, truth, measure)
    if by_annotations := annotated is not None and not np.isnan(found):
        name = measure.name
    else:
        truth = before.float()
        name, found = f"{measure.name} against the decisions of the fp32 file", measured(before, truth, measure)
    return Drop(
        name, by_annotations, found, measured(after, truth, measure), len(rows),
        float((before == after).all(1).float().mean()), float((first - second).abs().max()),
    )  # fmt: skip


def refuse(found: Drop, limit: float, how: str) -> None:
    """WorkError, with the numbers, for a smaller file that loses more than `limit` of its measure.

    Args:
        found: what it loses.
        limit: the largest allowed drop, of a measure between 0 and 1.
        how: what was done, as `quantised` says it.
    """
    if np.isnan(found.difference):
        raise WorkError(
            f"the quantised student ({how}) says NaN where the fp32 one says a number, and was not written; choose "
            "--quantize fp16, or none"
        )
    if found.lost <= limit:
        return
    ways = ["give more or other calibration rows"] if "static" in how else []
    ways += [] if how.startswith("fp16") else ["choose --quantize fp16"]
    raise WorkError(
        f"the quantised student ({how}) has {found.measure} {found.after:.4f} on {found.rows} rows and the fp32 one "
        f"{found.before:.4f}: it loses {found.lost:.4f}, more than the allowed {limit:g}, and was not written; "
        f"{', or '.join([*ways, 'allow more with --max-drop'])}"
    )


def _logits(path: Path, rows: Floats) -> Floats:
    """What a file says of rows (N, *shape), batch by batch: logits (N, L)."""
    run, every = opened(path), np.ascontiguousarray(rows, dtype=np.float32)
    return np.concatenate([run(every[start : start + _CHUNK]) for start in range(0, len(every), _CHUNK)])
