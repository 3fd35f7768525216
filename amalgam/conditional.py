"""How a teacher's labels depend on each other, learned from its own votes: makes any scorer a conditional one.

A teacher's logits are modelled as jointly Gaussian over rows. Told that some labels are otherwise than it scored them,
the other labels move to their conditional mean: closed form, exact for any set of told labels, batched over rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

_LARGEST = 2**24  # numbers in the systems (B, l, l) that are solved at once


@dataclass(frozen=True)
class Dependence:
    """A teacher's logits over rows: their mean (l,) and their covariance (l, l), shrunk where rows are few."""

    covariance: Tensor
    mean: Tensor

    @property
    def size(self) -> Tensor:
        """(l,) the root mean square of each label's logit."""
        size: Tensor = (self.covariance.diagonal() + self.mean.square()).sqrt()
        return size

    def expected(self, scores: Tensor) -> Tensor:
        """What a row's other labels make each label's logit expected to be, (B, l): E[s_j | s_i, i ≠ j].

        Args:
            scores: what the teacher said, logits (B, l).
        """
        covariance = self.covariance.double()
        precision = torch.linalg.inv(covariance + torch.diag(1e-6 * covariance.diagonal() + 1e-9))
        weights = (-precision / precision.diagonal()).fill_diagonal_(0.0)  # a column is a label's regression on others
        expected: Tensor = self.mean + (scores - self.mean).double() @ weights
        return expected.to(scores.dtype)

    def given(self, scores: Tensor, believed: Tensor, clamp: bool) -> Tensor:
        """Revised logits (B, l): scores + Σ·C (Σ_CC + R)⁻¹ (believed − scores)_C over each row's told labels C.

        Args:
            scores: what the teacher said, logits (B, l).
            believed: logits (B, l), NaN where nothing is believed.
            clamp: R = 0, the told labels become exactly what is believed; otherwise a belief is an observation as
                uncertain as the label itself (R = diag Σ_CC), so that it moves the teacher half-way.
        """
        told = ~believed.isnan()
        surprise = torch.where(told, believed - scores, 0.0)
        noise = self.covariance.diagonal() * (1e-6 if clamp else 1.0) + 1e-9
        fit = _LARGEST // self.covariance.numel()
        some = max(1, fit - fit % 16 or fit)  # a solver's last bits depend on where in a cache line a system begins
        parts = zip(torch.split(told, some), torch.split(surprise, some), strict=True)
        revised = scores + torch.cat([self._weights(*part, noise) for part in parts]) @ self.covariance
        return torch.where(told, believed, revised) if clamp else revised

    def _weights(self, told: Tensor, surprise: Tensor, noise: Tensor) -> Tensor:
        """(Σ_CC + R)⁻¹ surprise_C (B, l), zero outside C; R = diag noise."""
        both = told[:, :, None] & told[:, None, :]
        # Untold labels get a row and column of the identity, so that one batched solve serves every pattern of C.
        system = torch.where(both, self.covariance, 0.0) + torch.diag_embed(torch.where(told, noise, 1.0))
        solved: Tensor = torch.linalg.solve(system, surprise)
        return solved


def learn_dependence(votes: Iterable[Tensor]) -> Dependence:
    """The dependence of a teacher's labels, from its votes (B, l) chunk by chunk, in one pass.

    The covariance is shrunk towards its diagonal by l / (N + l): with few rows a pair of labels that only seems to vary
    together moves little.
    """
    rows, total, products = 0, torch.zeros(()), torch.zeros(())
    for scores in votes:
        wide = scores.double()
        rows, total, products = rows + len(wide), total + wide.sum(0), products + wide.T @ wide
    mean = total / rows
    covariance = products / rows - torch.outer(mean, mean)
    shrinkage = len(mean) / (rows + len(mean))
    diagonal = torch.diag(covariance.diagonal().clamp_min(0))
    return Dependence(((1 - shrinkage) * covariance + shrinkage * diagonal).float(), mean.float())
