"""ARFF files as numbers, dense and sparse: https://waikato.github.io/weka-wiki/formats_and_processing/arff_stable/.

Rows are read in blocks, each turned into numbers by a few calls over all its cells, so that memory is the result plus
one block. Everything about labels is in `mulan.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from amalgam.datasets.compressed import opened_text
from amalgam.datasets.loaded import as_float32
from amalgam.errors import RequestError, listed, nearest

_QUOTED = r"'(?:[^'\\\n]|\\.)*'" + "|" + r'"(?:[^"\\\n]|\\.)*"'
_ATTRIBUTE = re.compile(rf"@attribute\s+({_QUOTED}|\S+)\s*(\{{.*\}}|[A-Za-z]+).*", re.IGNORECASE | re.DOTALL)
_QUOTED_CELL = re.compile(rf"(?:(?<=[,\s])|^)(?:{_QUOTED})(?=[ \t]*(?:,|$))", re.MULTILINE)
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}
_BETWEEN = {False: re.compile(r"[ \t]*,[ \t]*"), True: re.compile(r"[ \t]*,[ \t]*|[ \t]+")}  # dense, sparse
_CELL, _ROW = "\x1f", "\x1e"
_HIDE = {ord(sign): 0xE000 + ord(sign) for sign in ", \t\n"}  # what separates cells, when it stands inside quotes
_SHOW = {hidden: sign for sign, hidden in _HIDE.items()}
_BLOCK = 2**18  # cells parsed at once

Kind = Literal["numeric", "nominal", "skipped"]


@dataclass(frozen=True)
class Attribute:
    """A column of an ARFF file; `values` are those a nominal attribute declares."""

    name: str
    kind: Kind
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Arff:
    """An ARFF file.

    Attributes:
        path: the file.
        relation: its name, which in MEKA files carries options.
        attributes: its A columns.
        codes: (N, A) float32: numbers, a nominal value as its place among the declared ones, NaN where missing or
            skipped.
        lines: (N,), each row's line in the file.
    """

    path: Path
    relation: str
    attributes: tuple[Attribute, ...]
    codes: NDArray[np.float32]
    lines: NDArray[np.int64]


def read(path: Path, skip: Collection[str] = ()) -> Arff:
    """An ARFF file, which may be compressed.

    Args:
        path: the file.
        skip: names of attributes to leave unread (their kind becomes "skipped").

    Raises:
        RequestError: names file and line of what is wrong.
    """
    with opened_text(path) as text:
        told = ((number, line.strip()) for number, line in enumerate(text, start=1))
        meant = ((number, line) for number, line in told if line and not line.startswith("%"))
        relation, attributes = header(meant, path, skip)
        codes, numbers = _rows(meant, path, attributes)
    return Arff(path, relation, attributes, codes, numbers)


def unquoted(text: str) -> str:
    """A name or value as it is meant: without its quotes and escapes."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), text[1:-1])
    return text


def header(
    lines: Iterator[tuple[int, str]], path: Path, skip: Collection[str] = ()
) -> tuple[str, tuple[Attribute, ...]]:
    """The relation's name and the attributes that numbered lines declare, which are read up to @data."""
    relation = ""
    attributes: dict[str, Attribute] = {}
    for number, line in lines:
        keyword = line.split(maxsplit=1)[0].lower()
        if keyword == "@relation":
            relation = unquoted(line[len(keyword) :].strip())
        elif keyword == "@attribute":
            attribute = _attribute(line, f"{path} line {number}", skip)
            if attribute.name in attributes:
                raise RequestError(f"{path} line {number}: a second attribute {attribute.name!r}; rename one of them")
            attributes[attribute.name] = attribute
        elif keyword == "@data" and attributes:
            return relation, tuple(attributes.values())
        else:
            expected = "@relation, @attribute or @data" if attributes else "@relation or @attribute"
            raise RequestError(f"{path} line {number}: expected {expected}, found {line[:40]!r}")
    raise RequestError(f"{path} has no @data line: it is cut short, or no ARFF file")


