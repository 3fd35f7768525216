"""How a teacher usually answers, in plain loops, instance by instance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.reference import sigmoid

Logits = Mapping[str, float]


class Habit(NamedTuple):
    """What a teacher usually says of a label.

    Attributes:
        threshold: label → the logit above which it affirms.
        denied: label → how far its logits usually lie from the threshold where it denies.
        affirmed: label → the same, where it affirms.
    """

    threshold: dict[str, float]
    denied: dict[str, float]
    affirmed: dict[str, float]


def learn(said: Sequence[Logits], prevalence: float) -> Habit:
    """The habit of a teacher that says this of N instances, label → logit."""
    habit = Habit({}, {}, {})
    for label in said[0]:
        logits = [one[label] for one in said]
        threshold = prevalence * expected_threshold(logits)
        habit.threshold[label] = threshold
        habit.denied[label] = usual([threshold - logit for logit in logits if logit <= threshold])
        habit.affirmed[label] = usual([logit - threshold for logit in logits if logit > threshold])
    return habit


def usual(distances: Sequence[float]) -> float:
    """The mean distance, as if 1 had been seen once more."""
    return sum([*distances, 1.0]) / (len(distances) + 1)


def expected_threshold(logits: Sequence[float]) -> float:
    """That of -16, -16 + 1/32, …, 16 above which lie as many logits as their probabilities add up to, or nearly.

    Of several that miss it by equally little, the one nearest 0, and of two as near the negative one.
    """
    expected = math.fsum(sigmoid(logit) for logit in logits)
    candidates = [-16 + step / 32 for step in range(32 * 32 + 1)]
    missed = [abs(len([logit for logit in logits if logit > candidate]) - expected) for candidate in candidates]
    return min((candidate for candidate, miss in zip(candidates, missed, strict=True) if miss <= min(missed)), key=abs)
