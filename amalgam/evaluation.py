"""Evaluation on held-out rows: the student beside the ensemble, and beside each teacher on the teacher's own labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from amalgam.calibration import Calibration, Reliability, claims
from amalgam.classes import Spans, among, by_task, decided
from amalgam.costs import Cost, costs_of, total
from amalgam.disagreement import Clashes, Disagreement
from amalgam.errors import RequestError, listed
from amalgam.labelgraph.walked import Footprints, Walked
from amalgam.labels import spans_of
from amalgam.metrics import Measure, Measures, Tally, measures_of
from amalgam.panel import Ballots, Panel, choices, majority, mean_logit
from amalgam.progress import Progress, Silent
from amalgam.signals import Decoded, Rows, StudentOutput
from amalgam.student import Student


@dataclass(frozen=True)
class Line:
    """A model's measures on some labels.

    Attributes:
        name: the model.
        labels: what it was measured on; `measures.f1_per_label` is in this order.
        measures: its measures.
        cost: what it costs.
        calibration: how far its probabilities can be believed, on the same labels; None of one that states none, as
            a vote.
    """

    name: str
    labels: tuple[str, ...]
    measures: Measures
    cost: Cost
    calibration: Calibration | None = None


@dataclass(frozen=True)
class Comparison:
    """A teacher on its own labels, and the student on the same labels."""

    teacher: Line
    student: Line


@dataclass(frozen=True)
class Evaluation:
    """What held-out rows say of a student and its teachers.

    Attributes:
        rows: how many rows.
        labels: the L labels of the panel.
        student: the student on every measured label: those of the panel that some row annotates.
        majority: the teachers' majority vote on the same labels; None where no teacher knows one of the student's.
        mean: the teachers' mean logit on the same labels; likewise.
        teachers: each teacher beside the student; a teacher none of whose labels is annotated has NaN measures.
        disagreement: where the teachers contradict each other.
        notes: sentences on labels that could not be measured.
        exclusive: whether the student's labels exclude each other.
        tasks: the student's tasks of several classes.
        walked: of a student that walks down a label graph, the augmented nodes that its decoded paths go through or
            that the rows are annotated with.
    """

    rows: int
    labels: tuple[str, ...]
    student: Line
    majority: Line | None
    mean: Line | None
    teachers: tuple[Comparison, ...]
    disagreement: Disagreement
    notes: tuple[str, ...] = ()
    exclusive: bool = False
    tasks: dict[str, tuple[str, ...]] = field(default_factory=dict)
    walked: tuple[Walked, ...] = ()

    @property
    def ensembles(self) -> tuple[Line, ...]:
        """What the teachers say together: their majority vote and their mean logit, where there are such."""
        return tuple(one for one in (self.majority, self.mean) if one is not None)

    @property
    def measured(self) -> tuple[Measure, ...]:
        """The measures that say something of these labels."""
        return measures_of(self.exclusive, bool(self.tasks))


def evaluate(
    student: Student,
    panel: Panel,
    rows: Rows,
    ballots: Ballots,
    *,
    chunk: int = 4096,
    seconds: float = 0.1,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a student and its teachers on rows that neither training nor model selection saw.

    Of a task of several classes (`Student.tasks`), every model chooses one class a row; a teacher alone is measured on
    the rows whose class it knows, the student beside it on the same ones, choosing among all. Elsewhere a prediction is
    positive where its probability is above one half, also for teachers to whom the label is a class.

    Args:
        student: its labels are matched to the panel's by name.
        panel: the teachers.
        rows: N annotated rows; their labels are matched to the panel's by name.
        ballots: the panel's votes on these rows, in order.
        chunk: rows at a time; memory does not grow with N.
        seconds: how long each latency is measured, about.
        progress: who shows the step.

    Raises:
        RequestError: no rows, no annotations, no label in common, or a student without one of the panel's labels.
    """
    if ballots.rows != len(rows):
        raise ValueError(f"votes on {ballots.rows} rows, but {len(rows)} rows of {rows.name}")
    space = panel.space
    order = _order(student, space.names)
    shared = measurable(rows, space.names)
    notes = _notes(rows, space.names, shared)
    groups = [_kept(list(own), shared) for own in space.columns]
    together = bool(space.known.any(0).all())  # else no majority can say anything of what nobody knows
    names = ["student", *(["majority vote", "mean logit"] if together else [])]
    first = len(names)
    groups = [list(shared)] * first + groups + groups
    tasks = {task: [label for label in own if label in space.names] for task, own in student.tasks.items()}
    spans = spans_of({task: own for task, own in tasks.items() if own}, space.names)
    counts = [_Counts(group, spans) for group in groups]
    clashes = Clashes(space.known)
    footprints = None if student.graph is None else Footprints(student.graph, rows.labels)
    with (progress or Silent()).step("evaluation", len(rows)) as bar:
        for where, votes in ballots.chunks(chunk):
            truth = _truth(rows, where, len(space.names), shared)
            logits = _logits(student, rows, where, chunk, footprints)
            own, hard = _said(logits[:, order], spans), choices(votes, spans)
            ensembles = [(majority(votes, spans) > 0, None), _said(mean_logit(votes), spans)] if together else []
            theirs = list(zip(hard, _stated(votes.read(spans), spans), strict=True))
            said = [own, *ensembles, *theirs, *[own] * len(theirs)]
            for one, (predicted, stated) in zip(counts, said, strict=True):
                one.update(predicted, stated, truth)
            clashes.update(hard, truth)
            bar.advance(len(truth))
    names += [*(seat.name for seat in panel.seats), *["student"] * len(panel.seats)]
    cost, *others = costs_of(student, panel, rows, seconds)
    costs = [cost, *[total(others)] * (first - 1), *others, *[cost] * len(others)]
    lines = [one.line(name, space.names, cost) for one, name, cost in zip(counts, names, costs, strict=True)]
    half = first + len(panel.seats)
    beside = tuple(Comparison(*pair) for pair in zip(lines[first:half], lines[half:], strict=True))
    votes_of_all, mean_of_all = lines[1:first] if together else (None, None)
    return Evaluation(
        len(rows), space.names, lines[0], votes_of_all, mean_of_all, beside, clashes.disagreement(), notes,
        exclusive=student.exclusive, tasks={task: tuple(own) for task, own in student.tasks.items()},
        walked=() if footprints is None else footprints.walked(),
    )  # fmt: skip


