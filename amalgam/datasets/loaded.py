"""What every reader hands over, and the one place where missing values, twins and wrong annotations are dealt with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt, field_validator, model_validator

from amalgam.errors import RequestError, listed, nearest
from amalgam.fingerprint import of_each_row
from amalgam.labels import canonical
from amalgam.signals import Rows, TensorRows
from amalgam.tokens import LONGEST

Missing = Literal["refuse", "mean", "drop_rows"]
Fit = Literal["crop", "squash"]
"""How an image of other proportions is fitted: cut to its middle, or squeezed."""


class DataOptions(BaseModel):
    """What a data file does not say itself.

    Attributes:
        labels: the names of the label columns, in the order wanted.
        tasks: columns of a table that hold one of several classes, whose labels are then `column: class`; or factors of
            the pictures of 3D shapes.
        label_count: how many attributes of an ARFF file are labels; 0 for a file without labels.
        label_position: where those attributes stand; without it the end, or what a MEKA relation name says.
        xml: a MULAN XML file that names the labels.
        drop: columns to leave out.
        missing: what to do about missing feature values: refuse them, fill them with their column's mean, or leave
            out their rows. Those of series are masked instead. An image that cannot be read is refused or left out.
        primary: whether a cell of these columns may list several classes with blanks or commas between; a row
            has the first.
        text: the columns of a CSV or TSV file that hold texts, which are read one after the other; or `lines` for a
            `.txt` file of a text a line after its class, or after several, each written `__label__class`; or `plain`
            for one of a text a line.
        longest: words that are read of a text, its first.
        tokenizer: the Hugging Face model, by name or folder, whose tokenizer reads the texts; None hashes words.
        only: the labels that are read, with the rows that have one of them; all by default.
        series: whether the rows of a file that could be a table are series of one class each.
        image: the column of a CSV or TSV file that holds the paths of images.
        size: height and width to which images of files are brought (a number is both); else all must have one size.
        channels: 1 makes images grey, 3 coloured; by default files are read as 3, arrays keep their own.
        fit: what becomes of images of other proportions: their middle is cut out, or they are squeezed.
        download: whether a set of torchvision's that is not there is fetched.
        coarse: whether rows are also annotated with their coarse classes, which CIFAR-100 and Oxford-IIIT Pet have.
        count: how many pictures of 3D shapes are drawn, or read of the original file.
        seed: which of the 480,000 they are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: tuple[str, ...] | None = None
    tasks: tuple[str, ...] = ()
    label_count: int | None = None
    label_position: Literal["start", "end"] | None = None
    xml: str | None = None
    drop: tuple[str, ...] = ()
    missing: Missing = "refuse"
    primary: bool = False
    text: tuple[str, ...] | Literal["lines", "plain"] | None = None
    longest: PositiveInt = LONGEST
    tokenizer: str | None = None
    only: tuple[str, ...] = ()
    series: bool = False
    image: str | None = None
    size: tuple[int, int] | None = None
    channels: Literal[1, 3] | None = None
    fit: Fit = "crop"
    download: bool = False
    coarse: bool = False
    count: PositiveInt = 2000
    seed: NonNegativeInt = 0

    @field_validator("size", mode="before")
    @classmethod
    def _height_and_width(cls, size: Any) -> Any:
        sides = size if isinstance(size, list | tuple) else (size, size)
        if size is not None and (len(sides) != 2 or any(type(side) is not int or side < 1 for side in sides)):
            raise ValueError("a number of pixels, 1 or more, or [height, width]")
        return None if size is None else tuple(sides)

    @field_validator("text", mode="before")
    @classmethod
    def _columns(cls, text: Any) -> Any:
        return (text,) if isinstance(text, str) and text not in ("lines", "plain") else text

    @property
    def columns_of_text(self) -> tuple[str, ...]:
        """The columns that hold texts."""
        return self.text if isinstance(self.text, tuple) else ()

    @model_validator(mode="after")
    def _one_source_of_labels(self) -> DataOptions:
        told = [name for name in ("labels", "label_count", "xml") if getattr(self, name) is not None]
        if len(told) > 1:
            raise ValueError(f"one of labels, label_count and xml, not {' and '.join(told)}")
        if self.label_count is not None and self.label_count < 0:
            raise ValueError("a label_count of 0 or more")
        return self


