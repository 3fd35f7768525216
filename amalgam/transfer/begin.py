"""How a student begins: with the weights of a network that learned the source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from amalgam.errors import RequestError
from amalgam.progress import Progress
from amalgam.scaling import Unscaled
from amalgam.schooling import took, trained
from amalgam.student import Student, build, load, student_class
from amalgam.training.settings import Training
from amalgam.transfer.source import Source


def require_last(spec: dict[str, Any]) -> None:
    """RequestError for a student whose logits are not made of its features by one last layer."""
    name = str(spec["name"]).partition(":")[0]
    if student_class(name).last is None:
        raise RequestError(
            f"the student {name} has no last layer of its own that a source could share all before with; choose mlp, "
            "convolutional, recurrent, text, huggingface, timm or torchvision"
        )


def learned(
    source: Source,
    spec: dict[str, Any],
    epochs: int,
    training: Training,
    seed: int,
    *,
    accelerator: Accelerator,
    progress: Progress,
    where: str,
) -> tuple[Student, float]:
    """A student of the source's classes, trained so many epochs; from the store, if it was before.

    Without epochs it is a new one, whose scaling is that of the source's rows.

    Returns:
        the student, and the seconds that it took to be trained, whenever that was.
    """
    if not epochs:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            fresh = build(spec, source.rows.shape, source.rows.labels, where)
        fresh.scaling.fit(source.rows)
        return fresh, 0.0
    settings = training.model_copy(update={"epochs": epochs, "precision": "no", "tracker": None})
    folder: Path = trained(
        "source", source.rows, spec, settings, seed,
        accelerator=accelerator, progress=progress, where=where, tasks=source.tasks,
    )  # fmt: skip
    return load(folder), took(folder)


def adopt(student: Student, other: Student) -> None:
    """Give a student everything of another of its kind but the last layer: weights, averages and scaling.

    Where inputs are not scaled nothing is, and texts may be longer or shorter than those of the other.
    """
    assert student.last is not None
    left = (f"{student.last}.", *(["scaling."] if isinstance(student.scaling, Unscaled) else []))
    own, theirs = student.state_dict(), other.state_dict()
    taken = {name: value for name, value in theirs.items() if not name.startswith(left)}
    odd = sorted(name for name, value in taken.items() if name not in own or own[name].shape != value.shape)
    if odd:
        raise RequestError(
            f"the source's network has {odd[0]} of the shape {tuple(taken[odd[0]].shape)}, and the student's "
            f"{tuple(own[odd[0]].shape) if odd[0] in own else 'none'}; bring both data sets to one shape"
        )
    student.load_state_dict({**own, **taken})


def last_of(student: Student) -> nn.Module:
    """Its last layer."""
    assert student.last is not None
    return student.get_submodule(student.last)
