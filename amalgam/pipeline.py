"""distill: the run as a story, from teachers to report. Nothing else knows the order."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from amalgam import registry, run
from amalgam.annotations import annotated_for, lookalike_notes
from amalgam.collect import Surrogate, surrogate, unlearned, vote, weighed
from amalgam.contributions import Contribution, contributions
from amalgam.ending import kept, measure, reported
from amalgam.errors import RequestError, listed
from amalgam.evaluation import Evaluation, Line, measurable
from amalgam.feasibility import feasible, knows, refuse_unreadable
from amalgam.fingerprint import of_each_row, of_rows
from amalgam.journal import Journal
from amalgam.labels import spans_of
from amalgam.panel import Panel, seat
from amalgam.parts import Parts, apportion, refuse_leaks
from amalgam.processes import nonce, processes, tracked
from amalgam.progress import Progress, Silent
from amalgam.recipe import Recipe
from amalgam.report import ANNOTATED, Known, Report
from amalgam.results import MOST_WALKED
from amalgam.signals import Rows
from amalgam.strategy import Strategy
from amalgam.student import Student, build, load
from amalgam.thumbnails import Thumbnails, taken
from amalgam.training.settings import Training
from amalgam.training.trainer import Fit, fit


@dataclass(frozen=True)
class Given:
    """What the Python API gave instead of SPECs."""

    teachers: tuple[Any, ...]
    rows: Rows | None
    held_out: Rows | None


def distill(
    recipe: Recipe,
    *,
    teachers: Sequence[Any] = (),
    rows: Rows | None = None,
    held_out: Rows | None = None,
    out: Path | None = None,
    keep: bool = True,
    resume: bool = False,
    trust: bool = False,
    progress: Progress | None = None,
    told: Sequence[str] = (),
) -> tuple[Student, Report]:
    """Distil what a panel of teachers knows together into one student.

    Args:
        recipe: the run.
        teachers: teachers of the Python API, instead of the recipe's.
        rows: rows in memory, instead of the recipe's data.
        held_out: annotated rows in memory to measure on.
        out: the run directory; None makes a fresh one below `runs/`.
        keep: whether there is a run directory at all.
        resume: go on with the run in `out`.
        trust: the user's word that code which cards name may run.
        progress: who shows the steps.
        told: what the reader of the report must know of how the run came about.

    Raises:
        RequestError: something in the request must be mended.
        WorkError: the work failed.
    """
    strategy = feasible(recipe, keep)
    given = Given(tuple(teachers), rows, held_out)
    accelerator = processes()
    chief = accelerator.is_main_process
    shown = progress if progress is not None and chief else Silent()
    with run.opened(out, recipe, resume, keep, chief) as folder, ExitStack() as passing:
        if folder is not None and run.finished(folder):
            shown.say(f"{folder} is finished; nothing is left to do")
            return load(folder), Report.read(folder)
        journal = Journal(shown, nonce(), passing)
        for note in told:
            journal.note(note)
        with journal.timed("data"):
            parts = apportion(recipe, rows, held_out, journal.progress, strategy.labels())
            if recipe.training.augment is not None:
                recipe.training.augment.check(parts.learn.shape)
        with journal.timed("teachers"):
            panel = assemble(recipe, teachers, strategy, accelerator, trust, journal)
            refuse_leaks(panel, parts)
            if parts.test is not None:
                measurable(parts.test, panel.space.names, knows(strategy))
            if recipe.contributions and (len(panel.seats) < 2 or parts.test is None):
                wanted = "annotated rows to measure on" if parts.test is None else "at least two teachers"
                raise RequestError(f"contributions needs {wanted}; name them, or leave it out")
            student = first_weights(recipe, panel, parts.learn.shape, strategy)
            refuse_unreadable(recipe, panel, parts, student)
            parts = seen_by(strategy, panel, parts)
            for note in (
                *parts.notes,
                *lookalike_notes(panel.space.names, parts.test),
                *task_notes(recipe, panel, strategy),
                *student.remarks(),
            ):
                journal.note(note)
        learned = of_rows(parts.learn)
        with journal.timed("votes"):
            ballots = vote(panel, parts.learn, learned, journal, features=strategy.sees_features())
        with journal.timed("targets"):
            taught = surrogate(
                panel, parts.learn, learned, ballots, strategy, recipe.training, recipe.seed, journal,
                partial(untrained, recipe, panel, parts, strategy),
            )  # fmt: skip
        rows, targets, training = parts.learn, taught.targets, recipe.training
        own = strategy.labels()
        if silent := unlearned(targets, panel.space.names, panel.space.names if own is None else own.told):
            journal.note(
                f"no target tells anything of {listed(silent)}: the student's outputs of that name mean nothing"
            )
        if strategy.sees_labels:
            rows, targets, training = weighed(rows, targets, training)
            if training is not recipe.training:
                journal.note(
                    f"the student learns from {len(rows)} labelled rows alone, too few to stop by: it is trained for "
                    f"{training.epochs} epochs"
                )
        with journal.timed("training"):
            fitted = train(
                prepared(student, panel, parts, strategy), recipe, panel, rows, replace(taught, targets=targets),
                training, strategy, folder, shown,
            )  # fmt: skip
        if training.augment is not None:
            asked = "about every one of them" if recipe.live else "once about the plain rows"
            journal.note(f"the student saw random views of its rows; the teachers were asked {asked}")
        if fitted.resumed_at is not None:
            journal.note(f"training was resumed in epoch {fitted.resumed_at + 1}")
        evaluation = None
        if chief:
            with journal.timed("evaluation"):
                evaluation = measure(student, panel, parts.test, journal)
        exported = kept(student, recipe, folder if chief else None, parts, panel.seats, journal)
        added: tuple[Contribution, ...] = ()
        if recipe.contributions:
            with journal.timed("contributions"):
                added = left_out(recipe, panel, evaluation, given, trust, journal)
        report = reported(
            recipe,
            student,
            accelerator,
            journal,
            teachers=tuple(map(Known.seated, panel.seats)),
            data=told_of(parts, len(rows), fitted.rows),
            votes=journal.votes,
            counts=dict(taught.facts),
            grid=taught.grid,
            contributions=added,
            history=fitted.history,
            evaluation=evaluation,
            export=exported,
        )
        if chief and folder is not None:
            report.write(folder, None if parts.test is None else images_of(evaluation, parts.test, parts.features))
        return student, report


def left_out(
    recipe: Recipe, panel: Panel, evaluation: Evaluation | None, given: Given, trust: bool, journal: Journal
) -> tuple[Contribution, ...]:
    """What each teacher contributes, by as many further runs, of which nothing is kept but the teachers' votes."""
    assert evaluation is not None

    def without(place: int) -> Line:
        journal.progress.say(f"without teacher {panel.seats[place].name}:")
        rest = [spec for number, spec in enumerate(recipe.teachers) if number != place]
        fewer = recipe.model_copy(
            update={"teachers": tuple(rest), "contributions": False, "export": False,
                    "labels": recipe.labels.model_copy(update={"names": None})}
        )  # fmt: skip
        others = [one for number, one in enumerate(given.teachers) if number != place]
        _, report = distill(
            fewer, teachers=others, rows=given.rows, held_out=given.held_out, keep=False, trust=trust,
            progress=journal.progress,
        )  # fmt: skip
        assert report.evaluation is not None
        return report.evaluation.student

    return contributions(evaluation.student, [one.name for one in panel.seats], without)


