"""What is asked of a finished run: to measure it again, to explain a row's surrogate target, to export its student."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from amalgam import datasets, run, strategies
from amalgam.annotations import renamed
from amalgam.classes import probabilities
from amalgam.collect import learner, vote
from amalgam.datasets import DataOptions
from amalgam.ending import measure
from amalgam.errors import RequestError
from amalgam.evaluation import Evaluation
from amalgam.explain import Explanation
from amalgam.fingerprint import of_file, of_rows
from amalgam.journal import Journal
from amalgam.labels import LabelSpace
from amalgam.modelcard import README
from amalgam.panel import Panel
from amalgam.parts import IN_MEMORY, Parts, apportion, leaks, rows_for
from amalgam.pipeline import assemble, seen_by, untrained
from amalgam.processes import nonce, processes
from amalgam.progress import Progress
from amalgam.recipe import Recipe, TransferRecipe, read
from amalgam.signals import Rows
from amalgam.strategy import Strategy
from amalgam.student import Student, load
from amalgam.tokens import Reading

if TYPE_CHECKING:
    from amalgam.export import Provenance
    from amalgam.export.shrink import Shrunk
    from amalgam.timings import Timing


def evaluate_again(
    folder: Path, data: str | None, options: DataOptions | None, *, trust: bool, progress: Progress
) -> Evaluation:
    """A finished run's student beside its teachers, on its own test part or on other annotated rows.

    Raises:
        RequestError: no run there, a teacher that is gone, or rows without annotations.
    """
    recipe, student = _read(folder)
    strategy = None if isinstance(recipe, TransferRecipe) else _strategy(recipe)
    own = None if strategy is None else strategy.labels()
    with ExitStack() as passing:
        journal = Journal(progress, nonce(), passing)
        test = (
            apportion(recipe, progress=progress, own=own).test
            if data is None
            else renamed(rows_for(student, data, options, "lines"), recipe, own)
        )
        if test is None or test.annotated is None:
            raise RequestError(f"{data or recipe.data.source} has no annotated rows to measure on; name label columns")
        panel = (
            Panel((), LabelSpace(student.labels, (), student.tasks))
            if strategy is None
            else assemble(recipe, (), strategy, processes(), trust, journal)
        )
        learned = student.seen if student.seen is not None else np.empty(0, np.uint64)
        for who, count in leaks(panel, learned, test).items():
            journal.note(f"{who} learned from {count} of these {len(test)} rows: what is measured here flatters")
        evaluation = measure(student, panel, test, journal)
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
    recipe, student = _read(folder)
    if isinstance(recipe, TransferRecipe):
        raise RequestError(
            f"{folder} is a transfer: its student learned annotations and no surrogate targets; its report.html says "
            "what each class of the source was worth"
        )
    strategy = _strategy(recipe)
    parts = apportion(recipe, progress=progress, own=strategy.labels())
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
        said = probabilities(logits, student.spans)
        known = None
        if one.annotated is not None and set(one.labels) & set(panel.space.names):
            places = [one.labels.index(name) if name in one.labels else None for name in panel.space.names]
            known = torch.tensor([np.nan if at is None else float(one.annotated[0, at]) for at in places])
        return Explanation(
            row, part, panel, votes, strategy.account(panel, asked, votes, state),
            strategy.targets(panel, asked, votes, state),
            said[[student.labels.index(name) for name in panel.space.names]], known,
        )  # fmt: skip


@dataclass(frozen=True)
class Real:
    """Real rows that an exported student is looked at with.

    Attributes:
        measured: rows that the student was measured on; those it learned from where nothing is annotated.
        learned: rows that it learned from.
        sources: the SPECs of the data that they were read from, and how.
    """

    measured: Rows
    learned: Rows
    sources: tuple[tuple[str, DataOptions], ...] = ()


def real_rows(folder: Path, progress: Progress) -> Real:
    """The rows of a run, read again.

    Raises:
        RequestError: the data is gone, or was never in a file.
    """
    recipe, why = read(str(folder)), "they were in memory, and no file holds them"
    if recipe.data.source != IN_MEMORY:
        try:
            own = None if isinstance(recipe, TransferRecipe) else _strategy(recipe).labels()
            parts = apportion(recipe, progress=progress, own=own)
            data = recipe.data
            sources = [(data.source, data.options), *((one.source, one.options) for one in data.join)]
            sources += [] if data.held_out is None else [(data.held_out, data.held_out_options or data.options)]
            return Real(parts.learn if parts.test is None else parts.test, parts.learn, tuple(sources))
        except RequestError as error:
            why = str(error)
    raise RequestError(
        f"the rows of {folder} cannot be read again to check the export with ({why}); name others with --check DATA, "
        "or go without real rows: --check drawn"
    )


def texts_behind(rows: Rows, sources: Sequence[tuple[str, DataOptions]]) -> list[str | None]:
    """The texts (N,) that rows of words' numbers were read from, found again in their data by these very numbers.

    Args:
        rows: N texts.
        sources: see `Real`.

    Returns:
        Of each row a text; None where none has its numbers.

    Raises:
        RequestError: data that cannot be read.
    """
    reading, found = rows.texts or Reading(), dict[tuple[float, ...], str]()
    for spec, options in sources:
        texts = datasets.load(spec, options).texts
        found |= zip(map(tuple, reading.read(texts).numbers), texts, strict=True)
    values = rows.inputs(slice(None))[..., 0]
    return [found.get(tuple(row[~row.isnan()].tolist())) for row in values]


def teachers_of(folder: Path, *, trust: bool, progress: Progress) -> Panel:
    """The panel of a run, seated again.

    Raises:
        RequestError: it has none, or a teacher is gone.
    """
    recipe = read(str(folder)) if (folder / run.RECIPE).is_file() else None
    if recipe is None or isinstance(recipe, TransferRecipe) or not recipe.teachers:
        raise RequestError(f"{folder} tells of no teachers")
    with ExitStack() as passing:
        journal = Journal(progress, nonce(), passing)
        return assemble(recipe, (), _strategy(recipe), processes(), trust, journal)


def provenance(folder: Path) -> Provenance:
    """Where the student of a folder comes from; of one that was saved by itself nobody knows."""
    from amalgam.export import Provenance

    if not (folder / run.RECIPE).is_file():
        return Provenance()
    report = folder / run.REPORT
    told = json.loads(report.read_text(encoding="utf-8"))["teachers"] if report.is_file() else []
    teachers = tuple({key: one.get(key) for key in ("name", "licence", "fingerprint")} for one in told)
    return Provenance(read(str(folder)).strategy["name"], of_file(folder / run.RECIPE), teachers)


def record_export(folder: Path, facts: Mapping[str, str | int | float]) -> None:
    """Note the facts of a run's own exported file in its report; see `_record`."""
    _record(folder, export=dict(facts))


