"""A cell of a table: in one setting under one seed, teachers are trained, asked once, and every method distilled."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch

from amalgam.bench.audit import audit
from amalgam.bench.checks import methods_of
from amalgam.bench.ground import Ground, bounds, built, extent, prepared, within
from amalgam.bench.row_table import RowTable
from amalgam.bench.scores import Cell, Score, Tell
from amalgam.classes import as_targets, by_task, decided
from amalgam.collect import surrogate, weighed
from amalgam.journal import Journal
from amalgam.labels import Tasks
from amalgam.losses import stepwise
from amalgam.metrics import measures
from amalgam.processes import nonce, processes
from amalgam.progress import Silent
from amalgam.schema import parse
from amalgam.signals import ProbabilityTargets, Rows, Targets
from amalgam.strategy import Strategy
from amalgam.student import Student
from amalgam.training.settings import Training
from amalgam.training.state import LossFunction
from amalgam.training.together import Member, fit_together, stackable
from amalgam.training.trainer import fit

_TEACHERS = 0.35  # of a cell's time, about: its teachers
_TARGETS = 0.45  # and when the targets are there


@dataclass(frozen=True)
class Task:
    """A method's targets, ready to be learned.

    Attributes:
        student: untrained.
        rows: to learn from.
        targets: of these rows.
        loss: of a student's output and the targets.
        companion: trained beside the student.
        training: how it is trained.
        facts: what the method counted, and how its targets hold against the truth.
        seconds: that the targets took.
    """

    student: Student
    rows: Rows
    targets: Targets
    loss: LossFunction
    companion: torch.nn.Module | None
    training: Training
    facts: Mapping[str, float]
    seconds: float


def run(table: RowTable, name: str, seed: int, tell: Tell) -> Cell:
    """One setting under one seed: everything random in it follows from the seed.

    Args:
        table: the table.
        name: the setting.
        seed: of the split, the teachers, drawn label sets and the students.
        tell: told of the share that is done, 0 to 1, and what is under way.

    Raises:
        RequestError: the table asks for something that is not there.
        WorkError: the work failed.
    """
    began, setting = time.monotonic(), table.settings[name]
    where = f"table {table.name}, setting {name}"
    training = parse(Training, {**table.training, **setting.training}, f"{where}, training")
    methods = methods_of(table, setting, f"table {table.name}")
    with ExitStack() as passing:
        journal = Journal(Silent(), nonce(), passing)
        features = any(method is not None and method.sees_features() for method in methods.values())
        ground = prepared(
            table, setting, seed, where, journal, features, lambda share, note: tell(_TEACHERS * share, note)
        )
        tasks = dict[str, Task]()
        for number, (key, method) in enumerate(methods.items()):
            share = _TEACHERS + (_TARGETS - _TEACHERS) * number / len(methods)
            tell(share, f"targets of {table.shown(key)}")
            spec = table.student_of(setting)
            with within(f"method {key}"):
                tasks[key] = supervised(
                    ground, spec, training, seed, where
                ) if method is None else distilled(
                    ground, method, spec, training, seed, where, journal
                )  # fmt: skip
        learned = taught(tasks, seed, tell)
        scores = {key: scored(task, learned[key], ground) for key, task in tasks.items()}
    return Cell(
        setting=name,
        seed=seed,
        labels=len(ground.panel.space.names),
        rows={"teachers": sum(len(one.seen) for one in ground.panel.seats if one.seen is not None),
              "students": len(ground.learn), "test": len(ground.test)},
        scores={**scores, **bounds(ground)},
        notes=tuple(journal.notes),
        seconds=round(time.monotonic() - began, 3),
        names=ground.panel.space.names,
        test=ground.measured,
    )  # fmt: skip


def untrained(ground: Ground, spec: dict[str, Any], seed: int, where: str, tasks: Tasks) -> Student:
    """A student as it begins, the same for every method."""
    shape = ground.learn.shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = built(spec, shape, ground.panel.space.names, f"{where}, student")
    made.tasks = tasks
    made.scaling.fit(ground.learn)
    return made


def supervised(ground: Ground, spec: dict[str, Any], training: Training, seed: int, where: str) -> Task:
    """The bound that learns from the truth."""
    made = untrained(ground, spec, seed, where, ground.panel.tasks)
    targets = ProbabilityTargets(*as_targets(ground.truth), spans=made.spans)
    return Task(made, ground.learn, targets, stepwise, None, training, {}, 0.0)


def distilled(
    ground: Ground,
    strategy: Strategy[Any],
    spec: dict[str, Any],
    training: Training,
    seed: int,
    where: str,
    journal: Journal,
) -> Task:
    """A method's targets, and the student that will learn them."""
    began = time.monotonic()
    ground.panel.require(strategy.needs, type(strategy).__name__, strategy.exclusive)
    rows = ground.learn if ground.labelled is None or not strategy.sees_labels else ground.labelled

    def fresh() -> Student:
        return untrained(ground, spec, seed, where, strategy.tasks(ground.panel))

    made_of = surrogate(ground.panel, rows, ground.key, ground.ballots, strategy, training, seed, journal, fresh)
    targets = made_of.targets
    seconds = time.monotonic() - began
    made = fresh()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        companion = strategy.companion(ground.panel, targets, made.width(ground.learn.inputs(slice(0, 1))))
    judged = audit(strategy, ground.panel, ground.learn, ground.ballots, targets, ground.truth)
    loss = stepwise if strategy.learns_stepwise else strategy.loss
    if strategy.sees_labels:
        rows, targets, training = weighed(rows, targets, training)
    return Task(made, rows, targets, loss, companion, training, {**made_of.facts, **judged}, seconds)