def seen_by(strategy: Strategy[Any], panel: Panel, parts: Parts) -> Parts:
    """The parts with the student's rows as a strategy may see them: with the few labels there are, or without any."""
    if not strategy.sees_labels:
        return replace(parts, learn=parts.learn.unlabelled())
    own = strategy.labels()
    if own is None:
        learn, notes = annotated_for(parts.learn, panel.space.names, strategy.spans(panel))
    else:
        spans = spans_of(own.tasks, own.seen)
        learn, notes = annotated_for(parts.learn, own.seen, spans, knows(strategy), own.told)
    return replace(parts, learn=learn, notes=(*parts.notes, *notes))


def task_notes(recipe: Recipe, panel: Panel, strategy: Strategy[Any]) -> list[str]:
    """What becomes of tasks that a strategy does not learn as such."""
    lost = [task for task in panel.tasks if task not in strategy.tasks(panel)]
    if not lost:
        return []
    return [
        f"strategy {recipe.strategy['name']!r} decides label by label: the classes of the task {listed(lost)} are "
        "learned as labels that are yes or no, each by itself"
    ]


def assemble(
    recipe: Recipe,
    teachers: Sequence[Any],
    strategy: Strategy[Any],
    accelerator: Accelerator,
    trust: bool,
    journal: Journal,
) -> Panel:
    """The panel of a run, checked against what the strategy needs, before any other work."""
    given = list(teachers) or list(recipe.teachers)
    with journal.progress.step("teachers", len(given), "teachers") as bar:
        seats = []
        for number, one in enumerate(given, start=1):
            seats.append(registry.seat_of(one, number, accelerator, trust=trust, progress=journal.progress))
            bar.advance(1, seats[-1].name)
    own = strategy.labels()
    if own is None:
        panel = seat(seats, recipe.labels.aliases, recipe.labels.names)
    else:
        panel = seat(seats, recipe.labels.aliases, own.names, own.of)
    panel.require(strategy.needs, recipe.strategy["name"], strategy.exclusive)
    return panel


