"""What a teacher says of the target's annotated rows, as one number: scores by which teachers are ranked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from amalgam.ranking.h_score import h_score
from amalgam.ranking.leep import leep
from amalgam.ranking.log_me import log_me
from amalgam.ranking.nce import nce
from amalgam.ranking.trans_rate import trans_rate

Score = Literal["log_me", "leep", "nce", "h_score", "trans_rate"]
SCORES: dict[Score, str] = {
    "log_me": "LogME", "leep": "LEEP", "nce": "NCE", "h_score": "H-score", "trans_rate": "TransRate"
}  # fmt: skip
"""The scores, and what they are called."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """What a teacher says of n annotated rows.

    Attributes:
        annotated: (n, L) of 0 and 1.
        one_class: whether each row has exactly one of the L labels.
        features: (n, D); None of a teacher that shows none.
        probabilities: (n, Z) of its own classes; None where its labels do not exclude each other.
    """

    annotated: Floats
    one_class: bool
    features: Floats | None
    probabilities: Floats | None

    def of(self, index: NDArray[np.int64]) -> Answers:
        """The same of some rows."""
        features = None if self.features is None else self.features[index]
        said = None if self.probabilities is None else self.probabilities[index]
        return Answers(self.annotated[index], self.one_class, features, said)


def scored(score: Score, answers: Answers) -> float | None:
    """A score of a teacher; None where it cannot be told for what the teacher does not show.

    Of rows with several labels it is the mean over the labels, each as a class of two.
    """
    if score == "log_me":
        return None if answers.features is None else log_me(answers.features, answers.annotated)
    seen = answers.features if score in ("h_score", "trans_rate") else answers.probabilities
    if seen is None:
        return None
    asked: dict[Score, Callable[[Floats, NDArray[np.int64]], float]] = {
        "leep": leep,
        "nce": lambda said, classes: nce(said.argmax(1), classes),
        "h_score": h_score,
        "trans_rate": trans_rate,
    }
    found = [asked[score](seen, classes) for classes in _classes(answers)]
    return float(np.mean(found))


def _classes(answers: Answers) -> list[NDArray[np.int64]]:
    """Each row's class, from 0, (n,); where rows have several labels, of each label whether they have it."""
    if answers.one_class:
        there = answers.annotated.any(0)  # a class without a row is none
        return [answers.annotated[:, there].argmax(1)]
    return [label.astype(np.int64) for label in answers.annotated.T]
