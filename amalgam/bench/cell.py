"""A cell of a table: in one setting under one seed, teachers are trained, asked once, and every method distilled."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from amalgam import datasets, schooling, strategies, student
from amalgam.adapters.torch import wrap
from amalgam.bench.audit import audit
from amalgam.bench.scores import Cell, Score
from amalgam.bench.table import Draw, Schooled, Setting, Table
from amalgam.collect import surrogate, vote
from amalgam.datasets.split import split
from amalgam.errors import RequestError
from amalgam.fingerprint import of_rows
from amalgam.journal import Journal
from amalgam.metrics import measures
from amalgam.panel import Ballots, Panel, Seat, seat
from amalgam.processes import nonce, processes
from amalgam.progress import Silent
from amalgam.schema import parse
from amalgam.signals import ProbabilityTargets, Rows, Targets
from amalgam.strategy import Strategy, stepwise
from amalgam.student import Student
from amalgam.training.settings import Training
from amalgam.training.state import LossFunction
from amalgam.training.together import Member, Outcome, fit_together, stackable
from amalgam.training.trainer import fit

Tell = Callable[[float, str], None]

SUPERVISED = "supervised"
"""The strategy name of the bound that learns from the truth."""
_TEACHERS = 0.35  # of a cell's time, about: its teachers
_TARGETS = 0.45  # and when the targets are there


@dataclass(frozen=True)
class Ground:
    """What the methods of a cell share.

    Attributes:
        panel: the teachers.
        learn: the rows students learn from, without annotations.
        truth: their annotations (N, L), for bounds and for judging targets, never for a method.
        test: the rows that are measured on.
        annotated: their annotations (M, L).
        ballots: the panel's votes on `learn`.
        judged: the panel's votes on `test`.
    """

    panel: Panel
    learn: Rows
    truth: Tensor
    test: Rows
    annotated: Tensor
    ballots: Ballots
    judged: Ballots


@dataclass(frozen=True)
class Task:
    """A method's targets, ready to be learned.

    Attributes:
        student: untrained.
        targets: of the rows to learn from.
        loss: of a student's output and the targets.
        companion: trained beside the student.
        facts: what the method counted, and how its targets hold against the truth.
        seconds: that the targets took.
    """

    student: Student
    targets: Targets
    loss: LossFunction
    companion: torch.nn.Module | None
    facts: Mapping[str, float]
    seconds: float


def run(table: Table, name: str, seed: int, tell: Tell) -> Cell:
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
    methods = built(table, where)
    with ExitStack() as passing:
        journal = Journal(Silent(), nonce(), passing)
        ground = prepared(table, setting, seed, where, journal, tell)
        tasks = dict[str, Task]()
        for number, (key, method) in enumerate(methods.items()):
            share = _TEACHERS + (_TARGETS - _TEACHERS) * number / len(methods)
            tell(share, f"targets of {table.shown(key)}")
            spec = {**table.student, **setting.student}
            tasks[key] = supervised(ground, spec, seed, where) if method is None else distilled(
                ground, method, spec, training, seed, where, journal
            )  # fmt: skip
        learned = taught(tasks, ground.learn, training, seed, tell)
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
    )  # fmt: skip


def built(table: Table, where: str) -> dict[str, Strategy[Any] | None]:
    """Every method's strategy, None for the supervised bound; checked before any work."""
    made = dict[str, Strategy[Any] | None]()
    for key, method in table.methods.items():
        spec = method.strategy
        made[key] = None if spec["name"] == SUPERVISED else strategies.build(spec, f"{where}, method {key}")
    return made


