"""The label space: the union of the teachers' labels by name, who knows what, and in which column.

Labels meet by name alone. A published table of this field was spoilt by columns matched by position, so a label that is
only a position is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from amalgam.classes import Spans
from amalgam.errors import RequestError, listed, nearest

Tasks = Mapping[str, Sequence[str]]
"""Task → its classes, of which a row has one. A label that is no task's class is a task by itself, yes or no."""

_WRITTEN_WHOLE = re.compile(r"[+-]?\d+\.0*|[+-]?\d+(?:\.\d*)?[eE][+-]?\d+")
_NO_CLASS = {"", "?", "nan"}

ONE = "class"
"""What the task is called whose classes are all labels of a teacher (`exclusive`), when nobody names it."""


@dataclass(frozen=True)
class LabelSpace:
    """L labels and what each of K teachers knows of them.

    Attributes:
        names: the L labels, the student's columns.
        columns: K tuples; `columns[k][j]` is the column of teacher k's label j.
        tasks: the tasks of several classes that some teacher has; the classes of a task stand side by side.
    """

    names: tuple[str, ...]
    columns: tuple[tuple[int, ...], ...]
    tasks: Tasks = field(default_factory=dict)

    @property
    def known(self) -> Tensor:
        """(K, L) bool: which labels each teacher knows."""
        known = torch.zeros(len(self.columns), len(self.names), dtype=torch.bool)
        for teacher, columns in enumerate(self.columns):
            known[teacher, list(columns)] = True
        return known

    def overlap(self) -> Tensor:
        """(K, K) long: how many labels each pair of teachers shares; the diagonal counts a teacher's own."""
        known = self.known.long()
        return known @ known.T

    def spread(self, teacher: int, scores: Tensor) -> Tensor:
        """A teacher's scores (B, l) in the columns of the space, (B, L), NaN elsewhere."""
        spread = scores.new_full((len(scores), len(self.names)), torch.nan)
        spread[:, list(self.columns[teacher])] = scores
        return spread

    def own(self, teacher: int, spread: Tensor) -> Tensor:
        """The columns (..., l) of a teacher's own labels, in its own order."""
        return spread[..., list(self.columns[teacher])]


def canonical(labels: Iterable[object], aliases: Mapping[str, Sequence[str]], owner: str) -> tuple[str, ...]:
    """An owner's labels under their common names.

    Args:
        labels: as the owner calls them.
        aliases: common name → other names of it.
        owner: who has the labels, for messages ("teacher 'a'").

    Raises:
        RequestError: labels that are missing, positions instead of names, empty, or twice the same.
    """
    if isinstance(labels, str):
        raise RequestError(f"{owner} gives its labels as one text, {labels!r}; list one name an output")
    labels = tuple(labels)  # an array has no truth value
    if not labels:
        raise RequestError(f"{owner} names no labels; labels are matched by name, so list one name an output")
    if any(not isinstance(label, str) for label in labels):
        raise RequestError(
            f"{owner} numbers its labels ({listed(labels)}); labels are matched by name, never by position: "
            "list their names, and quote a name that is a number"
        )
    common = {other: name for name, others in aliases.items() for other in others}
    names = tuple(common.get(str(label), str(label)) for label in labels)
    if any(not name.strip() for name in names):
        raise RequestError(f"{owner} has a label with an empty name; name every output")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RequestError(f"{owner} has the label {listed(twice)} twice; every output needs a name of its own")
    return names


def class_name(text: str) -> str:
    """The name of a class that a file or an estimator writes so: `1.0000e+00` is `1`, a mark of no class is ""."""
    text = text.strip()
    if text.casefold() in _NO_CLASS:
        return ""
    if _WRITTEN_WHOLE.fullmatch(text) and abs(float(text)) < 2**53 and float(text).is_integer():
        return str(int(float(text)))
    return text


def class_label(task: str, name: str) -> str:
    """The label of a class of a task, where data or an estimator name both: `wall: red`."""
    return f"{task}: {name}"


def class_of(label: str) -> str:
    """The class in what `class_label` made; a label of another form as it is."""
    _, colon, name = label.partition(": ")
    return name if colon else label


def tasks_of(owner: Any) -> Tasks:
    """The tasks of several classes that a teacher or student has: its `tasks`, or one of all if it is `exclusive`."""
    told: Tasks | None = getattr(owner, "tasks", None)
    if told:
        return told
    return {ONE: tuple(owner.labels)} if getattr(owner, "exclusive", False) else {}


