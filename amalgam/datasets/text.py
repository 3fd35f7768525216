"""Numbers of series in text: rows of cells, parsed block by block by a few calls over all cells of a block."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from amalgam.datasets.loaded import as_float32
from amalgam.errors import RequestError

_BLOCK = 2**22  # characters parsed at once


class Row(NamedTuple):
    """A row of a file as text: its line, its C channels' values, and its class."""

    line: int
    channels: tuple[str, ...]
    name: str = ""


class Series(NamedTuple):
    """Rows as numbers: values (N, T, C), lengths (N,), lines (N,) and N classes as they are spelt."""

    values: NDArray[np.float32]
    lengths: NDArray[np.int64]
    lines: NDArray[np.int64]
    names: list[str]


def parsed(path: Path, rows: Iterable[Row], separator: str, equal: str = "") -> Series:
    """Rows of text as series; `?`, NaN and an empty cell are missing values.

    Args:
        path: the file, for messages.
        rows: each of C channels.
        separator: what stands between cells: "," or a tab; or " ", for any white space.
        equal: why all must have as many values as the first, for messages; "" where they may differ in length.

    Returns:
        The series; T is the longest one's steps, NaN beyond a shorter one's end. N is 0 for a file without rows.

    Raises:
        RequestError: names file and line: a cell that is no number, a series of length 0, or of another length.
    """
    flat: list[NDArray[np.float32]] = []
    counts: list[NDArray[np.int64]] = []
    lines: list[int] = []
    names: list[str] = []
    channels, width = 1, 0
    for block in _blocks(rows):
        channels = len(block[0].channels)
        texts = [text for row in block for text in row.channels]
        here = np.array([_count(text, separator) for text in texts])
        width = width or int(here[0])
        _refuse_lengths(path, block, here, width, equal)
        flat.append(_numbers(path, block, texts, separator, int(here.sum())))
        counts.append(here)
        lines += [row.line for row in block]
        names += [row.name for row in block]
    if not lines:
        return Series(np.empty((0, 0, channels), np.float32), np.empty(0, np.int64), np.empty(0, np.int64), [])
    each, values = np.concatenate(counts), np.concatenate(flat)
    if (each != each[0]).any():
        there = np.arange(each.max()) < each[:, None]
        spread = np.full(there.shape, np.nan, dtype=np.float32)
        spread[there] = values
        values = spread
    steps_last = values.reshape(len(lines), channels, -1)
    values = np.ascontiguousarray(steps_last.transpose(0, 2, 1))
    return Series(values, each.reshape(len(lines), channels).max(axis=1), np.array(lines), names)


def _blocks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    block: list[Row] = []
    size = 0
    for row in rows:
        block.append(row)
        size += sum(map(len, row.channels))
        if size >= _BLOCK:
            yield block
            block, size = [], 0
    if block:
        yield block


def _count(text: str, separator: str) -> int:
    if separator == " ":
        return len(text.split())
    return text.count(separator) + 1 if text.strip() else 0


def _refuse_lengths(path: Path, block: list[Row], counts: NDArray[np.int64], width: int, equal: str) -> None:
    wrong = (counts == 0) | (counts != width) & bool(equal)
    if not wrong.any():
        return
    at, channels = int(np.argmax(wrong)), len(block[0].channels)
    where = f"{path} line {block[at // channels].line}"
    of = f" in dimension {at % channels + 1}" if channels > 1 else ""
    if counts[at] == 0:
        raise RequestError(f"{where} holds a series of length 0{of}; give its values, or leave the row out")
    raise RequestError(
        f"{where} has {counts[at]} values{of}, expected {width} as in the first row: {equal}; the line is damaged or "
        "the file cut short"
    )


def _numbers(path: Path, block: list[Row], texts: list[str], separator: str, count: int) -> NDArray[np.float32]:
    """All cells of a block, one after the other."""
    numbers = floats(_spaced("\n".join(texts), separator))
    if numbers is None or len(numbers) != count:
        _complain(path, block, separator)
    return as_float32(numbers)


def _spaced(text: str, separator: str) -> str:
    """Text with one number a cell and blanks between: what is missing becomes NaN.

    No cell is left that would be read as no number at all, so that the count of the numbers tells a cell that is wrong.
    """
    if separator != " ":
        blanks = [sign for sign in " \t\v\f\r" if sign != separator]
        if any(sign in text for sign in blanks):
            blank = f"[{''.join(blanks)}]*"
            text = re.sub(rf"{blank}({separator}|^|$){blank}", r"\1", text, flags=re.MULTILINE)
        ends = f"\n{text}\n"
        if any(pair in ends for pair in (2 * separator, f"\n{separator}", f"{separator}\n", "\n\n")):
            text = re.sub(rf"(?:^|(?<={separator}))(?={separator}|$)", "nan", text, flags=re.MULTILINE)
        text = text.replace(separator, " ")
    return text.replace("?", "nan")


def floats(text: str) -> NDArray[np.float64] | None:
    """The numbers in a text with blanks between them, or None where something is no number."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # of an older numpy, where a newer one raises ValueError
        try:
            return np.fromstring(text, sep=" ")
        except (ValueError, DeprecationWarning):
            return None


def _complain(path: Path, block: list[Row], separator: str) -> NoReturn:
    """Refuse the first cell of a block that is no number."""
    for row in block:
        for channel, text in enumerate(row.channels, start=1):
            for step, cell in enumerate(text.split(None if separator == " " else separator), start=1):
                numbers = floats(_spaced(cell, separator))
                if numbers is None or len(numbers) != 1:
                    of = f" of dimension {channel}" if len(row.channels) > 1 else ""
                    raise RequestError(
                        f"{path} line {row.line}: value {step}{of} is {cell.strip()!r}, expected a number, or ? or NaN "
                        "for a missing value"
                    )
    raise AssertionError("every cell is a number by itself, and not together")