def _logits(student: Student, rows: Rows, where: slice, chunk: int, footprints: Footprints | None) -> Tensor:
    """The student's logits (B, L) of some rows; the paths that it takes are counted in the same pass."""

    def hear(output: StudentOutput) -> tuple[Tensor, Decoded | None]:
        return output.logits.cpu(), student.walk(output)

    heard = [one for _, inputs in rows.chunks(chunk, where) for one in student.each(inputs, hear)]
    if footprints is not None:
        assert rows.annotated is not None
        ends = torch.cat([walk.ends for _, walk in heard if walk is not None])
        footprints.update(ends, rows.annotated[where], rows.ids[where])
    return torch.cat([logits for logits, _ in heard])


def _said(logits: Tensor, spans: Spans) -> tuple[Tensor, Tensor]:
    """What logits (B, L) decide, and the probabilities behind that."""
    return decided(logits, spans), _stated(logits, spans)


def _stated(logits: Tensor, spans: Spans) -> Tensor:
    """The probabilities (..., L) that logits stand for; those of classes that a teacher does not know are 0."""
    return by_task(logits, spans, among, torch.sigmoid)


class _Counts:
    """What is counted of a model on some labels; it adds up over chunks.

    Args:
        columns: the labels, as places in the label space.
        spans: the student's tasks of several classes there.
    """

    def __init__(self, columns: list[int], spans: Spans) -> None:
        self.columns, self.spans = columns, spans
        self.tally = Tally(len(columns), _among(spans, columns) if spans else None)
        self.reliability: Reliability | None = None

    def update(self, predicted: Tensor, stated: Tensor | None, truth: Tensor) -> None:
        """Count predictions (B, L), the probabilities (B, L) behind them, where there are any, and annotations."""
        asked = _own_rows(truth, self.columns, self.spans)
        self.tally.update(predicted[:, self.columns], asked[:, self.columns])
        if stated is not None:
            self.reliability = self.reliability or Reliability()
            self.reliability.update(*claims(stated, asked, self.spans, self.columns))

    def line(self, name: str, labels: Sequence[str], cost: Cost) -> Line:
        """All that was counted of a model."""
        calibration = None if self.reliability is None else self.reliability.calibration()
        own = tuple(labels[column] for column in self.columns)
        return Line(name, own, self.tally.measures(), cost, calibration)


