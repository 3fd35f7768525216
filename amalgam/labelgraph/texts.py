"""Text files: found here or below the folder that `AMALGAM_DATA` names, read whole, as lines of names or as JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from amalgam.errors import RequestError, listed


def find_file(path: str, what: str) -> Path:
    """The file of a path, here or below the folder that `AMALGAM_DATA` names.

    Args:
        path: as the user wrote it.
        what: what it should be, for messages ("taxonomy").

    Raises:
        RequestError: no such file at either place.
    """
    home = os.environ.get("AMALGAM_DATA")
    for place in (Path(path).expanduser(), *([Path(home).expanduser() / path] if home else [])):
        if place.is_file():
            return place
    beside = f"neither here nor in {home}, which AMALGAM_DATA names" if home else "and AMALGAM_DATA names no folder"
    raise RequestError(f"{what} {path}: no such file, {beside}")


def read_text(path: Path, what: str) -> str:
    """The text of a file.

    Raises:
        RequestError: no such file, or not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")  # line ends as they are: in a table, a cell may hold some
    except (FileNotFoundError, NotADirectoryError):
        raise RequestError(f"{what} {path}: no such file") from None
    except IsADirectoryError:
        raise RequestError(f"{what} {path} is a folder; name a file") from None
    except OSError as error:
        raise RequestError(f"{what} {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise RequestError(f"{what} {path} is no text in UTF-8 (byte {error.start}); save it so") from None


def read_names(path: Path, what: str) -> tuple[str, ...]:
    """The names in a file of a name a line; empty lines are passed over.

    Raises:
        RequestError: no such file, no name in it, or a name twice.
    """
    where = dict[str, int]()
    for number, line in enumerate(read_text(path, what).splitlines(), 1):
        if name := line.strip():
            if name in where:
                raise RequestError(
                    f"{what} {path} line {number}: {name!r} is in line {where[name]} already; take one out"
                )
            where[name] = number
    if not where:
        raise RequestError(f"{what} {path} holds no names; write one a line")
    return tuple(where)


def read_json(path: Path, what: str) -> dict[str, Any]:
    """The mapping in a JSON file.

    Raises:
        RequestError: no such file, no JSON (by line and column), a key twice, or no mapping.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = [key for key in found if keys.count(key) > 1]
            raise RequestError(f"{what} {path} has the key {listed(twice)} twice in one mapping; join what they hold")
        return found

    try:
        content = json.loads(read_text(path, what), object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise RequestError(f"{what} {path} line {error.lineno} column {error.colno} is no JSON: {error.msg}") from None
    except RecursionError:
        raise RequestError(f"{what} {path} is nested too deeply to be read") from None
    if not isinstance(content, dict):
        raise RequestError(f"{what} {path} should be a mapping of keys to values, not {type(content).__name__}")
    return content