def prepared(table: Table, setting: Setting, seed: int, where: str, journal: Journal, tell: Tell) -> Ground:
    """The split, the trained teachers, and their votes on every row."""
    tell(0.0, "data")
    rows = loaded(setting)
    teachers = lessons(setting, rows, seed, where)
    parts = split(rows, shares(table, len(teachers)), seed)
    settings = parse(Training, {**table.teacher_training, **setting.training}, f"{where}, training of teachers")
    seats = []
    for number, teacher in enumerate(teachers):
        tell(_TEACHERS * number / len(teachers), f"teacher {number + 1} of {len(teachers)}")
        own = annotated_by(parts[f"teacher-{number}"], teacher, rows)
        folder = schooling.trained(
            f"teacher {number}", own, {**table.teacher, **teacher.student}, settings, seed,
            accelerator=processes(settings), progress=Silent(), where=f"{where}, teacher {number}",
        )  # fmt: skip
        model = student.load(folder)
        scorer = wrap(model.to(processes(settings).device), model.labels, f"teacher {number}")
        seats.append(Seat(f"teacher {number}", scorer, scorer.fingerprint, model.seen))
    panel = seat(seats)
    learn = parts["apart"] if "apart" in parts else union([parts[f"teacher-{k}"] for k in range(len(teachers))], rows)
    tell(_TEACHERS, "votes")
    features = any(method is not None and method.sees_features() for method in built(table, where).values())
    columns = [rows.labels.index(label) for label in panel.space.names]
    assert learn.annotated is not None
    assert parts["test"].annotated is not None
    unseen, test = learn.unlabelled(), parts["test"].unlabelled()
    return Ground(
        panel=panel,
        learn=unseen,
        truth=learn.annotated[:, columns],
        test=test,
        annotated=parts["test"].annotated[:, columns],
        ballots=vote(panel, unseen, of_rows(unseen), journal, features=features),
        judged=vote(panel, test, of_rows(test), journal, name="test votes"),
    )


def loaded(setting: Setting) -> Rows:
    """The rows of a setting; RequestError when they are not annotated."""
    return _loaded(setting.data, setting.options.model_dump_json())


@lru_cache(maxsize=1)
def _loaded(data: str, options: str) -> Rows:
    rows = datasets.load(data, datasets.DataOptions.model_validate_json(options)).rows
    if rows.annotated is None:
        raise RequestError(
            f"data {data!r} has no annotations, and teachers cannot be trained on it; name label columns"
        )
    return rows


def lessons(setting: Setting, rows: Rows, seed: int, where: str) -> tuple[Schooled, ...]:
    """Which labels each teacher learns, by name.

    Raises:
        RequestError: a label that the data does not have.
    """
    given = setting.teachers
    teachers = given.draw(len(rows.labels), seed) if isinstance(given, Draw) else given
    named = []
    for number, one in enumerate(teachers):
        for label in one.labels:
            if label not in rows.labels and label not in range(len(rows.labels)):
                raise RequestError(
                    f"{where}: teacher {number} should know the label {label!r}, but {setting.data} has "
                    f"{len(rows.labels)} labels: {', '.join(rows.labels)}"
                )
        names = tuple(rows.labels[one] if isinstance(one, int) else one for one in one.labels)
        named.append(Schooled(labels=names, student=one.student))
    return tuple(named)


def shares(table: Table, teachers: int) -> dict[str, float]:
    """The shares of the split: a part for the test, one for students alone if wanted, the rest for the teachers."""
    apart = {"apart": table.apart} if table.apart else {}
    each = (1.0 - table.test - table.apart) / teachers
    return {"test": table.test, **apart, **{f"teacher-{number}": each for number in range(teachers)}}


def annotated_by(part: Rows, teacher: Schooled, rows: Rows) -> Rows:
    """A part with only a teacher's own labels."""
    assert part.annotated is not None
    columns = [rows.labels.index(str(label)) for label in teacher.labels]
    return replace(part, annotated=part.annotated[:, columns], labels=tuple(str(label) for label in teacher.labels))


def union(parts: list[Rows], rows: Rows) -> Rows:
    """The rows of several parts, in the data's order."""
    wanted = torch.cat([part.ids for part in parts])
    return rows.take(torch.isin(rows.ids, wanted).nonzero()[:, 0])


def untrained(ground: Ground, spec: dict[str, Any], seed: int, where: str) -> Student:
    """A student as it begins, the same for every method."""
    shape = tuple(ground.learn.inputs(slice(0, 1)).shape[1:])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = student.build(spec, shape, ground.panel.space.names, f"{where}, student")
    made.scaling.fit(ground.learn)
    return made


