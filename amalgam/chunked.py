"""Arrays whose rows lie in chunks on disk: how a chunk is written, verified and read.

A chunk is a folder of `.npy` files, one an array, and their sums. It is written to a draft, summed, flushed and renamed
into place, so it is whole or absent; one that no longer agrees with its sums is as good as absent.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from amalgam import files
from amalgam.errors import WorkError

Array = np.ndarray[Any, Any]

COUNT = "count."
"""How the names of arrays begin that have no rows: facts that add up over the chunks."""


@dataclass(frozen=True)
class ChunkedArray:
    """An array (N, ...) whose rows lie in chunk files, read where they are asked for.

    Every read opens its own memory maps and closes them: the pages of a map that stays open count as this process's
    memory, which would grow with the rows.

    Attributes:
        folder: the entry.
        name: the array's name.
        shape: (N, ...).
        dtype: of the values.
        chunk: rows in one file.
        offsets: where the values begin in each chunk's file, in bytes.
    """

    folder: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunk: int
    offsets: tuple[int, ...]

    def __len__(self) -> int:
        """N."""
        return self.shape[0]

    def __getitem__(self, where: slice | ArrayLike) -> Array:
        """Some rows, as an array of their own.

        Args:
            where: a slice, or (B,) integers (an array or a tensor), in any order and as often as wanted.

        Raises:
            IndexError: a row that is not there, or no 1-D integers.
            WorkError: the entry was cleared or damaged meanwhile.
        """
        if not isinstance(where, slice):
            return self._gather(np.asarray(where))
        start, stop, step = where.indices(len(self))
        if step != 1:
            return self._gather(np.arange(len(self))[where])
        stop = max(start, stop)
        rows = np.empty((stop - start, *self.shape[1:]), self.dtype)
        for number in range(start // self.chunk, -(-stop // self.chunk)):
            first = number * self.chunk
            low, high = max(start, first), min(stop, first + self.chunk)
            rows[low - start : high - start] = self._map(number)[low - first : high - first]
        return rows

    def _gather(self, index: Array) -> Array:
        if index.ndim != 1 or index.dtype.kind not in "iu":
            raise IndexError(f"rows are picked by a slice or 1-D integers, not {index.dtype} of shape {index.shape}")
        index = np.where(index < 0, index + len(self), index).astype(np.int64)
        if len(index) == 0:
            return np.empty((0, *self.shape[1:]), self.dtype)
        if not 0 <= index.min() <= index.max() < len(self):
            raise IndexError(f"{self.name} has {len(self)} rows")
        rows = np.empty((len(index), *self.shape[1:]), self.dtype)
        order = np.argsort(index, kind="stable")
        ordered = index[order]
        numbers, lows = np.unique(ordered // self.chunk, return_index=True)
        for number, low, high in zip(numbers.tolist(), lows, [*lows[1:], len(index)], strict=True):
            rows[order[low:high]] = self._map(number)[ordered[low:high] - number * self.chunk]
        return rows

    def _map(self, number: int) -> Array:
        path = chunk_folder(self.folder, number) / f"{self.name}.npy"
        height = min(self.chunk, len(self) - number * self.chunk)
        try:  # by hand: np.memmap takes three times as long, and a batch of random rows opens many
            with path.open("rb", buffering=0) as opened:
                pages = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
            return np.ndarray((height, *self.shape[1:]), self.dtype, pages, self.offsets[number])
        except (FileNotFoundError, TypeError, ValueError):  # the latter: the file is shorter than it was
            raise WorkError(f"{path} was removed or damaged while it was in use; run the command again") from None


@dataclass(frozen=True)
class Form:
    """What one array of a chunk looks like: type, shape without the rows, where its values begin in the file."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int = 0


Layout = Mapping[str, Form]
"""What the arrays of a chunk look like, by name."""


def chunk_folder(folder: Path, number: int) -> Path:
    """Where a chunk of an entry lies."""
    return folder / f"{number:05d}"


def differ(layout: Layout, before: Sequence[Layout]) -> bool:
    """Whether a chunk looks other than the chunks before it."""
    looks = [{name: (form.dtype, form.shape) for name, form in one.items()} for one in (layout, *before[:1])]
    return looks[0] != looks[-1]


def _layout(arrays: Mapping[str, Array], height: int) -> Layout:
    """What a chunk's arrays look like; ValueError when one of them has not the chunk's rows."""
    layout = {}
    for name, array in sorted(arrays.items()):
        is_count = name.startswith(COUNT)
        if Path(name).name != name or name.startswith("."):
            raise ValueError(f"{name!r} is no plain name of an array")
        if not is_count and array.shape[:1] != (height,):
            raise ValueError(f"{name!r} of shape {array.shape} has not one row for each of {height} rows")
        layout[name] = Form(array.dtype, array.shape[0 if is_count else 1 :], getattr(array, "offset", 0))
    return layout


def read_chunk(path: Path, height: int) -> Layout | None:
    """The layout of a chunk on disk, or None when it is absent or damaged."""
    if not files.is_whole(path):
        return None
    try:
        mapped = {file.stem: np.load(file, mmap_mode="r", allow_pickle=False) for file in path.glob("*.npy")}
        return _layout(mapped, height)
    except ValueError:
        return None


def write_chunk(path: Path, height: int, produced: Mapping[str, Array], before: Sequence[Layout]) -> Layout:
    """Write a chunk, whole or not at all.

    Args:
        path: where; nothing may be there.
        height: its rows.
        produced: its arrays, by name.
        before: the layouts of the chunks before it.

    Raises:
        ValueError: an array has not the chunk's rows, or is not as in the chunks before.
        WorkError: the disk is full or unsound.
    """
    arrays = {name: np.asarray(array, order="C") for name, array in produced.items()}
    if differ(_layout(arrays, height), before):
        raise ValueError(f"chunk {path} would hold other arrays than those before it: {_layout(arrays, height)}")
    with files.draft_folder(path) as draft:
        for name, array in arrays.items():
            np.save(draft / f"{name}.npy", array, allow_pickle=False)
        files.seal(draft)
    layout = read_chunk(path, height)
    if layout is None:
        raise WorkError(f"{path} does not read back as it was written; check the disk, then run the command again")
    return layout
