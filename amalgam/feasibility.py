"""What can be refused before any work: a request that cannot be met, and rows that somebody cannot read."""

from __future__ import annotations

from typing import Any

from accelerate.tracking import get_available_trackers

from amalgam import store, strategies
from amalgam.errors import RequestError
from amalgam.panel import Panel
from amalgam.parts import Parts
from amalgam.processes import processes
from amalgam.recipe import Recipe, TransferRecipe
from amalgam.schema import parse
from amalgam.strategy import Strategy
from amalgam.student import Student, settings_of
from amalgam.training.settings import Training
from amalgam.transfer.begin import require_last
from amalgam.transfer.method import Beside, Transfer


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
    _require_tracker(recipe, keep)
    return strategy


def feasible_transfer(recipe: TransferRecipe, keep: bool, given: bool = False) -> Transfer:
    """The way to transfer of a recipe, after a look at everything that can be refused before any work.

    Args:
        recipe: the run.
        keep: whether there is a run directory.
        given: whether sources come from memory.

    Raises:
        RequestError: no such strategy, student, precision or tracker, no source for a strategy that learns from one,
            several processes, or what means nothing in a transfer.
    """
    where = f"recipe {recipe.name}"
    method = strategies.build_transfer(recipe.strategy, where)
    settings_of(recipe.student, f"{where}, student")
    require_last(recipe.student)
    pretraining_of(recipe)
    _refuse_idle(recipe)
    if not recipe.sources and not given and (isinstance(method, Beside) or method.pretraining):
        raise RequestError(
            f"strategy {recipe.strategy['name']!r} learns from a source beside the target, and there is none; name one "
            "with --source, or, to learn the target alone, choose fine_tuning and --set strategy.pretraining=0"
        )
    if (several := processes(recipe.training).num_processes) > 1:
        raise RequestError(
            f"strategy {recipe.strategy['name']!r} learns in one process; start it without a launcher (now {several} "
            "processes)"
        )
    _require_tracker(recipe, keep)
    store.ready()
    return method


def pretraining_of(recipe: TransferRecipe) -> Training:
    """How a network learns the source; RequestError for settings that are none."""
    return parse(Training, {**recipe.training.model_dump(), **recipe.pretraining}, f"recipe {recipe.name}, pretraining")


def _refuse_idle(recipe: TransferRecipe) -> None:
    """RequestError for what a recipe of teachers may say, and means nothing in a transfer."""
    idle = {
        "live": (recipe.live, "asks teachers about random views, and no teacher is asked here; leave it out"),
        "contributions": (
            recipe.contributions,
            "distils again without each teacher, and this student learns annotations, not teachers; leave it out",
        ),
        "labels.names": (
            recipe.labels.names is not None,
            "chooses among the teachers' labels, and this student has those of its data; leave it out (the data option "
            "`only` chooses among classes)",
        ),
        "data.join": (
            recipe.data.join,
            "adds rows whose labels a label graph joins with the target's, and there is none; name them with --source",
        ),
        "data.shows": (
            recipe.data.shows,
            "says what parts are annotated with that a label graph joins, and there is none; leave it out, and say how "
            "many of the target's rows are labelled: --set data.shots=5",
        ),
    }
    for key, (given, why) in idle.items():
        if given:
            raise RequestError(f"recipe {recipe.name}: {key} {why}")


def _require_tracker(recipe: Recipe, keep: bool) -> None:
    """RequestError for a tracker that is not there, or has no run directory to write into."""
    tracker, known = recipe.training.tracker, [str(one) for one in get_available_trackers()]
    if tracker is not None and tracker not in known:
        way = "install it (pip install 'amalgam[tracking]')" if tracker == "tensorboard" else "install it"
        raise RequestError(
            f"recipe {recipe.name}: training.tracker is {tracker!r}, which is unknown or not installed "
            f"(installed: {', '.join(known) or 'none'}); {way}, or leave it out"
        )
    if tracker is not None and not keep:
        raise RequestError(f"training.tracker {tracker!r} writes into the run directory; name one with `out`")


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
