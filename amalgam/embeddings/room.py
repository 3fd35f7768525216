"""Whether an embedding fits into this machine's memory: asked before the work, not found out in the midst of it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path

import psutil

from amalgam.errors import RequestError

_LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container, where there is one
_SINGLE = 4  # bytes
_GIB = 2**30


def require_room(numbers: Callable[[int], int], width: int) -> None:
    """Refuse a width that this machine has no memory for.

    Args:
        numbers: d → how many numbers of single precision a method holds at once, at the least; more of a larger d.
        width: d.

    Raises:
        RequestError: these need more memory than there is; it names the largest width that does not.
    """
    there = memory()
    needed = _SINGLE * numbers(width)
    if needed <= there:
        return
    most = bisect_right(range(1, width), there, key=lambda d: _SINGLE * numbers(d))
    possible = (
        f"choose {most:,} at most, and fewer to leave room for the rest"
        if most
        else "it has too little for any width: take fewer words, with vocabulary.minimum or vocabulary.words"
    )
    raise RequestError(
        f"student.width is {width:,}, which takes {needed / _GIB:,.0f} GiB of memory at the least, and this machine "
        f"has {there / _GIB:,.0f}; {possible}"
    )


def memory() -> int:
    """Bytes of memory that this process may have: the machine's, or fewer in a container."""
    told = _LIMIT.read_text().strip() if _LIMIT.is_file() else ""
    physical = int(psutil.virtual_memory().total)
    return min(physical, int(told)) if told.isdigit() else physical
