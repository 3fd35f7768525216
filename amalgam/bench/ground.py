"""What the methods of a cell share: its rows, its trained teachers, and what they say; and who bounds the methods."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import torch
from torch import Tensor

from amalgam import datasets, schooling, student
from amalgam.adapters.torch import wrap
from amalgam.annotations import annotated_for
from amalgam.bench.draw import Draw, Schooled
from amalgam.bench.naming import ORACLE
from amalgam.bench.row_table import RowTable, Setting
from amalgam.bench.scores import Score, Tell
from amalgam.classes import among, one_hot
from amalgam.collect import vote
from amalgam.datasets.few import few
from amalgam.datasets.split import split
from amalgam.errors import AmalgamError, RequestError, WorkError, listed, nearest
from amalgam.fingerprint import fingerprint, of_array, of_rows
from amalgam.journal import Journal
from amalgam.labels import spans_of, told_tasks
from amalgam.metrics import measures
from amalgam.panel import Ballots, Panel, Seat, seat
from amalgam.processes import processes
from amalgam.progress import Silent
from amalgam.schema import parse
from amalgam.signals import Rows, Votes
from amalgam.training.settings import Training
from amalgam.training.state import mix


@dataclass(frozen=True)
class Ground:
    """What the methods of a cell share.

    Attributes:
        panel: the teachers.
        learn: the rows students learn from, without annotations.
        labelled: the same with the few annotations that some methods see, in the panel's columns; None if none may.
        key: the fingerprint of their inputs.
        truth: their annotations (N, L), for bounds and for judging targets, never for a method.
        test: the rows that are measured on.
        annotated: their annotations (M, L).
        measured: the fingerprint of these rows, with the annotations of all the data's labels.
        ballots: the panel's votes on `learn`.
        judged: the panel's votes on `test`.
    """

    panel: Panel
    learn: Rows
    labelled: Rows | None
    key: str
    truth: Tensor
    test: Rows
    annotated: Tensor
    measured: str
    ballots: Ballots
    judged: Ballots


@dataclass(frozen=True)
class Extent:
    """How much data there is: rows, the shape of an input, and the labels."""

    rows: int
    shape: tuple[int, ...]
    labels: tuple[str, ...]

    @property
    def width(self) -> int:
        """How many numbers an input is."""
        return prod(self.shape)


_EXTENTS: dict[tuple[str, str], Extent] = {}  # of every setting that was looked at; the rows themselves are let go


def prepared(
    table: RowTable, setting: Setting, seed: int, where: str, journal: Journal, features: bool, tell: Tell
) -> Ground:
    """The split, the trained teachers, and their votes on every row.

    Args:
        table: the table.
        setting: one of its settings.
        seed: of the split, drawn label sets and the teachers.
        where: who asks, for messages.
        journal: told of what was reused.
        features: whether the votes have the teachers' features.
        tell: told of the share of it that is done, 0 to 1, and what is under way.

    Raises:
        RequestError: the data is not there, has no annotations, or lacks a label.
        WorkError: a teacher could not be trained.
    """
    tell(0.0, "data")
    rows = loaded(setting, where)
    teachers = lessons(setting, rows.labels, seed, where)
    parts = split(rows, shares(table, len(teachers)), seed)
    settings = parse(Training, {**table.teacher_training, **setting.training}, f"{where}, training of teachers")
    seats = []
    for number, teacher in enumerate(teachers):
        tell(number / len(teachers), f"teacher {number + 1} of {len(teachers)}")
        with within(f"{where}, teacher {number}"):
            labels = list(map(str, teacher.labels))
            tasks = told_tasks(None, table.exclusive, labels, where)
            own = schooling.lesson(parts[f"teacher-{number}"], labels, tasks)
        folder = schooling.trained(
            f"teacher {number}", own, {**table.teacher, **teacher.student}, settings, mix(seed, number, 1),
            accelerator=processes(settings), progress=Silent(), where=f"{where}, teacher {number}",
            tasks=tasks,
        )  # fmt: skip
        model = student.load(folder)
        scorer = wrap(model.to(processes(settings).device), model.labels, f"teacher {number}")
        seats.append(Seat(f"teacher {number}", scorer, scorer.fingerprint, model.seen))
    panel = seat(seats)
    learn = parts["apart"] if "apart" in parts else union([parts[f"teacher-{k}"] for k in range(len(teachers))], rows)
    tell(1.0, "votes")
    columns = [rows.labels.index(label) for label in panel.space.names]
    assert learn.annotated is not None
    assert parts["test"].annotated is not None
    unseen, test = learn.unlabelled(), parts["test"].unlabelled()
    labelled = None
    if setting.labelled is not None:
        with within(where):
            spans = spans_of(panel.tasks, panel.space.names)
            labelled, _ = annotated_for(few(learn, setting.labelled, seed), panel.space.names, spans)
    key, test_key = of_rows(unseen), of_rows(test)
    return Ground(
        panel=panel,
        learn=unseen,
        labelled=labelled,
        key=key,
        truth=learn.annotated[:, columns],
        test=test,
        annotated=parts["test"].annotated[:, columns],
        measured=fingerprint(test_key, of_array(parts["test"].annotated.numpy())),
        ballots=vote(panel, unseen, key, journal, features=features),
        judged=vote(panel, test, test_key, journal, name="test votes"),
    )


def loaded(setting: Setting, where: str) -> Rows:
    """The rows of a setting; RequestError when they are not annotated."""
    with within(where):
        rows = _loaded(setting.data, setting.options.model_dump_json())
    if rows.annotated is None:
        raise RequestError(
            f"{where}: data {setting.data!r} has no annotations, which teachers are trained on; name its label columns "
            "with `options: {labels: …}`, or take other data"
        )
    return rows


@lru_cache(maxsize=1)
def _loaded(data: str, options: str) -> Rows:
    return datasets.load(data, datasets.DataOptions.model_validate_json(options)).rows


def extent(setting: Setting, where: str) -> Extent:
    """How much data a setting has; RequestError when it is not annotated."""
    key = setting.data, setting.options.model_dump_json()
    if key not in _EXTENTS:
        rows = loaded(setting, where)
        _EXTENTS[key] = Extent(len(rows), rows.shape, rows.labels)
    return _EXTENTS[key]


def lessons(setting: Setting, labels: tuple[str, ...], seed: int, where: str) -> tuple[Schooled, ...]:
    """Which labels each teacher learns, by name.

    Args:
        setting: the setting.
        labels: the data's.
        seed: of drawn label sets.
        where: who asks, for messages.

    Raises:
        RequestError: a label that the data does not have, or one that a teacher has twice; too few to be drawn.
    """
    given = setting.teachers
    with within(where):
        teachers = given.draw(len(labels), seed) if isinstance(given, Draw) else given
    named = []
    for number, one in enumerate(teachers):
        for label in one.labels:
            if isinstance(label, int) and label >= len(labels):
                raise RequestError(
                    f"{where}: teacher {number} should know label number {label}, but {setting.data} has "
                    f"{len(labels)} labels, numbered from 0 to {len(labels) - 1}"
                )
            if isinstance(label, str) and label not in labels:
                raise RequestError(
                    f"{where}: teacher {number} should know the label {label!r}, which {setting.data} does not have"
                    f"{nearest(label, labels)} (its labels: {listed(labels)})"
                )
        names = tuple(labels[label] if isinstance(label, int) else label for label in one.labels)
        twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
        if twice is not None:
            raise RequestError(
                f"{where}: teacher {number} should know the label {twice!r} once, but has it by name and by number"
            )
        named.append(Schooled(labels=names, student=one.student))
    return tuple(named)


def built(spec: dict[str, Any], shape: tuple[int, ...], labels: tuple[str, ...], where: str) -> student.Student:
    """A new student; a name that is unknown is told with who asks for it, as its settings are."""
    with within(where):
        student.student_class(str(spec["name"]))
    return student.build(spec, shape, labels, where)


def shares(table: RowTable, teachers: int) -> dict[str, float]:
    """The shares of the split: a part for the test, one for students alone if wanted, the rest for the teachers."""
    apart = {"apart": table.apart} if table.apart else {}
    each = (1.0 - table.test - table.apart) / teachers
    return {"test": table.test, **apart, **{f"teacher-{number}": each for number in range(teachers)}}


def union(parts: list[Rows], rows: Rows) -> Rows:
    """The rows of several parts, in the data's order."""
    wanted = torch.cat([part.ids for part in parts])
    return rows.take(torch.isin(rows.ids, wanted).nonzero()[:, 0])


