"""The panel: the teachers of one run, seated on one label space, and what they say of every row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from amalgam.classes import Spans, by_task, centred, decided, one_hot
from amalgam.errors import RequestError, listed
from amalgam.labels import LabelSpace, Tasks, placed, spans_of, tasks_of, unite
from amalgam.signals import Columns, Votes, odds
from amalgam.teacher import Teacher

_ABILITIES = {
    "Scorer": "score inputs: `score(inputs)`",
    "ConditionalScorer": "score given some labels: `score_given(inputs, believed, clamp)`",
    "FeatureScorer": "show its features: `score_and_features(inputs)`",
    "HeadScorer": "show its features and score others in their place: `score_and_features(inputs)`, `head(features)`",
}

_STUDENT = "student"  # what reports call the student, and no teacher beside it


@dataclass(frozen=True)
class Seat:
    """A teacher in the panel.

    Attributes:
        name: what it is called in this run.
        teacher: the teacher.
        fingerprint: of its weights and card; None for a teacher that cannot tell, whose votes are not kept.
        seen: (n,) the numbers (`fingerprint.of_each_row`) of the rows it was trained on, where that is known.
        source: what the user named, of files their names alone.
        licence: of its weights; None where it is unknown.
        description: what a reader wants to know of it.
    """

    name: str
    teacher: Any
    fingerprint: str | None = None
    seen: NDArray[np.uint64] | None = None
    source: str = ""
    licence: str | None = None
    description: str = ""

    @property
    def tasks(self) -> Tasks:
        """The teacher's tasks of several classes, in its own names of labels."""
        return tasks_of(self.teacher)

    @property
    def spans(self) -> Spans:
        """Where among its own labels their classes stand."""
        return spans_of(self.tasks, self.teacher.labels)

    @property
    def exclusive(self) -> bool:
        """Whether all its labels are the classes of one task."""
        return self.spans == ((0, len(self.teacher.labels)),)


@dataclass(frozen=True)
class Panel:
    """K teachers on one label space.

    Attributes:
        seats: the teachers.
        space: the label space.
    """

    seats: tuple[Seat, ...]
    space: LabelSpace

    @cached_property
    def spans(self) -> tuple[Spans, ...]:
        """Of each teacher, where among the labels of the space the classes of its tasks stand, the others' included.

        In a space whose names a strategy says, they stand anywhere, and nowhere here.
        """
        where = {task: spans_of({task: classes}, self.space.names) for task, classes in self.space.tasks.items()}
        return tuple(tuple(sorted(span for task in seat.tasks for span in where.get(task, ()))) for seat in self.seats)

    @cached_property
    def tasks(self) -> Tasks:
        """The tasks that a student of these teachers has: those whose classes are classes to all who know them.

        Where some teacher knows a class as a label that is yes or no, so does the student.
        """
        plain = {
            self.space.names[column]
            for seat, columns in zip(self.seats, self.space.columns, strict=True)
            for column, label in zip(columns, seat.teacher.labels, strict=True)
            if not any(label in classes for classes in seat.tasks.values())
        }
        return {task: tuple(own) for task, own in self.space.tasks.items() if plain.isdisjoint(own)}

    def require(self, needs: type[Teacher], strategy: str, exclusive: bool | None = None) -> None:
        """Refuse, before any work, a teacher that cannot do what a strategy needs.

        Args:
            needs: what every teacher must be able to do.
            strategy: its name, for messages.
            exclusive: whether all labels must be the classes of one task.
        """
        for seat in self.seats:
            if exclusive and seat.tasks and not seat.exclusive:
                raise RequestError(
                    f"strategy {strategy!r} chooses one class of all labels for a row, and teacher {seat.name!r} has "
                    f"the task {listed(seat.tasks)} beside other labels; choose a strategy that learns such tasks, as "
                    "kd and venus do, or other teachers"
                )
            if exclusive and not seat.exclusive:
                raise RequestError(
                    f"strategy {strategy!r} chooses one class for a row, so every teacher's labels must exclude each "
                    f"other; those of {seat.name!r} do not. Write `exclusive: true` in its card if they do, or choose "
                    "another teacher or another strategy"
                )
            if exclusive and seat.tasks.keys() != self.seats[0].tasks.keys():
                raise RequestError(
                    f"strategy {strategy!r} chooses one class for a row, so all teachers must have one task; that of "
                    f"{self.seats[0].name!r} is {listed(self.seats[0].tasks)}, that of {seat.name!r} is "
                    f"{listed(seat.tasks)}. Name it alike under `tasks:` in both cards if it is one, or choose another "
                    "strategy"
                )
            if not isinstance(seat.teacher, needs):
                raise RequestError(
                    f"strategy {strategy!r} needs every teacher to {_ABILITIES[needs.__name__]}; "
                    f"teacher {seat.name!r} cannot; choose another teacher or another strategy"
                )

    def vote(self, teacher: int, inputs: Tensor, features: bool = False) -> dict[str, Tensor]:
        """What a teacher says of inputs: `scores`, logits (B, l), and when asked `features` (B, D) of 16 bits.

        Raises:
            RequestError: the teacher breaks its contract: a wrong width, NaN or infinite scores or features.
        """
        seat = self.seats[teacher]
        with torch.inference_mode():
            if not features:
                return {"scores": checked(seat, torch.as_tensor(seat.teacher.score(inputs)), len(inputs))}
            scores, shown = seat.teacher.score_and_features(inputs)
            return {"scores": checked(seat, scores, len(inputs)), "features": kept_features(seat, shown, len(inputs))}

    def ask(self, inputs: Tensor, features: bool = False) -> Votes:
        """What all teachers say of inputs (B, ...), at once and kept nowhere."""
        said = [self.vote(k, inputs, features) for k in range(len(self.seats))]
        shown = tuple(one["features"] for one in said) if features else ()
        return Ballots(self, len(inputs), tuple(one["scores"] for one in said), shown).at(slice(None))

    def score_given(self, teacher: int, inputs: Tensor, believed: Tensor, clamp: bool) -> Tensor:
        """A conditional teacher's logits (B, l) given beliefs (B, l), NaN where nothing is believed."""
        seat = self.seats[teacher]
        with torch.inference_mode():
            return checked(seat, torch.as_tensor(seat.teacher.score_given(inputs, believed, clamp)), len(inputs))


