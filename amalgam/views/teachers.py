"""Teachers: list, show, train, check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from amalgam import shelf
from amalgam.errors import RequestError, WorkError
from amalgam.progress import shown
from amalgam.teacher import Card, read_card
from amalgam.views.console import columns, console, options

if TYPE_CHECKING:
    from amalgam.labels import Tasks


def list_teachers() -> None:
    """`amalgam teachers list`."""
    table = columns("teacher", "adapter", "labels", "what it is")
    for name in shelf.names("teachers"):
        card = read_card(shelf.shelf("teachers") / f"{name}.yaml")
        table.add_row(*map(Text, (name, card.adapter, ", ".join(map(str, card.labels)), card.description)))
    console().print(table)


def show_teachers(specs: Sequence[str], trust: bool) -> None:
    """`amalgam teachers show`: the cards, who knows which label, and how many each pair shares."""
    from amalgam.labels import unite
    from amalgam.registry import find_card

    to = console()
    labels: dict[str, Sequence[object]] = {}
    tasks: dict[str, Tasks] = {}
    for spec in specs:
        card, _ = find_card(spec)
        labels[card.name], tasks[card.name] = _known(spec, card, trust)
        told = " · ".join(filter(None, (card.adapter, card.license, card.description)))
        to.print(Text(card.name, style="bold"), Text(told))
        for task, classes in tasks[card.name].items():
            to.print(Text(f"  task {task}: {', '.join(classes)}"))
    space = unite(labels, tasks=tasks)
    known = columns("label", *labels)
    for column, label in enumerate(space.names):
        known.add_row(Text(label), *("✓" if row[column] else "·" for row in space.known.tolist()))
    to.print(known)
    if len(labels) > 1:
        overlap = columns("labels in common", *labels)
        for name, row in zip(labels, space.overlap().tolist(), strict=True):
            overlap.add_row(Text(name), *map(str, row))
        to.print()
        to.print(overlap)


def _known(spec: str, card: Card, trust: bool) -> tuple[Sequence[object], Tasks]:
    """The labels and tasks of a teacher; it is loaded where its file alone tells them, as an estimator's does."""
    from amalgam.labels import tasks_of, told_tasks

    if card.labels and card.adapter != "sklearn":
        return card.labels, told_tasks(card.tasks, card.exclusive, [*map(str, card.labels)], f"teacher {card.name!r}")
    from accelerate import Accelerator

    from amalgam.registry import load

    teacher = load(spec, Accelerator(), trust=trust).teacher
    return teacher.labels, tasks_of(teacher)


def train_teachers(specs: Sequence[str]) -> None:
    """`amalgam teachers train`."""
    from accelerate import Accelerator

    from amalgam.registry import find_card
    from amalgam.schooling import school

    to = console()
    for spec in specs:
        card, _ = find_card(spec)
        if card.schooling is None:
            raise RequestError(
                f"teacher {spec!r} is no built-in one: its card has no `schooling`, so nothing is trained"
            )
        with shown() as progress:
            folder = school(card, Accelerator(), progress)
        to.print(Text(f"{card.name} lies in {folder}"))


def check_teacher(spec: str, data: str, labels: str | None, given: Sequence[str], series: bool, trust: bool) -> None:
    """`amalgam teachers check`; leaves with exit code 1 when the teacher breaks a promise."""
    from accelerate import Accelerator

    from amalgam import contract, datasets, registry

    rows = datasets.load(data, options(labels, series, given)).rows
    with shown() as progress:
        seat = registry.load(spec, Accelerator(), trust=trust, progress=progress)
    findings = contract.check(seat.teacher, seat.name, rows)
    to = console()
    for finding in findings:
        mark = Text("✓ ", style="green") if finding.ok else Text("✗ ", style="red")
        to.print(mark + Text(f"{finding.rule}: {finding.says}"))
    broken = list(dict.fromkeys(finding.rule for finding in findings if not finding.ok))
    if broken:
        raise WorkError(f"teacher {seat.name!r} breaks its contract: {', '.join(broken)}")
