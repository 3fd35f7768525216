"""What the tests of rankings share: small data sets, teachers, and the message of what is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from amalgam.errors import RequestError
from amalgam.panel import Seat
from amalgam.ranking.entries import Candidate
from amalgam.signals import TensorRows


def rows_of(values: Any, name: str = "target", classes: Any = None, labels: Sequence[str] = ()) -> TensorRows:
    """Rows in memory, which need not be right; annotated with one class each where these are given."""
    tensor = torch.as_tensor(np.asarray(values), dtype=torch.float32)
    if classes is None:
        return TensorRows(values=tensor, name=name)
    known = tuple(labels) or tuple(f"c{one}" for one in range(int(max(classes)) + 1))
    annotated = torch.eye(len(known))[torch.as_tensor(np.asarray(classes), dtype=torch.long)]
    return TensorRows(values=tensor, name=name, labels=known, annotated=annotated)


def table(rows: int, mean: float = 0.0, seed: int = 0, columns: int = 4, name: str = "target") -> TensorRows:
    """A table of normal columns."""
    return rows_of(np.random.default_rng(seed).normal(mean, 1.0, (rows, columns)), name)


def sources(**given: TensorRows) -> list[Candidate]:
    return [Candidate(name, rows) for name, rows in given.items()]


class Looks:
    """A teacher that shows features and classes: the inputs, turned and noisy as its `blur` says."""

    def __init__(self, blur: float, labels: Sequence[str] = ("a", "b", "c"), seed: int = 0) -> None:
        self.labels, self.blur, self.seed = tuple(labels), blur, seed
        self.exclusive, self.fingerprint = True, f"looks-{blur}-{seed}"

    def _seen(self, inputs: torch.Tensor) -> torch.Tensor:
        noise = torch.sin(
            inputs @ torch.full((inputs.shape[1], inputs.shape[1]), 977.0) + torch.arange(inputs.shape[1])
        )
        return inputs + self.blur * noise

    def score(self, inputs: torch.Tensor) -> torch.Tensor:
        return 3 * self._seen(inputs)[:, : len(self.labels)]

    def score_and_features(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.score(inputs), self._seen(inputs)


class Votes:
    """A teacher of labels that do not exclude each other, which shows no features."""

    labels, fingerprint = ("x", "y"), "votes"

    def score(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs[:, :2]


def seated(name: str, teacher: Any, rows: TensorRows | None = None) -> Candidate:
    return Candidate(name, rows, Seat(name, teacher, teacher.fingerprint))


def refused(work: Callable[[], object]) -> str:
    """The message of a request that is refused."""
    with pytest.raises(RequestError) as raised:
        work()
    return str(raised.value)
