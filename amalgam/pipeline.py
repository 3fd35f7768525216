"""distill: the run as a story, from teachers to report. Nothing else knows the order."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.tracking import get_available_trackers

from amalgam import registry, run, store, strategies
from amalgam.collect import learner, surrogate, vote, weighed
from amalgam.datasets import DataOptions
from amalgam.errors import RequestError
from amalgam.evaluation import Evaluation, evaluate, measurable
from amalgam.explain import Explanation
from amalgam.fingerprint import of_each_row, of_rows
from amalgam.journal import Journal
from amalgam.panel import Panel, seat
from amalgam.parts import Parts, annotated_for, apportion, leaks, lookalike_notes, refuse_leaks, renamed, rows_for
from amalgam.processes import nonce, processes
from amalgam.progress import Progress, Silent
from amalgam.recipe import Recipe, read
from amalgam.report import ANNOTATED, Known, Report, machine
from amalgam.signals import Rows, Targets
from amalgam.strategy import Strategy
from amalgam.student import Student, build, load, settings_of
from amalgam.training.settings import Training
from amalgam.training.trainer import Fit, fit


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

    Raises:
        RequestError: something in the request must be mended.
        WorkError: the work failed.
    """
    strategy = feasible(recipe, keep)
    accelerator = processes()
    chief = accelerator.is_main_process
    shown = progress if progress is not None and chief else Silent()
    with run.opened(out, recipe, resume, keep, chief) as folder, ExitStack() as passing:
        if folder is not None and run.finished(folder):
            shown.say(f"{folder} is finished; nothing is left to do")
            return load(folder), Report.read(folder)
        journal = Journal(shown, nonce(), passing)
        with journal.timed("data"):
            parts = apportion(recipe, rows, held_out)
        with journal.timed("teachers"):
            panel = assemble(recipe, teachers, strategy, accelerator, trust, journal)
            refuse_leaks(panel, parts)
            if parts.test is not None:
                measurable(parts.test, panel.space.names)
            parts = seen_by(strategy, panel, parts)
            for note in (*parts.notes, *lookalike_notes(panel, parts)):
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
        if strategy.sees_labels:
            rows, targets, training = weighed(rows, targets, training)
            if training is not recipe.training:
                journal.note(
                    f"the student learns from {len(rows)} labelled rows alone, too few to stop by: it is trained for "
                    f"{training.epochs} epochs"
                )
        with journal.timed("training"):
            accelerator = processes(training, None if folder is None else folder / run.LOGS)
            student, fitted = train(
                recipe, panel, parts, rows, targets, training, taught.key, strategy, accelerator, folder, shown
            )
        if fitted.resumed_at is not None:
            journal.note(f"training was resumed in epoch {fitted.resumed_at + 1}")
        evaluation = None
        if chief:
            with journal.timed("evaluation"):
                evaluation = measure(student, panel, parts.test, strategy, journal)
        student.to("cpu")
        exported: dict[str, Any] = {}
        if chief and folder is not None:
            student.save(folder / run.STUDENT)
            if recipe.export:
                with journal.timed("export"), shown.step("export", 1, "model") as bar:
                    exported = export_into(student, folder, parts)
                    bar.advance(1)
        report = Report(
            recipe=recipe.name,
            strategy=recipe.strategy["name"],
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            student=Known(
                name=recipe.student["name"],
                labels=student.labels,
                shape=student.shape,
                exclusive=student.exclusive,
                masks=student.masks,
            ),
            teachers=tuple(Known(name=one.name, labels=tuple(one.teacher.labels)) for one in panel.seats),
            machine=machine(str(accelerator.device)),
            seconds={**journal.seconds, "all": round(time.monotonic() - journal.began, 3)},
            data=told_of(parts, len(rows), fitted.rows),
            votes=journal.votes,
            counts=dict(taught.facts),
            grid=taught.grid,
            history=fitted.history,
            evaluation=evaluation,
            export=exported,
            notes=tuple(journal.notes),
        )
        if chief and folder is not None:
            report.write(folder)
        return student, report