def checked(seat: Seat, scores: Tensor, rows: int) -> Tensor:
    """Scores (rows, l) as float32 logits, or a RequestError that says what the card claimed and what came."""
    labels = len(seat.teacher.labels)
    if scores.shape != (rows, labels):
        raise RequestError(
            f"teacher {seat.name!r} answered {rows} rows with scores of shape {tuple(scores.shape)}, expected "
            f"{(rows, labels)}: one column for each of its labels {listed(seat.teacher.labels)}; mend its card"
        )
    finite = torch.isfinite(scores).all(dim=1)
    if not bool(finite.all()):
        raise RequestError(
            f"teacher {seat.name!r} scored row {int((~finite).nonzero()[0])} of a batch as NaN or infinite; "
            "scores are finite logits: look for missing or unscaled values in the data, and try the teacher with "
            "`amalgam teachers check`"
        )
    return scores.float()


def kept_features(seat: Seat, features: Tensor, rows: int) -> Tensor:
    """Features (rows, D) in half precision, or a RequestError that says what is wrong with them."""
    if features.ndim != 2 or len(features) != rows:
        raise RequestError(
            f"teacher {seat.name!r} showed features of shape {tuple(features.shape)} for {rows} rows, expected "
            f"({rows}, …): one vector for each row; mend its `score_and_features`"
        )
    most = torch.finfo(torch.float16).max
    within = (features.abs() <= most).all(dim=1)  # also NaN is not
    if not bool(within.all()):
        row = int((~within).nonzero()[0])
        said = features[row].abs().max() if bool(torch.isfinite(features[row]).all()) else None
        wrong = "NaN or infinite" if said is None else f"as large as {float(said):.3g}"
        raise RequestError(
            f"teacher {seat.name!r} showed features of row {row} of a batch that are {wrong}; they are kept in half "
            f"precision, finite and up to {most:,.0f}: look for missing or unscaled values in the data (the card of a "
            "timm or torchvision network can also name another `layer`)"
        )
    return features.half()


def told_apart(teachers: Sequence[Seat]) -> list[Seat]:
    """Teachers whose names differ: one that comes twice, or is `student`, has a number behind it."""
    found: dict[str, Seat] = {}
    for one in teachers:
        name, number = one.name, 2
        while name in found or name == _STUDENT:
            name, number = f"{one.name}-{number}", number + 1
        found[name] = replace(one, name=name)
    return [*found.values()]


