"""The results of an evaluation for readers: a table for the terminal and the page, and a verdict in plain words."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rich.table import Table

    from amalgam.evaluation import Evaluation, Line
    from amalgam.labelgraph.walked import Passing
    from amalgam.metrics import Measure


MOST_WALKED = 24
"""Augmented nodes that a terminal and a figure show at most."""


@dataclass(frozen=True)
class Entry:
    """A number in a table as readers see it.

    Attributes:
        text: the number.
        best: whether it is the best of its block.
        under: a second, softer line: what the first is made of, or how it differs.
    """

    text: str
    best: bool = False
    under: str = ""


def lines(evaluation: Evaluation) -> list[Line]:
    """Every model once: the student, what its teachers say together, and each of them on its own labels."""
    return [evaluation.student, *evaluation.ensembles, *(one.teacher for one in evaluation.teachers)]


class Weighed(NamedTuple):
    """A model's name, its bytes, and the seconds that it takes."""

    name: str
    bytes: float
    seconds: float


def weights(evaluation: Evaluation) -> list[tuple[str, list[Weighed]]]:
    """What models weigh, beside what they take for one row and for 256, of those whose size is known.

    Args:
        evaluation: of a run.

    Returns:
        (what is timed, the models), the student first; nothing where fewer than two models can be told.
    """
    models = [(evaluation.student.name, evaluation.student.cost)]
    if evaluation.ensembles and len(evaluation.teachers) > 1:
        models.append(("all teachers", evaluation.ensembles[0].cost))
    models += [(one.teacher.name, one.teacher.cost) for one in evaluation.teachers]
    panels = []
    for what, key in (("latency, 1 row", "latency_1"), ("latency, 256 rows", "latency_256")):
        told = [(name, cost.bytes, getattr(cost, key)) for name, cost in models]
        known = [Weighed(name, size, seconds) for name, size, seconds in told if size and seconds]
        panels += [(what, known)] if len(known) > 1 else []
    return panels


def headings(evaluation: Evaluation) -> list[str]:
    """The columns of the table of results; the last two are latencies."""
    measures = [f"{one.name} {one.arrow}" for one in evaluation.measured]
    return ["model", "labels", *measures, "parameters", "size", "latency 1 row", "latency 256 rows"]


def blocks(evaluation: Evaluation) -> list[list[tuple[str, list[Entry]]]]:
    """The table of results: blocks of rows (name, entries), an entry for each of the headings after the first.

    The first block is the student and what its teachers say together; then each teacher with the student on the
    same labels. What is best is judged on the numbers as they are shown, so equal looks mean equal marks.
    """
    every = [[evaluation.student, *evaluation.ensembles]]
    every += [[one.teacher, one.student] for one in evaluation.teachers]
    names = [[line.name for line in every[0]]]
    names += [[one.teacher.name, f"↳ {one.student.name}"] for one in evaluation.teachers]
    entries = [_entries(lines, evaluation.measured) for lines in every]
    return [list(zip(who, those, strict=True)) for who, those in zip(names, entries, strict=True)]


def tasks(evaluation: Evaluation) -> list[tuple[str, list[Entry]]]:
    """Of tasks some of which have classes, the accuracy in each: (task, how many classes, student, ensembles)."""
    from amalgam.classes import task_columns
    from amalgam.labels import spans_of

    if evaluation.exclusive or not evaluation.tasks:
        return []
    labels = evaluation.student.labels
    own = {task: [label for label in classes if label in labels] for task, classes in evaluation.tasks.items()}
    spans = spans_of({task: classes for task, classes in own.items() if len(classes) > 1}, labels)
    named = {classes[0]: task for task, classes in own.items() if classes}
    models = [evaluation.student, *evaluation.ensembles]
    found = []
    for place, (first, last) in enumerate(task_columns(spans, len(labels))):
        right = [1.0 - one.measures.loss_per_task[place] for one in models]
        shown = ["–" if math.isnan(one) else f"{one:.3f}".removeprefix("0") for one in right]
        best = max((one for one in shown if one != "–"), default=None, key=float)
        task = named.get(labels[first])
        kinds = Entry("yes or no" if task is None else plain(len(evaluation.tasks[task])))
        name = labels[first] if last - first == 1 else str(task)  # of a task that has one class here, that class
        found.append((name, [kinds, *(Entry(one, one == best) for one in shown)]))
    return found


