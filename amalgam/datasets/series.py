"""Series and their classes: what every reader of series hands over, and how that becomes checked rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from amalgam.datasets.loaded import Loaded, described
from amalgam.errors import RequestError, listed, nearest
from amalgam.labels import canonical, class_name
from amalgam.signals import TensorRows


@dataclass(frozen=True)
class Part:
    """The series of one file.

    Attributes:
        path: where they come from, for messages.
        values: (N, T, C) float32, NaN where a value is missing and beyond a series' end.
        lengths: (N,), how many steps each series has.
        classes: (N,) text, each row's class as `named` spells it, "" where it is not known; None where the file says
            no classes at all.
        declared: the classes in the order that the file declares; None where it declares none.
        lines: (N,), each row's line in the file, or its number.
        unit: what `lines` count, "line" or "row".
    """

    path: str
    values: NDArray[np.float32]
    lengths: NDArray[np.int64]
    classes: NDArray[np.str_] | None
    declared: tuple[str, ...] | None
    lines: NDArray[np.int64]
    unit: str = "line"

    def where(self, row: int) -> str:
        """The place of a row, for messages."""
        return f"{self.path} {self.unit} {self.lines[row]}"


def named(texts: Iterable[str]) -> NDArray[np.str_]:
    """Class names (N,) of texts, as `labels.class_name` spells them."""
    distinct, place = np.unique(np.array([*texts], dtype=np.str_), return_inverse=True)
    return np.array([class_name(str(text)) for text in distinct], dtype=np.str_)[place]


def ends(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """The lengths (N,) of series (N, T, C) that NaN fills up: up to the last step with a value."""
    known = np.asarray(~np.isnan(values).all(axis=2))
    return np.where(known.any(axis=1), values.shape[1] - np.argmax(known[:, ::-1], axis=1), 0)


def finish(name: str, parts: Sequence[Part], notes: Sequence[str] = ()) -> Loaded:
    """The series of some files, one after the other, as checked rows with classes as labels.

    Args:
        name: what the data is called.
        parts: at least one, none of them empty.
        notes: facts for the report that the reader found.

    Returns:
        Rows whose values are (N, T, C) float32, T the longest series' steps, every NaN the same bits; `annotated` is
        one-hot, NaN in rows without a class, and None where no row has any.

    Raises:
        RequestError: names file and line: infinite values, a series without any, a class that is not declared, other
            numbers of channels.
    """
    for part in parts:
        _refuse_wrong_values(part)
    channels = [part.values.shape[2] for part in parts]
    if len({*channels}) > 1:
        raise RequestError(
            f"{parts[0].path} has series of {channels[0]} channels and {parts[1].path} of {channels[1]}; read them as "
            "data of their own"
        )
    longest = max(part.values.shape[1] for part in parts)
    values = np.full((sum(len(part.values) for part in parts), longest, channels[0]), np.nan, dtype=np.float32)
    start = 0
    for part in parts:
        values[start : start + len(part.values), : part.values.shape[1]] = part.values
        start += len(part.values)
    values[np.isnan(values)] = np.nan  # fingerprints go by bits, and a NaN has many
    labels, annotated = _classes(parts, name)
    rows = TensorRows(
        labels=labels,
        annotated=None if annotated is None else torch.from_numpy(annotated),
        name=name,
        values=torch.from_numpy(values),
    )
    lengths = np.concatenate([part.lengths for part in parts])
    return Loaded(rows, (), (*notes, *_masked(values, lengths), *_told(rows), *described(rows)))


def _refuse_wrong_values(part: Part) -> None:
    infinite = np.isinf(part.values)
    if infinite.any():
        row, step, channel = (int(place) for place in np.argwhere(infinite)[0])
        of = f" of channel {channel + 1}" if part.values.shape[2] > 1 else ""
        raise RequestError(
            f"{part.where(row)}: step {step + 1}{of} is infinite or too large for float32; mend the value, or write ? "
            "where it is missing"
        )
    empty = np.isnan(part.values).all(axis=(1, 2))
    if empty.any():
        raise RequestError(f"{part.where(int(np.argmax(empty)))}: every value is missing; leave the row out")


def _classes(parts: Sequence[Part], name: str) -> tuple[tuple[str, ...], NDArray[np.float32] | None]:
    """The class names (L,), and which class each row has, (N, L), NaN where it is not known."""
    for part in parts:
        _refuse_wrong_classes(part)
    said = np.concatenate([_said(part) for part in parts])
    found = {str(one) for one in np.unique(said)} - {""}
    declared = [one for part in parts for one in part.declared or ()]
    order = [*dict.fromkeys(declared), *sorted(found - {*declared}, key=_natural)]
    if not order:
        return (), None
    labels = canonical(order, {}, f"data {name!r}")
    annotated = (said[:, None] == np.array(labels)).astype(np.float32)
    annotated[said == ""] = np.nan
    return labels, annotated


def _said(part: Part) -> NDArray[np.str_]:
    return np.full(len(part.values), "", dtype=np.str_) if part.classes is None else part.classes


def _refuse_wrong_classes(part: Part) -> None:
    """Refuse classes that are not declared, or are numbers that count nothing: a value in the place of the class."""
    said = _said(part)
    distinct = [str(one) for one in np.unique(said) if one]
    if part.declared is not None:
        wrong = [one for one in distinct if one not in part.declared]
    else:
        wrong = [one for one in distinct if (number := _number(one)) is not None and not number.is_integer()]
    if not wrong:
        return
    row = int(np.argmax(np.isin(said, wrong)))
    one = str(said[row])
    if part.declared is None:
        raise RequestError(
            f"{part.where(row)}: the class is {one!r}, expected a name or a whole number (rows of .tsv, .txt and .csv "
            "files begin with their class)"
        )
    raise RequestError(
        f"{part.where(row)}: the class {one!r} is not among the declared ones{nearest(one, part.declared)} "
        f"(declared: {listed(part.declared)})"
    )


def _natural(name: str) -> tuple[bool, float, str]:
    """Numbers by value, then text."""
    number = _number(name)
    return number is None, number or 0.0, name


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _masked(values: NDArray[np.float32], lengths: NDArray[np.int64]) -> list[str]:
    """Notes on what masks stand for, and on series that say nothing."""
    notes = []
    shortest, longest = int(lengths.min()), int(lengths.max())
    if shortest < longest:
        notes.append(f"series have {shortest} to {longest} steps; shorter ones are masked at their end")
    missing = np.isnan(values) & (np.arange(values.shape[1]) < lengths[:, None])[..., None]
    if missing.any():
        notes.append(f"{int(missing.sum())} missing values in {int(missing.any(axis=(1, 2)).sum())} series are masked")
    low, high = np.fmin.reduce(values, axis=1), np.fmax.reduce(values, axis=1)
    constant = int(((low == high) | np.isnan(low)).all(axis=1).sum())
    if constant:
        notes.append(f"{constant} of {len(values)} series are constant")
    return notes


def _told(rows: TensorRows) -> list[str]:
    """A note on rows without a class."""
    annotated: Any = rows.annotated
    none = len(rows) if annotated is None else int(annotated.isnan().any(1).sum())
    if none == 0:
        return []
    return ["no row has a class"] if none == len(rows) else [f"{none} of {len(rows)} rows have no class"]