def feasible(recipe: Recipe, keep: bool) -> Strategy[Any]:
    """The strategy of a recipe, after a look at everything that can be refused before any work.

    Raises:
        RequestError: a strategy, student, precision or tracker that cannot be had, or a store that cannot be written.
    """
    strategy = strategies.build(recipe.strategy, f"recipe {recipe.name}")
    settings_of(recipe.student, f"recipe {recipe.name}, student")
    if strategy.sees_labels and recipe.data.labelled is None:
        raise RequestError(
            f"strategy {recipe.strategy['name']!r} learns from a few labelled rows; say which share of the student's "
            "rows it may see the annotations of, such as --set data.labelled=0.05 (1 for all that are annotated)"
        )
    store.ready()
    several = processes(recipe.training).num_processes
    if strategy.trains and several > 1:
        raise RequestError(
            f"strategy {recipe.strategy['name']!r} trains networks of its own before the student, which is done in one "
            f"process; start it without a launcher (now {several} processes)"
        )
    tracker, known = recipe.training.tracker, [str(one) for one in get_available_trackers()]
    if tracker is not None and tracker not in known:
        raise RequestError(
            f"recipe {recipe.name}: training.tracker is {tracker!r}, which is unknown or not installed "
            f"(installed: {', '.join(known) or 'none'}); install it, or leave it out"
        )
    if tracker is not None and not keep:
        raise RequestError(f"training.tracker {tracker!r} writes into the run directory; name one with `out`")
    return strategy


def seen_by(strategy: Strategy[Any], panel: Panel, parts: Parts) -> Parts:
    """The parts with the student's rows as a strategy may see them: with the few labels there are, or without any."""
    if not strategy.sees_labels:
        return replace(parts, learn=parts.learn.unlabelled())
    learn, notes = annotated_for(parts.learn, panel, strategy.chooses(panel))
    return replace(parts, learn=learn, notes=(*parts.notes, *notes))


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
    panel = seat(seats, recipe.labels.aliases, recipe.labels.names)
    panel.require(strategy.needs, recipe.strategy["name"], strategy.exclusive)
    return panel