def task_headings(evaluation: Evaluation) -> list[str]:
    """The columns of the accuracies in each task."""
    return ["accuracy in the task", "classes", "student", *(one.name for one in evaluation.ensembles)]


WALKS = ("augmented node", "rows through it", "true of", "nondeterministic", "true of these")
"""The columns of what decoded paths make of augmented nodes."""


def walks(evaluation: Evaluation) -> list[tuple[str, list[Entry]]]:
    """Of each augmented node: the rows whose decoded path goes through it and of how many it is true; of all paths, and
    of nondeterministic ones alone.
    """
    return [
        (one.node, [entry for some in (one.every, one.nondeterministic) for entry in _passing(some)])
        for one in evaluation.walked
    ]


def _passing(found: Passing) -> tuple[Entry, Entry]:
    said = f"{found.share:.1%} of {plain(found.judged)}" if found.judged else "–"
    return Entry(plain(found.rows)), Entry(said)


def tables(evaluation: Evaluation) -> list[Table]:
    """All that is measured, for a terminal; of the nodes that paths go through the most walked ones."""
    beside = [(task_headings(evaluation), tasks(evaluation)), (WALKS, walks(evaluation)[:MOST_WALKED])]
    return [table(evaluation), *(_small(names, rows) for names, rows in beside if rows)]


def _small(names: Sequence[str], rows: Sequence[tuple[str, list[Entry]]]) -> Table:
    """A table without lines."""
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, header_style="bold")
    for place, name in enumerate(names):
        shown.add_column(Text(name), justify="right" if place else "left", no_wrap=place > 0, overflow="fold")
    for name, entries in rows:
        shown.add_row(Text(name), *(Text(one.text, style="bold" if one.best else "") for one in entries))
    return shown


