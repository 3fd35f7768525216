"""Estimators of scikit-learn, scikit-multilearn and tslearn as teachers: any that is fitted, of labels or of classes.

Scores come from `predict_proba` when the estimator has it, because probabilities are on one scale for all estimators;
else from `decision_function`, whose distances are taken for logits; else from the hard votes of `predict`.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zipfile import BadZipFile

import torch
from torch import Tensor

from amalgam.adapters import Conversion, construct, identity, source, unanswered
from amalgam.adapters._estimator import (
    is_chain,
    is_multilabel,
    is_multilearn,
    of_classes,
    of_labels,
    of_outputs,
    outputs_of_classes,
    table,
)
from amalgam.errors import RequestError, listed
from amalgam.fingerprint import of_file
from amalgam.labels import canonical, class_label, spans_of, tasks_of, told_tasks

if TYPE_CHECKING:
    from amalgam.teacher import Card

Method = Literal["probabilities", "decisions", "votes"]

_METHODS: dict[Method, str] = {
    "probabilities": "predict_proba",
    "decisions": "decision_function",
    "votes": "predict",
}

_HARMLESS = frozenset(
    f"skmultilearn.problem_transform.{name}"
    for name in ("br.BinaryRelevance", "cc.ClassifierChain", "lp.LabelPowerset")
)
"""Classes that skops does not know and that hold nothing but settings and fitted estimators."""


class SklearnTeacher:
    """A fitted estimator. Inputs (B, ...) are flattened to (B, features), but tslearn's read series (B, T, C).

    Attributes:
        estimator: the estimator.
        labels: the names of its outputs.
        name: what it is called in messages.
        kind: which of the estimator's answers it uses.
        exclusive: whether it is multi-class (one of its labels) rather than multi-label.
        tasks: those of its outputs that have classes of their own, beside labels that are yes or no.
        fingerprint: of the fitted estimator; None when it cannot be told, then its votes are not kept.
    """

    labels: Sequence[str]

    def __init__(
        self,
        estimator: Any,
        labels: Sequence[object] = (),
        name: str = "sklearn",
        *,
        scores: Method | None = None,
    ) -> None:
        _require_fitted(estimator, name)
        # What a search found is the teacher; its table of results, with timings, would spoil the fingerprint.
        estimator = getattr(estimator, "best_estimator_", estimator)
        self.estimator = estimator
        self.name = name
        self.exclusive = not is_multilabel(estimator, len(labels))
        self.outputs = outputs_of_classes(estimator)
        self.labels, self.tasks = self._by_output(labels) if self.outputs else (self._named(labels), {})
        self.kind = self._choose(scores)
        self.fingerprint = _hash(estimator, [self.labels, self.kind])
        self._logits = Conversion(name, self.kind, spans_of(tasks_of(self), self.labels))

    def score(self, inputs: Tensor) -> Tensor:
        """Logits (B, L) of inputs (B, ...)."""
        try:
            answer = getattr(self.estimator, _METHODS[self.kind])(table(self.estimator, inputs))
        except (ValueError, IndexError) as error:
            raise unanswered(self.name, inputs, error) from error
        if self.exclusive:
            columns = of_classes(self.estimator.classes_, answer)
        elif self.outputs:
            columns = of_outputs(self.outputs, answer, self.kind == "votes")
        else:
            columns = of_labels(self.estimator, answer, len(self.labels))
        return self._logits(columns).to(inputs.device)

    def _by_output(self, names: Sequence[object]) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
        """The labels and tasks of outputs by name; a class is called as the data option `tasks` calls it."""
        named, owner = canonical(names, {}, f"teacher {self.name!r}"), f"teacher {self.name!r}"
        if is_chain(self.estimator):
            raise RequestError(
                f"{owner} is a {type(self.estimator).__name__} of other classes than 0 and 1, which answers for one "
                "class of two alone; fit a MultiOutputClassifier"
            )
        if len(named) != len(self.outputs):
            raise RequestError(
                f"{owner} lists {len(named)} labels ({listed(named)}) for its estimator's {len(self.outputs)} outputs; "
                "name each output once, in order, and none of their classes"
            )
        outputs = dict(zip(named, self.outputs, strict=True))
        nameless = next((name for name, one in outputs.items() if "" in one.names), None)
        if nameless is not None:
            raise RequestError(f"{owner}: its output {nameless!r} has a class without a name; fit it with names")
        tasks = {
            name: tuple(class_label(name, own) for own in one.names)
            for name, one in outputs.items()
            if not one.yes_or_no
        }
        labels = canonical([label for name in named for label in tasks.get(name, (name,))], {}, owner)
        return labels, told_tasks(tasks, False, labels, owner)

    def _named(self, labels: Sequence[object]) -> tuple[str, ...]:
        classes: list[object] = []
        if self.exclusive:
            classes = self.estimator.classes_.tolist()
            if all(isinstance(one, str) for one in classes) and labels and list(labels) != classes:
                raise RequestError(
                    f"teacher {self.name!r} lists the labels {listed(labels)}, but its estimator's classes are "
                    f"{listed(classes)} in this order; leave `labels:` out, and rename with aliases in the recipe"
                )
        named = canonical(labels or classes, {}, f"teacher {self.name!r}")
        if self.exclusive and len(named) != len(classes):
            raise RequestError(
                f"teacher {self.name!r} lists {len(named)} labels ({listed(named)}) for its estimator's {len(classes)} "
                f"classes {listed(classes)}; name each class once, in this order"
            )
        return named

    def _choose(self, wanted: Method | None) -> Method:
        # scikit-multilearn's classes always have predict_proba, which fails when their classifier has none.
        bases = [self.estimator, self.estimator.classifier] if is_multilearn(self.estimator) else [self.estimator]
        able = [kind for kind, method in _METHODS.items() if all(hasattr(base, method) for base in bases)]
        if wanted is not None and wanted not in able:
            raise RequestError(
                f"teacher {self.name!r} should give {wanted}, but its {type(self.estimator).__name__} has no "
                f"`{_METHODS[wanted]}`; write `scores: {able[0]}` in its card"
            )
        return wanted or able[0]


def wrap(
    estimator: Any,
    labels: Sequence[str] | None = None,
    name: str = "sklearn",
    *,
    scores: Method | None = None,
) -> SklearnTeacher:
    """A fitted estimator as a teacher.

    Args:
        estimator: scikit-learn's, scikit-multilearn's or tslearn's: multi-class, or of several outputs. An output of 0
            and 1 is a label; any other is a task, whose class "red" is the label "wall: red" if its output is "wall".
        labels: the names of its outputs; a multi-class estimator whose classes are strings needs none.
        name: what it is called in messages.
        scores: which of the estimator's answers to use; None takes the first of probabilities, decisions, votes it has.

    Raises:
        RequestError: not fitted, no names for its outputs, or no such answer.
    """
    return SklearnTeacher(estimator, labels or (), name, scores=scores)


def load(card: Card, folder: Path, device: torch.device, trust: bool) -> SklearnTeacher:
    """The teacher of a card: a `.skops` file, or a constructor that returns a fitted estimator.

    The card's `scores`, when written, chooses the estimator's method; the device is not used.

    Raises:
        RequestError: a pickle, a type or function that nobody vouched for, a damaged file, or no fitted estimator.
    """
    if card.source is None and card.constructor is not None:
        estimator = construct(card.constructor, card.arguments, f"teacher {card.name!r}", trust)
        known = None
    else:
        path = source(card, folder, "a .skops file")
        estimator = _read(path, card.name, trust)
        known = of_file(path)
    chosen = card.scores if "scores" in card.model_fields_set and card.scores != "logits" else None
    teacher = SklearnTeacher(estimator, card.labels, card.name, scores=chosen)
    if known is not None:
        teacher.fingerprint = _identity(known, teacher.labels, teacher.kind)
    if card.tasks:
        raise RequestError(
            f"teacher {card.name!r}: its card names tasks, but an estimator's outputs of several classes are tasks "
            "already; name the outputs under `labels:` and leave `tasks:` out"
        )
    if card.exclusive and not teacher.exclusive:
        raise RequestError(
            f"teacher {card.name!r}: its card says `exclusive: true`, but its {type(estimator).__name__} is "
            "multi-label; leave `exclusive:` out"
        )
    return teacher


def _read(path: Path, name: str, trust: bool) -> Any:
    import skops.io

    if path.suffix in (".pkl", ".pickle", ".joblib"):
        raise RequestError(
            f"teacher {name!r}: {path} is a pickle, which can run any code; it was not loaded. Save the estimator "
            "again where you trust it: `import skops.io; "
            f"skops.io.dump(estimator, {path.with_suffix('.skops').name!r})`"
        )
    if path.suffix != ".skops":
        raise RequestError(f"teacher {name!r}: {path} is no .skops file; save it with `skops.io.dump(estimator, path)`")
    try:
        unknown = skops.io.get_untrusted_types(file=path)
        refused = [] if trust else sorted(set(unknown) - _HARMLESS)
        if refused:
            raise RequestError(
                f"teacher {name!r}: {path} holds {listed(refused)}, which could run code when loaded; if you trust "
                "the file, say so with --trust-code (in Python: trust=True)"
            )
        return skops.io.load(path, trusted=unknown)
    except (BadZipFile, json.JSONDecodeError, KeyError, EOFError, ValueError) as error:
        raise RequestError(
            f"teacher {name!r}: {path} is damaged or cut short ({type(error).__name__}); fetch or save it again"
        ) from None


def _require_fitted(estimator: Any, name: str) -> None:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    if not hasattr(estimator, "predict"):
        raise RequestError(
            f"teacher {name!r} is a {type(estimator).__name__}, which cannot predict; expected a fitted classifier"
        )
    try:
        check_is_fitted(estimator)
    except (NotFittedError, TypeError):
        raise RequestError(
            f"teacher {name!r}: its {type(estimator).__name__} is not fitted; fit it before it teaches"
        ) from None


def _identity(*parts: object) -> str:
    return identity("sklearn", *parts, code=("_estimator",))


def _hash(estimator: Any, rest: list[object]) -> str | None:
    """The fingerprint of an estimator: pickled in memory and hashed; nothing is ever unpickled."""
    import joblib

    try:
        return _identity(joblib.hash(estimator), rest)
    except (pickle.PicklingError, AttributeError, TypeError, ValueError):  # ValueError: masked arrays
        return None