def train(
    recipe: Recipe,
    panel: Panel,
    parts: Parts,
    rows: Rows,
    targets: Targets,
    training: Training,
    key: str,
    strategy: Strategy[Any],
    accelerator: Accelerator,
    folder: Path | None,
    progress: Progress,
) -> tuple[Student, Fit]:
    """A new student, trained on the rows that have targets; it knows its columns and which rows are behind it."""
    student = untrained(recipe, panel, parts, strategy)
    student.features = parts.features
    student.seen = np.unique(
        np.concatenate([of_each_row(parts.learn), *(one.seen for one in panel.seats if one.seen is not None)])
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        companion = strategy.companion(panel, targets, student.width(rows.inputs(slice(0, 1))))
    if recipe.training.tracker is not None:
        accelerator.init_trackers(recipe.name)
    fitted = fit(
        student, rows, targets, strategy.loss, training,
        seed=recipe.seed, accelerator=accelerator, progress=progress, key=key, companion=companion,
        folder=None if folder is None else folder / run.CHECKPOINTS,
    )  # fmt: skip
    if recipe.training.tracker is not None:
        accelerator.end_training()
    return student, fitted


def told_of(parts: Parts, rows: int, learned: int) -> dict[str, int]:
    """How many rows were for what: of those that have targets, how many the student learned from."""
    found = {"learnt from": learned, "stopped early by": rows - learned}
    if parts.learn.annotated is not None:
        found[ANNOTATED] = int((~parts.learn.annotated.isnan()).any(1).sum())
    return found if parts.test is None else {**found, "measured on": len(parts.test)}


def untrained(recipe: Recipe, panel: Panel, parts: Parts, strategy: Strategy[Any]) -> Student:
    """The student of a recipe as it begins: its first weights are the seed's, its scaling is that of its rows."""
    shape = tuple(parts.learn.inputs(slice(0, 1)).shape[1:])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        student = build(recipe.student, shape, panel.space.names, f"recipe {recipe.name}, student")
    if parts.test is not None and not student.reads(measured := tuple(parts.test.inputs(slice(0, 1)).shape[1:])):
        raise RequestError(
            f"the student {recipe.student['name']!r} reads rows of the shape {shape} only, and the test rows have the "
            f"shape {measured}; choose one for series of any length, such as recurrent or convolutional"
        )
    student.exclusive = strategy.chooses(panel)
    student.scaling.fit(parts.learn)
    return student


def measure(
    student: Student, panel: Panel, test: Rows | None, strategy: Strategy[Any], journal: Journal
) -> Evaluation | None:
    """The student beside its teachers on the test rows; None without annotated rows."""
    if test is None:
        journal.note("no annotated rows to measure on; name some with data.held_out")
        return None
    ballots = vote(panel, test.unlabelled(), of_rows(test), replace(journal, votes={}), name="test votes")
    return evaluate(student, panel, test, ballots, progress=journal.progress)


def export_into(student: Student, folder: Path, parts: Parts) -> dict[str, Any]:
    """The ONNX file of a run, checked on real rows, and its facts."""
    from amalgam.export import facts

    some = [rows.inputs(slice(0, 256)) for rows in (parts.test, parts.learn) if rows is not None]
    path = student.export(folder / run.ONNX, next(rows for rows in some if tuple(rows.shape[1:]) == student.shape))
    return facts(path)


def evaluate_again(
    folder: Path, data: str | None, options: DataOptions | None, *, trust: bool, progress: Progress
) -> Evaluation:
    """A finished run's student beside its teachers, on its own test part or on other annotated rows.

    Raises:
        RequestError: no run there, a teacher that is gone, or rows without annotations.
    """
    if not (folder / run.RECIPE).is_file():
        raise RequestError(f"{folder} holds no run (no {run.RECIPE}); name a run directory, such as runs/ant-1")
    recipe, student = read(str(folder)), load(folder)
    strategy = strategies.build(recipe.strategy, f"recipe {recipe.name}")
    with ExitStack() as passing:
        journal = Journal(progress, nonce(), passing)
        test = apportion(recipe).test if data is None else renamed(rows_for(student, data, options), recipe)
        if test is None or test.annotated is None:
            raise RequestError(f"{data or recipe.data.source} has no annotated rows to measure on; name label columns")
        panel = assemble(recipe, (), strategy, processes(), trust, journal)
        learned = student.seen if student.seen is not None else np.empty(0, np.uint64)
        for who, count in leaks(panel, learned, test).items():
            journal.note(f"{who} learned from {count} of these {len(test)} rows: what is measured here flatters")
        evaluation = measure(student, panel, test, strategy, journal)
    assert evaluation is not None
    return evaluation


def explain(folder: Path, row: int, *, trust: bool, progress: Progress) -> Explanation:
    """How the surrogate target of a row of a finished run's data came about; a test row's would have, likewise.

    Args:
        folder: the run directory.
        row: its number in the data, from 0 on.
        trust: the user's word that code which cards name may run.
        progress: who shows the steps.

    Raises:
        RequestError: no run there, a teacher that is gone, or no such row among those of the run.
    """
    if not (folder / run.RECIPE).is_file():
        raise RequestError(f"{folder} holds no run (no {run.RECIPE}); name a run directory, such as runs/tc-1")
    recipe, student = read(str(folder)), load(folder)
    strategy, parts = strategies.build(recipe.strategy, f"recipe {recipe.name}"), apportion(recipe)
    with ExitStack() as passing:
        journal = Journal(progress, nonce(), passing)
        panel = assemble(recipe, (), strategy, processes(), trust, journal)
        parts = seen_by(strategy, panel, parts)
        part, one = _the_row(row, parts)
        features = strategy.sees_features()
        ballots = vote(panel, parts.learn, of_rows(parts.learn), journal, features=features)
        fresh = partial(untrained, recipe, panel, parts, strategy)
        learned = learner(parts.learn, recipe.training, recipe.seed, journal, fresh)
        state = strategy.prepare(panel, parts.learn, ballots, learned)
        asked = one if strategy.sees_labels and part == "the student's rows" else _unannotated(one, panel)
        votes = panel.ask(one.inputs(slice(0, 1)), features)
        logits = student.logits(one.inputs(slice(0, 1)))[0]
        said = logits.softmax(0) if student.exclusive else logits.sigmoid()
        known = None
        if one.annotated is not None and set(one.labels) & set(panel.space.names):
            places = [one.labels.index(name) if name in one.labels else None for name in panel.space.names]
            known = torch.tensor([np.nan if at is None else float(one.annotated[0, at]) for at in places])
        return Explanation(
            row, part, panel, votes, strategy.account(panel, asked, votes, state),
            strategy.targets(panel, asked, votes, state),
            said[[student.labels.index(name) for name in panel.space.names]], known,
        )  # fmt: skip


def _the_row(row: int, parts: Parts) -> tuple[str, Rows]:
    """The part that has a row, and that row alone."""
    for name, rows in (("the student's rows", parts.learn), ("the test rows", parts.test)):
        where = None if rows is None else (rows.ids == row).nonzero()[:, 0]
        if rows is not None and where is not None and len(where):
            return name, rows.take(where[:1])
    some = ", ".join(str(int(one)) for one in parts.learn.ids[:3])
    raise RequestError(f"row {row} is none of the student's or test rows of this run; the student's are {some}, …")


def _unannotated(one: Rows, panel: Panel) -> Rows:
    """A row as a strategy sees it that nobody labelled."""
    names = panel.space.names
    return replace(one, annotated=torch.full((1, len(names)), torch.nan), labels=names)