def bounds(ground: Ground) -> dict[str, Score]:
    """Each teacher alone, and the oracle.

    Alone a teacher is measured on its own labels, and the oracle takes each label from its best teacher. Where labels
    exclude each other, a teacher is measured on every row, as the papers do, and is wrong where it does not know the
    class; the oracle asks for each row the teachers that know its class, and chooses by their mean probability.
    """
    space, truth = ground.panel.space, ground.annotated
    if ground.panel.tasks:
        return _bounds_of_classes(ground.judged.at(slice(0, ground.judged.rows)), truth, ground.panel)
    said = ground.judged.at(slice(0, ground.judged.rows)).read()
    found = dict[str, Score]()
    best = torch.full((truth.shape[1],), -1.0)
    chosen = torch.zeros_like(said[0])
    for number, one in enumerate(ground.panel.seats):
        own = list(space.columns[number])
        alone = measures(said[number][:, own] > 0, truth[:, own], said[number][:, own])
        found[one.name] = Score(alone, len(own), names=tuple(space.names[column] for column in own))
        each = torch.tensor(alone.f1_per_label).nan_to_num(nan=0.0)
        for column, f1 in zip(own, each, strict=True):
            if f1 > best[column]:
                best[column], chosen[:, column] = f1, said[number][:, column]
    return {**found, ORACLE: Score(measures(chosen > 0, truth, chosen), truth.shape[1])}


def _bounds_of_classes(votes: Votes, truth: Tensor, panel: Panel) -> dict[str, Score]:
    """The bounds of labels that exclude each other, from the votes on the test rows and their classes (M, L)."""
    alone = one_hot(votes.scores)
    found = {one.name: Score(measures(alone[k], truth), truth.shape[1]) for k, one in enumerate(panel.seats)}
    said = among(votes.scores)
    knows = (truth.nan_to_num() @ votes.known.T.float()).T[:, :, None]  # (K, M, 1): whether it knows the row's class
    return {**found, ORACLE: Score(measures(one_hot((said * knows).sum(0)), truth), truth.shape[1])}


@contextmanager
def within(where: str) -> Iterator[None]:
    """What is refused or fails meanwhile is told with where it was."""
    try:
        yield
    except AmalgamError as error:
        kind = RequestError if isinstance(error, RequestError) else WorkError
        raise kind(f"{where}: {error}") from error
    except Exception as error:
        error.add_note(where)
        raise