def taught(tasks: Mapping[str, Task], seed: int, tell: Tell) -> dict[str, tuple[int, float]]:
    """Train all students, together where they can be: method → epochs and seconds."""
    groups: dict[tuple[Training, bytes], dict[str, Task]] = {}
    for key, task in tasks.items():
        groups.setdefault((task.training, task.rows.ids.numpy().tobytes()), {})[key] = task
    done, found = 0, dict[str, tuple[int, float]]()
    for (training, _), group in groups.items():
        began, before, weight = time.monotonic(), done / len(tasks), len(group) / len(tasks)

        def progressed(share: float, note: str, before: float = before, weight: float = weight) -> None:
            tell(_TARGETS + (1.0 - _TARGETS) * (before + weight * share), note)

        epochs = _trained(group, training, seed, progressed)
        share = (time.monotonic() - began) / max(sum(epochs.values()), 1)
        found |= {key: (count, count * share) for key, count in epochs.items()}
        done += len(group)
    return {key: found[key] for key in tasks}


def _trained(group: Mapping[str, Task], training: Training, seed: int, tell: Tell) -> dict[str, int]:
    """Train the students that learn from the same rows in the same way: method → epochs."""
    rows = next(iter(group.values())).rows
    if len(group) > 1 and stackable([task.student for task in group.values()], rows, training):
        members = [
            Member(f"the student of {key}", task.student, task.targets, task.loss, task.companion)
            for key, task in group.items()
        ]
        device = processes(training).device
        outcomes = fit_together(members, rows, training, seed=seed, device=device, tell=tell)
        return {key: outcome.epochs for key, outcome in zip(group, outcomes, strict=True)}
    epochs: dict[str, int] = {}
    for number, (key, task) in enumerate(group.items()):
        tell(number / len(group), key)
        with within(f"the student of {key}"):
            fitted = fit(
                task.student, rows, task.targets, task.loss, training,
                seed=seed, accelerator=processes(training), companion=task.companion,
            )  # fmt: skip
        epochs[key] = len(fitted.history)
    return epochs


def scored(task: Task, learned: tuple[int, float], ground: Ground) -> Score:
    """A student on the test rows."""
    student = task.student.to("cpu")
    logits = torch.cat([student.logits(inputs) for _, inputs in ground.test.chunks(4096)])
    predicted = decided(logits, student.spans)
    likely = by_task(logits, student.spans, lambda some: some.log_softmax(1), lambda some: some)
    epochs, seconds = learned
    return Score(
        measures(predicted, ground.annotated, likely), ground.annotated.shape[1], task.facts, epochs,
        round(seconds + task.seconds, 3),
    )  # fmt: skip


def cost(table: RowTable, name: str) -> float:
    """The work of a setting's cell, beside other settings' of the table: numbers that a training multiplies."""
    setting = table.settings[name]
    data = extent(setting, f"table {table.name}, setting {name}")
    labels = len(data.labels)
    spec = table.student_of(setting)
    steps = min(int(spec.get("steps") or labels), labels)
    hidden = float(spec["hidden"]) if isinstance(spec.get("hidden"), int) else 64.0
    batch = int({**table.training, **setting.training}.get("batch_size", Training().batch_size))
    operations = steps * (2 * labels + hidden) * 4 * hidden + data.width * 4 * hidden
    return data.rows * (operations / 1e5 + steps * 6 / batch) * len(table.methods)
