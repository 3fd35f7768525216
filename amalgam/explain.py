"""`amalgam explain`: how a row's surrogate target came about, beside what the student says."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from amalgam.classes import among, by_task
from amalgam.panel import Panel
from amalgam.results import Entry
from amalgam.sheets import Row, Sheet, Sheets
from amalgam.signals import ProbabilityTargets, Targets, Votes
from amalgam.strategy import Account


@dataclass(frozen=True)
class Explanation:
    """What led to the target of a row.

    Attributes:
        row: its number in the data.
        part: whose it is: the student's, or the test's.
        panel: the teachers.
        votes: on this row alone.
        account: what the strategy made of them on the way.
        targets: of this row alone.
        student: the student's probabilities, (L,).
        annotated: (L,) of 0, 1 and NaN; None where nothing is known.
    """

    row: int
    part: str
    panel: Panel
    votes: Votes
    account: Account
    targets: Targets
    student: Tensor
    annotated: Tensor | None


def sheets(found: Explanation) -> Sheets:
    """An explanation for a terminal: a line a label, a column a teacher, then what the strategy made of them."""
    space, names = found.panel.space, [seat.name for seat in found.panel.seats]
    columns = [(name, _probabilities(found, k)) for k, name in enumerate(names)]
    columns += [(name, one[0]) for name, one in found.account.labels.items()]
    if isinstance(found.targets, ProbabilityTargets):
        learned = found.targets.weights[0] > 0
        columns.append(("target", torch.where(learned, found.targets.probabilities[0], torch.nan)))
    columns.append(("student", found.student))
    if found.annotated is not None:
        columns.append(("annotated", found.annotated))
    rest = [Entry("")] * (len(columns) - len(names))
    whom: list[Row] = [
        (name, [*map(Entry, map(_shown, one[0])), *rest]) for name, one in found.account.teachers.items()
    ]
    labels: list[Row] = [
        (label, [Entry(_shown(one[place]), bool(one[place] > 0.5)) for _, one in columns])
        for place, label in enumerate(space.names)
    ]
    title = (
        f"row {found.row} of {found.part}: probabilities; – is a label that a teacher does not know, or a target that "
        "is not learned"
    )
    headings = ("label", *(name for name, _ in columns))
    return Sheets("", (), (Sheet(title, headings, tuple(block for block in (whom, labels) if block)),), (), (), {})


def _probabilities(found: Explanation, teacher: int) -> Tensor:
    """What a teacher says, (L,), NaN of labels that it does not know."""
    said = by_task(found.votes.scores[teacher, 0], found.votes.spans[teacher], among, torch.sigmoid)
    return torch.where(found.votes.known[teacher], said, torch.nan)


def _shown(value: Tensor) -> str:
    return "–" if bool(value.isnan()) else f"{float(value):.3f}"
