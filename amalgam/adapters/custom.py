"""Any object with `labels` and `score(inputs)` as a teacher: whatever a user's own function returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from amalgam.adapters import Conversion, Kind, construct, identity
from amalgam.adapters._code import said
from amalgam.errors import AmalgamError, RequestError, listed
from amalgam.labels import Tasks, asked_tasks, canonical, spans_of
from amalgam.teacher import Card


class CustomTeacher:
    """An object of the user's, with arrays or tensors as its answers.

    It has `score_given` and `score_and_features` exactly when the object has.

    Attributes:
        wrapped: the user's object.
        labels: the names of its outputs.
        name: what it is called in messages.
        kind: what the object answers with.
        tasks: its tasks of several classes.
        fingerprint: of the object's own `fingerprint`, its class, labels and abilities; None when it has none of its
            own, then its votes are not kept.
        license: of its weights, where the object says so.
    """

    labels: Sequence[str]
    score_given: Callable[[Tensor, Tensor, bool], Tensor]
    score_and_features: Callable[[Tensor], tuple[Tensor, Tensor]]

    def __init__(self, wrapped: Any, name: str, kind: Kind, exclusive: bool | None, tasks: Tasks | None) -> None:
        self.wrapped = wrapped
        if not isinstance(wrapped.labels, Iterable):
            raise RequestError(
                f"teacher {name!r} has `labels` that are a {type(wrapped.labels).__name__}, expected a list of names"
            )
        self.labels = canonical(wrapped.labels, {}, f"teacher {name!r}")
        self.name = name
        self.kind = kind
        self.tasks = asked_tasks(wrapped, tasks, exclusive, self.labels, f"teacher {name!r}")
        spans = spans_of(self.tasks, self.labels)
        told, license = getattr(wrapped, "fingerprint", None), getattr(wrapped, "license", None)
        self.license = license if isinstance(license, str) else None
        self._logits = Conversion(name, kind, spans)
        if hasattr(wrapped, "score_given"):
            self.score_given = self._score_given
        if hasattr(wrapped, "score_and_features"):
            self.score_and_features = self._score_and_features
        able = [hasattr(wrapped, "score_given"), hasattr(wrapped, "score_and_features")]
        whose = [type(wrapped).__module__, type(wrapped).__qualname__, told]
        known = isinstance(told, str)
        self.fingerprint = identity("custom", whose, self.labels, kind, spans, able) if known else None

    def score(self, inputs: Tensor) -> Tensor:
        """Logits (B, L) of inputs (B, ...)."""
        return self._logits(self._ask(self.wrapped.score, inputs))

    def _score_given(self, inputs: Tensor, believed: Tensor, clamp: bool) -> Tensor:
        return self._logits(self._ask(self.wrapped.score_given, inputs, believed, clamp))

    def _score_and_features(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        scores, features = self._ask(self.wrapped.score_and_features, inputs)
        shown = features if isinstance(features, Tensor) else torch.as_tensor(np.asarray(features))
        return self._logits(scores), shown

    def _ask(self, ability: Callable[..., Any], inputs: Tensor, *rest: Any) -> Any:
        try:
            return ability(inputs, *rest)
        except AmalgamError:
            raise
        except Exception as error:  # the user's own code may raise anything
            raise RequestError(
                f"teacher {self.name!r} failed on inputs of shape {tuple(inputs.shape)}: {said(error)}; mend its code, "
                "or give it the inputs it expects (`amalgam --debug …` shows where)"
            ) from error


def wrap(
    wrapped: Any,
    name: str = "custom",
    *,
    scores: Kind = "logits",
    exclusive: bool | None = None,
    tasks: Tasks | None = None,
) -> CustomTeacher:
    """An object with `labels` and `score(inputs)` as a teacher.

    Args:
        wrapped: the object; its answers are tensors or arrays (B, L).
        name: what it is called in messages.
        scores: what its answers are.
        exclusive: whether all labels are the classes of one task.
        tasks: task → its classes, side by side among the labels. Where this and `exclusive` are None, the object's own
            `tasks` or `exclusive` count.

    Raises:
        RequestError: labels that are no names, or tasks that are not of these labels.
    """
    return CustomTeacher(wrapped, name, scores, exclusive, tasks)


def load(card: Card, folder: Path, device: torch.device, trust: bool) -> CustomTeacher:
    """The teacher of a card whose source is `module:function`, called with the card's arguments.

    Where the object lives and what it reads is the function's business: folder and device are not used.

    Raises:
        RequestError: no source, code that nobody vouched for, or an object that is no teacher.
    """
    what = f"teacher {card.name!r}"
    if card.source is None:
        raise RequestError(f"{what} has no source; write `source: module:function` in its card")
    if card.sha256 is not None:
        raise RequestError(f"{what} has a checksum, but its source is code; leave `sha256:` out")
    made = construct(card.source, card.arguments, what, trust)
    lacking = [name for name in ("labels", "score") if not hasattr(made, name)]
    if lacking:
        raise RequestError(
            f"{what}: {card.source!r} returned a {type(made).__name__} without {listed(lacking)}; a teacher has "
            "`labels` and `score(inputs)`"
        )
    told = card.exclusive or None
    teacher = wrap(made, card.name, scores=card.scores, exclusive=told, tasks=card.tasks or None)
    if card.labels and card.labels != teacher.labels:
        raise RequestError(
            f"{what}: its card lists the labels {listed(card.labels)}, but its object has {listed(teacher.labels)} "
            "in this order; leave `labels:` out"
        )
    return teacher
