"""How fitted estimators are asked, and how what they answer becomes a score for each label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from amalgam.errors import RequestError
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


@dataclass(frozen=True)
class Output:
    """One of several outputs of an estimator.

    Attributes:
        classes: as the estimator has them, in its order.
    """

    classes: NDArray[Any]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The classes as they are called."""
        return tuple(class_name(str(one)) for one in self.classes.tolist())

    @cached_property
    def yes_or_no(self) -> bool:
        """Whether its classes say whether something is there: 0 and 1, or False and True.

        Also as words, which is how scikit-learn has them beside an output of words.
        """
        return any({*self.names} <= both for both in _YES_OR_NO)

    def columns(self, scores: NDArray[Any]) -> NDArray[Any]:
        """Of scores (B, classes) all, or where it is yes or no, those of yes, (B, 1)."""
        return _of_class_one(scores, np.isin(self.names, ("1", "True")))[:, None] if self.yes_or_no else scores


def outputs_of_classes(estimator: Any) -> list[Output]:
    """An estimator's outputs, where one at least has other classes than 0 and 1; else none."""
    classes = getattr(estimator, "classes_", None)
    outputs = [Output(np.asarray(own)) for own in classes] if isinstance(classes, list) else []
    return [] if all({*one.classes.tolist()} <= {0, 1} for one in outputs) else outputs


def is_chain(estimator: Any) -> bool:
    """Whether it, or the last step of a pipeline, is scikit-learn's chain, whose classes stand in another order."""
    return hasattr(estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator, "order_")


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


def of_outputs(outputs: Sequence[Output], answer: Any, hard: bool) -> NDArray[Any]:
    """What was said of each output's label or classes, side by side, (B, L).

    Args:
        outputs: in order.
        answer: (B, outputs) of classes if `hard`, else an array (B, classes) of each output.
        hard: whether it is what `predict` answers.

    Raises:
        RequestError: neither.
    """
    if hard:
        each = [column[:, None] == one.classes[None] for column, one in zip(np.asarray(answer).T, outputs, strict=True)]
    elif isinstance(answer, list):
        each = [_dense(one) for one in answer]
    else:
        raise RequestError(
            f"an estimator of {len(outputs)} outputs answered with one array of shape {np.shape(answer)}, expected one "
            "of each output; write `scores: votes` in its card"
        )
    return np.concatenate([one.columns(said) for one, said in zip(outputs, each, strict=True)], axis=1).astype(float)


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


def _of_class_one(scores: NDArray[Any], classes: NDArray[Any]) -> NDArray[Any]:
    """The column (B,) of class 1 among scores (B, classes); 0 where the estimator never saw class 1."""
    place = np.flatnonzero(np.asarray(classes) == 1)
    column: NDArray[Any] = scores[:, place[0]] if len(place) else np.zeros(len(scores))
    return column