def asked_tasks(
    owner: Any, tasks: Tasks | None, exclusive: bool | None, labels: Sequence[str], what: str
) -> dict[str, tuple[str, ...]]:
    """The tasks of an owner's labels, checked: what is told of it, else what it says itself.

    Args:
        owner: a module or an object, which may have `tasks` or `exclusive`.
        tasks: task → classes; None where nothing is told.
        exclusive: whether all labels exclude each other; None where nothing is told.
        labels: its labels, in order.
        what: the owner, for messages ("teacher 'a'").
    """
    if tasks is None and exclusive is None:
        tasks = getattr(owner, "tasks", None)
        exclusive = not tasks and bool(getattr(owner, "exclusive", False))
    return told_tasks(tasks, bool(exclusive), labels, what)


def spans_of(tasks: Tasks, labels: Sequence[str]) -> Spans:
    """Where among labels the classes of each task stand.

    Raises:
        RequestError: a class that is none of the labels, or a task's that do not stand side by side.
    """
    place, found = {label: column for column, label in enumerate(labels)}, list[tuple[int, int]]()
    for task, classes in tasks.items():
        missing = [label for label in classes if label not in place]
        if missing:
            raise RequestError(f"task {task!r} has the class {listed(missing)}, which is no label ({listed(labels)})")
        columns = sorted(place[label] for label in classes)
        if columns != list(range(columns[0], columns[0] + len(columns))):
            raise RequestError(
                f"the classes of task {task!r} do not stand side by side among the labels {listed(labels)}; list each "
                "class once, and the labels so that those of a task follow each other"
            )
        found.append((columns[0], columns[-1] + 1))
    return tuple(sorted(found))


def told_tasks(tasks: Tasks | None, exclusive: bool, labels: Sequence[str], owner: str) -> dict[str, tuple[str, ...]]:
    """What an owner says of the tasks of its labels, checked.

    Args:
        tasks: task → classes; None or none where it says only `exclusive`.
        exclusive: whether all labels exclude each other.
        labels: its labels, in order.
        owner: who has them, for messages ("teacher 'a'").

    Raises:
        RequestError: both of them, a task of one class, a class of two tasks, or what `spans_of` refuses.
    """
    if not tasks:
        return {ONE: tuple(labels)} if exclusive else {}
    if not isinstance(tasks, Mapping) or any(
        isinstance(own, str) or not isinstance(own, Iterable) for own in tasks.values()
    ):
        raise RequestError(f"{owner}: its tasks are {tasks!r}, expected each task's name with the list of its classes")
    if exclusive:
        raise RequestError(
            f"{owner} says `exclusive` and names tasks; leave `exclusive` out, which means one task of all labels"
        )
    found = {str(task): tuple(map(str, classes)) for task, classes in tasks.items()}
    every = [label for classes in found.values() for label in classes]
    for task, classes in found.items():
        if len(set(classes)) < 2:
            raise RequestError(
                f"{owner}: task {task!r} has only the class {listed(classes)}; a task has at least two, and a label "
                "that is yes or no needs none"
            )
        shared = sorted({label for label in classes if every.count(label) > 1})
        if shared:
            raise RequestError(f"{owner}: {listed(shared)} is a class of task {task!r} and listed once more")
    try:
        spans_of(found, labels)
    except RequestError as error:
        raise RequestError(f"{owner}: {error}") from None
    return found


def unite(
    teachers: Mapping[str, Sequence[object]],
    aliases: Mapping[str, Sequence[str]] | None = None,
    names: Sequence[str] | None = None,
    tasks: Mapping[str, Tasks] | None = None,
) -> LabelSpace:
    """The label space of some teachers: by name, in alphabetical order, so that the teachers' order does not matter.

    Tasks meet by name, too: the classes that several teachers list under a name are those of one task. They stand side
    by side, where the first of them would.

    Args:
        teachers: teacher name → its labels.
        aliases: common name → other names of it.
        names: the student's labels, when they are not simply the union; every teacher label must be among them.
        tasks: teacher name → its tasks, in its own names of labels.

    Raises:
        RequestError: a label that is no name, one that `names` leaves out, a class of two tasks, a task that is called
            as a label is, or an alias of a task.
    """
    own = {who: canonical(labels, aliases or {}, f"teacher {who!r}") for who, labels in teachers.items()}
    joined = _joined(teachers, own, tasks or {})
    _refuse_one_name(own, joined, aliases or {}, {label for labels in teachers.values() for label in labels})
    union = sorted({name for labels in own.values() for name in labels})
    order = tuple(names) if names is not None else tuple(union)
    for who, labels in own.items():
        missing = [label for label in labels if label not in order]
        if missing:
            raise RequestError(
                f"teacher {who!r} knows {listed(missing)}, which the recipe's labels ({listed(order)}) leave out; "
                "add the label, or an alias for it under labels.aliases"
            )
    unknown = [name for name in order if name not in union]
    if unknown:
        raise RequestError(f"no teacher knows {listed(unknown)}; the teachers know {listed(union)}")
    order = _side_by_side(order, joined)
    place = {name: column for column, name in enumerate(order)}
    listed_so = {task: tuple(sorted(classes, key=place.__getitem__)) for task, classes in joined.items()}
    return LabelSpace(order, tuple(tuple(place[label] for label in labels) for labels in own.values()), listed_so)


