"""Readers of texts with classes: lines of ZIP members, which are read in memory and never extracted, and CSV."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from amalgam.errors import RequestError
from amalgam.wordtests.readers import table
from amalgam.wordtests.texts import Texts

_REVIEW = re.compile(r"\s*<(Pros|Cons)>(.*)</\1>\s*")
_LARGEST = 2**28  # bytes of a member; the largest here has 1.5 million


def sentences(path: Path, members: Mapping[str, str]) -> Texts:
    """One text a line.

    Args:
        path: the ZIP file.
        members: name of a member → class of its texts.

    Raises:
        RequestError: no ZIP file, or a member that is missing, damaged or no UTF-8 text.
    """
    found = [(line, named) for member, named in members.items() for _, line in _lines(path, member)]
    return Texts(*zip(*found, strict=True))


def reviews(path: Path, members: Mapping[str, str]) -> Texts:
    """One element `<Pros>` or `<Cons>` a line; arguments and errors as of `sentences`, and a line that is none."""
    texts, classes = list[str](), list[str]()
    for member, named in members.items():
        for number, line in _lines(path, member):
            review = _REVIEW.fullmatch(line)
            if review is None:
                raise RequestError(
                    f"{path}: {member} line {number}: expected an element <Pros> or <Cons>, found {line.strip()[:60]!r}"
                )
            texts.append(review[2])
            classes.append(named)
    return Texts(texts, classes)


def tweets(path: Path) -> Texts:
    """CSV of a class and a text, which may be compressed; RequestError names file and line."""
    texts, classes = list[str](), list[str]()
    for _, (named, text) in table(path, ("airline_sentiment", "text")):
        texts.append(text)
        classes.append(named)
    return Texts(texts, classes)


def _lines(path: Path, member: str) -> Iterator[tuple[int, str]]:
    """The lines of a member that are not empty, with their numbers."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(member).file_size > _LARGEST:
                raise RequestError(f"{path}: {member} is larger than {_LARGEST:,} bytes, too large for memory")
            text = archive.read(member).decode("utf-8")
    except FileNotFoundError:
        raise RequestError(f"data {path}: no such file") from None
    except KeyError:
        raise RequestError(f"{path} has no member {member}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise RequestError(f"{path}: {member} line {line} is not UTF-8 text ({error.reason})") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise RequestError(f"{path} is damaged or no ZIP file ({error}); fetch the file again") from None
    lines = [(number, line.rstrip("\r")) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not lines:
        raise RequestError(f"{path}: {member} has no text")
    yield from lines
