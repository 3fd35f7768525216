"""The measures of predictions: subset loss, Hamming loss and F1 of labels, accuracy and F1 of classes, and AUC."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator

if TYPE_CHECKING:
    from torch import Tensor

    from amalgam.classes import Spans

Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""A float whose NaN (unknown) is null in JSON."""


class Measure(NamedTuple):
    """A measure's field in `Measures`, its name for readers, and which way is better."""

    key: str
    name: str
    better: Literal["lower", "higher"]

    @property
    def arrow(self) -> str:
        """`↓` when lower is better, `↑` when higher is."""
        return "↓" if self.better == "lower" else "↑"


MEASURES = (
    Measure("subset_loss", "subset loss", "lower"),
    Measure("hamming_loss", "Hamming loss", "lower"),
    Measure("f1_micro", "F1 micro", "higher"),
    Measure("f1_macro", "F1 macro", "higher"),
)
"""The measures of labels, in the order every table shows them."""

CLASS_MEASURES = (Measure("accuracy", "accuracy", "higher"), MEASURES[3])
"""The measures of labels that exclude each other, in the order every table shows them."""

TASK_MEASURES = (Measure("task_accuracy", "accuracy, mean over tasks", "higher"), MEASURES[0], MEASURES[3])
"""The measures of several tasks, some of which have classes, in the order every table shows them."""

AUC = Measure("auc", "AUC", "higher")
"""Of a bench alone: it needs the scores of all rows at once."""

EVERY = tuple(dict.fromkeys((*CLASS_MEASURES, *MEASURES, AUC)))
"""All measures of predictions."""

SCORE = Measure("score", "score", "higher")
"""Of a word test: its own main measure."""

BENCHED = (*EVERY, SCORE)
"""All measures that a table can have."""


def measures_of(exclusive: bool, tasks: bool = False) -> tuple[Measure, ...]:
    """The measures of labels that exclude each other, of several tasks of which some have classes, or of labels."""
    if exclusive:
        return CLASS_MEASURES
    return TASK_MEASURES if tasks else MEASURES


@dataclass(frozen=True)
class Measures:
    """How good some predictions are; NaN where the annotations cannot tell.

    Attributes:
        subset_loss: share of rows with any label wrong, over the rows annotated in full; NaN when there is none.
        hamming_loss: share of the annotated (row, label) pairs that are wrong.
        f1_micro: F1 of all annotated pairs together.
        f1_macro: mean of `f1_per_label` over the labels with an annotated row.
        f1_per_label: F1 of each label; 0 for a label that is never positive and never predicted (scikit-learn's
            `zero_division=0`), NaN for a label without an annotated row.
        rows: how many rows were measured.
        loss_per_label: share of each label's annotated rows that are wrong; NaN for a label without any.
        loss_per_task: share of each task's annotated rows that are wrong, in the order of the labels; a label that is
            yes or no is a task. Empty where tasks are not measured.
        auc_per_label: area under each label's ROC curve; NaN where the annotated rows are all of one kind, or where
            nobody told the scores.
    """

    subset_loss: Number
    hamming_loss: Number
    f1_micro: Number
    f1_macro: Number
    f1_per_label: tuple[Number, ...]
    rows: int
    loss_per_label: tuple[Number, ...] = ()
    auc_per_label: tuple[Number, ...] = ()
    loss_per_task: tuple[Number, ...] = ()

    @property
    def task_accuracy(self) -> float:
        """The mean over tasks of the share of rows that are right; NaN where tasks are not measured."""
        known = [1.0 - one for one in self.loss_per_task if not math.isnan(one)]
        return sum(known) / len(known) if known else math.nan

    @property
    def auc(self) -> float:
        """The mean of `auc_per_label` over the labels that have one; NaN when none has."""
        known = [one for one in self.auc_per_label if not math.isnan(one)]
        return sum(known) / len(known) if known else math.nan

    @property
    def accuracy(self) -> float:
        """The share of rows with every label (the one class) right, over the rows annotated in full."""
        return 1.0 - self.subset_loss


