"""Errors a user can mend: a sentence that names the thing, what was expected and what to do; never a traceback."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class AmalgamError(Exception):
    """What a user can mend. The command line prints the message alone and leaves with `exit_code`."""

    exit_code = 1


class WorkError(AmalgamError):
    """The request was right but the work failed: a full disk, a loss that is no number, an export that differs."""


class RequestError(AmalgamError):
    """The request is wrong: an option, file, line, label or teacher that must be mended first."""

    exit_code = 2


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for a word close to a known one, else nothing."""
    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def listed(names: Iterable[object], most: int = 8) -> str:
    """Names as a reader wants them: `'a', 'b', 'c' and 4 more`."""
    every = [repr(str(name)) for name in names]
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")
