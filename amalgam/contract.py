"""What a teacher promises, checked on rows: `amalgam teachers check`.

The last rule exists because a published pair of teachers of this field answers in another label order than its authors
give, which spoilt a table: a card's labels are a claim, and annotated rows can test it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from amalgam.adapters import looks_like_probabilities
from amalgam.classes import Spans, by_task
from amalgam.errors import AmalgamError, RequestError, listed
from amalgam.labels import spans_of, tasks_of
from amalgam.panel import Seat, checked
from amalgam.signals import Rows
from amalgam.teacher import Scorer

Matrix = NDArray[np.float64]

SAMPLE = 256
"""The rules that look at single answers look at those of so many rows."""

TOLERANCE = 1e-4
"""Scores may differ by this much, those above one by this share of them: what float32 sums in another order give."""

CLEARLY = 0.05
"""A label fits an output clearly better when its AUC is this much higher, and by more than chance would have it."""

ERRORS = 2.0
"""More than chance: so many standard errors of the difference of two AUCs under no association (Mann–Whitney).
Measured on emotions, scene and yeast (24 teachers of right order on 60 rows, 24 on all): false alarms 21, 4, 1, 0 and
2, 2, 1, 0 with 0, 1, 2, 3 errors, while 2 still finds .79 to 1 of the permuted outputs on all rows."""


@dataclass(frozen=True)
class Finding:
    """What a rule found.

    Attributes:
        rule: the rule's name.
        ok: whether the teacher keeps it.
        says: one sentence for the reader.
    """

    rule: str
    ok: bool
    says: str


@dataclass(frozen=True)
class Agreement:
    """How well each output of a teacher predicts each label of the data.

    Attributes:
        auc: (outputs, labels), the area under the ROC curve; NaN for a label whose rows are all of one class.
        outputs: what the teacher claims its outputs are.
        labels: the data's labels.
        best: for each output the column of `labels` it has in the best one-to-one assignment; -1 when it has none.
        errors: (labels,), the standard error of an AUC where output and label are unrelated; NaN as in `auc`.
    """

    auc: Matrix
    outputs: tuple[str, ...]
    labels: tuple[str, ...]
    best: tuple[int, ...]
    errors: Matrix

    def mislabelled(self) -> list[tuple[int, int, int]]:
        """The outputs that another label fits clearly better: (output, claimed column, better column)."""
        found = []
        for output, (claim, better) in enumerate(zip(self.outputs, self.best, strict=True)):
            if claim not in self.labels or better < 0:
                continue
            claimed = self.labels.index(claim)
            gain = self.auc[output, better] - self.auc[output, claimed]  # NaN, never larger, for a label of one class
            if gain > max(CLEARLY, ERRORS * float(np.hypot(self.errors[better], self.errors[claimed]))):
                found.append((output, claimed, better))
        return found


def check(teacher: Scorer, name: str, rows: Rows) -> list[Finding]:
    """Whether a teacher keeps what it promises, one finding a rule; a mislabelled output is a finding of its own.

    Args:
        teacher: the teacher.
        name: what it is called.
        rows: data it can score; annotated rows test its labels too.

    Returns:
        The findings. Where a teacher gives no usable answer, the rules that need one are left out.

    Raises:
        RequestError: no rows.
    """
    if len(rows) == 0:
        raise RequestError(f"{rows.name} has no rows to check teacher {name!r} on")
    inputs = rows.inputs(slice(0, SAMPLE))
    findings = [_in_evaluation_mode(teacher)]
    try:
        scores = _ask(teacher, name, inputs)
        findings.append(Finding("answers", True, f"{len(inputs)} rows give finite scores {tuple(scores.shape)}"))
        findings.append(_no_probabilities(teacher, scores))
        findings += _same_answers(lambda some: _ask(teacher, name, some), inputs, scores)
        findings += _labels(teacher, name, rows)
    except AmalgamError as error:
        findings.append(Finding("answers", False, str(error)))
    return findings


def agreement(teacher: Scorer, rows: Rows, chunk: int = 1024, name: str = "teacher") -> Agreement:
    """How well each output predicts each label, and the best one-to-one assignment of labels to outputs.

    Args:
        teacher: the teacher.
        rows: annotated rows; an annotation of NaN does not count.
        chunk: so many rows are scored at once.
        name: what the teacher is called.

    Raises:
        RequestError: rows without annotations, or the teacher gives no usable answer.
    """
    if rows.annotated is None:
        raise RequestError(f"{rows.name} is not annotated, so it cannot tell whether a teacher's labels are right")
    scores = torch.cat([_binary(teacher, _ask(teacher, name, some)) for _, some in rows.chunks(chunk)])
    truth = rows.annotated.double().numpy()
    auc, errors = auc_matrix(scores.double().numpy(), truth)
    return Agreement(auc, tuple(teacher.labels), rows.labels, _assignment(auc), errors)


def auc_matrix(scores: Matrix, truth: Matrix) -> tuple[Matrix, Matrix]:
    """The AUC of every score against every label, by rank sums (Mann–Whitney U), ties counted half.

    Args:
        scores: (N, O).
        truth: (N, L) of 0, 1, and NaN where nobody annotated.

    Returns:
        AUC (O, L), NaN for a label with one class only, and its standard error (L,) under no association.
    """
    from scipy.stats import rankdata

    told = ~np.isnan(truth)
    auc = np.full((scores.shape[1], truth.shape[1]), np.nan)
    errors = np.full(truth.shape[1], np.nan)
    patterns, which = np.unique(told, axis=1, return_inverse=True)
    for number in range(patterns.shape[1]):  # labels annotated on the same rows share their ranks: usually all of them
        kept, columns = patterns[:, number], np.flatnonzero(which == number)
        labels = truth[kept][:, columns]
        positive = labels.sum(axis=0)
        negative = len(labels) - positive
        both = (positive > 0) & (negative > 0)
        if not both.any():
            continue
        labels, columns, positive, negative = labels[:, both], columns[both], positive[both], negative[both]
        ranks = rankdata(scores[kept], axis=0)
        auc[:, columns] = (ranks.T @ labels - positive * (positive + 1) / 2) / (positive * negative)
        errors[columns] = np.sqrt((positive + negative + 1) / (12 * positive * negative))
    return auc, errors


def _assignment(auc: Matrix) -> tuple[int, ...]:
    from scipy.optimize import linear_sum_assignment

    best = np.full(len(auc), -1)
    columns = np.flatnonzero(~np.isnan(auc).any(axis=0))
    chosen, places = linear_sum_assignment(auc[:, columns], maximize=True)
    best[chosen] = columns[places]
    return tuple(int(one) for one in best)


def _binary(teacher: Any, scores: Tensor) -> Tensor:
    # Softmax logits compare the labels of a row; only their probabilities compare rows.
    return by_task(scores, _spans(teacher), lambda some: some.log_softmax(1), lambda some: some)


def _spans(teacher: Any) -> Spans:
    return spans_of(tasks_of(teacher), teacher.labels)


def _ask(teacher: Any, name: str, inputs: Tensor) -> Tensor:
    with torch.inference_mode():
        return checked(Seat(name, teacher), torch.as_tensor(teacher.score(inputs)), len(inputs)).cpu()


def _in_evaluation_mode(teacher: Any) -> Finding:
    module = teacher if isinstance(teacher, nn.Module) else getattr(teacher, "module", None)
    if not isinstance(module, nn.Module):
        return Finding("evaluation mode", True, "no torch module, so nothing can be in training mode")
    training = [path or "the module itself" for path, part in module.named_modules() if part.training]
    if training:
        return Finding(
            "evaluation mode", False, f"{listed(training)} is in training mode; call `.eval()` on the module"
        )
    return Finding("evaluation mode", True, "every module is in evaluation mode")


def _no_probabilities(teacher: Any, scores: Tensor) -> Finding:
    if looks_like_probabilities(scores, _spans(teacher)) and getattr(teacher, "kind", "logits") == "logits":
        return Finding(
            "logits",
            False,
            "every score lies within [0, 1], so these are probabilities, not logits; write `scores: probabilities` in "
            "the card",
        )
    return Finding("logits", True, f"scores range from {scores.min().item():.3g} to {scores.max().item():.3g}")


def _same_answers(ask: Callable[[Tensor], Tensor], inputs: Tensor, scores: Tensor) -> list[Finding]:
    """Asked again, in another order, and in other batch sizes, a teacher says the same of a row."""
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(0))
    found = [
        _same("deterministic", scores, ask(inputs), "asked twice", "put it in evaluation mode, or fix its seed", 0.0),
        _same("batch order", scores[order], ask(inputs[order]), "in another order", "score each row on its own"),
    ]
    for size, called in ((1, "one by one"), (7, "in batches of 7")):
        again = torch.cat([ask(some) for some in torch.split(inputs[: 8 * size], size)])
        found.append(_same("batch size", scores[: 8 * size], again, called, "score each row on its own"))
    return found


def _same(rule: str, one: Tensor, other: Tensor, how: str, mend: str, tolerance: float = TOLERANCE) -> Finding:
    apart = (one - other).abs()
    allowed = tolerance * one.abs().clamp_min(1)
    if bool((apart > allowed).any()):
        return Finding(rule, False, f"{how}, scores differ by up to {apart.max().item():.2g}; {mend}")
    return Finding(rule, True, f"{how}, scores are the same")


def _labels(teacher: Any, name: str, rows: Rows) -> list[Finding]:
    if rows.annotated is None:
        return [Finding("labels", True, "unchecked: the rows are not annotated")]
    found = agreement(teacher, rows, name=name)
    column = {label: number for number, label in enumerate(found.labels)}
    usable = {label for label, error in zip(found.labels, found.errors, strict=True) if not np.isnan(error)}
    wrong = [
        Finding(
            "mislabelled",
            False,
            f"output {output} claims {found.outputs[output]!r} (AUC {_short(found.auc[output, claimed])}) but predicts "
            f"{found.labels[better]!r} better (AUC {_short(found.auc[output, better])}); mend the order of its labels",
        )
        for output, claimed, better in found.mislabelled()
    ]
    tested = [found.auc[output, column[claim]] for output, claim in enumerate(found.outputs) if claim in usable]
    unchecked = [claim for claim in found.outputs if claim not in usable]
    if tested and not wrong:
        mean = _short(float(np.mean(tested)))
        wrong.append(Finding("labels", True, f"no other label fits an output clearly better (mean AUC {mean})"))
    if unchecked:
        wrong.append(
            Finding("labels", True, f"unchecked: {listed(unchecked)}, for the rows have not both classes of them")
        )
    return wrong


def _short(auc: float) -> str:
    return f"{auc:.2f}".removeprefix("0")
