"""What can be refused before any work: a request that cannot be met, and rows that somebody cannot read."""

from __future__ import annotations

from typing import Any

from accelerate.tracking import get_available_trackers

from amalgam import store, strategies
from amalgam.errors import RequestError
from amalgam.panel import Panel
from amalgam.parts import Parts
from amalgam.processes import processes
from amalgam.recipe import Recipe
from amalgam.strategy import Strategy
from amalgam.student import Student, settings_of


def feasible(recipe: Recipe, keep: bool) -> Strategy[Any]:
    """The strategy of a recipe, after a look at everything that can be refused before any work.

    Raises:
        RequestError: a strategy, student, precision or tracker that cannot be had, or a store that cannot be written.
    """
    strategy = strategies.build(recipe.strategy, f"recipe {recipe.name}")
    equipped = {**strategy.equips(recipe.student["name"]), **recipe.student}
    settings_of(equipped, f"recipe {recipe.name}, student")
    if strategy.sees_labels and not recipe.data.shows_some:
        raise RequestError(
            f"strategy {recipe.strategy['name']!r} learns from a few labelled rows; say which share of the student's "
            "rows it may see the annotations of, such as --set data.labelled=0.05 (1 for all that are annotated), or "
            "how many of every label, --set data.shots=5"
        )
    if recipe.live and recipe.training.augment is None:
        raise RequestError(
            "live asks the teachers about the random views that the student sees, and it sees the plain rows: say what "
            "views, such as --set training.augment.flip=0.5, or leave live out"
        )
    if recipe.live and strategy.sees_labels:
        raise RequestError(
            f"strategy {recipe.strategy['name']!r} learns from labelled rows, of which it makes targets once; leave "
            "live out, or choose another strategy"
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


def knows(strategy: Strategy[Any]) -> str:
    """Who knows the labels of a run, for messages: its teachers, or what the strategy has them from."""
    own = strategy.labels()
    return "the teachers know" if own is None else f"{own.of} has"


def refuse_unreadable(recipe: Recipe, panel: Panel, parts: Parts, student: Student) -> None:
    """Refuse rows that the student or a teacher cannot read: numbers instead of texts, or test rows of another shape.

    Raises:
        RequestError: such rows.
    """
    shape, measured = parts.learn.shape, (parts.test or parts.learn).shape
    for rows in (parts.learn, parts.test):
        if rows is not None:
            student.refuse(rows)
    if parts.learn.texts is not None and recipe.training.augment is not None:
        raise RequestError("training.augment makes views of numbers, and these rows are texts; leave it out")
    for one in panel.seats:
        of = getattr(one.teacher, "module", one.teacher)
        if bool(getattr(of, "texts", False)) != (parts.learn.texts is not None):
            kinds = ("texts", "numbers") if parts.learn.texts is None else ("numbers", "texts")
            raise RequestError(
                f"teacher {one.name!r} reads {kinds[0]}, and {parts.learn.name} has {kinds[1]}; amalgam's own students "
                "of texts can be teachers of texts"
            )
    if measured != shape and not student.accepts(measured):
        raise RequestError(
            f"the student {recipe.student['name']!r} reads rows of the shape {shape} only, and the test rows have the "
            f"shape {measured}; choose one for series of any length, such as recurrent or convolutional"
        )