def _attribute(line: str, where: str, skip: Collection[str]) -> Attribute:
    found = _ATTRIBUTE.fullmatch(line)
    if not found:
        raise RequestError(f"{where}: expected `@attribute NAME TYPE`, found {line[:40]!r}")
    name, kind = unquoted(found[1]), found[2].lower()
    if name in skip:
        return Attribute(name, "skipped")
    if kind.startswith("{"):
        values = tuple(_cells(found[2][1:-1].strip(), sparse=False)[0])
        if len(set(values)) < len(values):
            raise RequestError(f"{where}: attribute {name!r} declares the same value twice; leave one")
        return Attribute(name, "nominal", values)
    if kind in {"numeric", "real", "integer"}:
        return Attribute(name, "numeric")
    raise RequestError(
        f"{where}: attribute {name!r} is of type {kind!r}, expected numeric or nominal; leave it out with the data "
        "option `drop`"
    )


def _rows(
    lines: Iterator[tuple[int, str]], path: Path, attributes: tuple[Attribute, ...]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Codes (N, A) and line numbers (N,) of all rows."""
    block = _Block(path, attributes)
    codes: list[NDArray[np.float32]] = []
    numbers: list[int] = []
    while taken := list(islice(lines, max(64, _BLOCK // len(attributes)))):
        here, texts = zip(*taken, strict=True)
        codes.append(block.codes(np.array(here), texts))
        numbers += here
    if not codes:
        raise RequestError(f"{path} has no rows after @data: it is empty or cut short")
    return np.concatenate(codes), np.array(numbers)


def _cells(text: str, sparse: bool) -> list[list[str]]:
    """The cells of lines of text, without their quotes; Python steps through rows and quoted cells only."""
    quoted = "'" in text or '"' in text
    if sparse and not quoted:
        return [row.split() for row in text.replace(",", " ").split("\n")]
    if quoted:
        text = _QUOTED_CELL.sub(lambda found: unquoted(found[0]).translate(_HIDE), text)
    text = text.replace("\n", _ROW)
    spaced = sparse or " " in text or "\t" in text
    text = _BETWEEN[sparse].sub(_CELL, text) if spaced else text.replace(",", _CELL)
    if quoted:
        text = text.translate(_SHOW)
    return [row.split(_CELL) for row in text.split(_ROW)]


class _Block:
    """Turns lines of one file into codes."""

    def __init__(self, path: Path, attributes: tuple[Attribute, ...]) -> None:
        import pandas

        self.path, self.attributes = path, attributes
        kinds = dict.fromkeys((one.kind, one.values) for one in attributes if one.kind != "skipped")
        self.groups = [  # attributes with the same values are looked up together
            (
                pandas.Index(values, dtype=object) if kind == "nominal" else None,
                np.array([(one.kind, one.values) == (kind, values) for one in attributes]),
            )
            for kind, values in kinds
        ]

    def codes(self, lines: NDArray[np.int64], texts: tuple[str, ...]) -> NDArray[np.float32]:
        """Codes (B, A) of the rows `texts`, which stand on `lines` (B,)."""
        sparse = np.array([text.startswith("{") for text in texts])
        codes = np.zeros((len(texts), len(self.attributes)), dtype=np.float32)
        codes[:, [one.kind == "skipped" for one in self.attributes]] = np.nan
        for rows in (np.flatnonzero(sparse), np.flatnonzero(~sparse)):
            if len(rows):
                place = self._sparse if sparse[rows[0]] else self._dense
                row, column, cells = place(lines[rows], [texts[row] for row in rows])
                codes[rows[row], column] = self._encode(cells, column, lines[rows[row]])
        return codes

    def _dense(self, lines: NDArray[np.int64], texts: list[str]) -> tuple[Any, Any, Any]:
        """Rows `value,value,…`: each cell's row, column and text."""
        cells = _cells("\n".join(texts), sparse=False)
        lengths = np.fromiter(map(len, cells), dtype=np.int64)
        width = len(self.attributes)
        if (lengths != width).any():
            short = int(np.argmax(lengths != width))
            raise RequestError(
                f"{self.path} line {lines[short]} has {lengths[short]} values, expected {width}, one for each "
                "attribute; the line is damaged or the file cut short"
            )
        row, column = np.divmod(np.arange(len(texts) * width), width)
        return row, column, np.array(list(chain.from_iterable(cells)), dtype=object)

    def _sparse(self, lines: NDArray[np.int64], texts: list[str]) -> tuple[Any, Any, Any]:
        """Rows `{place value, …}`: a place left out holds 0, or the first value that a nominal attribute declares."""
        open_ended = next((row for row, text in enumerate(texts) if not text.endswith("}")), None)
        if open_ended is not None:
            raise RequestError(
                f"{self.path} line {lines[open_ended]} has no closing brace; the line is damaged or the file cut short"
            )
        filled = [row for row, text in enumerate(texts) if text[1:-1].strip()]
        if not filled:
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, object)
        cells = _cells("\n".join(texts[row][1:-1].strip() for row in filled), sparse=True)
        lengths = np.fromiter(map(len, cells), dtype=np.int64)
        if (lengths % 2).any():
            odd = lines[filled[int(np.argmax(lengths % 2))]]
            raise RequestError(f"{self.path} line {odd}: a sparse row is pairs of place and value, `{{0 1.5,7 2}}`")
        flat = np.array(list(chain.from_iterable(cells)), dtype=object)
        row = np.repeat(filled, lengths // 2)
        column = self._columns(flat[::2], lines[row])
        key = row * len(self.attributes) + column
        values, count = np.unique(key, return_counts=True)
        if (count > 1).any():
            again, at = divmod(int(values[np.argmax(count > 1)]), len(self.attributes))
            raise RequestError(f"{self.path} line {lines[again]}: place {at} is given twice; leave one")
        return row, column, flat[1::2]

    def _columns(self, cells: NDArray[Any], lines: NDArray[np.int64]) -> NDArray[np.int64]:
        """Places in sparse rows as attribute numbers."""
        last = len(self.attributes) - 1
        try:
            columns = cells.astype(np.int64)
        except ValueError:
            columns = np.array([int(cell) if cell.isdecimal() else -1 for cell in cells])
        wrong = (columns < 0) | (columns > last)
        if wrong.any():
            at = int(np.argmax(wrong))
            raise RequestError(
                f"{self.path} line {lines[at]}: no attribute at place {cells[at]!r}; places are 0 to {last}"
            )
        return columns

    def _encode(self, cells: NDArray[Any], columns: NDArray[np.int64], lines: NDArray[np.int64]) -> NDArray[np.float32]:
        """Cells (M,) as codes (M,), given their columns and lines (M,)."""
        codes = np.full(len(cells), np.nan, dtype=np.float32)
        told = cells != "?"
        for index, members in self.groups:
            here = np.flatnonzero(members[columns] & told)
            if index is None:
                codes[here] = as_float32(self._numbers(cells[here], columns[here], lines[here]))
                continue
            found = index.get_indexer(cells[here])
            if (found < 0).any():
                at = here[int(np.argmax(found < 0))]
                attribute = self.attributes[columns[at]]
                raise RequestError(
                    f"{self.path} line {lines[at]}: attribute {attribute.name!r} has no value {cells[at]!r}"
                    f"{nearest(cells[at], attribute.values)} (declared: {listed(attribute.values)})"
                )
            codes[here] = found
        return codes

    def _numbers(
        self, cells: NDArray[Any], columns: NDArray[np.int64], lines: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        try:
            numbers: NDArray[np.float64] = cells.astype(np.float64)
        except ValueError:
            import pandas

            at = int(np.argmax(pandas.isna(pandas.to_numeric(pandas.Series(cells), errors="coerce"))))
            raise RequestError(
                f"{self.path} line {lines[at]}: attribute {self.attributes[columns[at]].name!r} is {cells[at]!r}, "
                "expected a number, or ? for a missing value"
            ) from None
        return numbers
