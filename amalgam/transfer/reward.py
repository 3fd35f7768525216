"""The reward: how well the student does on the validation part of the target (L2TL, Eqs. 2, 5)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from amalgam.classes import Spans
from amalgam.errors import RequestError
from amalgam.losses import cross_entropy
from amalgam.metrics import areas
from amalgam.signals import ProbabilityTargets

Measure = Literal["accuracy", "auc", "likelihood"]


class Reward:
    """A measure of the student on some rows, in evaluation mode.

    Args:
        inputs: (N, ...), on the device.
        truth: (N, L) of 0 and 1.
        spans: the target's task, where a row has one class.
        measure: which.
        size: B_P, rows that are looked at in a step; all where there are no more.

    Raises:
        RequestError: AUC of rows that are all of one kind.
    """

    def __init__(self, inputs: Tensor, truth: Tensor, spans: Spans, measure: Measure, size: int) -> None:
        self.inputs, self.truth, self.spans, self.measure, self.size = inputs, truth, spans, measure, size
        if measure == "auc" and not bool(((truth == 1).any(0) & (truth == 0).any(0)).any()):
            raise RequestError(
                f"the reward `auc` is not defined on the {len(truth)} rows that are held out for it: no label has both "
                "kinds; hold out more (strategy.validation), show more rows (data.labelled, data.shots), or choose "
                "strategy.reward: accuracy"
            )

    @torch.no_grad()
    def of(self, student: nn.Module) -> float:
        """Eq. (2): the measure R of what the student says of a batch of D'_T."""
        training = student.training
        student.eval()
        inputs, truth = self.inputs, self.truth
        if len(inputs) > self.size:
            some = torch.randint(len(inputs), (self.size,)).to(inputs.device)
            inputs, truth = inputs[some], truth[some]
        logits = student(inputs).logits.float()
        student.train(training)
        if self.measure == "auc":
            return mean_auc(logits, truth)
        if self.measure == "accuracy":
            return accuracy(logits, truth, self.spans)
        told = cross_entropy(logits, ProbabilityTargets(truth, torch.ones_like(truth), spans=self.spans))
        return -float(told.sum) / len(truth)


def accuracy(logits: Tensor, truth: Tensor, spans: Spans) -> float:
    """The share of rows (B, L) whose class is right, or of labels where a row may have several."""
    if spans:
        return float((logits.argmax(1) == truth.argmax(1)).float().mean())
    return float(((logits > 0) == (truth == 1)).float().mean())


def mean_auc(logits: Tensor, truth: Tensor) -> float:
    """The mean area under the ROC curve over the labels that have both kinds among the rows (B, L); ½ of none."""
    told = [one for one in areas(logits.cpu(), truth.cpu()) if not math.isnan(one)]
    return sum(told) / len(told) if told else 0.5
