"""What a transfer learns from: data sets that are read, and labelled by teachers where nobody annotated them."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from amalgam.classes import probabilities
from amalgam.collect import vote
from amalgam.errors import RequestError, listed
from amalgam.fingerprint import of_rows
from amalgam.journal import Journal
from amalgam.panel import Seat, seat
from amalgam.parts import further_rows
from amalgam.recipe import TransferRecipe
from amalgam.signals import Rows
from amalgam.student import Student
from amalgam.transfer.source import Source, annotated, by_teachers


def read(
    recipe: TransferRecipe, student: Student, given: Mapping[str, Rows | None] | None, journal: Journal
) -> dict[str, Rows]:
    """The sources' rows by name, images brought to the shape of the target's.

    Args:
        recipe: the run.
        student: made for the target's rows.
        given: name → rows in memory, in the order of the recipe's sources; None for one that a file holds.
        journal: of the run.

    Raises:
        RequestError: no such data, no rows, or rows that the student cannot read.
    """
    found = dict[str, Rows]()
    known = [(None, None)] * len(recipe.sources) if given is None else list(given.items())
    for one, (called, there) in zip(recipe.sources, known, strict=True):
        name = called if called is not None else _free(Path(one.source).name or one.source, found)
        rows, notes = there, list[str]()
        if rows is None:
            rows = further_rows(one, student.shape, recipe, None, journal.progress, notes, unlabelled=True)
        for note in notes:
            journal.note(f"the source {name}: {note}")
        if len(rows) == 0:
            raise RequestError(f"the source {name} has no rows; name one that has some")
        found[name] = replace(rows, name=name)
        student.refuse(found[name])
        if not student.accepts(rows.shape):
            raise RequestError(
                f"the source {name} has rows of the shape {rows.shape}, and the target's have {student.shape}; bring "
                "both data sets to one shape"
            )
    return found


def _free(name: str, taken: Container[str]) -> str:
    """The name, or the first of `name-2`, `name-3` … that is not taken."""
    every = chain([name], (f"{name}-{number}" for number in count(2)))
    return next(one for one in every if one not in taken)


def labelled(found: Mapping[str, Rows], seats: Sequence[Seat], journal: Journal) -> Source | None:
    """The source with classes: those its rows are annotated with, or those that teachers say they have.

    Raises:
        RequestError: rows that nobody labels, or teachers whose labels are not the classes of one task.
    """
    if not found:
        return None
    if not seats:
        return annotated(found)
    if len(found) > 1:
        raise RequestError(f"teachers label one source, and there are {listed(found)}; name one")
    (rows,) = found.values()
    said, labels = dict[str, Tensor](), dict[str, Sequence[str]]()
    for one in seats:
        if not one.exclusive:
            raise RequestError(
                f"teacher {one.name!r} may give a row several labels, and the weights are those of classes; write "
                "`exclusive: true` in its card if its labels exclude each other, or choose another teacher"
            )
        ballots = vote(seat([one]), rows.unlabelled(), of_rows(rows), journal)
        scores = torch.as_tensor(np.asarray(ballots.scores[0][: len(rows)])).float()
        said[one.name], labels[one.name] = probabilities(scores, one.spans), one.teacher.labels
    return by_teachers(rows.unlabelled(), said, labels)
