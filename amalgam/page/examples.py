"""The rows that a page shows for people to begin with."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amalgam.page.exported import Exported
from amalgam.page.samples import Samples

Floats = NDArray[np.float32]

MOST = 12
"""Examples, at most."""
_BYTES = 16 * 2**20  # of all their numbers, at most: pages are for phones, too


@dataclass(frozen=True, eq=False)
class Examples:
    """Some rows, as files of a page hold them.

    Attributes:
        told: of each its `name`, what it is annotated with (`said`), and its `text` where it is one.
        shape: of one, (M, *shape) without M.
        numbers: all of them, one after the other: bytes, or little-endian float32.
        dtype: `uint8` where every number is a byte over 255, exactly; else `float32`.
    """

    told: list[dict[str, Any]]
    shape: tuple[int, ...]
    numbers: bytes
    dtype: str


def chosen(student: Exported, rows: Floats, samples: Samples) -> Examples:
    """A dozen rows of which the student says different things, those that are first of their kind before others.

    Args:
        student: the file.
        rows: (N, *shape).
        samples: what they are called.
    """
    few = rows[:2048]
    most = max(1, min(MOST, _BYTES // max(1, rows[0].nbytes)))
    _, kinds = np.unique(student.decided(student.logits(few)), axis=0, return_inverse=True)
    _, firsts = np.unique(few.reshape(len(few), -1), axis=0, return_index=True)  # no row twice
    counts, turns = Counter[int](), list[tuple[int, int]]()  # how many of its kind came before each row, and the row
    for place in np.sort(firsts).tolist():
        turns.append((counts[np.ravel(kinds)[place]], place))
        counts[np.ravel(kinds)[place]] += 1
    places = np.array([place for _, place in sorted(turns)[:most]])
    told = [
        {
            "name": str(samples.names[place]) if samples.names else f"row {place + 1}",
            "said": str(samples.said[place]) if samples.said else "",
            **({"text": samples.texts[place]} if samples.texts else {}),
        }
        for place in places.tolist()
    ]
    numbers, dtype = packed(few[places])
    return Examples(told, rows.shape[1:], numbers, dtype)


def packed(rows: Floats) -> tuple[bytes, str]:
    """Rows as bytes: one a number where all of them are bytes over 255 exactly, as images are; else float32's four."""
    with np.errstate(invalid="ignore"):
        small = np.nan_to_num(np.clip(np.round(rows * 255), 0, 255)).astype(np.uint8)
    if np.array_equal(np.divide(small, 255, dtype=np.float32), rows):
        return small.tobytes(), "uint8"
    return np.ascontiguousarray(rows, dtype="<f4").tobytes(), "float32"
