"""The one place that turns what a library returns into logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from amalgam.classes import Spans, by_task
from amalgam.errors import RequestError

Kind = Literal["logits", "probabilities", "decisions", "votes"]

SURE = 1e-6
"""Probabilities are kept this far from 0 and 1, so that logits stay within ±13.8."""

VOTE = 0.95
"""The probability that a hard vote stands for: a logit of ±2.94. A vote says which side, not how sure; certainty would
let one voter outweigh any number of teachers that say how sure they are."""

ENOUGH = 64
"""So many logits between 0 and 1 are no accident."""


def to_logits(values: Tensor, kind: Kind, spans: Spans) -> Tensor:
    """What a library returned, as float32 logits.

    Args:
        values: (B, L). `logits` and `decisions` (signed distances) stay as they are. `probabilities` become
            log p / (1 - p), or log p of a task's classes. `votes` are 0 or 1 and count as probabilities of `VOTE` for
            what was voted; of a task the other classes share the rest.
        kind: what the values are.
        spans: where the classes of tasks stand (softmax).

    Returns:
        (B, L); the softmax of a task's classes is their probabilities.

    Raises:
        RequestError: probabilities or votes outside [0, 1], or a task's probabilities that do not sum to one.
    """
    values = values.float()
    if kind in ("logits", "decisions"):
        return values
    # NaN passes here: the panel's contract names the row.
    outside = (values < 0) | (values > 1)
    if bool(outside.any()):
        raise RequestError(
            f"a score of {values[outside][0].item():.4g} is outside [0, 1], yet its card says `scores: {kind}`; "
            "write `scores: logits` (or `decisions` for signed distances) in the card"
        )
    if kind == "votes":
        _refuse_shares(values)
        values = by_task(values, spans, _shared_vote, lambda some: _vote(some, 1 - VOTE))
    else:
        for first, last in spans:
            _refuse_independent(values[..., first:last])
    return by_task(values.clamp(SURE, 1 - SURE), spans, torch.log, torch.logit)


def looks_like_probabilities(scores: Tensor, spans: Spans = ()) -> bool:
    """Whether scores that should be logits are probabilities in disguise: at least 64, unequal, all within [0, 1].

    Those of a task's classes must also add up to 1 in every row.
    """
    if scores.numel() < ENOUGH:
        return False
    least, most = scores.min(), scores.max()
    within = bool((least >= 0) & (most <= 1) & (least < most))
    return within and not any(bool(((scores[..., first:last].sum(-1) - 1).abs() > 1e-2).any()) for first, last in spans)


@dataclass
class Conversion:
    """A teacher's way from what its library returns to logits.

    The first batch that is large enough is looked at for probabilities in disguise: later ones are not, so that a batch
    of true logits that happens to lie within [0, 1] cannot stop a run half-way.

    Attributes:
        name: the teacher, for messages.
        kind: what the library returns.
        spans: where the classes of tasks stand.
        looked: whether the first batch was looked at.
    """

    name: str
    kind: Kind
    spans: Spans = ()
    looked: bool = False

    def __call__(self, values: Any) -> Tensor:
        """Logits (B, L) of a tensor, array or scipy sparse matrix (B, L)."""
        if hasattr(values, "toarray"):
            values = values.toarray()
        try:
            scores = values if isinstance(values, Tensor) else torch.as_tensor(np.asarray(values))
        except (TypeError, ValueError):
            raise RequestError(
                f"teacher {self.name!r} answered with a {type(values).__name__}, expected a tensor or an array of "
                "numbers: a row for each input, a column for each label"
            ) from None
        if self.kind == "logits" and not self.looked and scores.numel() >= ENOUGH:
            self.looked = True
            if looks_like_probabilities(scores, self.spans):
                raise RequestError(
                    f"teacher {self.name!r} should answer with logits, but every score of its first batch lies within "
                    "[0, 1]; write `scores: probabilities` in its card (or `scores: decisions` if they truly are "
                    "unbounded scores)"
                )
        try:
            return to_logits(scores, self.kind, self.spans)
        except RequestError as error:
            raise RequestError(f"teacher {self.name!r}: {error}") from None


def _refuse_shares(votes: Tensor) -> None:
    if bool(((votes > 0) & (votes < 1)).any()):
        between = votes[(votes > 0) & (votes < 1)][0].item()
        raise RequestError(
            f"a vote of {between:.4g} is neither 0 nor 1, yet its card says `scores: votes`; "
            "write `scores: probabilities` in the card"
        )


def _shared_vote(votes: Tensor) -> Tensor:
    return _vote(votes, (1 - VOTE) / max(votes.shape[-1] - 1, 1))


def _vote(votes: Tensor, against: float) -> Tensor:
    return torch.where(votes.isnan(), votes, torch.where(votes > 0.5, VOTE, against))


def _refuse_independent(probabilities: Tensor) -> None:
    total = probabilities.sum(dim=-1)
    wrong = (total - 1).abs() > 1e-2  # wide enough for probabilities in half precision
    if bool(wrong.any()):
        raise RequestError(
            "labels that should exclude each other have probabilities that sum to "
            f"{total[wrong][0].item():.4g} in a row, not 1; leave `exclusive: true`, or their task under `tasks:`, out "
            "of the card"
        )
