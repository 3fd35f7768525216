"""How far a teacher's answers for a row go beyond what its answers for all other rows lead one to expect.

Rows are alike by random Fourier features of their scaled inputs, whose products are a Gaussian kernel of the distance
(Rahimi and Recht, NIPS 2007). What to expect of a row is a ridge regression that has seen all rows but this one, in
closed form from the one that has seen all: the residual over 1 − h, h being the row's leverage (Allen's PRESS, 1974).

A teacher remembers rows that it has learned from. An answer that nothing else it says explains is likelier to be such a
memory, and right, than one that all its other answers explain as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from amalgam.errors import RequestError
from amalgam.scaling import MissingValues, Scaling
from amalgam.signals import Rows

_FEATURES = 500  # 2,000 settle no more contradictions rightly than these
_RIDGE = 1.0  # .1 and 10 settle fewer
_SAMPLE = 500  # rows whose distances say how wide the kernel is
_CHUNK = 4096


@dataclass(frozen=True)
class Surroundings:
    """Random features of rows, and how all rows lie in them.

    Attributes:
        scaling: of inputs.
        directions: (D, F), radians for a unit of a scaled input.
        phases: (F,).
        factor: (F + 1, F + 1), the Cholesky factor of ZᵀZ plus the ridge, Z the features of all rows.
    """

    scaling: Scaling
    directions: Tensor
    phases: Tensor
    factor: Tensor

    def features(self, inputs: Tensor) -> Tensor:
        """Z of inputs (B, ...), (B, F + 1); the last is 1."""
        waves = torch.cos(self.scaling(inputs).flatten(1) @ self.directions + self.phases)
        return torch.cat([waves * math.sqrt(2 / len(self.phases)), waves.new_ones(len(waves), 1)], dim=1)

    def left_out(self, features: Tensor) -> Tensor:
        """1 − h, (B, 1): how much of what is expected of a row is not its own answer."""
        own: Tensor = torch.linalg.solve_triangular(self.factor, features.T, upper=False).square().sum(0)
        return (1 - own)[:, None].clamp_min(1e-3)


@dataclass(frozen=True)
class Expectations:
    """What to expect of K teachers.

    Attributes:
        surroundings: of the rows.
        weights: of each teacher, (F + 1, l_k), its regression on all rows.
        spreads: of each teacher, (l_k,), the root mean square over all rows of how far its logits lie from what was
            expected.
    """

    surroundings: Surroundings
    weights: tuple[Tensor, ...]
    spreads: tuple[Tensor, ...]

    def surprise(self, inputs: Tensor, scores: Sequence[Tensor]) -> list[Tensor]:
        """How far each teacher's logits lie above what its others lead to expect, in spreads, K tensors (B, l_k).

        Args:
            inputs: of rows that were learned from, (B, ...).
            scores: each teacher's logits for them, (B, l_k).
        """
        features = self.surroundings.features(inputs)
        rest = self.surroundings.left_out(features)
        told = zip(scores, self.weights, self.spreads, strict=True)
        return [(said - features @ weights) / rest / spread for said, weights, spread in told]


def learn_expectations(rows: Rows, votes: Sequence[Callable[[slice], Tensor]]) -> Expectations:
    """What to expect of teachers, from their votes on all rows, in two passes; memory does not grow with the rows.

    Args:
        rows: N rows.
        votes: of each teacher, its logits (B, l_k) for some rows.

    Raises:
        RequestError: missing values, which cannot be compared.
    """
    surroundings = _drawn(rows)
    squares = _RIDGE * torch.eye(len(surroundings.phases) + 1)
    products = [torch.zeros(())] * len(votes)
    for where, inputs in rows.chunks(_CHUNK):
        features = surroundings.features(inputs)
        squares += features.T @ features
        products = [before + features.T @ said(where).float() for before, said in zip(products, votes, strict=True)]
    factor = torch.linalg.cholesky(squares)
    weights = tuple(torch.cholesky_solve(one, factor) for one in products)
    found = Expectations(replace(surroundings, factor=factor), weights, tuple(torch.ones(()) for _ in votes))
    totals = [torch.zeros(()).double()] * len(votes)
    for where, inputs in rows.chunks(_CHUNK):
        apart = found.surprise(inputs, [said(where).float() for said in votes])
        totals = [before + one.double().square().sum(0) for before, one in zip(totals, apart, strict=True)]
    spreads = tuple((total / len(rows)).sqrt().float().clamp_min(1e-3) for total in totals)
    return replace(found, spreads=spreads)


def _drawn(rows: Rows) -> Surroundings:
    """Features of rows, of a kernel whose width is the median distance of some of them; no row counted yet."""
    scaling = Scaling(rows.shape)
    try:
        scaling.fit(rows)
    except MissingValues:
        raise RequestError(
            f"{rows.name} has missing values (NaN), and `indicator: surprise` compares rows by their inputs; fill them "
            "in, or choose `indicator: calibrated`"
        ) from None
    chance = torch.Generator().manual_seed(0)
    some = torch.randperm(len(rows), generator=chance)[:_SAMPLE]
    inputs = scaling(rows.inputs(some)).flatten(1)
    distances = torch.pdist(inputs).square()
    apart = distances[distances > 0]
    usual = apart.median() if len(apart) else torch.ones(())
    directions = torch.randn(inputs.shape[1], _FEATURES, generator=chance) * (2 / usual).sqrt()
    phases = 2 * math.pi * torch.rand(_FEATURES, generator=chance)
    return Surroundings(scaling, directions, phases, torch.eye(_FEATURES + 1))
