"""distill: the run as a story, from teachers to report. Nothing else knows the order."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.tracking import get_available_trackers

from amalgam import datasets, registry, run, store, strategies
from amalgam.datasets import DataOptions
from amalgam.errors import RequestError
from amalgam.evaluation import Evaluation, evaluate, measurable
from amalgam.fingerprint import fingerprint, of_array, of_code, of_each_row, of_rows
from amalgam.journal import Journal
from amalgam.panel import Ballots, Panel, seat
from amalgam.parts import Parts, apportion, by_name, leaks, lookalike_notes, refuse_leaks, renamed
from amalgam.processes import nonce, processes
from amalgam.progress import Progress, Silent
from amalgam.recipe import Recipe, read
from amalgam.report import Known, Report, machine
from amalgam.signals import Rows, Targets
from amalgam.strategy import Learn, Network, Strategy
from amalgam.student import Student, build, load, settings_of
from amalgam.training.state import LossFunction
from amalgam.training.trainer import Fit, fit

_VOTING = ("amalgam.panel", "amalgam.signals", "amalgam.labels")  # whose change makes other votes

_TRAINING = ("amalgam.training.trainer", "amalgam.training.state", "amalgam.training.feed")

_RESIDENT_BYTES = 2**31  # targets up to this size are read into memory whole, beside rows that are in memory
_SMALL_BYTES = 2**24  # and up to this size beside rows that stay on disk, so that memory stays flat as they grow


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
            for note in (*parts.notes, *lookalike_notes(panel, parts)):
                journal.note(note)
        learned = of_rows(parts.learn)
        with journal.timed("votes"):
            ballots = vote(panel, parts.learn, learned, strategy, journal)
        with journal.timed("targets"):
            targets, facts, key = surrogate(panel, parts.learn, learned, ballots, strategy, recipe, journal)
        with journal.timed("training"):
            accelerator = processes(recipe.training, None if folder is None else folder / run.LOGS)
            student, fitted = train(recipe, panel, parts, targets, key, strategy, accelerator, folder, shown)
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
            student=Known(name=recipe.student["name"], labels=student.labels, shape=student.shape),
            teachers=tuple(Known(name=one.name, labels=tuple(one.teacher.labels)) for one in panel.seats),
            machine=machine(str(accelerator.device)),
            seconds={**journal.seconds, "all": round(time.monotonic() - journal.began, 3)},
            data={"learnt from": fitted.rows, "stopped early by": len(parts.learn) - fitted.rows}
            | ({} if parts.test is None else {"measured on": len(parts.test)}),
            votes=journal.votes,
            counts=dict(facts),
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
    panel.require(strategy.needs, recipe.strategy["name"])
    return panel


def vote(
    panel: Panel, rows: Rows, rows_key: str, strategy: Strategy[Any], journal: Journal, name: str = "votes"
) -> Ballots:
    """What every teacher says of every row: from the store, else asked now, once."""
    features = hasattr(strategy.needs, "score_and_features")
    stored = []
    for k, one in enumerate(panel.seats):
        key = fingerprint("votes", one.fingerprint or [journal.nonce, one.name], rows_key, features, of_code(*_VOTING))
        about = {"teacher": one.name, "labels": [str(label) for label in one.teacher.labels], "rows": len(rows)}

        def produce(where: slice, k: int = k) -> dict[str, np.ndarray[Any, Any]]:
            said = panel.vote(k, rows.inputs(where), features)
            return {part: value.cpu().numpy() for part, value in said.items()}

        with journal.progress.step(f"{name} {one.name}", len(rows)) as bar:
            stored.append(store.fill("votes", key, len(rows), produce, about=about, bar=bar))
        journal.tell(stored[-1], f"votes of {one.name}")
        if one.fingerprint is None:
            journal.note(f"the votes of {one.name} cannot be reused: it has no `fingerprint`")
            journal.pass_by("votes", key)
        for done in ("computed", "reused", "repaired"):
            journal.votes[done] = journal.votes.get(done, 0) + getattr(stored[-1], done)
    parts = {part: tuple(one.array(part) for one in stored) for part in ("scores", *(["features"] if features else []))}
    return Ballots(panel, len(rows), **parts)


def surrogate(
    panel: Panel,
    rows: Rows,
    rows_key: str,
    ballots: Ballots,
    strategy: Strategy[Any],
    recipe: Recipe,
    journal: Journal,
) -> tuple[Targets, dict[str, int], str]:
    """The surrogate targets of every row: from the store, else made now, in chunks.

    Returns:
        the targets; what the strategy counted; and the fingerprint of rows and targets, which a training goes by.
    """
    whose = [one.fingerprint or [journal.nonce, one.name] for one in panel.seats]
    spec = {one.name: getattr(strategy, one.name) for one in fields(strategy)}
    columns = [list(own) for own in panel.space.columns]
    code = of_code(*_VOTING, type(strategy).__module__, "amalgam.conditional")
    name = recipe.strategy["name"]
    how = [recipe.training.model_dump(mode="json"), recipe.seed, of_code(*_TRAINING)] if strategy.trains else []
    key = fingerprint("targets", whose, panel.space.names, columns, name, spec, rows_key, code, how)
    state = _Once(lambda: strategy.prepare(panel, rows, ballots, learner(rows, recipe, journal)))

    def produce(where: slice) -> dict[str, np.ndarray[Any, Any]]:
        chunk = rows.take(torch.arange(where.start, where.stop))
        made = strategy.targets(panel, chunk, ballots.at(where), state())
        counts = {f"count.{name}": count for name, count in made.counts.items()}
        return {name: value.cpu().numpy() for name, value in {**made.arrays(), **counts}.items()}

    about = {"strategy": name, "labels": list(panel.space.names), "rows": len(rows)}
    with journal.progress.step("targets", len(rows)) as bar:
        stored = store.fill("targets", key, len(rows), produce, about=about, bar=bar)
    journal.tell(stored, "targets")
    if not all(one.fingerprint for one in panel.seats):
        journal.pass_by("targets", key)
    counted = {name.removeprefix("count."): torch.as_tensor(stored.total(name)) for name in stored.counts}
    arrays: dict[str, Any] = dict(stored.arrays)
    most = _SMALL_BYTES if rows.resident is None else _RESIDENT_BYTES
    if sum(array.dtype.itemsize * math.prod(array.shape) for array in arrays.values()) <= most:
        arrays = {name: torch.from_numpy(stored.whole(name)) for name in arrays}
    content = {part: [of_array(array[start : start + store.CHUNK]) for start in range(0, len(rows), store.CHUNK)]
               for part, array in stored.arrays.items()}  # fmt: skip
    return strategy.form.of(arrays), strategy.facts(panel, counted), fingerprint(rows_key, content)


def learner(rows: Rows, recipe: Recipe, journal: Journal) -> Learn:
    """Trains a strategy's own networks as the recipe trains the student."""

    def learn(make: Callable[[], Network], targets: Targets, loss: LossFunction, name: str) -> Network:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            network = make()
        accelerator = processes(recipe.training)
        fit(
            network, rows, targets, loss, recipe.training,
            seed=recipe.seed, accelerator=accelerator, progress=journal.progress, name=name,
        )  # fmt: skip
        return network.eval()

    return learn