def _among(spans: Spans, group: Sequence[int]) -> Spans:
    """Where among the columns of a group the classes of tasks stand; a single class is a label by itself."""
    found = list[tuple[int, int]]()
    for first, last in spans:
        own = [place for place, column in enumerate(group) if first <= column < last]
        if len(own) > 1:
            found.append((own[0], own[-1] + 1))
    return tuple(sorted(found))


def _own_rows(truth: Tensor, group: list[int], spans: Spans) -> Tensor:
    """The annotations (B, L), those of a task only in the rows whose class is among some columns, NaN elsewhere."""
    asked = truth.clone() if spans else truth
    for first, last in spans:
        own = [column for column in group if first <= column < last]
        among = (truth[:, own] == 1).any(1)
        asked[:, first:last] = asked[:, first:last].masked_fill(~among[:, None], torch.nan)
    return asked


def _order(student: Student, names: tuple[str, ...]) -> list[int]:
    """The student's column of each label of the panel."""
    missing = [name for name in names if name not in student.labels]
    if missing:
        raise RequestError(
            f"the student does not know {listed(missing)}, which the teachers do; "
            "evaluate it beside the teachers it was distilled from"
        )
    return [student.labels.index(name) for name in names]


def measurable(rows: Rows, names: tuple[str, ...], who: str = "the teachers know") -> dict[int, int]:
    """Column of the label space → column of the data, for the labels that some row annotates.

    Args:
        rows: to measure on.
        names: the labels.
        who: knows them, for messages.

    Raises:
        RequestError: no rows, no annotations, or no label in common.
    """
    if rows.annotated is None or not len(rows):
        raise RequestError(f"{rows.name} has no annotated row to evaluate on; name data with annotated rows")
    if not set(rows.labels) & set(names):
        raise RequestError(
            f"{rows.name} annotates {listed(rows.labels)} and {who} {listed(names)}: no label in common; "
            "labels are matched by name, so rename the data's columns or add aliases under labels.aliases"
        )
    column = {name: place for place, name in enumerate(rows.labels)}
    seen = (~rows.annotated.isnan()).any(dim=0)
    shared = {place: column[name] for place, name in enumerate(names) if name in column and bool(seen[column[name]])}
    if not shared:
        raise RequestError(
            f"{rows.name} leaves every row of {listed(sorted(set(rows.labels) & set(names)))} without an annotation; "
            "evaluation needs some"
        )
    return shared


def _notes(rows: Rows, names: tuple[str, ...], shared: dict[int, int]) -> tuple[str, ...]:
    """What a reader must know of labels that are not measured."""
    lacking = [name for name in names if name not in rows.labels]
    empty = [name for place, name in enumerate(names) if place not in shared and name in rows.labels]
    strange = [name for name in rows.labels if name not in names]
    notes = []
    if lacking:
        notes.append(f"not measured, for {rows.name} has no such label: {listed(lacking)}")
    if empty:
        notes.append(f"not measured, for no row of {rows.name} annotates it: {listed(empty)}")
    if strange:
        notes.append(f"not measured, for no teacher knows it: {listed(strange)}")
    return tuple(notes)


def _kept(own: list[int], shared: dict[int, int]) -> list[int]:
    """The measured ones of a teacher's labels; all of them when none is, so that its line says so."""
    return [column for column in own if column in shared] or own


def _truth(rows: Rows, where: slice, labels: int, shared: dict[int, int]) -> Tensor:
    """The annotations (B, L) in the columns of the label space, NaN where there is none."""
    assert rows.annotated is not None
    annotated = rows.annotated[where]
    truth = torch.full((len(annotated), labels), torch.nan)
    truth[:, list(shared)] = annotated[:, list(shared.values())].float()
    return truth
