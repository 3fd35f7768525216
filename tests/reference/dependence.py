"""How a teacher's labels depend on each other, in plain loops: a Gaussian's conditional means, instance by instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

Logits = Mapping[str, float]


class Dependence(NamedTuple):
    """How a teacher's labels vary over all instances.

    Attributes:
        mean: label → mean logit.
        square: label → mean of the squared logits.
        covariance: label, label → of their logits, shrunk by l / (N + l) unless they are the same label.
    """

    mean: dict[str, float]
    square: dict[str, float]
    covariance: dict[tuple[str, str], float]

    def varies(self, labels: Sequence[str]) -> list[str]:
        """Those labels that have not the same logit everywhere, and so tell something of the others."""
        return [label for label in labels if self.covariance[label, label] > 1e-12]


def learn(said: Sequence[Logits]) -> Dependence:
    """How the labels of a teacher depend on each other that says this of N instances, label → logit."""
    rows, labels = len(said), list(said[0])
    mean = {label: sum(one[label] for one in said) / rows for label in labels}
    square = {label: sum(one[label] ** 2 for one in said) / rows for label in labels}
    covariance = {}
    for one in labels:
        for other in labels:
            products = [(row[one] - mean[one]) * (row[other] - mean[other]) for row in said]
            kept = 1.0 if one == other else 1 - len(labels) / (rows + len(labels))
            covariance[one, other] = kept * sum(products) / rows
    return Dependence(mean, square, covariance)


def expected(dependence: Dependence, logits: Logits, label: str) -> float:
    """What the other labels of an instance make a label's logit expected to be; its own logit is not looked at."""
    others = dependence.varies([other for other in logits if other != label])
    system = [[dependence.covariance[one, other] for other in others] for one in others]
    surprise = solve(system, [logits[other] - dependence.mean[other] for other in others])
    return dependence.mean[label] + sum(
        dependence.covariance[label, o] * s for o, s in zip(others, surprise, strict=True)
    )


def told(dependence: Dependence, logits: Logits, believed: Logits, clamp: bool) -> dict[str, float]:
    """The logits of an instance of which some are believed to be otherwise.

    Clamped, the believed labels are what is believed; otherwise a belief is an observation as uncertain as its label.
    """
    labels = dependence.varies(list(believed))
    system = [[dependence.covariance[one, other] for other in labels] for one in labels]
    if not clamp:
        for place in range(len(labels)):
            system[place][place] *= 2
    surprise = solve(system, [believed[label] - logits[label] for label in labels])
    revised = {}
    for label, logit in logits.items():
        moved = sum(dependence.covariance[label, o] * s for o, s in zip(labels, surprise, strict=True))
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
