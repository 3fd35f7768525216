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
BY_FEATURES: frozenset[Score] = frozenset({"log_me", "h_score", "trans_rate"})
"""Those that go by a teacher's features; the others go by the probabilities of its classes."""

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
    """A score of a teacher; None where it cannot be told: the teacher does not show what it goes by, or rows are alike.

    Of rows with several labels it is the mean over the labels, each as a class of two. A label that all rows have, or
    none, says nothing of a teacher and is left out.
    """
    seen = answers.features if score in BY_FEATURES else answers.probabilities
    marks = answers.annotated[:, answers.annotated.any(0) & ~answers.annotated.all(0)]
    if seen is None or not marks.shape[1]:
        return None
    if score == "log_me":
        return log_me(seen, marks)
    asked: dict[Score, Callable[[Floats, NDArray[np.int64]], float]] = {
        "leep": leep,
        "nce": lambda said, classes: nce(said.argmax(1), classes),
        "h_score": h_score,
        "trans_rate": trans_rate,
    }
    classes = [marks.argmax(1)] if answers.one_class else [label.astype(np.int64) for label in marks.T]
    return float(np.mean([asked[score](seen, one) for one in classes]))
