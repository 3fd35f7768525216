"""Schooling: a teacher whose weights are absent is trained once, visibly, on its own part of the data."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from amalgam import datasets, store, student
from amalgam.classes import as_targets
from amalgam.datasets.split import split
from amalgam.errors import RequestError, listed
from amalgam.fingerprint import fingerprint, of_array, of_code, of_each_row, of_rows
from amalgam.labels import Tasks, spans_of, told_tasks
from amalgam.losses import stepwise
from amalgam.progress import Progress
from amalgam.schema import parse
from amalgam.signals import ProbabilityTargets, Rows
from amalgam.teacher import Card, Schooling
from amalgam.training.settings import CODE as TRAINING
from amalgam.training.settings import Training
from amalgam.training.trainer import fit

_CODE = (
    *TRAINING, "amalgam.classes", "amalgam.losses", "amalgam.networks", "amalgam.scaling", "amalgam.series",
    "amalgam.signals", __name__,
)  # fmt: skip
"""Whose change makes another teacher, beside the modules of its student's class and of those that it comes from."""


def own_rows(card: Card, schooling: Schooling) -> Rows:
    """The rows a built-in teacher learns from, with only its own labels.

    Raises:
        RequestError: the data has no such part, or lacks one of the teacher's labels.
    """
    options = parse(datasets.DataOptions, schooling.options, f"card {card.name!r}, schooling.options")
    loaded = datasets.load(schooling.data, options)
    parts = split(loaded.rows, schooling.parts, schooling.split_seed)
    if schooling.part not in parts:
        raise RequestError(f"card {card.name!r}: no part {schooling.part!r} among {listed(parts)}")
    rows = parts[schooling.part]
    missing = [label for label in card.labels if label not in rows.labels]
    if missing or rows.annotated is None:
        raise RequestError(f"card {card.name!r}: {schooling.data} has no label {listed(missing or card.labels)}")
    return lesson(rows, card.labels, _tasks(card))


def _tasks(card: Card) -> Tasks:
    return told_tasks(card.tasks, card.exclusive, card.labels, f"card {card.name!r}")


def lesson(rows: Rows, labels: Sequence[str], tasks: Tasks) -> Rows:
    """Annotated rows with a teacher's own labels alone; of a task's classes, only in the rows of its own.

    Args:
        rows: annotated.
        labels: the teacher's.
        tasks: its tasks of several classes. A row of none of a task's classes says nothing of it, and a row that says
            nothing at all is left out.

    Raises:
        RequestError: no row has any of the classes.
    """
    assert rows.annotated is not None
    own = replace(
        rows, annotated=rows.annotated[:, [rows.labels.index(label) for label in labels]], labels=tuple(labels)
    )
    if not tasks:
        return own
    assert own.annotated is not None
    told = own.annotated.clone()
    for first, last in spans_of(tasks, own.labels):
        among = (told[:, first:last] == 1).any(1)
        if not bool(among.any()):
            raise RequestError(
                f"no row of {rows.name} is annotated with {listed(own.labels[first:last])}, which a teacher should "
                "learn"
            )
        told[:, first:last] = told[:, first:last].masked_fill(~among[:, None], torch.nan)
    return replace(own, annotated=told).take((~told.isnan()).any(1).nonzero()[:, 0])


def school(card: Card, accelerator: Accelerator, progress: Progress) -> Path:
    """The folder of a trained built-in teacher: from the store, else trained now, by all processes together."""
    schooling = card.schooling
    assert schooling is not None
    where = f"card {card.name!r}, schooling"
    settings = parse(Training, schooling.training, f"{where}.training")
    if settings.precision != "no":
        raise RequestError(
            f"{where}.training: precision is {settings.precision!r}; teachers are trained in float32: leave it out"
        )
    return trained(
        card.name, own_rows(card, schooling), schooling.student, settings, schooling.split_seed,
        accelerator=accelerator, progress=progress, where=f"{where}.student", tasks=_tasks(card),
    )  # fmt: skip


def trained(
    name: str,
    rows: Rows,
    spec: dict[str, Any],
    settings: Training,
    seed: int,
    *,
    accelerator: Accelerator,
    progress: Progress,
    where: str,
    tasks: Tasks | None = None,
) -> Path:
    """The folder of a teacher trained on annotated rows as a student is, with the annotations as targets.

    From the store, else trained now, by all processes together; part of its own rows stops it early. Its card says how
    many seconds it took.

    Args:
        name: what the teacher is called.
        rows: its rows, annotated with its labels.
        spec: the student it is trained as.
        settings: how.
        seed: of its weights and of the order of rows.
        accelerator: the processes and the device.
        progress: who shows the training.
        where: who asks for the student, for messages.
        tasks: its tasks of several classes.
    """
    assert rows.annotated is not None
    kind, chosen = student.settings_of(spec, where)
    code = of_code(*_CODE, *sorted({one.__module__ for one in kind.__mro__ if one.__module__.startswith("amalgam.")}))
    asked = [
        list(rows.labels),
        kind.__name__,
        chosen.model_dump(mode="json"),
        settings.model_dump(mode="json"),
        seed,
        sorted((task, list(classes)) for task, classes in (tasks or {}).items()),
    ]
    key = fingerprint("teacher", name, asked, of_rows(rows), of_array(rows.annotated.numpy()), code)
    there = [store.folder("teachers", key) is not None]
    broadcast_object_list(there)  # the main process decides, so that no process trains alone
    if not there[0]:
        began = time.monotonic()
        teacher = _train(name, rows, spec, settings, seed, accelerator, progress, where, tasks or {})
        teacher.seen = of_each_row(rows)
        about = {"teacher": name, "rows": len(rows), "data": rows.name, "seconds": round(time.monotonic() - began, 3)}

        def write(folder: Path) -> None:
            teacher.save(folder)

        if accelerator.is_main_process:
            store.put_folder("teachers", key, write, about)
        accelerator.wait_for_everyone()
    folder = store.folder("teachers", key)
    assert folder is not None
    return folder


def took(folder: Path) -> float:
    """Seconds that it took to train the teacher of a folder, whenever that was."""
    return float(store.read_card(folder)["about"]["seconds"])


def _train(
    name: str,
    rows: Rows,
    spec: dict[str, Any],
    settings: Training,
    seed: int,
    accelerator: Accelerator,
    progress: Progress,
    where: str,
    tasks: Tasks,
) -> student.Student:
    assert rows.annotated is not None
    shape = rows.shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        teacher = student.build(spec, shape, rows.labels, where)
    teacher.tasks = tasks
    teacher.scaling.fit(rows)
    truth = ProbabilityTargets(*as_targets(rows.annotated), spans=teacher.spans)
    fit(
        teacher, rows, truth, stepwise, settings,
        seed=seed, accelerator=accelerator, progress=progress, name=f"teacher {name}",
    )  # fmt: skip
    return teacher
