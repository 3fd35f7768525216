"""What methods and settings may be called: keys go into files' names, CSV and TeX, and readers tell methods apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

ORACLE = "oracle"
"""The bound that takes each label from its best teacher."""

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+()-]{0,59}")
_A_TEACHER = re.compile(r"teacher \d+")
_FORMULA = ("=", "+", "-", "@")  # what a spreadsheet computes


def check_shown(text: str) -> str:
    """A name for readers.

    Raises:
        ValueError: it is not one line, or a spreadsheet would take it for a formula.
    """
    if not text.isprintable() or text.startswith((" ", *_FORMULA)):
        raise ValueError("a name on one line that begins with neither a space nor = + - @")
    return text


def check_keys(kind: str, keys: Iterable[str]) -> None:
    """Refuse keys that are no names of files, and such that not every file system tells apart.

    Args:
        kind: "methods" or "settings", for messages.
        keys: the keys.

    Raises:
        ValueError: says which.
    """
    before = dict[str, str]()
    for key in keys:
        if not _KEY.fullmatch(key):
            raise ValueError(
                f"keys in {kind} of at most 60 characters, an ASCII letter or digit and then letters, digits, spaces "
                f"and . _ + - ( ), not {key!r}"
            )
        twin = before.setdefault(key.lower(), key)
        if twin != key:
            raise ValueError(f"keys in {kind} that differ by more than upper and lower case, not {twin!r} and {key!r}")


def check_methods(names: Mapping[str, str]) -> None:
    """Refuse methods that readers cannot tell from each other or from the bounds that the bench adds.

    Args:
        names: method → its name for readers.

    Raises:
        ValueError: says which.
    """
    before = dict[str, str]()
    for key, name in names.items():
        if _is_bound(key):
            raise ValueError(f"another key than methods.{key}, which is a bound that the bench adds itself")
        if _is_bound(name):
            raise ValueError(
                f"methods.{key}.shown to be another name than {name!r}, a bound that the bench adds itself"
            )
        twin = before.setdefault(_plain(name), key)
        if twin != key:
            raise ValueError(f"methods with names of their own, not {name!r} for methods.{twin} and methods.{key}")


def _is_bound(name: str) -> bool:
    return _plain(name) == ORACLE or _A_TEACHER.fullmatch(_plain(name)) is not None


def _plain(name: str) -> str:
    """What a reader sees in a name at a glance."""
    return " ".join(name.casefold().split())