def placed(
    teachers: Mapping[str, Sequence[object]], names: Sequence[str], aliases: Mapping[str, Sequence[str]], of: str
) -> LabelSpace:
    """The label space whose names a strategy says: teachers know some of them, or there are none.

    Args:
        teachers: teacher name → its labels.
        names: the L labels.
        aliases: common name → other names of it.
        of: whose the names are, for messages ("the label graph pets").

    Raises:
        RequestError: a label that is no name, or none of these names.
    """
    place, columns = {name: column for column, name in enumerate(names)}, list[tuple[int, ...]]()
    for who, labels in teachers.items():
        own = canonical(labels, aliases, f"teacher {who!r}")
        for label in own:
            if label not in place:
                raise RequestError(
                    f"teacher {who!r} knows {label!r}, which is not in {of}; add it there below what it is a kind of, "
                    f"or say under labels.aliases what it is called there{nearest(label, list(names))}"
                )
        columns.append(tuple(place[label] for label in own))
    return LabelSpace(tuple(names), tuple(columns), {})


def _joined(
    teachers: Mapping[str, Sequence[object]], own: Mapping[str, tuple[str, ...]], tasks: Mapping[str, Tasks]
) -> dict[str, set[str]]:
    """Task → the common names of its classes, of all teachers that have it; RequestError for a class of two tasks."""
    joined, whose = dict[str, set[str]](), dict[str, tuple[str, str]]()
    for who, told in tasks.items():
        common = dict(zip(map(str, teachers[who]), own[who], strict=True))
        for task, classes in told.items():
            for label in (common[label] for label in classes):
                other, at = whose.setdefault(label, (task, who))
                if other != task:
                    raise RequestError(
                        f"{label!r} is a class of task {task!r} for teacher {who!r} and of {other!r} for teacher "
                        f"{at!r}; tasks meet by name: name it alike under `tasks:` in both cards, or rename the label "
                        f"of one ({ONE!r} is the task of a teacher that says `exclusive`)"
                    )
                joined.setdefault(task, set()).add(label)
    return joined


def _refuse_one_name(
    own: Mapping[str, tuple[str, ...]],
    joined: Mapping[str, set[str]],
    aliases: Mapping[str, Sequence[str]],
    raw: set[object],
) -> None:
    """RequestError for a task and a label of one name, and for an alias of a task: `raw` are all labels' own names."""
    for task, classes in joined.items():
        both = next((who for who, labels in own.items() if task in labels and task not in classes), None)
        if both is not None:
            raise RequestError(
                f"{task!r} is a label that is yes or no for teacher {both!r}, and also the task of the classes "
                f"{listed(sorted(classes))}; rename the label under labels.aliases, as in "
                f"{f'has {task}'!r}: {[task]}, or choose teachers that mean the same by it"
            )
        alias = next((name for name, others in aliases.items() if task in others and task not in raw), None)
        if alias is not None:
            raise RequestError(
                f"labels.aliases calls {task!r} {alias!r}, but that is a task, and tasks meet by their classes: give "
                f"each class its alias, as in {class_label(alias, '…')!r}: {[class_label(task, '…')]}"
            )


def _side_by_side(names: tuple[str, ...], tasks: Mapping[str, set[str]]) -> tuple[str, ...]:
    """Names in their order, but the classes of a task follow its first."""
    place = {name: column for column, name in enumerate(names)}
    first = dict(place)
    for classes in tasks.values():
        first |= dict.fromkeys(classes, min(place[label] for label in classes))
    return tuple(sorted(names, key=first.__getitem__))


def lookalikes(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Names that differ only in case, spaces or punctuation: probably one label; kept apart until an alias says so."""
    spelt: dict[str, list[str]] = {}
    for name in names:
        spelt.setdefault(re.sub(r"[\W_]+", "", name).casefold(), []).append(name)
    return [tuple(same) for key, same in spelt.items() if key and len(same) > 1]
