"""Three teachers of a task with classes, `colour`, and of two that are yes or no; what they say, in Python's floats.

No teacher knows all colours, and `dotted` stands between them in the alphabet.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from amalgam.panel import Panel, Seat, seat
from amalgam.signals import TensorRows
from tests.strategies.featured import WIDTH, Featured, ballots_of

__all__ = ["COLOURS", "NAMES", "SPANS", "TASKS", "ballots_of", "consensus", "logits", "panel_of", "rows_of"]

COLOURS = ("blue", "green", "red")
NAMES = (*COLOURS, "dotted", "round")
TASKS = {"colour": COLOURS}
SPANS = ((0, 3),)
OWN = {"one": ("dotted", "red", "green"), "two": ("blue", "red"), "three": ("dotted", "round")}


class Tasked(Featured):
    """A teacher whose colours are classes of one task."""

    def __init__(self, labels: tuple[str, ...], features: int, seed: int) -> None:
        super().__init__(labels, features, seed)
        own = tuple(label for label in labels if label in COLOURS)
        self.tasks = {"colour": own} if own else {}


def panel_of() -> Panel:
    return seat([Seat(name, Tasked(own, 3 + number, number)) for number, (name, own) in enumerate(OWN.items())])


def rows_of(number: int = 24, annotated: bool = False) -> TensorRows:
    """Rows; annotated, each has one colour, or none known in every fifth, and the others by chance."""
    chance = torch.Generator().manual_seed(5)
    values = torch.randn(number, WIDTH, generator=chance) * 3 + 1
    if not annotated:
        return TensorRows(values=values)
    colour = torch.eye(3)[torch.randint(0, 3, (number,), generator=chance)]
    colour[::5] = torch.nan
    rest = torch.randint(0, 2, (number, 2), generator=chance).float()
    return TensorRows(values=values, annotated=torch.cat([colour, rest], 1), labels=NAMES)


def logits(panel: Panel, inputs: Tensor) -> list[dict[str, float]]:
    """Label → logit, of each teacher, of one row."""
    return [
        dict(zip(one.teacher.labels, one.teacher.score(inputs[None])[0].tolist(), strict=True)) for one in panel.seats
    ]


def mean_of(said: list[dict[str, float]], label: str) -> float:
    """The mean logit of those that know a label."""
    known = [one[label] for one in said if label in one]
    return sum(known) / len(known)


def softmax(logits: dict[str, float]) -> dict[str, float]:
    powers = {label: math.exp(one) for label, one in logits.items()}
    return {label: one / sum(powers.values()) for label, one in powers.items()}


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def consensus(said: list[dict[str, float]], temperature: float = 1.0) -> dict[str, float]:
    """Label → probability: a softmax of the colours' mean logits, else a sigmoid of one, at a temperature.

    A teacher's logits of colours are taken from their mean: a constant more for all of them says nothing.
    """
    apart = []
    for one in said:
        own = [one[label] for label in COLOURS if label in one]
        apart.append({label: one[label] - sum(own) / len(own) for label in COLOURS if label in one})
    colours = softmax({label: mean_of(apart, label) / temperature for label in COLOURS})
    rest = {label: sigmoid(mean_of(said, label) / temperature) for label in NAMES[3:]}
    return {**colours, **rest}
