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

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from amalgam.adapters import Conversion, construct, identity, source, unanswered
from amalgam.errors import RequestError, listed
from amalgam.fingerprint import of_file
from amalgam.labels import canonical, spans_of, tasks_of
from amalgam.series import as_series, within

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
        self.exclusive = not _is_multilabel(estimator, len(labels))
        self.labels = self._named(labels)
        self.kind = self._choose(scores)
        self.fingerprint = _hash(estimator, [self.labels, self.kind])
        self._logits = Conversion(name, self.kind, spans_of(tasks_of(self), self.labels))

    def score(self, inputs: Tensor) -> Tensor:
        """Logits (B, L) of inputs (B, ...)."""
        try:
            answer = getattr(self.estimator, _METHODS[self.kind])(_table(self.estimator, inputs))
        except (ValueError, IndexError) as error:
            raise unanswered(self.name, inputs, error) from error
        columns = _classes(self.estimator, answer) if self.exclusive else self._positive(answer)
        return self._logits(columns).to(inputs.device)

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
        bases = [self.estimator, self.estimator.classifier] if _is_multilearn(self.estimator) else [self.estimator]
        able = [kind for kind, method in _METHODS.items() if all(hasattr(base, method) for base in bases)]
        if wanted is not None and wanted not in able:
            raise RequestError(
                f"teacher {self.name!r} should give {wanted}, but its {type(self.estimator).__name__} has no "
                f"`{_METHODS[wanted]}`; write `scores: {able[0]}` in its card"
            )
        return wanted or able[0]

    def _positive(self, answer: Any) -> NDArray[np.float64]:
        """What was said of each label being there, (B, L), from whatever shape the estimator answers in."""
        classes = self.estimator.classes_ if hasattr(self.estimator, "classes_") else None
        if len(self.labels) == 1 and not isinstance(answer, list) and not isinstance(classes, list):
            plain = _dense(answer)
            return plain[:, None] if plain.ndim == 1 else plain[:, -1:]
        if isinstance(answer, list):  # an array (B, classes) for each label; a label that never varied has one class
            every = classes if isinstance(classes, list) else [np.arange(2)] * len(answer)
            return np.stack([_of_class_one(one, own) for one, own in zip(answer, every, strict=True)], axis=1)
        scores = _dense(answer)
        order = getattr(self.estimator, "order", None) if _is_multilearn(self.estimator) else None
        if order is not None:  # scikit-multilearn's chain answers in the order of its chain, not of its labels
            scores = scores[:, np.argsort(np.asarray(order))]
        return scores


def wrap(
    estimator: Any,
    labels: Sequence[str] | None = None,
    name: str = "sklearn",
    *,
    scores: Method | None = None,
) -> SklearnTeacher:
    """A fitted estimator as a teacher.

    Args:
        estimator: scikit-learn's or scikit-multilearn's, multi-label with outputs of 0 and 1, or multi-class.
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
        teacher.fingerprint = identity("sklearn", known, teacher.labels, teacher.kind)
    if card.tasks:
        raise RequestError(
            f"teacher {card.name!r}: its card names tasks, but a {type(estimator).__name__} has one task of classes "
            "or labels that are yes or no; leave `tasks:` out, or wrap several estimators in a `custom` teacher"
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


def _is_multilearn(estimator: Any) -> bool:
    return type(estimator).__module__.startswith("skmultilearn.")


def _reads_series(estimator: Any) -> bool:
    """Whether it, or the first step of a pipeline, is tslearn's."""
    first = estimator.steps[0][1] if hasattr(estimator, "steps") else estimator
    return type(first).__module__.startswith("tslearn.")


def _is_multilabel(estimator: Any, labels: int) -> bool:
    """Whether the labels do not exclude each other: told by what one row's prediction looks like.

    A single output of 0 and 1 under a single name is one label, not two classes.
    """
    if _is_multilearn(estimator):
        return True
    classes = getattr(estimator, "classes_", None)
    if isinstance(classes, list):
        for output, own in enumerate(classes):
            if not set(own.tolist()) <= {0, 1}:
                raise RequestError(
                    f"output {output} of the {type(estimator).__name__} has the classes {listed(own.tolist())}, "
                    "expected 0 and 1; a multi-label teacher says of each label whether it is there"
                )
        return True
    row = torch.zeros(1, getattr(estimator, "n_features_in_", 1))
    if not _reads_series(estimator) and np.ndim(_dense(estimator.predict(_table(estimator, row)))) == 2:
        return True
    return labels == 1 and classes is not None and set(classes.tolist()) <= {0, 1}


def _table(estimator: Any, inputs: Tensor) -> Any:
    """Inputs as the estimator was fitted: (B, features), in float64, under its columns' names when it has them.

    tslearn's have series (B, T, C), which NaN may fill up.

    Raises:
        ValueError: a value is missing before the end of a series: tslearn would answer at random.
    """
    if _reads_series(estimator):
        series = as_series(inputs.detach().cpu().double())
        holes = (series.isnan() & within(series)[..., None]).flatten(1).any(1)
        if bool(holes.any()):
            raise ValueError(
                f"row {int(holes.nonzero()[0])} of them misses values before its end, which it cannot read"
            )
        return series.numpy()
    values = inputs.detach().cpu().flatten(1).double().numpy()
    columns = getattr(estimator, "feature_names_in_", None)
    if columns is None or len(columns) != values.shape[1]:
        return values
    import pandas

    return pandas.DataFrame(values, columns=columns)


def _dense(answer: Any) -> NDArray[Any]:
    plain: NDArray[Any] = np.asarray(answer.toarray() if hasattr(answer, "toarray") else answer)
    return plain


def _of_class_one(scores: NDArray[Any], classes: NDArray[Any]) -> NDArray[Any]:
    """The column (B,) of class 1 among scores (B, classes); 0 where the estimator never saw class 1."""
    place = np.flatnonzero(np.asarray(classes) == 1)
    column: NDArray[Any] = scores[:, place[0]] if len(place) else np.zeros(len(scores))
    return column


def _classes(estimator: Any, answer: Any) -> NDArray[Any]:
    """A score (B, classes) for each class, from a multi-class answer; hard predictions become one-hot."""
    scores = _dense(answer)
    if scores.ndim == 2:
        return scores
    if scores.dtype.kind == "f" and len(estimator.classes_) == 2 and estimator.classes_.dtype.kind != "f":
        return np.stack([np.zeros_like(scores), scores], axis=1)  # the signed distance of two classes
    hot: NDArray[Any] = (scores[:, None] == estimator.classes_[None]).astype(np.float64)
    return hot


def _hash(estimator: Any, rest: list[object]) -> str | None:
    """The fingerprint of an estimator: pickled in memory and hashed; nothing is ever unpickled."""
    import joblib

    try:
        return identity("sklearn", joblib.hash(estimator), rest)
    except (pickle.PicklingError, AttributeError, TypeError, ValueError):  # ValueError: masked arrays
        return None
