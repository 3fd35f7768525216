"""KD, knowledge distillation from several teachers (Hinton, Vinyals, Dean 2015): softened mean logits.

Hinton et al. soften a softmax over classes that exclude each other. Where the teachers' tasks have classes, so has
the student's; of classes that no two teachers share, the logits stand side by side. A softmax is the same whatever
constant is added to all its logits, and papers do not say which that is: each teacher's have the mean 0 over the
classes it knows. A label that is no task's class is a choice between two, yes and no, and the softmax is a sigmoid.
Annotated rows are not seen, so there is no second loss with hard targets (`sup_kd` has one).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from pydantic import PositiveFloat
from torch import Tensor

from amalgam.classes import by_task
from amalgam.losses import cross_entropy
from amalgam.panel import Panel, mean_logit
from amalgam.signals import Loss, ProbabilityTargets, Rows, StudentOutput, Targets, Votes
from amalgam.strategy import Paper, Strategy


@dataclass(frozen=True)
class KD(Strategy[None]):
    """The student imitates the mean logit of the teachers that know a label, at a temperature.

    Attributes:
        temperature: what teachers' and student's logits are divided by. The paper has no one value: it found 2.5 to 4
            best for its smallest student (30 units a layer), whose size ours have, hence the default between them.
            1 leaves the probabilities as they are, which is `tc_mean`; a large one matches the logits themselves.
    """

    paper: ClassVar[Paper | None] = Paper(
        title="KD: Distilling the Knowledge in a Neural Network (Hinton, Vinyals, Dean 2015)",
        where="section 2; with the teachers' mean logits, as knowledge-amalgamation, chapter 3, compares it",
        equations=(1,),
        files=("strategies/kd.py",),
    )

    exclusive: ClassVar[bool | None] = None

    temperature: PositiveFloat = 3.0

    def targets(self, panel: Panel, rows: Rows, votes: Votes, state: None) -> ProbabilityTargets:
        """Eq. (1) of the mean logits, (B, L)."""
        spans, at = self.spans(panel), self.temperature
        said = mean_logit(votes, spans)
        wanted = by_task(said, spans, lambda some: soften_classes(some, at), lambda some: soften(some, at))
        return ProbabilityTargets(wanted, torch.ones_like(wanted), spans=spans)

    def loss(self, output: StudentOutput, targets: Targets) -> Loss:
        """T² times the cross-entropy of both at the temperature, summed over the steps of a chain.

        The gradient of the cross-entropy shrinks as 1 / T²; the factor keeps learning rates comparable.
        """
        assert isinstance(targets, ProbabilityTargets)
        logits = output.logits if output.steps is None else output.steps
        told = cross_entropy(logits / self.temperature, targets)
        return Loss(self.temperature**2 * told.sum, told.count)


def soften_classes(logits: Tensor, temperature: float) -> Tensor:
    """Eq. (1): q_i = exp(z_i / T) / Σ_j exp(z_j / T) of logits (B, L)."""
    return (logits / temperature).softmax(-1)


def soften(logits: Tensor, temperature: float) -> Tensor:
    """Eq. (1): q = σ(z / T), the softmax of a label's two logits z and 0, element by element."""
    return (logits / temperature).sigmoid()
