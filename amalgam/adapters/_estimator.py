"""How fitted estimators are asked, and how what they answer becomes a score for each label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from amalgam.labels import class_name
from amalgam.series import as_series, within

_YES_OR_NO = ({"0", "1"}, {"False", "True"})


def is_multilearn(estimator: Any) -> bool:
    """Whether it is scikit-multilearn's."""
    return type(estimator).__module__.startswith("skmultilearn.")


def is_multilabel(estimator: Any, labels: int) -> bool:
    """Whether its outputs do not exclude each other: told by what one row's prediction looks like.

    A single output of 0 and 1 under a single name is one label, not two classes.
    """
    classes = getattr(estimator, "classes_", None)
    if is_multilearn(estimator) or isinstance(classes, list):
        return True
    row = torch.zeros(1, getattr(estimator, "n_features_in_", 1))
    if not _reads_series(estimator) and np.ndim(_dense(estimator.predict(table(estimator, row)))) == 2:
        return True
    return labels == 1 and classes is not None and set(classes.tolist()) <= {0, 1}


def outputs_of_classes(estimator: Any) -> list[list[Any]]:
    """The classes of each output, where one at least has others than 0 and 1; else none."""
    classes = getattr(estimator, "classes_", None)
    outputs = [own.tolist() for own in classes] if isinstance(classes, list) else []
    return [] if all(set(own) <= {0, 1} for own in outputs) else outputs


def yes_or_no(classes: Sequence[Any]) -> bool:
    """Whether an output's classes say whether something is there: 0 and 1, or False and True.

    Also as words, which is how scikit-learn has them beside an output of words.
    """
    return any({class_name(str(one)) for one in classes} <= both for both in _YES_OR_NO)


def table(estimator: Any, inputs: Tensor) -> Any:
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


def of_labels(estimator: Any, answer: Any, labels: int) -> NDArray[Any]:
    """What was said of each label being there, (B, L), from whatever shape the estimator answers in."""
    classes = getattr(estimator, "classes_", None)
    if labels == 1 and not isinstance(answer, list) and not isinstance(classes, list):
        plain = _dense(answer)
        return plain[:, None] if plain.ndim == 1 else plain[:, -1:]
    if isinstance(answer, list):  # an array (B, classes) for each label; a label that never varied has one class
        every = classes if isinstance(classes, list) else [np.arange(2)] * len(answer)
        return np.stack([_of_class_one(one, own) for one, own in zip(answer, every, strict=True)], axis=1)
    scores = _dense(answer)
    order = getattr(estimator, "order", None) if is_multilearn(estimator) else None
    if order is not None:  # scikit-multilearn's chain answers in the order of its chain, not of its labels
        scores = scores[:, np.argsort(np.asarray(order))]
    return scores


def of_outputs(outputs: Sequence[Sequence[Any]], answer: Any) -> NDArray[Any]:
    """What was said of each output's label or classes, side by side, (B, L): an array each, or a column of classes."""
    each = answer if isinstance(answer, list) else list(np.asarray(answer).T)
    said = [of_classes(np.asarray(own), one) for own, one in zip(outputs, each, strict=True)]
    found = [
        _of_class_one(one, [class_name(str(some)) in ("1", "True") for some in own])[:, None] if yes_or_no(own) else one
        for own, one in zip(outputs, said, strict=True)
    ]
    return np.concatenate(found, axis=1)


def of_classes(classes: NDArray[Any], answer: Any) -> NDArray[Any]:
    """A score (B, classes) for each class, from a multi-class answer; hard predictions become one-hot."""
    scores = _dense(answer)
    if scores.ndim == 2:
        return scores
    if scores.dtype.kind == "f" and len(classes) == 2 and classes.dtype.kind != "f":
        return np.stack([np.zeros_like(scores), scores], axis=1)  # the signed distance of two classes
    hot: NDArray[Any] = (scores[:, None] == classes[None]).astype(np.float64)
    return hot


def _reads_series(estimator: Any) -> bool:
    """Whether it, or the first step of a pipeline, is tslearn's."""
    first = estimator.steps[0][1] if hasattr(estimator, "steps") else estimator
    return type(first).__module__.startswith("tslearn.")


def _dense(answer: Any) -> NDArray[Any]:
    plain: NDArray[Any] = np.asarray(answer.toarray() if hasattr(answer, "toarray") else answer)
    return plain


def _of_class_one(scores: NDArray[Any], classes: NDArray[Any] | list[bool]) -> NDArray[Any]:
    """The column (B,) of class 1 among scores (B, classes); 0 where the estimator never saw class 1."""
    place = np.flatnonzero(np.asarray(classes) == 1)
    column: NDArray[Any] = scores[:, place[0]] if len(place) else np.zeros(len(scores))
    return column
