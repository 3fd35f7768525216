"""FKA, amalgamating filtered knowledge (Ye et al., IJCAI 2019), compared with ANT in knowledge-amalgamation, ch. 4.

A layer of the student takes the place of the corresponding layer of each teacher, through a filter: a projection to the
teacher's width. It is trained until the modified teacher answers as the original does.

Teachers and students that differ in everything have two layers in common: the last representation, which is filtered
and put in front of each teacher's frozen last layer, and the outputs, which meet the teachers' combined outputs, the
mean logit of those that know a label. The paper trains layer by layer; these two are trained at once, so that the run's
epochs, early stopping and checkpoints are of the whole student.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from pydantic import NonNegativeFloat
from torch import Tensor, nn

from amalgam.classes import Spans, probabilities
from amalgam.losses import cross_entropy
from amalgam.panel import Panel, Seat, mean_logit
from amalgam.signals import FeatureTargets, Loss, ProbabilityTargets, Rows, StudentOutput, Targets, Votes
from amalgam.strategy import Paper, Strategy
from amalgam.teacher import HeadScorer, Teacher

Head = Callable[[Tensor], Tensor]
"""A last layer: features (B, D) to logits (B, l)."""


@dataclass(frozen=True)
class FKA(Strategy[None]):
    """Amalgamating filtered knowledge.

    Attributes:
        filtering: what the modified teachers' outputs count beside the student's own (chosen).
    """

    paper: ClassVar[Paper | None] = Paper(
        title="FKA: Amalgamating Filtered Knowledge: Learning Task-customized Student from Multi-task Teachers "
        "(IJCAI 2019)",
        where="knowledge-amalgamation, chapter 4, compared methods",
    )
    needs: ClassVar[type[Teacher]] = HeadScorer  # type: ignore[type-abstract]
    form: ClassVar[type[Targets]] = FeatureTargets

    filtering: NonNegativeFloat = 1.0

    def targets(self, panel: Panel, rows: Rows, votes: Votes, state: None) -> FeatureTargets:
        """The teachers' combined outputs, and their features."""
        combined = mean_logit(votes).sigmoid()
        return FeatureTargets(combined, torch.ones_like(combined), features=votes.features)

    def companion(self, panel: Panel, targets: Targets, width: int) -> nn.Module:
        """A filter for each teacher."""
        assert isinstance(targets, FeatureTargets)
        return Filters(panel.seats, [one.shape[1] for one in targets.features], width, self.filtering)


class Filters(nn.Module):
    """K filters of a student's features, in front of K frozen heads.

    Args:
        seats: the teachers.
        widths: D_k of each.
        width: D of the student.
        weight: of the loss.
    """

    def __init__(self, seats: Sequence[Seat], widths: Sequence[int], width: int, weight: float) -> None:
        super().__init__()
        self.filters = nn.ModuleList([nn.Linear(width, own) for own in widths])
        self.heads = [frozen_head(seat.teacher) for seat in seats]
        self.spans = [seat.spans for seat in seats]
        self.weight = weight

    def forward(self, output: StudentOutput, targets: FeatureTargets) -> Loss:
        """How far the modified teachers answer from the original ones, summed over teachers, counted in rows."""
        total = output.features.new_zeros((), dtype=torch.float32)
        for passes, head, own, spans in zip(self.filters, self.heads, targets.features, self.spans, strict=True):
            total = total + output_distance(head(passes(output.features)), head(own), spans)
        return Loss(self.weight * total, torch.full_like(total, len(targets)))


def output_distance(modified: Tensor, original: Tensor, spans: Spans = ()) -> Tensor:
    """Cross-entropy of a modified teacher's outputs with its original ones, summed over tasks and rows.

    Args:
        modified: (B, l) logits, of the student's features.
        original: (B, l) logits, of its own.
        spans: where among its labels the classes of tasks stand (softmax).
    """
    wanted = probabilities(original.detach().float(), spans)
    return cross_entropy(modified, ProbabilityTargets(wanted, torch.ones_like(wanted), spans=spans)).sum


def frozen_head(teacher: Any) -> Head:
    """A teacher's last layer, through which gradients pass without reaching its weights.

    A plain function, so that a copy of the module that holds it does not copy the teacher.
    """

    def ask(features: Tensor) -> Tensor:
        there = features.to(getattr(teacher, "device", features.device), torch.float32)
        return cast(Tensor, _Frozen.apply(there, teacher.head)).to(features.device)

    return ask


class _Frozen(torch.autograd.Function):
    """A function of features whose other arguments get no gradient, whatever it is made of."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, function: Head) -> Tensor:
        with torch.enable_grad():
            ctx.features = features.detach().clone().requires_grad_()  # cloned: votes may be inference tensors
            ctx.answer = function(ctx.features)
        return cast(Tensor, ctx.answer.detach())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return torch.autograd.grad(ctx.answer, ctx.features, gradients[0])[0], None
