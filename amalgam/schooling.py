"""Schooling: a built-in teacher whose weights are absent is trained once, visibly, on its own part of the data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from amalgam import datasets, store, student
from amalgam.datasets.split import split
from amalgam.errors import RequestError, listed
from amalgam.fingerprint import fingerprint, of_array, of_code, of_each_row, of_rows
from amalgam.progress import Progress
from amalgam.schema import parse
from amalgam.signals import Loss, ProbabilityTargets, Rows, StudentOutput, Targets, cross_entropy
from amalgam.teacher import Card, Schooling
from amalgam.training.settings import Training
from amalgam.training.trainer import fit

_CODE = (
    "amalgam.training.trainer",
    "amalgam.training.state",
    "amalgam.training.feed",
    "amalgam.student",
    "amalgam.signals",
    __name__,
)
"""Whose change makes another teacher."""


def own_rows(card: Card, schooling: Schooling) -> Rows:
    """The rows a built-in teacher learns from, with only its own labels.

    Raises:
        RequestError: the data has no such part, or lacks one of the teacher's labels.
    """
    loaded = datasets.load(schooling.data)
    parts = split(loaded.rows, schooling.parts, schooling.split_seed)
    if schooling.part not in parts:
        raise RequestError(f"card {card.name!r}: no part {schooling.part!r} among {listed(parts)}")
    rows = parts[schooling.part]
    missing = [label for label in card.labels if label not in rows.labels]
    if missing or rows.annotated is None:
        raise RequestError(f"card {card.name!r}: {schooling.data} has no label {listed(missing or card.labels)}")
    columns = [rows.labels.index(label) for label in card.labels]
    return replace(rows, annotated=rows.annotated[:, columns], labels=tuple(card.labels))


def school(card: Card, accelerator: Accelerator, progress: Progress) -> Path:
    """The folder of a trained built-in teacher: from the store, else trained now, by all processes together.

    A teacher is trained as a student is, with its annotations as targets; part of its own rows stops it early.
    """
    schooling = card.schooling
    assert schooling is not None
    rows = own_rows(card, schooling)
    assert rows.annotated is not None
    code = of_code(*_CODE, student.student_class(str(schooling.student.get("name"))).__module__)
    key = fingerprint(card.model_dump(mode="json"), of_rows(rows), of_array(rows.annotated.numpy()), code)
    about = {"teacher": card.name, "rows": len(rows), "data": schooling.data}
    there = [store.folder("teachers", key) is not None]
    broadcast_object_list(there)  # the main process decides, so that no process trains alone
    if not there[0]:
        trained = _train(card, schooling, rows, accelerator, progress)
        trained.seen = of_each_row(rows)

        def write(folder: Path) -> None:
            trained.save(folder)

        if accelerator.is_main_process:
            store.put_folder("teachers", key, write, about)
        accelerator.wait_for_everyone()
    folder = store.folder("teachers", key)
    assert folder is not None
    return folder


def _train(
    card: Card, schooling: Schooling, rows: Rows, accelerator: Accelerator, progress: Progress
) -> student.Student:
    assert rows.annotated is not None
    where = f"card {card.name!r}, schooling"
    settings = parse(Training, schooling.training, f"{where}.training")
    if settings.precision != "no":
        raise RequestError(
            f"{where}.training: precision is {settings.precision!r}; teachers are trained in float32: leave it out"
        )
    shape = tuple(rows.inputs(slice(0, 1)).shape[1:])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(schooling.split_seed)
        teacher = student.build(schooling.student, shape, card.labels, f"{where}.student")
    teacher.scaling.fit(rows)
    truth = ProbabilityTargets(rows.annotated.nan_to_num(), (~rows.annotated.isnan()).float())
    fit(
        teacher, rows, truth, supervised, settings,
        seed=schooling.split_seed, accelerator=accelerator, progress=progress, name=f"teacher {card.name}",
    )  # fmt: skip
    return teacher


def supervised(output: StudentOutput, targets: Targets) -> Loss:
    """Cross-entropy with the annotations, summed over a chain's steps as the authors train theirs."""
    assert isinstance(targets, ProbabilityTargets)
    return cross_entropy(output.logits if output.steps is None else output.steps, targets)