def train(
    recipe: Recipe,
    panel: Panel,
    parts: Parts,
    targets: Targets,
    key: str,
    strategy: Strategy[Any],
    accelerator: Accelerator,
    folder: Path | None,
    progress: Progress,
) -> tuple[Student, Fit]:
    """A new student, trained on the targets; it knows its columns and which rows are behind it."""
    rows = parts.learn
    shape = tuple(rows.inputs(slice(0, 1)).shape[1:])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        student = build(recipe.student, shape, panel.space.names, f"recipe {recipe.name}, student")
    student.features = parts.features
    student.seen = np.unique(
        np.concatenate([of_each_row(rows), *(one.seen for one in panel.seats if one.seen is not None)])
    )
    student.scaling.fit(rows)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        companion = strategy.companion(panel, targets, width_of(student, rows))
    if recipe.training.tracker is not None:
        accelerator.init_trackers(recipe.name)
    fitted = fit(
        student, rows, targets, strategy.loss, recipe.training,
        seed=recipe.seed, accelerator=accelerator, progress=progress, key=key, companion=companion,
        folder=None if folder is None else folder / run.CHECKPOINTS,
    )  # fmt: skip
    if recipe.training.tracker is not None:
        accelerator.end_training()
    return student, fitted


def width_of(student: Student, rows: Rows) -> int:
    """D of a student's features."""
    with torch.no_grad():
        return int(student(rows.inputs(slice(0, 1))).features.shape[1])


def measure(
    student: Student, panel: Panel, test: Rows | None, strategy: Strategy[Any], journal: Journal
) -> Evaluation | None:
    """The student beside its teachers on the test rows; None without annotated rows."""
    if test is None:
        journal.note("no annotated rows to measure on; name some with data.held_out")
        return None
    ballots = vote(panel, test.unlabelled(), of_rows(test), strategy, replace(journal, votes={}), "test votes")
    return evaluate(student, panel, test, ballots, progress=journal.progress)


def export_into(student: Student, folder: Path, parts: Parts) -> dict[str, Any]:
    """The ONNX file of a run, checked on real rows, and its facts."""
    from amalgam.export import facts

    rows = parts.test if parts.test is not None else parts.learn
    path = student.export(folder / run.ONNX, rows.inputs(slice(0, 256)))
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
        test = apportion(recipe).test if data is None else _other(data, options, student, recipe)
        if test is None or test.annotated is None:
            raise RequestError(f"{data or recipe.data.source} has no annotated rows to measure on; name label columns")
        panel = assemble(recipe, (), strategy, processes(), trust, journal)
        learned = student.seen if student.seen is not None else np.empty(0, np.uint64)
        for who, count in leaks(panel, learned, test).items():
            journal.note(f"{who} learned from {count} of these {len(test)} rows: what is measured here flatters")
        evaluation = measure(student, panel, test, strategy, journal)
    assert evaluation is not None
    return evaluation


def _other(data: str, options: DataOptions | None, student: Student, recipe: Recipe) -> Rows:
    loaded = datasets.load(data, options)
    return renamed(by_name(loaded, student.features, data), recipe)


class _Once:
    """A value that is made when it is first asked for, and then kept: nothing is prepared for stored targets."""

    def __init__(self, make: Any) -> None:
        self.make, self.made = make, False

    def __call__(self) -> Any:
        if not self.made:
            self.value, self.made = self.make(), True
        return self.value
