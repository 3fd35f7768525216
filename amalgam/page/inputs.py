"""How people give a page its inputs, by what the student reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amalgam.errors import RequestError
from amalgam.page.exported import Exported
from amalgam.thumbnails import pixel_grid

Floats = NDArray[np.float32]

MOST_FEATURES = 1024
"""Features of a table, at most: each has a slider."""
MOST_VECTORS = 100 * 2**20
"""Bytes of the vectors of an embedding, at most: a page fetches all of them and compares a word with each."""
_SERIES = {"convolutional", "recurrent"}  # the students that read plain columns as steps


def way_in(student: Exported, features: Sequence[str], rows: Floats) -> dict[str, Any]:
    """What the page has to know of its inputs: their `kind`, and what that needs; JSON can hold it.

    Args:
        student: the file.
        features: the names of the columns, if they have some.
        rows: (N, *shape), as the file reads them.

    Raises:
        RequestError: inputs that no page can take.
    """
    if student.reading is not None:
        steps, longest = student.shape[0], student.reading.longest
        return {"kind": "text", "longest": min(longest, steps or longest), "steps": steps}
    if len(student.shape) == 3 and student.shape[0] in (1, 3):
        return _pixels(rows, None, 0.0, 1.0)
    if len(student.shape) == 2:
        return {"kind": "series", "steps": student.shape[0], "channels": student.shape[1], "missing": student.masks}
    if len(student.shape) == 1 and (grid := pixel_grid(features)) is not None:
        return _pixels(rows[:, grid][:, None], grid.ravel().tolist(), float(rows.min()), float(rows.max()))
    if len(student.shape) == 1 and student.about.get("student") in _SERIES:
        return {"kind": "series", "steps": student.shape[0], "channels": 1, "missing": student.masks, "flat": True}
    if len(student.shape) == 1:
        return _table(student, rows, features)
    raise RequestError(
        f"{student.path} reads inputs of the shape {student.shape}, for which a page has no way in; it has one for "
        "images of 1 or 3 channels, series, tables and texts"
    )


def _pixels(images: Floats, columns: list[int] | None, low: float, high: float) -> dict[str, Any]:
    """A pad to draw on, for images (N, C, H, W); its paper is dark where most of their edges are."""
    channels, height, width = images.shape[1:]
    edges = np.concatenate([images[:, :, [0, -1]].ravel(), images[:, :, :, [0, -1]].ravel()])
    return {
        "kind": "pixels",
        "channels": channels,
        "height": height,
        "width": width,
        "columns": columns,
        "low": low,
        "high": high if high > low else low + 1,
        "dark": bool(np.nanmedian(edges) < (low + high) / 2),
    }


def _table(student: Exported, rows: Floats, names: Sequence[str]) -> dict[str, Any]:
    """A slider for each feature, within the range that it has in the rows."""
    count = rows.shape[1]
    if count > MOST_FEATURES:
        raise RequestError(
            f"{student.path} reads {count:,} features, and a page has a slider for each, for {MOST_FEATURES:,} at "
            "most; `amalgam predict` reads them from a file"
        )
    if names and len(names) != count:
        raise RequestError(f"there are {len(names)} names of features and {count} features; give one for each")
    features = []
    for column, name in enumerate(names or [f"feature {number}" for number in range(1, count + 1)]):
        own = rows[:, column][np.isfinite(rows[:, column])]
        low, high = (float(own.min()), float(own.max())) if len(own) else (0.0, 1.0)
        whole = bool(len(own)) and bool((own == np.round(own)).all())
        features.append({"name": str(name), "low": low, "high": high if high > low else low + 1, "whole": whole})
    return {"kind": "table", "features": features, "missing": student.masks}


def word_in(student: Exported, words: Sequence[str]) -> dict[str, Any]:
    """What the page has to know of an embedding's words.

    Raises:
        RequestError: too many of them for a page, none, or one with a line break.
    """
    width = int(student.shape[-1] or 0)
    if (size := 4 * len(words) * width) > MOST_VECTORS:
        raise RequestError(
            f"{len(words):,} words of {width} numbers are {size:,} bytes of vectors, and a page, which fetches all of "
            f"them, takes {MOST_VECTORS:,} at most: {MOST_VECTORS // 4 // width:,} words of such; make an embedding of "
            "fewer words"
        )
    if not words:
        raise RequestError("the embedding has no words; give those that it was made of")
    if broken := [word for word in words if "\n" in word or "\r" in word]:
        raise RequestError(f"the page's list has a word a line, and {broken[0]!r} has a line break; leave it out")
    return {"kind": "words", "count": len(words), "width": width}