class Tally:
    """Measures of predictions that come chunk by chunk; it keeps counts, so its memory does not grow with the rows.

    Args:
        labels: how many.
        spans: where among them the classes of tasks stand; None to measure no tasks.
    """

    def __init__(self, labels: int, spans: Spans | None = None) -> None:
        # Imported here: torchmetrics takes seconds.
        import torch
        from torchmetrics.classification import MultilabelExactMatch, MultilabelF1Score, MultilabelHammingDistance

        from amalgam.classes import task_columns

        # Whoever tallies has every row: torchmetrics would wait for the other processes of a launch of several.
        given: dict[str, Any] = {"validate_args": False, "sync_on_compute": False}
        self._exact = MultilabelExactMatch(labels, **given)
        self._hamming = MultilabelHammingDistance(labels, average="micro", ignore_index=-1, **given)
        self._micro = MultilabelF1Score(labels, average="micro", ignore_index=-1, **given)
        self._each = MultilabelF1Score(labels, average=None, ignore_index=-1, **given)
        self._annotated, self._wrong = torch.zeros(2, labels, dtype=torch.long)
        self._full = self._rows = 0
        self._tasks = [] if spans is None else task_columns(spans, labels)
        self._asked, self._missed = torch.zeros(2, len(self._tasks), dtype=torch.long)

    def update(self, predicted: Tensor, annotated: Tensor) -> None:
        """Count some rows.

        Args:
            predicted: (B, L) bool.
            annotated: (B, L) of 0, 1, and NaN where nobody annotated.
        """
        self._rows += len(predicted)
        known = ~annotated.isnan()
        if not bool(known.any()):
            return
        self._annotated += known.sum(0)
        wrong = known & (predicted != (annotated > 0))
        self._wrong += wrong.sum(0)
        for number, (first, last) in enumerate(self._tasks):
            asked = known[:, first:last].all(1)
            self._asked[number] += asked.sum()
            self._missed[number] += (asked & wrong[:, first:last].any(1)).sum()
        said, truth = predicted.int(), annotated.nan_to_num(nan=-1).int()
        for metric in (self._hamming, self._micro, self._each):
            metric.update(said, truth)
        full = known.all(dim=1)
        if bool(full.any()):
            self._full += int(full.sum())
            self._exact.update(said[full], truth[full])

    def measures(self) -> Measures:
        """The measures of all rows counted so far."""
        some = bool(self._annotated.any())
        each = self._each.compute().masked_fill(self._annotated == 0, math.nan) if some else self._annotated / 0.0
        return Measures(
            subset_loss=1.0 - float(self._exact.compute()) if self._full else math.nan,
            hamming_loss=float(self._hamming.compute()) if some else math.nan,
            f1_micro=float(self._micro.compute()) if some else math.nan,
            f1_macro=float(each.nanmean()),
            f1_per_label=tuple(each.tolist()),
            rows=self._rows,
            loss_per_label=tuple((self._wrong / self._annotated).tolist()),
            loss_per_task=tuple((self._missed / self._asked).tolist()),
        )


def measures(predicted: Tensor, annotated: Tensor, scores: Tensor | None = None) -> Measures:
    """The measures of predictions that are all there.

    Args:
        predicted: (N, L) bool.
        annotated: (N, L) of 0, 1, and NaN where nobody annotated.
        scores: (N, L), greater the surer of the label; None leaves the AUC unknown.
    """
    tally = Tally(predicted.shape[1])
    tally.update(predicted, annotated)
    found = tally.measures()
    return found if scores is None else replace(found, auc_per_label=areas(scores, annotated))


def areas(scores: Tensor, annotated: Tensor) -> tuple[float, ...]:
    """The area under each label's ROC curve; NaN where the annotated rows are all of one kind.

    Args:
        scores: (N, L), greater the surer of the label.
        annotated: (N, L) of 0, 1, and NaN where nobody annotated.
    """
    from sklearn.metrics import roc_auc_score

    found = []
    for said, truth in zip(scores.T, annotated.T, strict=True):
        known = ~truth.isnan()
        both = 0 < int((truth[known] > 0).sum()) < int(known.sum())
        found.append(float(roc_auc_score(truth[known].numpy(), said[known].numpy())) if both else math.nan)
    return tuple(found)
