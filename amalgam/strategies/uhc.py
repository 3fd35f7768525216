"""UHC, unifying heterogeneous classifiers (Vongkulbhisal et al., CVPR 2019), compared with TC.

A teacher says how likely its own classes are, given that it is one of them. So is the student held against it: its
output is cut into the teachers' class subsets, each normalised by itself, and every piece shall be what that teacher
says. It is the paper's cross-entropy of probabilities, without its balancing of teachers. Its equations are not
numbered here: the paper's own text was not at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from amalgam.classes import among
from amalgam.panel import Panel
from amalgam.signals import Loss, Rows, StudentOutput, Targets, Votes
from amalgam.strategy import Paper, Strategy


@dataclass(frozen=True)
class SubsetTargets(Targets):
    """What each teacher says of its own classes, (N, K, L), NaN where it does not know them; and weights (N, 1)."""

    said: Tensor
    weights: Tensor
    counts: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, arrays: Mapping[str, Any]) -> SubsetTargets:
        """From `said` and `weights`."""
        return cls(arrays["said"], arrays["weights"])

    def arrays(self) -> dict[str, Tensor]:
        """`said` and `weights`."""
        return {"said": self.said, "weights": self.weights}

    def __len__(self) -> int:
        """How many rows."""
        return len(self.said)


@dataclass(frozen=True)
class UHC(Strategy[None]):
    """The student's output, cut into the teachers' class subsets, imitates each teacher on its own."""

    paper: ClassVar[Paper | None] = Paper(
        title="UHC: Unifying Heterogeneous Classifiers with Distillation (CVPR 2019)",
        where="as knowledge-amalgamation, chapter 3, compares it",
    )
    form: ClassVar[type[Targets]] = SubsetTargets
    exclusive: ClassVar[bool | None] = True

    def targets(self, panel: Panel, rows: Rows, votes: Votes, state: None) -> SubsetTargets:
        """Every teacher's probabilities."""
        said = torch.where(votes.known[:, None], among(votes.scores), torch.nan).transpose(0, 1)
        return SubsetTargets(said, torch.ones(len(said), 1))

    def loss(self, output: StudentOutput, targets: Targets) -> Loss:
        """The cross-entropies with all teachers, summed over teachers and rows, counted in the rows' weights."""
        assert isinstance(targets, SubsetTargets)
        each = subset_cross_entropy(output.logits, targets.said)
        return Loss((each * targets.weights[:, 0]).sum(), targets.weights.sum())


def subset_cross_entropy(logits: Tensor, said: Tensor) -> Tensor:
    """−Σ_k Σ_{y ∈ Y_k} P_k(y) log q_k(y), where q_k is the student's softmax over Y_k alone, (B,).

    Args:
        logits: (B, L).
        said: P, (B, K, L), NaN where a teacher does not know the class.
    """
    known = ~said.isnan()
    cut = logits.float()[:, None].masked_fill(~known, -torch.inf).log_softmax(-1)
    return -(said.nan_to_num() * cut.masked_fill(~known, 0.0)).sum((1, 2))  # before the product: no gradient is NaN
