"""Who sees which rows: the student its part, without annotations; nobody the test part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from amalgam import datasets, joining
from amalgam.annotations import lost_notes, renamed, shown_part, strange_notes
from amalgam.datasets import DataOptions, Loaded
from amalgam.datasets.few import few, few_of_each
from amalgam.datasets.split import split
from amalgam.errors import RequestError, listed
from amalgam.fingerprint import of_each_row
from amalgam.panel import Panel
from amalgam.progress import Progress
from amalgam.recipe import Data, Joined, Recipe
from amalgam.series import alike
from amalgam.signals import Rows, TensorRows
from amalgam.strategy import Labelled
from amalgam.student import Student
from amalgam.tokens import Reading

IN_MEMORY = "rows in memory"
"""How a recipe names data of the Python API that no file holds."""


@dataclass(frozen=True)
class Parts:
    """Who sees which rows.

    Attributes:
        learn: the student's rows, annotated where `data.labelled` says so, else without annotations.
        test: the rows it is measured on, which nobody learns from; None when nothing is annotated.
        notes: what the reader of the data had to say.
        features: the names of the columns, where the data names them.
    """

    learn: Rows
    test: Rows | None
    notes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()


def apportion(
    recipe: Recipe,
    rows: Rows | None = None,
    held_out: Rows | None = None,
    progress: Progress | None = None,
    own: Labelled | None = None,
) -> Parts:
    """The rows the student learns from and those it is measured on.

    Args:
        recipe: which.
        rows: those that are there already.
        held_out: those to measure on that are there already.
        progress: who shows a reading that takes its time.
        own: the labels that the strategy says itself, whose sources `data.shows` can name.

    Raises:
        RequestError: no such data or part, too few rows, or test rows that are not annotated or have other columns.
    """
    data = recipe.data
    if rows is None and data.source == IN_MEMORY:
        raise RequestError("this run learned from rows in memory, which no file holds; name some with --data")
    loaded = Loaded(rows, ()) if rows is not None else datasets.load(data.source, data.options, progress)
    notes = [*loaded.notes]
    held = None if held_out is None else renamed(held_out, recipe, own)
    if data.held_out is not None:
        held = _held_out(recipe, loaded.features, own, progress, notes)
    called = renamed(loaded.rows, recipe, own)
    learn, test = _divided(called, held, recipe, own)
    if len(learn) < 2:
        raise RequestError(f"{data.source} leaves the student {len(learn)} rows to learn from; it needs at least 2")
    if test is not None and test.annotated is None:
        notes.append(
            f"{test.name} has no annotations, so nothing was measured on it; name label columns in data.options"
        )
        test = None
    shape = learn.shape
    if test is not None and test.shape != shape and not alike(shape, test.shape):
        raise RequestError(
            f"{data.source} has rows of shape {shape} and {data.held_out or 'the test data'} of shape {test.shape}; "
            "give both the same columns"
        )
    notes += lost_notes(called, own)
    shown = _shown(learn, data)
    if data.join:
        further = [further_rows(one, shape, recipe, own, progress, notes) for one in data.join]
        shown = joining.join([shown, *further], " and ".join((data.source, *(one.source for one in data.join))))
        for one, rows in zip(data.join, further, strict=True):
            notes += strange_notes(one.source, rows, own)
    return Parts(shown, test, tuple(notes), loaded.features)


def _shown(rows: Rows, data: Data) -> Rows:
    """The student's rows with the annotations that a strategy may see."""
    if data.shots is not None:
        return few_of_each(rows, data.shots, data.split_seed)
    return rows.unlabelled() if data.labelled is None else few(rows, data.labelled, data.split_seed)


def _held_out(
    recipe: Recipe, features: Sequence[str], own: Labelled | None, progress: Progress | None, notes: list[str]
) -> Rows:
    """The rows of another file to measure on; what its reader has to say is added to the notes."""
    data = recipe.data
    assert data.held_out is not None
    held = datasets.load(data.held_out, data.held_out_options or data.options, progress)
    notes += held.notes
    test = renamed(by_name(held, features, data.held_out), recipe, own)
    if test.annotated is None:
        raise RequestError(
            f"data.held_out {data.held_out} has no annotations to measure on; name its label columns in "
            "data.held_out_options, such as --set data.held_out_options='{labels: [cat, dog]}'"
        )
    return test


def _divided(rows: Rows, test: Rows | None, recipe: Recipe, own: Labelled | None) -> tuple[Rows, Rows | None]:
    """The rows that the student learns from, annotated as `data.shows` says, and those to measure on, if any are."""
    data, shares = recipe.data, recipe.data.parts
    if data.shows and shares is None:
        raise RequestError("data.shows says what the rows of some parts are annotated with; name these in data.parts")
    if shares is None and rows.annotated is not None and test is None and not _few_already(rows, data.shows_some):
        shares = {data.student: 0.8, data.test: 0.2}
    if shares is None:
        return rows, test
    parts = split(rows, shares, data.split_seed)
    learners = list(data.shows) or [data.student]
    for part in learners if test is not None else [*learners, data.test]:
        if part not in parts:
            raise RequestError(f"data.parts has no part {part!r}; it has {listed(parts)}")
    seen = [shown_part(parts[one], one, data.shows[one], own) if one in data.shows else parts[one] for one in learners]
    return joining.join(seen, rows.name), test if test is not None else parts[data.test]


