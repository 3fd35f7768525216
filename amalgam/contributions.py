"""What each teacher contributes: the student that learned from all of them beside one that learned from the others."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from amalgam.evaluation import Line
from amalgam.metrics import Number


@dataclass(frozen=True)
class Contribution:
    """A teacher, left out.

    Attributes:
        teacher: its name.
        lost: labels that nobody else knows.
        with_it: F1 macro of the student over the labels that the others know, too.
        without: that of a student that learned from the others alone.
    """

    teacher: str
    lost: tuple[str, ...]
    with_it: Number
    without: Number

    @property
    def gain(self) -> float:
        """What the teacher adds to it."""
        return self.with_it - self.without


def contributions(whole: Line, names: Sequence[str], without: Callable[[int], Line]) -> tuple[Contribution, ...]:
    """What each of several teachers contributes, those that add most first.

    Args:
        whole: the student of all teachers, on held-out rows.
        names: the teachers.
        without: distils without one of them, by its place, and measures on the same rows.
    """
    found = []
    for place, name in enumerate(names):
        rest = without(place)
        both = [label for label in whole.labels if label in rest.labels]
        lost = tuple(label for label in whole.labels if label not in rest.labels)
        found.append(Contribution(name, lost, _f1(whole, both), _f1(rest, both)))
    return tuple(sorted(found, key=lambda one: -one.gain if not math.isnan(one.gain) else math.inf))


def _f1(line: Line, labels: Sequence[str]) -> float:
    """The mean F1 of some labels, of those that have one."""
    each = dict(zip(line.labels, line.measures.f1_per_label, strict=True))
    told = [each[label] for label in labels if not math.isnan(each[label])]
    return sum(told) / len(told) if told else math.nan
