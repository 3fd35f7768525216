"""Series of other files: text as the UCR archive has it, Weka's ARFF, and NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from amalgam.datasets import arff
from amalgam.datasets.compressed import opened_text, plain_name
from amalgam.datasets.loaded import as_float32
from amalgam.datasets.series import Part, ends, named
from amalgam.datasets.table import arrays, refuse_wrong_array
from amalgam.datasets.text import Row, Series, parsed
from amalgam.errors import RequestError, listed

_FILLED = "shorter series are filled up with NaN"


def read_text(path: Path, classes: bool = True) -> Part:
    """A file of a series a line, its class first: separated by tabs or commas, or else by white space.

    Args:
        path: a `.tsv`, `.txt` or `.csv` file without a line of names, which may be compressed.
        classes: whether rows begin with their class.

    Raises:
        RequestError: names file and line of what is wrong, such as a row with fewer values than the first.
    """
    with opened_text(path) as text:
        meant = ((number, line.rstrip("\r\n")) for number, line in enumerate(text, start=1) if line.strip())
        first = next(meant, None)
        if first is None:
            raise RequestError(f"{path} has no rows: it is empty or cut short")
        likely = ",\t" if plain_name(path).endswith(".csv") else "\t,"
        separator = next((sign for sign in likely if sign in first[1]), " ")
        rows = (_row(number, line, separator, classes) for lines in ([first], meant) for number, line in lines)
        found = parsed(path, rows, separator, _FILLED)
    return _filled(path, found)


def _row(number: int, line: str, separator: str, classes: bool) -> Row:
    if not classes:
        return Row(number, (line,))
    name, _, values = (line.lstrip() if separator == " " else line).partition(separator)
    return Row(number, (values,), name)


def _filled(path: Path, found: Series, declared: tuple[str, ...] | None = None) -> Part:
    """A file whose series NaN fills up to the same length."""
    return Part(str(path), found.values, ends(found.values), named(found.names), declared, found.lines)


def read_arff(path: Path) -> Part:
    """A Weka ARFF file of series, which may be compressed.

    Series of one channel are numeric attributes and a nominal class; those of several are a relational attribute,
    whose lines are the channels, and a nominal class.

    Raises:
        RequestError: names file and line of what is wrong.
    """
    with opened_text(path) as text:
        told = ((number, line.strip()) for number, line in enumerate(text, start=1))
        meant = ((number, line) for number, line in told if line and not line.startswith("%"))
        relational: list[str] = []
        _, (*steps, last) = arff.header(_unrelated(meant, relational), path)
        if not steps or last.kind != "nominal" or any(one.kind != "numeric" for one in steps):
            raise RequestError(f"{path} declares no series: expected numeric attributes and then one nominal class")
        found = parsed(path, _arff_rows(meant, path, bool(relational)), ",", f"{len(steps)} are declared")
    if not len(found.lines):
        raise RequestError(f"{path} has no rows after @data: it is empty or cut short")
    if found.values.shape[1] != len(steps):
        raise RequestError(
            f"{path} line {found.lines[0]} has {found.values.shape[1]} values, expected {len(steps)}, one for each "
            "numeric attribute"
        )
    return _filled(path, found, tuple(map(str, named(last.values))))


def _unrelated(lines: Iterator[tuple[int, str]], relational: list[str]) -> Iterator[tuple[int, str]]:
    """Header lines without those that open and close a relational attribute, which is noted."""
    for number, line in lines:
        words = line.casefold().split()
        if words[0] == "@attribute" and words[-1] == "relational":
            relational.append(line)
        elif words[0] != "@end":
            yield number, line


def _arff_rows(lines: Iterator[tuple[int, str]], path: Path, relational: bool) -> Iterator[Row]:
    """Rows `value,value,…,class`, or `'value,value,…\\nvalue,value,…',class`."""
    expected = 0
    for number, line in lines:
        if not relational:
            values, _, name = line.rpartition(",")
            yield Row(number, (values,), arff.unquoted(name.strip()))
            continue
        values, quote, name = line[1:].partition(line[0])
        channels = tuple(values.split("\\n"))
        expected = expected or len(channels)
        if line[0] not in "'\"" or not quote or not name.startswith(","):
            raise RequestError(f"{path} line {number}: expected `'value,…\\nvalue,…',class`, found {line[:40]!r}")
        if len(channels) != expected:
            raise RequestError(
                f"{path} line {number} has {len(channels)} dimensions, expected {expected} as in the first row; the "
                "line is damaged or the file cut short"
            )
        yield Row(number, channels, arff.unquoted(name[1:].strip()))


def read_npz(path: Path) -> Part:
    """An NPZ file: `X` (or `inputs`), (N, T, C) or (N, T) numbers, and, where it is there, `y`, N class names.

    Raises:
        RequestError: arrays that are not there, of other shapes or types, or that would need a pickle.
    """
    found = arrays(path)
    inputs = next((found[name] for name in ("X", "inputs") if name in found), None)
    if inputs is None:
        raise RequestError(f"{path} holds {listed(found)}, expected an array `X` of series and an array `y` of classes")
    refuse_wrong_array(inputs, f"{path}: X")
    if inputs.ndim > 3:
        raise RequestError(f"{path}: X is an array {inputs.shape}, expected (rows, steps) or (rows, steps, channels)")
    classes = found.get("y")
    if classes is not None and (classes.shape != (len(inputs),) or classes.dtype.kind not in "Ufiub"):
        raise RequestError(
            f"{path}: y is an array {classes.shape} of type {classes.dtype}, expected ({len(inputs)},) class names or "
            "whole numbers"
        )
    values = as_float32(inputs if inputs.ndim == 3 else inputs[..., None])
    part = Part(str(path), values, ends(values), None, None, np.arange(len(values)), unit="row")
    return part if classes is None else replace(part, classes=named(classes.astype(np.str_)))
