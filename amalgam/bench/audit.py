"""The audit: how a method's targets hold against a truth that no method sees, for the report of a table."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from amalgam.classes import by_task, one_hot
from amalgam.panel import Ballots, Panel
from amalgam.signals import ProbabilityTargets, Rows, Targets
from amalgam.strategies.ant import ANT
from amalgam.strategy import Strategy

_CHUNK = 4096


def audit(
    strategy: Strategy[Any], panel: Panel, rows: Rows, ballots: Ballots, targets: Targets, truth: Tensor
) -> dict[str, float]:
    """What is right in targets (N, L), and in an ANT's transfers.

    Args:
        strategy: whose targets they are.
        panel: the teachers.
        rows: N rows.
        ballots: the votes on them.
        targets: the targets.
        truth: (N, L) of 0, 1 and NaN.

    Returns:
        Shares, NaN where there was nothing to judge: `targets wrong` of the row-label pairs that a student learns,
        which those of weight 0 are not; of ANT also `transfers right` among the labels that were told, `changed labels
        right` among the others that a told teacher changed.
    """
    if not isinstance(targets, ProbabilityTargets):
        return {}
    whole = torch.as_tensor(targets.probabilities[: len(truth)])
    counting = torch.as_tensor(targets.weights[: len(truth)]) > 0
    said = by_task(whole, targets.spans, one_hot, lambda some: some > 0.5)
    judged = {"targets wrong": _share((said != (truth > 0.5))[~truth.isnan() & counting])}
    if not isinstance(strategy, ANT):
        return judged
    told, changed = list[Tensor](), list[Tensor]()
    state = strategy.prepare(panel, rows, ballots, _nothing)
    for where, votes in ballots.chunks(_CHUNK):
        exchange = strategy.exchange(panel, rows.take(torch.arange(where.start, where.stop)), votes, state)
        right = (exchange.scores > 0) == (truth[where] > 0.5)
        known = ~truth[where].isnan()
        believed = (exchange.believed > 0) == (truth[where] > 0.5)
        told.append(believed[exchange.received & known])
        changed.append(right[exchange.changed & known])
    return judged | {"transfers right": _share(torch.cat(told)), "changed labels right": _share(torch.cat(changed))}


def _share(right: Tensor) -> float:
    return float(right.double().mean())


def _nothing(*_: object, **__: object) -> Any:
    raise AssertionError("ANT trains no network")
