"""How far two data sets are apart, as their summaries tell: D(t, s) of P2L, §3.1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

EPSILON = 1e-6
"""What stands in place of a component of 0, which a logarithm cannot take; P2L has "an appropriate ε value"."""

Divergence = Literal["kl", "js", "chi2", "euclidean", "cityblock"]


def smoothed(summary: Tensor, epsilon: float = EPSILON) -> Tensor:
    """Summaries (..., D) as distributions: ε in place of what is not above 0, and a sum of 1."""
    positive = torch.where(summary > 0, summary, epsilon)
    return positive / positive.sum(-1, keepdim=True)


def kl(target: Tensor, source: Tensor) -> Tensor:
    """KL(t ‖ s) = Σ t log(t / s), in nats, of distributions (..., D); (...,)."""
    return (target * (target / source).log()).sum(-1)


def js(target: Tensor, source: Tensor) -> Tensor:
    """Jensen–Shannon: the mean divergence from the midpoint m, (KL(t ‖ m) + KL(s ‖ m)) / 2, in nats; (...,)."""
    middle = (target + source) / 2
    return (kl(target, middle) + kl(source, middle)) / 2


def chi2(target: Tensor, source: Tensor) -> Tensor:
    """χ²: ½ Σ (t − s)² / (t + s), of distributions (..., D); (...,)."""
    return ((target - source).square() / (target + source)).sum(-1) / 2


def euclidean(target: Tensor, source: Tensor) -> Tensor:
    """The Minkowski metric with p = 2, of summaries (..., D); (...,)."""
    return (target - source).square().sum(-1).sqrt()


def cityblock(target: Tensor, source: Tensor) -> Tensor:
    """The Minkowski metric with p = 1, of summaries (..., D); (...,)."""
    return (target - source).abs().sum(-1)


_LOGARITHMIC: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"kl": kl, "js": js, "chi2": chi2}
_METRIC: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"euclidean": euclidean, "cityblock": cityblock}


def apart(kind: Divergence, target: Tensor, source: Tensor, epsilon: float = EPSILON) -> Tensor:
    """D(t, s) of summaries (..., D) that P2L's `summary` made, (...,); distributions are smoothed first."""
    if kind in _LOGARITHMIC:
        return _LOGARITHMIC[kind](smoothed(target, epsilon), smoothed(source, epsilon))
    return _METRIC[kind](target, source)
