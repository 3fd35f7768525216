"""What a way to transfer is: how the student begins, and what it learns beside the target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from amalgam.strategy import Paper
from amalgam.transfer.policy import Mode, Policy
from amalgam.transfer.reward import Measure
from amalgam.transfer.source import Source

Ask = Callable[[Source], Tensor]
"""Trains a student of a source as the run's is trained, and asks it about the target's labelled rows: P(y) (N, C)."""


@dataclass(frozen=True)
class Transfer:
    """A way to transfer, as it is: a frozen dataclass whose fields are the paper's hyperparameters.

    Attributes:
        paper: where it comes from.
        pretraining: epochs that a network of the source is trained, from whose weights the student begins; 0 begins
            without.
    """

    paper: ClassVar[Paper | None] = None

    pretraining: NonNegativeInt = 30

    def begins_with(self, source: Source, ask: Ask, seed: int) -> Source:
        """The source that the student's beginning is learned from; by default all of it as it is."""
        return source


@dataclass(frozen=True)
class Beside(Transfer):
    """A way whose student learns rows of the source in every step, beside those of the target.

    Attributes:
        actions: n, the weights that a class can have, from 0 to 1.
        scales: n′, the values that α can have.
        beta: β, the largest of them.
        gamma: γ, how much a reward counts in the moving average that it is held against.
        policy_rate: Adam's rate of the policy.
        source_batch: B_S, rows of the source in a step.
        multiple: M_S, how many times as many candidates these are chosen from.
        reward: the measure of the target's validation part: `accuracy`, `auc` (the mean over labels) or `likelihood`,
            the mean log-likelihood, which tells more of a few rows (chosen; the paper's are the other two).
        reward_batch: B_P, rows that are asked about in a step.
        validation: share of the target's labelled rows that the reward is told by, and that the student does not learn.
        again: whether the student is then trained anew on all labelled rows, by the policy as it was learned (§5).
    """

    mode: ClassVar[Mode] = "learned"

    actions: Annotated[int, Field(ge=2)] = 11
    scales: Annotated[int, Field(ge=2)] = 100
    beta: PositiveFloat = 0.5
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.05
    policy_rate: PositiveFloat = 1e-4
    source_batch: PositiveInt = 256
    multiple: PositiveInt = 5
    reward: Measure = "accuracy"
    reward_batch: PositiveInt = 1024
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.2
    again: bool = True

    def policy(self, classes: int) -> Policy:
        """A policy that knows nothing yet."""
        return Policy(classes, self.actions, self.scales, self.beta, self.gamma, self.policy_rate, self.mode)