def table(evaluation: Evaluation) -> Table:
    """The table of results for a terminal of 80 columns or more; the best of each block is bold, unknown is `–`."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=SIMPLE_HEAD, padding=0, show_edge=False)
    columns = headings(evaluation)[:-1]  # the latency of 256 rows is in the report alone, so that 80 columns suffice
    for place, heading in enumerate(columns):
        lines = heading.replace("parameters", "param- eters").replace(" ", "\n", 1)
        shown.add_column(Text(lines), justify="right" if place else "left", no_wrap=place > 0, overflow="fold")
    for block in blocks(evaluation):
        for name, entries in block:
            # Text, not a string: a user's `[red]` is a name, no markup.
            numbers = (Text(one.text, style="bold" if one.best else "") for one in entries[: len(columns) - 1])
            shown.add_row(Text(name), *numbers)
        shown.add_section()
    return shown


def verdict(evaluation: Evaluation) -> str:
    """How the student does beside the ensemble, in one sentence; numbers that look equal in the table are a tie."""
    student = evaluation.student
    if evaluation.majority is None or evaluation.mean is None:
        return _alone(evaluation)
    first, how = against(student, evaluation.majority, "the majority vote", evaluation.measured)
    second, how_too = against(student, evaluation.mean, "the mean logit", evaluation.measured)
    again = "" if second == first else f"{second} "
    own, theirs = student.cost.parameters, evaluation.majority.cost.parameters
    size = f", with {_size(own, theirs)}" if own and theirs else ""
    return f"The student {first} {how} and {again}{how_too}{size}."


def _alone(evaluation: Evaluation) -> str:
    """How the student does where its teachers do not know together what it knows, in one sentence."""
    beside = [one for one in evaluation.teachers if not math.isnan(one.teacher.measures.accuracy)]
    if not beside:
        own = evaluation.student.measures
        said = ", ".join(f"{one.name} {getattr(own, one.key):.3f}" for one in evaluation.measured)
        if not evaluation.teachers:
            return f"The student reaches {said}."
        return f"No teacher knows these labels; the student reaches {said}."
    said = "; ".join(
        " ".join(against(one.student, one.teacher, f"teacher {one.teacher.name!r}", evaluation.measured))
        for one in beside
    )
    return f"On a teacher's own labels the student {said}."


def against(student: Line, rival: Line, name: str, measures: Sequence[Measure]) -> tuple[str, str]:
    """A verb and its object: `beats`, `the mean logit on 3 of 4 measures (loses on 1)`; the commonest leads."""
    tally = {"beats": 0, "ties with": 0, "loses to": 0}
    for measure in measures:
        own, other = getattr(student.measures, measure.key), getattr(rival.measures, measure.key)
        if math.isnan(own) or math.isnan(other):
            continue
        if f"{own:.3f}" == f"{other:.3f}":
            tally["ties with"] += 1
        else:
            tally["beats" if (own < other) == (measure.better == "lower") else "loses to"] += 1
    count = sum(tally.values())
    if not count:
        return "cannot be compared with", name
    if tally["beats"] == tally["loses to"] > 0:
        ties = f", ties on {tally['ties with']}" if tally["ties with"] else ""
        return "is level with", f"{name} (better on {tally['beats']} of {count} measures, worse on as many{ties})"
    lead, *rest = sorted((verb for verb in tally if tally[verb]), key=lambda verb: -tally[verb])
    others = ", ".join(f"{verb.split()[0]} on {tally[verb]}" for verb in rest)
    return lead, f"{name} on {tally[lead]} of {count} measures" + (f" ({others})" if others else "")


def _size(own: int, theirs: int) -> str:
    """`1/5 of the ensemble's parameters`, to one decimal, or to none from ten on."""

    def times(ratio: float) -> str:
        return f"{ratio:,.0f}" if ratio >= 9.95 else f"{ratio:.1f}".removesuffix(".0")

    if own < theirs:
        smaller = times(theirs / own)
        return (
            f"1/{smaller} of the ensemble's parameters"
            if smaller != "1"
            else "about as many parameters as the ensemble"
        )
    larger = times(own / theirs)
    return f"{larger} times the ensemble's parameters" if larger != "1" else "about as many parameters as the ensemble"


def contradictions(evaluation: Evaluation) -> str:
    """What became of the contradictions between teachers, in one sentence."""
    found = evaluation.disagreement
    if not found.contradictions:
        return "No two teachers contradict each other on a label both know."
    said = f"Teachers that share a label contradict each other on {found.contradictions:,} (row, label) pairs"
    if not found.judged:
        return f"{said}; none of them is annotated."
    share = found.positive_right / found.judged
    return f"{said}; of the {found.judged:,} that are annotated, the positive side is right in {share:.0%}."


def _entries(lines: Sequence[Line], measures: Sequence[Measure]) -> list[list[Entry]]:
    """The entries of the lines of a block."""
    columns = [[Entry(str(len(line.labels))) for line in lines]]
    for measure in measures:
        values = [getattr(line.measures, measure.key) for line in lines]
        columns.append(column(values, "{:.3f}".format, 1 if measure.better == "lower" else -1))
    columns.append(column([line.cost.parameters for line in lines], thousands, 1))
    columns.append(column([line.cost.bytes for line in lines], storage, 1))
    columns.append(column([line.cost.latency_1 for line in lines], duration, 1))
    columns.append(column([line.cost.latency_256 for line in lines], duration, 1))
    return [list(row) for row in zip(*columns, strict=True)]


def column(values: Sequence[float | None], show: Callable[[float], str], sign: int) -> list[Entry]:
    """The entries of a column; `sign` is 1 when the lowest is best, -1 when the highest is."""
    known = [value for value in values if value is not None and not math.isnan(value)]
    texts = ["–" if value is None or math.isnan(value) else show(value) for value in values]
    best = show(min(known, key=lambda value: sign * value)) if known else None
    worth_a_mark = len({text for text in texts if text != "–"}) > 1
    return [Entry(text, worth_a_mark and text == best) for text in texts]


def thousands(value: float) -> str:
    """1,234 · 56.7 k · 8.9 M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= 10 * size or (value >= size and unit != "k"):
            return f"{value / size:.1f} {unit}"
    return f"{value:,.0f}"


def storage(value: float) -> str:
    """Bytes as readers see them: 512 B, 1.5 kB, 4.2 MB."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}" if value < 999.5 * size else f"{value / size:.0f} {unit}"
    return f"{value:.0f} B"


def duration(seconds: float) -> str:
    """Seconds as readers see them: 0.08 ms, 12 ms, 3.4 s, 2 min 5 s."""
    if seconds < 0.01:
        return f"{seconds * 1e3:.2f} ms"
    if seconds < 1:
        return f"{seconds * 1e3:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"


def plain(value: object) -> str:
    """A fact as readers see it: thousands apart, floats to four digits, `–` for what is not known."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
