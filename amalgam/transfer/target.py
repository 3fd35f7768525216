"""The target: its labelled rows, those that are learned and those that the reward is told by."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from amalgam.classes import Spans, as_targets
from amalgam.datasets.few import drawn
from amalgam.errors import RequestError
from amalgam.labels import ONE, Tasks, spans_of
from amalgam.signals import ProbabilityTargets, Rows


@dataclass(frozen=True)
class Target:
    """What is to be learned.

    Attributes:
        rows: the labelled rows, annotated in full.
        tasks: one task of all labels, where each row has one; else none.
    """

    rows: Rows
    tasks: Tasks

    @property
    def spans(self) -> Spans:
        """Where the classes of the task stand."""
        return spans_of(self.tasks, self.rows.labels)

    @property
    def truth(self) -> ProbabilityTargets:
        """Their annotations as targets."""
        return ProbabilityTargets(*as_targets(self.rows.annotated), spans=self.spans)

    def take(self, index: Tensor) -> Target:
        """Some of the rows."""
        return replace(self, rows=self.rows.take(index))


def target_of(rows: Rows) -> Target:
    """The labelled rows of the target, and whether each has one class.

    Raises:
        RequestError: nothing is annotated, or only one class is there.
    """
    told = torch.empty(0, dtype=torch.long)
    if rows.annotated is not None:
        told = (~rows.annotated.isnan()).all(1).nonzero()[:, 0]
    if not len(told):
        raise RequestError(
            f"the target {rows.name} has no rows that are annotated in full; name its label columns in data.options"
        )
    own = rows.take(told)
    assert own.annotated is not None
    one = len(own.labels) > 1 and bool((own.annotated.sum(1) == 1).all())
    if bool((own.annotated == own.annotated[0]).all()):
        raise RequestError(
            f"the {len(own)} labelled rows of the target {rows.name} are all of one class; show some of others"
        )
    return Target(own, {ONE: own.labels} if one else {})


def divided(target: Target, share: float, seed: int) -> tuple[Target, Target]:
    """The target's rows to learn from, and those that the reward is told by; every class keeps one to learn from.

    Raises:
        RequestError: nothing is left for the reward.
    """
    assert target.rows.annotated is not None
    positive = target.rows.annotated == 1
    positive = torch.cat([positive, ~positive.any(1, keepdim=True)], 1)  # rows without a label are a class, too
    wanted = [min(max(round(share * many), 1), many - 1) for many in positive.sum(0).tolist()]
    held = drawn(positive, wanted, seed)
    learned = torch.ones(len(positive), dtype=torch.bool).index_fill(0, held, False)
    for own in positive.T:
        if bool(own.any()) and not bool((own & learned).any()):  # its rows were held for other labels that they have
            learned[held[own[held]][0]] = True
    if bool(learned.all()):
        raise RequestError(
            f"the {len(target.rows)} labelled rows of the target leave none to tell the reward by: every class "
            "needs one to learn from; show more (data.shots, data.labelled), or choose fine_tuning"
        )
    return target.take(learned.nonzero()[:, 0]), target.take((~learned).nonzero()[:, 0])