def train(
    student: Student,
    recipe: Recipe,
    panel: Panel,
    rows: Rows,
    taught: Surrogate,
    training: Training,
    strategy: Strategy[Any],
    folder: Path | None,
    progress: Progress,
) -> Fit:
    """Train a student, in place, on the rows that have targets."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        companion = strategy.companion(panel, taught.targets, student.width(rows.inputs(slice(0, 1))))
    with tracked(training, recipe.name, None if folder is None else folder / run.LOGS) as accelerator:
        return fit(
            student, rows, taught.targets, strategy.loss, training,
            seed=recipe.seed, accelerator=accelerator, progress=progress, key=taught.key, companion=companion,
            live=taught.live if recipe.live else None,
            folder=None if folder is None else folder / run.CHECKPOINTS,
        )  # fmt: skip


def told_of(parts: Parts, rows: int, learned: int) -> dict[str, int]:
    """How many rows were for what: of those that have targets, how many the student learned from."""
    found = {"learnt from": learned, "stopped early by": rows - learned}
    if parts.learn.annotated is not None:
        found[ANNOTATED] = int((~parts.learn.annotated.isnan()).any(1).sum())
    return found if parts.test is None else {**found, "measured on": len(parts.test)}


def untrained(recipe: Recipe, panel: Panel, parts: Parts, strategy: Strategy[Any]) -> Student:
    """The student of a recipe as it begins, anew."""
    return prepared(first_weights(recipe, panel, parts.learn.shape, strategy), panel, parts, strategy)


def prepared(student: Student, panel: Panel, parts: Parts, strategy: Strategy[Any]) -> Student:
    """A student with its tasks, the scaling and columns of its rows, and the numbers of the rows behind it."""
    student.tasks, student.features, student.reading = strategy.tasks(panel), parts.features, parts.learn.texts
    student.scaling.fit(parts.learn)
    student.seen = np.unique(
        np.concatenate([of_each_row(parts.learn), *(one.seen for one in panel.seats if one.seen is not None)])
    )
    return student


def first_weights(recipe: Recipe, panel: Panel, shape: tuple[int, ...], strategy: Strategy[Any]) -> Student:
    """The student that the seed alone decides, for rows of a shape; the caller's random numbers stay the caller's."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        spec = {**strategy.equips(recipe.student["name"]), **recipe.student}
        return build(spec, shape, panel.space.names, f"recipe {recipe.name}, student")


def images_of(evaluation: Evaluation | None, test: Rows, features: Sequence[str]) -> Thumbnails | None:
    """The images of the test rows that a report shows; None where it shows none or rows are no images."""
    walked = () if evaluation is None else evaluation.walked[:MOST_WALKED]
    return taken(test, features, (example.row for one in walked for example in one.examples))