def supervised(ground: Ground, spec: dict[str, Any], seed: int, where: str) -> Task:
    """The bound that learns from the truth."""
    targets = ProbabilityTargets(ground.truth.nan_to_num(), (~ground.truth.isnan()).float())
    return Task(untrained(ground, spec, seed, where), targets, stepwise, None, {}, 0.0)


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
    ground.panel.require(strategy.needs, type(strategy).__name__)
    key = of_rows(ground.learn)
    targets, facts, _ = surrogate(ground.panel, ground.learn, key, ground.ballots, strategy, training, seed, journal)
    seconds = time.monotonic() - began
    made = untrained(ground, spec, seed, where)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        companion = strategy.companion(ground.panel, targets, made.width(ground.learn.inputs(slice(0, 1))))
    plain = type(strategy).loss is Strategy.loss
    judged = audit(strategy, ground.panel, ground.learn, ground.ballots, targets, ground.truth)
    return Task(made, targets, stepwise if plain else strategy.loss, companion, {**facts, **judged}, seconds)


def taught(
    tasks: Mapping[str, Task], rows: Rows, training: Training, seed: int, tell: Tell
) -> dict[str, tuple[int, float]]:
    """Train all students, together where they can be: method → epochs and seconds."""
    began, device = time.monotonic(), processes(training).device

    def progressed(share: float, note: str) -> None:
        tell(_TARGETS + (1.0 - _TARGETS) * share, note)

    outcomes: list[Outcome]
    if stackable([task.student for task in tasks.values()], training):
        members = [Member(task.student, task.targets, task.loss, task.companion) for task in tasks.values()]
        outcomes = fit_together(members, rows, training, seed=seed, device=device, tell=progressed)
    else:
        outcomes = []
        for number, (key, task) in enumerate(tasks.items()):
            progressed(number / len(tasks), key)
            fitted = fit(
                task.student, rows, task.targets, task.loss, training,
                seed=seed, accelerator=processes(training), companion=task.companion,
            )  # fmt: skip
            outcomes.append(Outcome(len(fitted.history), fitted.best_epoch, 0.0))
    epochs = {key: outcome.epochs for key, outcome in zip(tasks, outcomes, strict=True)}
    share = (time.monotonic() - began) / max(sum(epochs.values()), 1)
    return {key: (count, count * share) for key, count in epochs.items()}


def scored(task: Task, learned: tuple[int, float], ground: Ground) -> Score:
    """A student on the test rows."""
    predicted = task.student.to("cpu").logits(ground.test.inputs(slice(None))) > 0
    epochs, seconds = learned
    return Score(
        measures(predicted, ground.annotated), ground.annotated.shape[1], task.facts, epochs,
        round(seconds + task.seconds, 3),
    )  # fmt: skip


def bounds(ground: Ground) -> dict[str, Score]:
    """Each teacher alone on its own labels, and the oracle, which takes each label from its best teacher."""
    space, truth = ground.panel.space, ground.annotated
    hard = ground.judged.at(slice(0, ground.judged.rows)).binary() > 0
    found = dict[str, Score]()
    best = torch.full((truth.shape[1],), -1.0)
    chosen = torch.zeros_like(hard[0])
    for number, one in enumerate(ground.panel.seats):
        own = list(space.columns[number])
        alone = measures(hard[number][:, own], truth[:, own])
        found[one.name] = Score(alone, len(own))
        each = torch.tensor(alone.f1_per_label).nan_to_num(nan=0.0)
        for column, f1 in zip(own, each, strict=True):
            if f1 > best[column]:
                best[column], chosen[:, column] = f1, hard[number][:, column]
    return {**found, "oracle": Score(measures(chosen, truth), truth.shape[1])}


def cost(table: Table, name: str) -> float:
    """The work of a setting's cell, beside other settings' of the table: numbers that a training multiplies."""
    setting = table.settings[name]
    rows = loaded(setting)
    labels, width = len(rows.labels), rows.inputs(slice(0, 1)).numel()
    spec = {**table.student, **setting.student}
    steps = min(int(spec.get("steps") or labels), labels)
    hidden = float(spec["hidden"]) if isinstance(spec.get("hidden"), int) else 64.0
    batch = int({**table.training, **setting.training}.get("batch_size", 32))
    operations = steps * (2 * labels + hidden) * 4 * hidden + width * 4 * hidden
    return len(rows) * (operations / 1e5 + steps * 6 / batch) * len(table.methods)
