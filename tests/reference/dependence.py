"""How a teacher's labels depend on each other, in plain loops: conditional means of a Gaussian, one instance at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Habit = Sequence[Mapping[str, float]]
"""What a teacher says of all instances: label → logit, instance by instance."""


def mean(habit: Habit, label: str) -> float:
    """The mean logit of a label."""
    return sum(one[label] for one in habit) / len(habit)


def covariance(habit: Habit, one: str, other: str) -> float:
    """Of the logits of two labels, shrunk by l / (N + l) unless they are the same label."""
    centres = mean(habit, one), mean(habit, other)
    products = [(row[one] - centres[0]) * (row[other] - centres[1]) for row in habit]
    labels, rows = len(habit[0]), len(habit)
    shrunk = 1.0 if one == other else 1 - labels / (rows + labels)
    return shrunk * sum(products) / rows


def expected(habit: Habit, logits: Mapping[str, float], label: str) -> float:
    """What the other labels of an instance make a label's logit expected to be; its own logit is not looked at."""
    others = [other for other in logits if other != label and covariance(habit, other, other) > 0]
    system = [[covariance(habit, one, other) for other in others] for one in others]
    surprise = solve(system, [logits[other] - mean(habit, other) for other in others])
    moved = sum(covariance(habit, label, other) * s for other, s in zip(others, surprise, strict=True))
    return mean(habit, label) + moved


def told(habit: Habit, logits: Mapping[str, float], believed: Mapping[str, float], clamp: bool) -> dict[str, float]:
    """The logits of an instance when some are believed to be otherwise.

    Clamped, the believed labels are what is believed; otherwise a belief is an observation as uncertain as its label.
    A label that never varies tells nothing of the others.
    """
    labels = [label for label in believed if covariance(habit, label, label) > 0]
    system = [[covariance(habit, one, other) for other in labels] for one in labels]
    if not clamp:
        for place in range(len(labels)):
            system[place][place] *= 2
    surprise = solve(system, [believed[label] - logits[label] for label in labels])
    revised = {}
    for label, logit in logits.items():
        moved = sum(covariance(habit, label, other) * s for other, s in zip(labels, surprise, strict=True))
        revised[label] = believed[label] if clamp and label in believed else logit + moved
    return revised


def solve(system: list[list[float]], right: list[float]) -> list[float]:
    """The solution of a linear system, by elimination with pivots."""
    rows = [[*row, value] for row, value in zip(system, right, strict=True)]
    size = len(rows)
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(rows[row][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        for row in range(size):
            if row != column:
                factor = rows[row][column] / rows[column][column]
                rows[row] = [a - factor * b for a, b in zip(rows[row], rows[column], strict=True)]
    return [rows[place][size] / rows[place][place] for place in range(size)]
