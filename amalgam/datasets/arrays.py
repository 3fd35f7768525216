"""Rows of arrays in memory, as the Python API takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from amalgam.datasets import pixels
from amalgam.errors import RequestError
from amalgam.labels import canonical
from amalgam.signals import TensorRows
from amalgam.tokens import Reading, series, texts_in

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def from_arrays(
    inputs: ArrayLike | torch.Tensor | Sequence[str],
    annotated: ArrayLike | torch.Tensor | None = None,
    labels: Sequence[str] = (),
) -> TensorRows:
    """Rows of arrays in memory; nothing is copied that is float32 already.

    Args:
        inputs: (N, ...), finite numbers; in series (N, T, C) NaN is a missing value, or one beyond a series' end. Four
            dimensions are images: floats (N, C, H, W) from 0 to 1, or bytes (uint8), also (N, H, W, C). Or a list of
            N texts, whose first words are read.
        annotated: (N, L) of 0, 1, and NaN where nobody annotated; None for unlabelled data.
        labels: L names.

    Raises:
        RequestError: says which argument, and which row, is not so.
    """
    texts = texts_in(inputs)
    values = _tensor(inputs, "inputs") if texts is None else torch.from_numpy(series(Reading().read(texts).numbers))
    reading = None if texts is None else Reading()
    if values.ndim < 2 or 0 in values.shape:
        raise RequestError(
            f"inputs have the shape {tuple(values.shape)}, expected (rows, columns, …) and at least a row"
        )
    gaps = values.ndim == 3  # series, where NaN is a missing value
    wrong = (values.isinf() | (values.isnan() & (not gaps))).flatten(1).any(1)
    if bool(wrong.any()):
        what = "infinite" if gaps else "NaN or infinite"
        raise RequestError(f"row {int(wrong.nonzero()[0])} of the inputs is {what}; fill or drop such rows first")
    wrong = values.isnan().flatten(1).all(1)
    if bool(wrong.any()):
        raise RequestError(f"row {int(wrong.nonzero()[0])} of the inputs has no value at all; drop such rows first")
    if annotated is None:
        if labels:
            raise RequestError("labels are named but nothing is annotated; give `annotated`, or leave `labels` out")
        return TensorRows(values=values, name="arrays", texts=reading)
    known = canonical(labels, {}, "`labels`")
    marks = _tensor(annotated, "annotated")
    if marks.shape != (len(values), len(known)):
        raise RequestError(
            f"annotated has the shape {tuple(marks.shape)}, expected {(len(values), len(known))}: a row for each row "
            "of the inputs, a column for each label"
        )
    wrong = ~(marks.isnan() | (marks == 0) | (marks == 1)).all(1)
    if bool(wrong.any()):
        raise RequestError(
            f"row {int(wrong.nonzero()[0])} of annotated holds something else than 0, 1, and NaN for not annotated"
        )
    return TensorRows(labels=known, annotated=marks, values=values, name="arrays", texts=reading)


def _tensor(values: Any, what: str) -> torch.Tensor:
    """An array as float32; one of four dimensions as images."""
    try:
        tensor = torch.as_tensor(values if isinstance(values, torch.Tensor) else np.asarray(values)).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise RequestError(f"{what} are no array of numbers: {' '.join(str(error).split())}") from None
    if tensor.ndim != 4:
        return tensor.float()
    numbers = tensor if tensor.dtype == torch.uint8 else tensor.float()
    return torch.from_numpy(pixels.as_images(numbers.numpy(), what))