def further_rows(
    one: Joined,
    shape: Sequence[int],
    recipe: Recipe,
    own: Labelled | None,
    progress: Progress | None,
    notes: list[str],
    unlabelled: bool = False,
) -> Rows:
    """The rows of data that is joined, images brought to the shape of the others; what is to be said of it is noted.

    Rows without annotations are refused unless they may be `unlabelled`.
    """
    options = datasets.fitted(one.source, one.options, shape) if len(shape) == 3 else one.options
    loaded = datasets.load(one.source, options, progress)
    rows = renamed(loaded.rows, recipe, own)
    notes += loaded.notes
    if rows.annotated is None and not unlabelled:
        raise RequestError(f"{one.source} under data.join has no annotations to learn from; name its label columns")
    if rows.annotated is None:
        return rows
    return few(rows, one.labelled, recipe.data.split_seed)


def _few_already(rows: Rows, asked: bool) -> bool:
    """Whether labelled rows are asked for and only some have annotations: too few to hold some of them out unasked."""
    return asked and rows.annotated is not None and bool(rows.annotated.isnan().all(1).any())


def by_name(loaded: Loaded, features: Sequence[str], what: str) -> Rows:
    """Rows with their columns in the order of some names; as they are where either side has no names.

    Args:
        loaded: the rows and their columns' names; columns that nobody asks for are left out.
        features: the names wanted.
        what: where the rows come from, for messages.

    Raises:
        RequestError: a column that is wanted and not there.
    """
    there = loaded.features
    if not features or not there or tuple(features) == tuple(there) or not isinstance(loaded.rows, TensorRows):
        return loaded.rows
    missing = [name for name in features if name not in there]
    if missing:
        raise RequestError(
            f"{what} has no column {listed(missing)}; columns are matched by name, and {listed(features)} are wanted"
        )
    place = {name: column for column, name in enumerate(there)}
    return replace(loaded.rows, values=loaded.rows.values[:, [place[name] for name in features]])


def rows_for(
    student: Student, data: str, options: DataOptions | None = None, plain: Literal["lines", "plain"] = "plain"
) -> Rows:
    """Rows that a student can read.

    Args:
        student: who reads them; one that learned from series reads a file that may be a table as series, one that
            learned from texts the columns that it learned from as texts, and one that learned from images brings them
            to their size.
        data: a SPEC.
        options: what the file does not say itself.
        plain: what a file of a text a line is, for one that learned from such: whether each begins with its class.

    Raises:
        RequestError: no such data, or rows of another shape or with other columns.
    """
    options = as_read(student, options, plain)
    if len(student.shape) == 2 and not student.texts and datasets.ambiguous(data):
        options = options.model_copy(update={"series": True})
    if len(student.shape) == 3:
        options = datasets.fitted(data, options, student.shape)
    rows = by_name(datasets.load(data, options), student.features, data)
    student.refuse(rows)
    shape = rows.shape
    if not student.accepts(shape):
        mend = "give it the columns it learned from, without label columns"
        if len(student.shape) == 3:
            mend = "give it images of that shape; those in files have it with the data options `size` and `channels`"
        raise RequestError(f"the rows of {data} have the shape {shape}, but the student takes {student.shape}; {mend}")
    return rows


def as_read(student: Student, options: DataOptions | None, plain: Literal["lines", "plain"] = "plain") -> DataOptions:
    """Options by which texts are read as a student read those that it learned from, where they say nothing else."""
    options = options or DataOptions()
    if not student.texts:
        return options
    reading = student.reading or Reading()
    told = {"longest": reading.longest, "tokenizer": reading.tokenizer, "text": student.features or plain}
    return options.model_copy(update={key: one for key, one in told.items() if key not in options.model_fields_set})


def leaks(panel: Panel, learned: NDArray[np.uint64], test: Rows) -> dict[str, int]:
    """Who learned from how many of the test rows, compared by content.

    Args:
        panel: teachers that are amalgam's own know what they learned from.
        learned: the numbers (`fingerprint.of_each_row`) of the rows the student learns from.
        test: the rows to measure on.
    """
    numbers = of_each_row(test)
    seen = {f"teacher {one.name!r}": one.seen for one in panel.seats if one.seen is not None}
    seen["the student"] = learned
    found = {who: int(np.isin(numbers, rows).sum()) for who, rows in seen.items()}
    return {who: count for who, count in found.items() if count}


def refuse_leaks(panel: Panel, parts: Parts) -> None:
    """Refuse test rows that the student or a teacher learned from."""
    if parts.test is None:
        return
    for who, leaked in leaks(panel, of_each_row(parts.learn), parts.test).items():
        raise RequestError(
            f"{leaked} of {len(parts.test)} test rows are among the rows that {who} learns from, so nothing measured "
            "on them would be true; split them apart (data.parts must be the teachers' own, see their cards)"
        )