@dataclass(frozen=True)
class Table:
    """What a reader found in a file, before it is checked.

    Attributes:
        name: what the data is called, for messages.
        inputs: (N, ...) float32, NaN where a value is missing.
        features: names of the D columns of 2-D inputs; empty where the file has none.
        labels: names of the L label columns.
        annotated: (N, L) float32, NaN where nobody annotated; None for unlabelled data.
        where: a row's number to its place, for messages ("x.csv line 7").
        notes: facts for the report.
    """

    name: str
    inputs: NDArray[Any]
    features: tuple[str, ...]
    labels: tuple[str, ...]
    annotated: NDArray[Any] | None
    where: Callable[[int], str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Loaded:
    """Data that was read.

    Attributes:
        rows: the data.
        features: names of the inputs' columns; empty where the data has none.
        notes: what a report must mention: columns left out, values filled, duplicate rows, labels without a row.
        texts: of data that holds texts, all of them as they were written.
    """

    rows: Rows
    features: tuple[str, ...]
    notes: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


def narrowed(loaded: Loaded, only: Sequence[str], name: str) -> Loaded:
    """The rows that have one of some labels, annotated with these alone.

    Raises:
        RequestError: a label that the data does not have, or labels that no row has.
    """
    rows = loaded.rows
    missing = [label for label in only if label not in rows.labels]
    if missing or rows.annotated is None:
        raise RequestError(
            f"data {name!r} has no label {listed(missing or only)}, which the data option `only` names"
            f"{nearest((missing or only)[0], rows.labels)} (labels: {listed(rows.labels) or 'none'})"
        )
    annotated = rows.annotated[:, [rows.labels.index(label) for label in only]]
    kept = (annotated == 1).any(1).nonzero()[:, 0]
    if not len(kept):
        raise RequestError(f"no row of data {name!r} has {listed(only)}, which the data option `only` names")
    some = replace(rows.take(kept), annotated=annotated[kept], labels=tuple(only))
    left = len(rows) - len(kept)
    notes = (f"{left} of {len(rows)} rows have none of the labels asked for and were left out",) if left else ()
    return replace(loaded, rows=some, notes=(*loaded.notes, *notes))


def finish(table: Table, missing: Missing) -> Loaded:
    """A table as checked rows, with notes of what was done.

    Raises:
        RequestError: no rows, infinite or (unless `missing` says otherwise) missing values, annotations that are not
            0, 1 or missing, labels without names of their own.
    """
    if table.inputs.size == 0:
        raise RequestError(f"data {table.name!r} has {'no rows' if len(table.inputs) == 0 else 'no feature columns'}")
    labels = canonical(table.labels, {}, f"data {table.name!r}") if table.annotated is not None else ()
    _refuse_infinite(table)
    if table.annotated is not None:
        refuse_wrong_annotations(table.annotated, table.labels, table.where)
    table, ids = _without_missing(table, missing)
    annotated = None if table.annotated is None else torch.from_numpy(np.ascontiguousarray(table.annotated))
    values = torch.from_numpy(np.ascontiguousarray(table.inputs))
    rows = TensorRows(labels=labels, annotated=annotated, ids=torch.from_numpy(ids), name=table.name, values=values)
    return Loaded(rows, table.features, (*table.notes, *described(rows)))


def described(rows: Rows) -> list[str]:
    """Notes on rows: how many repeat an earlier one, and which labels no row has."""
    notes = []
    ordered = of_each_row(rows)
    ordered.sort()  # in place: rows that stay on disk may be many
    repeats = int((ordered[1:] == ordered[:-1]).sum())
    if repeats:
        notes.append(f"{repeats} of {len(rows)} rows repeat the inputs of an earlier row; they are kept")
    if rows.annotated is not None:
        never = [name for name, some in zip(rows.labels, (rows.annotated == 1).any(0), strict=True) if not some]
        if never:
            notes.append(f"no row has the label {listed(never)}")
    return notes


def as_float32(values: NDArray[Any]) -> NDArray[np.float32]:
    """Values as float32; what is too large becomes infinite, which `finish` refuses."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def _refuse_infinite(table: Table) -> None:
    infinite = np.isinf(table.inputs)
    if infinite.any():
        raise RequestError(f"{_cell(table, infinite)} is infinite or too large for float32; mend the value")


def refuse_wrong_annotations(annotated: NDArray[Any], labels: Sequence[str], where: Callable[[int], str]) -> None:
    """Refuse annotations (N, L) that are not 0, 1 or NaN; `where` tells a row's place."""
    wrong = ~(np.isnan(annotated) | (annotated == 0) | (annotated == 1))
    if wrong.any():
        row, column = (int(place) for place in np.argwhere(wrong)[0])
        raise RequestError(
            f"{where(row)}: the label {labels[column]!r} is {annotated[row, column]:g}, expected 0, 1 or nothing where "
            "nobody annotated; a column of other values is no label"
        )


def _without_missing(table: Table, missing: Missing) -> tuple[Table, NDArray[np.int64]]:
    """The table without NaN in its inputs, and the numbers (N,) of the rows that stay."""
    lacking = np.isnan(table.inputs)
    ids = np.arange(len(table.inputs))
    if not lacking.any():
        return table, ids
    if missing == "refuse":
        raise RequestError(
            f"{_cell(table, lacking)} has no value, the first of {int(lacking.sum())}; fill them in, or set the data "
            "option `missing` to `mean` (a column's mean) or `drop_rows`"
        )
    if missing == "mean":
        known = len(lacking) - lacking.sum(0)
        if (known == 0).any():
            raise RequestError(f"{_cell(table, lacking & (known == 0))} and its whole column have no value; `drop` it")
        mean = np.nansum(table.inputs, axis=0, dtype=np.float64) / known
        note = f"{int(lacking.sum())} missing values were filled with their column's mean"
        filled = np.where(lacking, mean, table.inputs).astype(np.float32)
        return replace(table, inputs=filled, notes=(*table.notes, note)), ids
    whole = ~lacking.reshape(len(lacking), -1).any(1)
    if not whole.any():
        raise RequestError(f"every row of data {table.name!r} misses a value; set the data option `missing` to `mean`")
    note = f"{int((~whole).sum())} of {len(whole)} rows were left out for missing values"
    annotated = None if table.annotated is None else table.annotated[whole]
    kept = replace(table, inputs=table.inputs[whole], annotated=annotated, notes=(*table.notes, note))
    return kept, ids[whole]


def _cell(table: Table, marked: NDArray[np.bool_]) -> str:
    """The place of the first marked value."""
    row, *column = (int(place) for place in np.argwhere(marked)[0])
    name = repr(table.features[column[0]]) if table.features else " ".join(map(str, column))
    return f"{table.where(row)}: column {name}"