def record_smaller(folder: Path, found: Shrunk, timings: Sequence[Timing]) -> None:
    """Note what became of a run's student in a smaller file in the run's report; see `_record`.

    Args:
        folder: the run directory.
        found: the smaller file.
        timings: what both files and the teachers took.
    """
    lost = found.drop
    facts = {
        "file": found.path.name, "bytes": found.path.stat().st_size, "made": found.how, "rows measured": lost.rows,
        f"{lost.measure}, fp32": lost.before, lost.measure: lost.after, "rows decided alike": lost.alike,
    }  # fmt: skip
    _record(folder, smaller=facts, timings=tuple(timings))


def _record(folder: Path, **facts: Any) -> None:
    """Write a run's report anew with further facts; nothing where there is none, as beside a saved student.

    A model card that somebody has edited stays as it is.
    """
    from amalgam.report import Report, card
    from amalgam.thumbnails import Thumbnails

    if not run.finished(folder):
        return
    before, path = Report.read(folder), folder / README
    after = before.model_copy(update=facts)
    edited = path.is_file() and path.read_text(encoding="utf-8") != card(before)
    after.write(folder, Thumbnails.read(folder), carded=not edited)


def _strategy(recipe: Recipe) -> Strategy[Any]:
    return strategies.build(recipe.strategy, f"recipe {recipe.name}")


def _read(folder: Path) -> tuple[Recipe, Student]:
    """What lies in a run directory; RequestError when there is no run."""
    if not (folder / run.RECIPE).is_file():
        raise RequestError(f"{folder} holds no run (no {run.RECIPE}); name a run directory, such as runs/ant-1")
    return read(str(folder)), load(folder)


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
