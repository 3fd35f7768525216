"""The `.ts` format of the UEA and UCR archive: https://www.aeon-toolkit.org/en/stable/api_reference/file_specifications/ts.html."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from amalgam.datasets.compressed import opened_text
from amalgam.datasets.series import Part, named
from amalgam.datasets.text import Row, parsed
from amalgam.errors import RequestError, nearest

_KNOWN = (
    "problemname",
    "timestamps",
    "missing",
    "univariate",
    "dimension",
    "dimensions",
    "equallength",
    "serieslength",
    "classlabel",
    "targetlabel",
    "data",
)


@dataclass(frozen=True)
class _Header:
    """What the lines before @data say: 0 channels is as many as the first row has; None, that there are no classes."""

    channels: int
    equal: bool
    classes: tuple[str, ...] | None


def read(path: Path) -> Part:
    """A `.ts` file, which may be compressed.

    Series of a row that differ in length are filled up with missing values.

    Raises:
        RequestError: names file and line of what is wrong; timestamps and regression targets are not read.
    """
    with opened_text(path) as text:
        told = ((number, line.strip()) for number, line in enumerate(text, start=1))
        meant = ((number, line) for number, line in told if line and not line.startswith("#"))
        header = _header(meant, path)
        found = parsed(path, _rows(meant, path, header), ",", "@equalLength is true" if header.equal else "")
    if not len(found.lines):
        raise RequestError(f"{path} has no rows after @data: it is empty or cut short")
    classes = None if header.classes is None else named(found.names)
    return Part(str(path), found.values, found.lengths, classes, header.classes or None, found.lines)


def _header(lines: Iterator[tuple[int, str]], path: Path) -> _Header:
    said: dict[str, list[str]] = {}
    for number, line in lines:
        where = f"{path} line {number}"
        keyword, *values = line.split()
        key = keyword[1:].casefold()
        if not line.startswith("@"):
            raise RequestError(f"{where}: expected a keyword such as @classLabel, or @data, found {line[:40]!r}")
        if key not in _KNOWN:
            raise RequestError(f"{where}: unknown keyword {keyword!r}{nearest(key, _KNOWN)}; leave the line out")
        if key == "data":
            return _Header(_channels(said), _is(said, "equallength"), _classes(said))
        _refuse_wrong_values(key, values, where)
        said[key] = values
    raise RequestError(f"{path} has no @data line: it is cut short, or no .ts file")


def _refuse_wrong_values(key: str, values: list[str], where: str) -> None:
    """Refuse what a keyword cannot mean, and what is not read."""
    if key in {"dimension", "dimensions"} and not (len(values) == 1 and values[0].isdecimal() and int(values[0])):
        raise RequestError(f"{where}: @dimensions is {' '.join(values)!r}, expected a number above 0")
    truth = values[0].casefold() if values else ""
    if key in {"timestamps", "missing", "univariate", "equallength", "classlabel", "targetlabel"}:
        if truth not in {"true", "false"}:
            raise RequestError(f"{where}: @{key} is {' '.join(values[:1])!r}, expected true or false")
        if truth == "true" and key == "timestamps":
            raise RequestError(f"{where}: series with timestamps are not read; resample them to steps of equal length")
        if truth == "true" and key == "targetlabel":
            raise RequestError(f"{where}: the targets are numbers to predict (@targetLabel), expected classes")
    names = [*named(values[1:])]
    if key == "classlabel" and len({*names}) < len(names):
        raise RequestError(f"{where} declares the same class twice; leave one")


def _is(said: dict[str, list[str]], key: str) -> bool:
    return said.get(key, ["false"])[0].casefold() == "true"


def _channels(said: dict[str, list[str]]) -> int:
    told = said.get("dimensions", said.get("dimension"))
    return int(told[0]) if told else int(_is(said, "univariate"))


def _classes(said: dict[str, list[str]]) -> tuple[str, ...] | None:
    """The declared classes, none for rows whose classes are not declared; None for rows without classes."""
    return tuple(map(str, named(said["classlabel"][1:]))) if _is(said, "classlabel") else None


def _rows(lines: Iterator[tuple[int, str]], path: Path, header: _Header) -> Iterator[Row]:
    """Rows `value,value,…:value,value,…:class`."""
    expected = header.channels
    for number, line in lines:
        channels = line.split(":")
        name = channels.pop() if header.classes is not None else ""
        if any("(" in channel for channel in channels):
            raise RequestError(
                f"{path} line {number} holds timestamps, (time,value), which are not read; resample the series to "
                "steps of equal length"
            )
        expected = expected or len(channels) or 1
        if len(channels) != expected:
            before = " before its class" if header.classes is not None else ""
            raise RequestError(
                f"{path} line {number} has {len(channels)} dimensions{before}, expected {expected}; the line is "
                "damaged or the file cut short"
            )
        yield Row(number, tuple(channels), name)
