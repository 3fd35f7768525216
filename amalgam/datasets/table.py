"""CSV, TSV, Parquet, NPZ and NPY files."""

from __future__ import annotations

import csv
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from amalgam.datasets.compressed import opened, opened_text, plain_name
from amalgam.datasets.loaded import DataOptions, Loaded, Table, as_float32, described
from amalgam.datasets.pixels import are_images, as_images
from amalgam.errors import RequestError, listed, nearest
from amalgam.labels import class_label, class_name
from amalgam.signals import FileRows

SERIES = "say --series, or set the data option `series` to true"
"""How a file is read as series that could be a table."""
_MISSING = ["?"]  # beside what pandas takes for missing: nothing, NA, NaN, null, …


def read_csv(path: Path, options: DataOptions) -> Table:
    """A CSV or TSV file, which may be compressed: a line of names, then lines of numbers.

    Raises:
        RequestError: names file, line and column.
    """
    frame, notes = read_frame(path, text=options.tasks)
    return _table(frame, path, options, lambda line: f"{path} line {line}", notes)


def read_frame(path: Path, text: Sequence[str] = ()) -> tuple[Any, tuple[str, ...]]:
    """The data frame in a CSV or TSV file, whose index is the line on which each row begins; and notes.

    Args:
        path: the file, which may be compressed.
        text: columns whose values are kept as they are written, if there are such.

    Raises:
        RequestError: names file and line.
    """
    import pandas

    separator = "\t" if plain_name(path).endswith(".tsv") else ","
    names = _header(path, separator)
    with opened(path) as stream, warnings.catch_warnings():
        warnings.simplefilter("error", pandas.errors.ParserWarning)
        try:
            frame = pandas.read_csv(
                stream,
                sep=separator,
                header=0,
                names=names,
                index_col=False,
                na_values=_MISSING,
                skip_blank_lines=False,
                low_memory=False,
                encoding="utf-8-sig",
                dtype={name: str for name in text if name in names},
            )
        except (pandas.errors.ParserError, pandas.errors.ParserWarning) as error:
            _refuse_ragged(path, separator, len(names))
            raise RequestError(f"{path} is no table: {' '.join(str(error).split())}") from None
    if frame[names[-1]].isna().any():  # a line that ends too early is read as one with missing values
        _refuse_ragged(path, separator, len(names))
    frame.index = _lines(path, separator, frame)
    empty = frame.isna().all(axis=1)
    return frame[~empty], (f"{int(empty.sum())} empty lines were left out",) if empty.any() else ()


def read_parquet(path: Path, options: DataOptions) -> Table:
    """A Parquet file with named columns of numbers; RequestError names file, row and column."""
    import pandas

    try:
        frame = pandas.read_parquet(path)
    except FileNotFoundError:
        raise RequestError(f"data {path}: no such file") from None
    except (OSError, ValueError) as error:
        raise RequestError(f"{path} is damaged or no Parquet file: {' '.join(str(error).split())}") from None
    frame = frame.reset_index(drop=True)
    frame.columns = [str(name) for name in frame.columns]
    return _table(frame, path, options, lambda row: f"{path} row {row}", ())


def read_npz(path: Path, channels: int | None = None) -> Table:
    """An NPZ file of arrays: `inputs` (or `X`); `annotated` (or `Y`, `y`) and `labels`, their names, may be absent.

    Bytes (uint8) of three or four dimensions, and floats of four, are images (see `pixels.as_images`), whose channels
    are wanted.
    """
    found = arrays(path)
    inputs = next((found[name] for name in ("inputs", "X") if name in found), None)
    annotated = next((found[name] for name in ("annotated", "Y", "y") if name in found), None)
    labels = found.get("labels")
    if inputs is None:
        raise RequestError(f"{path} holds {listed(found)}, expected an array `inputs` (or `X`)")
    refuse_wrong_array(inputs, f"{path}: inputs")
    if annotated is not None:
        if labels is None or labels.dtype.kind != "U" or annotated.shape != (len(inputs), labels.size):
            raise RequestError(
                f"{path}: annotated is {annotated.shape} with {'no' if labels is None else labels.size} labels, "
                f"expected ({len(inputs)}, L) and an array `labels` of L names (text): labels are matched by name"
            )
        if annotated.dtype.kind not in "fiub":
            raise RequestError(f"{path}: annotated is of type {annotated.dtype}, expected numbers 0 and 1")
    return Table(
        name=path.name,
        inputs=as_images(inputs, f"{path}: inputs", channels) if are_images(inputs) else as_float32(inputs),
        features=(),
        labels=tuple(str(label) for label in labels.ravel()) if annotated is not None and labels is not None else (),
        annotated=None if annotated is None else annotated.astype(np.float32),
        where=lambda row: f"{path} row {row}",
    )


