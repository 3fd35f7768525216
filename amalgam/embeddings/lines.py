"""Embeddings as text, a word and its numbers a line: word2vec's and fastText's with a header, GloVe's without."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NoReturn

import numpy as np

from amalgam.datasets.text import floats
from amalgam.embeddings.entries import Block, Floats, single
from amalgam.errors import RequestError

_BLOCK = 2**22  # bytes parsed at once
_PROBED = 100  # lines that tell how many numbers a line has
_HEADER = re.compile(rb"\s*\d+\s+\d+\s*")


class Header:
    """What the first line of word2vec's and fastText's files promises: how many words of how many dimensions."""

    def __init__(self, words: int, dimensions: int) -> None:
        self.words, self.dimensions = words, dimensions


def header_of(line: bytes) -> Header | None:
    """The header that a first line is; None where it is an entry, as in GloVe's files."""
    return Header(*map(int, line.split())) if _HEADER.fullmatch(line) else None


def blocks(path: Path, stream: IO[bytes], header: Header | None, begun: bytes = b"") -> Iterator[Block]:
    """The entries of a text file.

    Args:
        path: the file, for messages.
        stream: its content, from the line after the header.
        header: what that said.
        begun: a first line that was read and is no header.

    Raises:
        RequestError: a line with other than D numbers, or something that is no number; it names the line.
    """
    line, dimensions, rest = 1 if header is None else 2, 0 if header is None else header.dimensions, begun
    if header is not None and dimensions < 1:
        raise RequestError(f"{path} line 1 promises vectors of {dimensions} numbers; a vector has at least one")
    while True:
        data = stream.read(_BLOCK)
        whole, end, rest = (rest + data).rpartition(b"\n") if data else (rest, b"", b"")
        if whole or end:
            lines = whole.split(b"\n")
            dimensions = dimensions or _dimensions(path, lines)
            yield _parsed(path, lines, line, dimensions, header)
            line += len(lines)
        if not data:
            return


def _dimensions(path: Path, lines: Sequence[bytes]) -> int:
    """How many numbers most of the first lines have; a word with blanks in it would make one line look longer."""
    counts = Counter(len(line.split()) - 1 for line in lines[:_PROBED] if line.strip())
    common = counts.most_common(1)
    if not common or common[0][0] < 1:
        raise RequestError(f"{path} holds no embeddings: a line is a word and its numbers, with blanks between")
    return common[0][0]


def _parsed(path: Path, lines: list[bytes], first: int, dimensions: int, header: Header | None) -> Block:
    """The entries of lines; those that are blank are none."""
    if any(b"\t" in line for line in lines):
        lines = [line.replace(b"\t", b" ") for line in lines]
    places: Sequence[int] = range(first, first + len(lines))
    if not all(line.strip() for line in lines):
        places = [place for place, line in zip(places, lines, strict=True) if line.strip()]
        lines = [line for line in lines if line.strip()]
    pieces = [line.partition(b" ") for line in lines]
    rests = [rest.strip() for _, _, rest in pieces]
    # As many blanks as there should be, and as many numbers on the whole, are D numbers in each line.
    if all(rest.count(b" ") == dimensions - 1 for rest in rests):
        numbers = floats(b" ".join(rests).decode("latin-1"))
        if numbers is not None and numbers.size == len(lines) * dimensions:
            return Block([word for word, _, _ in pieces], single(numbers).reshape(-1, dimensions), places)
    words, rows = list[bytes](), list[Floats]()
    for place, line in zip(places, lines, strict=True):
        word, row = _entry(path, place, line, dimensions, header)
        words.append(word)
        rows.append(row)
    return Block(words, np.stack(rows) if rows else np.empty((0, dimensions), np.float32), places)


def _entry(path: Path, place: int, line: bytes, dimensions: int, header: Header | None) -> tuple[bytes, Floats]:
    """One line, the hard way: its last D pieces are numbers, and what is before them is a word, even with blanks."""
    pieces = line.rstrip().rsplit(None, dimensions)
    if len(pieces) == dimensions and line[:1].isspace():
        pieces = [b"", *pieces]  # it begins with the blank after a word that is not there
    numbers = floats(b" ".join(pieces[1:]).decode("latin-1"))
    every = floats(b" ".join(line.split()[1:]).decode("latin-1"))
    if len(pieces) != dimensions + 1 or (every is not None and every.size > dimensions):
        _wrong_count(path, place, len(line.split()) - 1, dimensions, header)
    if numbers is None or numbers.size != dimensions:
        at = next(number for number, one in enumerate(pieces[1:], start=1) if floats(one.decode("latin-1")) is None)
        raise RequestError(
            f"{path} line {place}: value {at} of {pieces[0].decode(errors='replace')!r} is "
            f"{pieces[at].decode(errors='replace')!r}, expected a number"
        )
    return b" ".join(pieces[0].split()), single(numbers)


def _wrong_count(path: Path, place: int, count: int, dimensions: int, header: Header | None) -> NoReturn:
    promised = "as in most lines" if header is None else "as line 1 promises"
    raise RequestError(
        f"{path} line {place} has {count} numbers, expected {dimensions} {promised}; the line is damaged or the file "
        "cut short"
    )