def seat(
    teachers: Sequence[Seat],
    aliases: Mapping[str, Sequence[str]] | None = None,
    names: Sequence[str] | None = None,
    of: str | None = None,
) -> Panel:
    """Teachers around one label space.

    Args:
        teachers: the teachers, see `told_apart`.
        aliases: common label name → other names of it.
        names: the student's labels when they are not simply the union, in order.
        of: who says these names, a strategy that has labels of its own ("the label graph pets"): then some may be
            known to no teacher, and there need not be any teacher.

    Raises:
        RequestError: no teacher, or labels that do not meet by name.
    """
    if not teachers and of is None:
        raise RequestError("no teacher to learn from; name one with --teacher or under `teachers:` in the recipe")
    seated = {one.name: one for one in told_apart(teachers)}
    if of is not None:
        told = {name: one.teacher.labels for name, one in seated.items()}
        return Panel(tuple(seated.values()), placed(told, names or (), aliases or {}, of))
    tasks = {name: one.tasks for name, one in seated.items()}
    space = unite({name: one.teacher.labels for name, one in seated.items()}, aliases, names, tasks)
    return Panel(tuple(seated.values()), space)


@dataclass(frozen=True)
class Ballots:
    """The votes on all N rows, read a chunk at a time, so that memory does not grow with the rows.

    Attributes:
        panel: who voted.
        rows: N.
        scores: K arrays (N, l_k), each in its teacher's own label order.
        features: K arrays (N, D_k) when the strategy needs features, else none.
    """

    panel: Panel
    rows: int
    scores: tuple[Columns, ...]
    features: tuple[Columns, ...] = ()

    def at(self, where: slice) -> Votes:
        """The votes on a slice of rows, spread over the label space."""
        space = self.panel.space
        spread = [space.spread(k, torch.as_tensor(one[where])) for k, one in enumerate(self.scores)]
        features = tuple(torch.as_tensor(one[where]) for one in self.features)
        if not spread:
            return Votes(torch.empty(0, len(torch.arange(self.rows)[where]), len(space.names)), space.known)
        return Votes(torch.stack(spread), space.known, self.panel.spans, features)

    def chunks(self, size: int) -> Iterator[tuple[slice, Votes]]:
        """The votes on every row once, in order: (where, votes)."""
        for start in range(0, self.rows, size):
            where = slice(start, min(start + size, self.rows))
            yield where, self.at(where)

    def own(self, teacher: int, size: int) -> Iterator[Tensor]:
        """One teacher's sigmoid logits (B, l) on every row once, in order, in its own label order."""
        for start in range(0, self.rows, size):
            yield self.own_at(teacher, slice(start, start + size))

    def own_at(self, teacher: int, where: slice) -> Tensor:
        """One teacher's sigmoid logits (B, l) on a slice of rows, in its own label order."""
        said = torch.as_tensor(self.scores[teacher][where])
        return by_task(said, self.panel.seats[teacher].spans, odds, lambda some: some)


def choices(votes: Votes, spans: Spans = ()) -> Tensor:
    """What each teacher decides, (K, B, L) bool: of a task one of the classes it knows; no where it does not know.

    Args:
        votes: what the teachers said.
        spans: the tasks of several classes.
    """
    return decided(votes.read(spans), spans) & votes.known[:, None]


def majority(votes: Votes, spans: Spans = ()) -> Tensor:
    """The majority's hard votes (B, L) of 0 and 1 among the teachers that know a label; a tie is positive.

    Of a task's classes, that which the largest share of those who know it choose; mean log odds settle equal shares.
    """
    chosen, known = choices(votes, spans).sum(0), votes.known.sum(0)
    affirmed = chosen.mul(2).ge(known)
    if spans:
        settled = chosen / known + 1e-3 * mean_logit(votes).sigmoid()
        for first, last in spans:
            affirmed[:, first:last] = one_hot(settled[:, first:last])
    return affirmed.float()


def mean_logit(votes: Votes, spans: Spans = ()) -> Tensor:
    """The mean logit (B, L) of the teachers that know a label: a softmax's for the classes of tasks, else a sigmoid's.

    A softmax's logits mean the same whatever constant is added to a row of them. Lest that constant decide between
    classes that different teachers know, each teacher's have the mean 0 over the classes of the task that it knows.

    Args:
        votes: what the teachers said.
        spans: the tasks of several classes.
    """
    return by_task(votes.read(spans), spans, centred, lambda some: some).nanmean(dim=0)