def read_npy(path: Path, options: DataOptions, chunk: int = 2**20) -> Loaded:
    """A bare NPY file of unlabelled inputs (N, ...), left on disk: checked once, in chunks of `chunk` values."""
    try:
        opened_once = np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise RequestError(f"data {path}: no such file") from None
    except (ValueError, OSError) as error:
        raise RequestError(f"{path} cannot be read: {_why(error)}") from None
    refuse_wrong_array(opened_once, str(path))
    if opened_once.ndim == 4:
        as_images(opened_once[:1], str(path))  # refused for its layout before anything is read
        if opened_once.dtype == np.uint8:
            raise RequestError(f"{path} holds images as bytes; save them in an .npz file, or as floats from 0 to 1")
    rows = FileRows(name=path.name, path=path)
    bad = []
    for where, inputs in rows.chunks(max(1, chunk // max(1, opened_once[0].size))):
        if inputs.ndim == 4:
            as_images(inputs.numpy(), str(path))
        bad.append(where.start + (~torch.isfinite(inputs).flatten(1).all(1)).nonzero().ravel())
    wrong = torch.cat(bad)
    if not len(wrong):
        return Loaded(rows, (), tuple(described(rows)))
    if options.missing != "drop_rows" or len(wrong) == len(rows):
        raise RequestError(
            f"{path} row {int(wrong[0])} is missing a value or infinite, the first of {len(wrong)} such rows; fill "
            "them in, or set the data option `missing` to `drop_rows` (a file that stays on disk is not filled)"
        )
    keep = torch.ones(len(rows), dtype=torch.bool)
    keep[wrong] = False
    kept = rows.take(keep.nonzero().ravel())
    note = f"{len(wrong)} of {len(rows)} rows were left out for missing or infinite values"
    return Loaded(kept, (), (note, *described(kept)))


def _header(path: Path, separator: str) -> list[str]:
    """The names in a CSV file's first line."""
    with opened_text(path) as text:
        names = next(csv.reader(text, delimiter=separator), [])
    if not names:
        raise RequestError(f"{path} is empty; expected a line of column names, then rows")
    if all(_is_number(name) for name in names):
        raise RequestError(
            f"{path} line 1 holds numbers, expected the names of the columns; add a line of names, or, if every line "
            f"is a series after its class, {SERIES}"
        )
    times = Counter(names)
    for name in names:
        if not name.strip() or times[name] > 1:
            what = f"a second column {name!r}" if name.strip() else "a column without a name"
            hint = f"; if every line is a series after its class, {SERIES}" if all(map(_is_number, names[1:])) else ""
            raise RequestError(f"{path} line 1 has {what}; every column needs a name of its own{hint}")
    return names


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _refuse_ragged(path: Path, separator: str, width: int) -> None:
    with opened_text(path) as text:
        lines = csv.reader(text, delimiter=separator)
        for row in lines:
            if row and len(row) != width:
                raise RequestError(
                    f"{path} line {lines.line_num} has {len(row)} values, expected {width}, one for each column; the "
                    "line is damaged or the file cut short"
                )


def _lines(path: Path, separator: str, frame: Any) -> Any:
    """The line on which each row of a file begins: the second and so on, unless cells hold line breaks."""
    import pandas

    words = [frame[name] for name in frame.columns if not pandas.api.types.is_numeric_dtype(frame[name])]
    said = (pandas.Series(frame.columns), *(one.dropna().astype(str) for one in words))
    if not any(one.str.contains("[\r\n]").any() for one in said):
        return np.arange(2, len(frame) + 2)
    with opened_text(path) as text:
        lines = csv.reader(text, delimiter=separator)
        ends = [lines.line_num for _ in lines]
    return np.array(ends[: len(frame)]) + 1


def _table(frame: Any, path: Path, options: DataOptions, where: Callable[[int], str], notes: tuple[str, ...]) -> Table:
    """A data frame, whose index counts the file's rows, as a Table."""
    columns = features(frame, path, options)
    frame, labels = by_class(frame, path, options)
    rows = frame.index.to_numpy()
    return Table(
        name=path.name,
        inputs=numbers(frame, columns, where),
        features=tuple(columns),
        labels=labels,
        annotated=numbers(frame, labels, where) if labels else None,
        where=lambda row: where(int(rows[row])),
        notes=(*notes, *dropped(options)),
    )


def by_class(frame: Any, path: Path, options: DataOptions) -> tuple[Any, tuple[str, ...]]:
    """A data frame in which each task has a column for each of its classes, 0, 1 or NaN; and the names of its labels.

    Raises:
        RequestError: no rows, a task without a class, or a class that another column is called as.
    """
    import pandas

    if not len(frame):
        raise RequestError(f"data {path.name!r} has no rows")
    labels = [*(options.labels or ())]
    for task in options.tasks:
        if frame[task].dtype == object and not frame[task].map(pandas.api.types.is_scalar).all():
            raise RequestError(
                f"{path}: a cell of the column {task!r} holds several values, expected the name of a class"
            )
        called = {one: class_name(_first(str(one), options)) for one in frame[task].dropna().unique()}
        values = frame[task].map({one: name for one, name in called.items() if name})
        there = values.notna()
        classes = sorted(values[there].unique())
        if not classes:
            raise RequestError(f"{path}: the column {task!r} names no class; take it out of the data option `tasks`")
        told = {class_label(task, name): (values == name).astype(np.float32).where(there) for name in classes}
        twice = next((name for name in told if name in frame.columns), None)
        if twice is not None:
            raise RequestError(f"{path} has a column {twice!r}, which is the label of a class of {task!r}; rename one")
        frame, labels = pandas.concat([frame.drop(columns=task), pandas.DataFrame(told)], axis=1), [*labels, *told]
    return frame, tuple(labels)


def _first(cell: str, options: DataOptions) -> str:
    """The class that a cell of a task names, or the first of several with blanks or commas between."""
    return (cell.replace(",", " ").split() or [""])[0] if options.primary else cell


def features(frame: Any, path: Path, options: DataOptions) -> list[str]:
    """The columns of a data frame that are neither labels nor dropped; the options must name columns, and once."""
    columns: list[str] = list(frame.columns)
    labels, images = options.labels or (), () if options.image is None else (options.image,)
    content = {"image": images, "text": options.columns_of_text}
    for option, wanted in (("labels", labels), ("tasks", options.tasks), ("drop", options.drop), *content.items()):
        unknown = next((name for name in wanted if name not in columns), None)
        if unknown is not None:
            raise RequestError(
                f"{path} has no column {unknown!r}, which the data option `{option}` names"
                f"{nearest(unknown, columns)} (columns: {listed(columns)})"
            )
    for option, wanted in (("labels", labels), ("tasks", options.tasks), *content.items()):
        both = next((name for name in wanted if name in options.drop), None)
        if both is not None:
            raise RequestError(f"the data options name {both!r} under `{option}` and under `drop`; choose one")
    for option, wanted in (("labels", labels), ("tasks", options.tasks)):
        for other, own in content.items():
            both = next((name for name in own if name in wanted), None)
            if both is not None:
                raise RequestError(f"the data options name {both!r} under `{other}` and under `{option}`; choose one")
    both = next((name for name in options.tasks if name in labels), None)
    if both is not None:
        raise RequestError(f"the data options name {both!r} under `labels` and under `tasks`; choose one")
    return [name for name in columns if name not in {*labels, *options.tasks, *options.drop}]


def dropped(options: DataOptions) -> tuple[str, ...]:
    """Notes on the columns that were left out."""
    return tuple(f"column {name!r} was left out as asked" for name in options.drop)


def numbers(frame: Any, columns: Sequence[str], where: Callable[[int], str]) -> NDArray[np.float32]:
    """Columns (N, C) of a data frame as float32; a column that holds anything but numbers is refused."""
    import pandas

    for name in columns:
        column = frame[name]
        if column.dtype.kind not in "fiub":
            wrong = pandas.to_numeric(column.astype(object), errors="coerce").isna() & column.notna()
            if wrong.any():
                row = wrong.idxmax()
                raise RequestError(
                    f"{where(int(row))}: column {name!r} is {str(column[row])!r}, expected a number; encode it as "
                    "numbers, name it under the data option `tasks` if it holds classes, or leave it out with `drop`"
                )
    return as_float32(frame[list(columns)].apply(pandas.to_numeric).to_numpy(dtype=np.float64, na_value=np.nan))


def arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an NPZ file; one that would need a pickle is refused."""
    try:
        with path.open("rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it is one array, no archive of them")
            with archive:
                return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise RequestError(f"data {path}: no such file") from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise RequestError(f"{path} cannot be read: {_why(error)}") from None


def _why(error: Exception) -> str:
    """What is wrong with a NumPy file, in words a user can act on."""
    said = " ".join(str(error).split())
    if any(sign in said for sign in ("allow_pickle", "ickled", "Python objects")):
        return "it holds Python objects (a pickle), which may run code; save arrays of numbers and text instead"
    return f"it is damaged or no NumPy file ({said})"


def refuse_wrong_array(array: NDArray[Any], what: str) -> None:
    """Refuse an array that is no (rows, columns, …) of numbers."""
    if array.dtype.kind not in "fiub" or array.ndim < 2 or 0 in array.shape:
        raise RequestError(
            f"{what} is an array {array.shape} of type {array.dtype}, expected numbers (rows, columns, …) with at "
            "least one row"
        )
