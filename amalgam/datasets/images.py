"""Images in files: a dataset that reads them where they are asked for, and how a list of files becomes checked rows."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from amalgam.datasets.loaded import DataOptions, Loaded, described, refuse_wrong_annotations
from amalgam.datasets.pictures import Damaged, Reading, decoded, measured, quiet
from amalgam.errors import RequestError, listed
from amalgam.fingerprint import fingerprint
from amalgam.labels import canonical
from amalgam.progress import Progress
from amalgam.signals import DatasetRows

_ROUND = 256  # files between two chances to interrupt, and to say how many are done


class ImageFiles(torch.utils.data.Dataset[torch.Tensor]):
    """A map-style dataset of image files; a batch is decoded by several threads, or by one in a DataLoader's worker.

    Args:
        root: the folder that the names are in.
        names: (N,) paths in that folder, as bytes: an array of them is small, and workers share it.
        reading: how they are read; its `size` is set.
        contents: (N,) numbers that the files' bytes decide, where they are known already.
    """

    def __init__(
        self, root: Path, names: NDArray[np.bytes_], reading: Reading, contents: NDArray[np.uint64] | None = None
    ) -> None:
        self.root, self.names, self.reading, self.contents = root, names, reading, contents

    def __len__(self) -> int:
        """How many images."""
        return len(self.names)

    def path(self, row: int) -> Path:
        """Where an image lies."""
        return self.root / os.fsdecode(self.names[row])

    def __getitem__(self, row: int) -> torch.Tensor:
        """An image (C, H, W), from 0 to 1."""
        return self.__getitems__([row])[0]

    def __getitems__(self, rows: Sequence[int]) -> list[torch.Tensor]:
        """Images (C, H, W), from 0 to 1.

        Raises:
            RequestError: names the file that cannot be read.
        """
        read: dict[int, torch.Tensor] = {}

        def one(number: int) -> None:
            path = self.path(rows[number])
            try:
                read[number] = torch.from_numpy(decoded(path, self.reading))
            except Damaged as error:
                raise RequestError(f"{path} {error}, though it could be read before; put the image back") from None

        with quiet():
            each(one, len(rows))
        return [read[number] for number in range(len(rows))]

    def stamps(self) -> NDArray[np.uint64]:
        """A number (N,) for each image, which its file's bytes and the reading decide; files are read once."""
        if self.contents is None:
            contents = np.empty(len(self), np.uint64)

            def one(row: int) -> None:
                contents[row] = _content(self.path(row).read_bytes())

            each(one, len(self))
            self.contents = contents
        return self.contents ^ np.uint64(int(fingerprint("images", vars(self.reading))[:16], 16))


def _content(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


def each(work: Callable[[int], None], count: int, told: Callable[[int], None] = lambda done: None) -> None:
    """Call `work` with every number below `count`, in several threads unless this is a process among several.

    Args:
        work: what is done.
        count: how many times.
        told: told now and then how many more are done.
    """
    inside_worker = torch.utils.data.get_worker_info() is not None
    threads = 1 if inside_worker else min(_processors(), count)

    def share(numbers: range) -> None:
        for number in numbers:
            work(number)

    if threads < 2:
        for start in range(0, count, _ROUND):
            share(range(start, min(start + _ROUND, count)))
            told(min(_ROUND, count - start))
        return
    with ThreadPoolExecutor(threads) as pool:  # made anew: threads do not live on in a forked worker
        for start in range(0, count, _ROUND):
            stop = min(start + _ROUND, count)
            list(pool.map(share, [range(first, stop, threads) for first in range(start, start + threads)]))
            told(stop - start)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Album:
    """Image files that a reader found, before any is opened.

    Attributes:
        name: what the data is called, for messages.
        root: the folder that the names are in.
        names: (N,) paths in that folder, as bytes; an empty one says that a row names no image.
        labels: names of the L labels.
        annotated: (N, L) float32, NaN where nobody annotated; None for unlabelled data.
        where: a row's number to its place, for messages ("x.csv line 7"); None where its path is enough.
        notes: facts for the report.
    """

    name: str
    root: Path
    names: NDArray[np.bytes_]
    labels: tuple[str, ...] = ()
    annotated: NDArray[np.float32] | None = None
    where: Callable[[int], str] | None = None
    notes: tuple[str, ...] = ()

    def paths(self) -> list[Path]:
        """Where the images lie."""
        return [self.root / os.fsdecode(name) for name in self.names if name]

    def told(self, row: int) -> str:
        """A row's place and path, for messages."""
        path = str(self.root / os.fsdecode(self.names[row])) if self.names[row] else "it"
        return path if self.where is None else f"{self.where(row)}: {path}"


def encoded(names: Sequence[str]) -> NDArray[np.bytes_]:
    """Paths as an array of bytes, as the operating system spells them."""
    return np.array([os.fsencode(name) for name in names], dtype=np.bytes_)


def finish(album: Album, options: DataOptions, progress: Progress) -> Loaded:
    """Image files as checked rows; each is opened once, so that a damaged one is found before any work is done.

    Args:
        album: the files.
        options: how they are read.
        progress: who shows how many were opened.

    Raises:
        RequestError: no image, damaged ones (unless they are to be left out), several sizes and none to bring them to,
            or wrong annotations.
    """
    if not len(album.names):
        raise RequestError(f"data {album.name!r} has no rows")
    if options.missing == "mean":
        raise RequestError(
            f"the data option `missing` is `mean`, which means nothing for the images of {album.name!r}; choose "
            "`refuse` or `drop_rows`"
        )
    labels = () if album.annotated is None else canonical(album.labels, {}, f"data {album.name!r}")
    if album.annotated is not None:
        refuse_wrong_annotations(album.annotated, labels, album.where or album.told)
    contents, sizes, damage = _examined(album, progress)
    kept = np.delete(np.arange(len(album.names)), list(damage))
    notes = list(album.notes)
    if damage:
        notes.append(_left_out(album, damage, options))
    size = options.size or _one_size(album, kept, sizes[kept])
    reading = Reading(size, options.channels or 3, options.fit)
    rows = DatasetRows(
        labels=labels,
        annotated=None if album.annotated is None else torch.from_numpy(album.annotated[kept]),
        ids=torch.from_numpy(kept),
        name=album.name,
        dataset=ImageFiles(album.root, album.names[kept], reading, contents[kept]),
    )
    return Loaded(rows, (), (*notes, *described(rows)))


def _examined(album: Album, progress: Progress) -> tuple[NDArray[np.uint64], NDArray[np.int32], dict[int, str]]:
    """What the files' bytes decide, (N,); height and width, (N, 2); and why some cannot be read, by row."""
    contents = np.zeros(len(album.names), np.uint64)
    sizes = np.zeros((len(album.names), 2), np.int32)
    damage: dict[int, str] = {}

    def one(row: int) -> None:
        try:
            content = (album.root / os.fsdecode(album.names[row])).read_bytes() if album.names[row] else None
            if not content:
                raise Damaged("names no image" if content is None else "is empty")
            contents[row] = _content(content)
            sizes[row] = measured(BytesIO(content))
        except OSError as error:
            damage[row] = f"cannot be read ({error.strerror})"
        except Damaged as error:
            damage[row] = str(error)

    with quiet(), progress.step("images", len(album.names), "images") as bar:
        each(one, len(album.names), bar.advance)
    return contents, sizes, dict(sorted(damage.items()))


def _left_out(album: Album, damage: dict[int, str], options: DataOptions) -> str:
    """The note on damaged images that are left out."""
    first = next(iter(damage))
    if options.missing == "refuse":
        raise RequestError(
            f"{album.told(first)} {damage[first]}, the first of {len(damage)} such images; put a whole one there or "
            "take it out, or set the data option `missing` to `drop_rows`"
        )
    if len(damage) == len(album.names):
        raise RequestError(f"none of the {len(damage)} images of {album.name!r} can be read: {album.told(first)} "
                           f"{damage[first]}")  # fmt: skip
    named = listed((os.fsdecode(album.names[row]) for row in damage), most=4)
    return f"{len(damage)} of {len(album.names)} images were left out, since they cannot be read: {named}"


def _one_size(album: Album, rows: NDArray[np.intp], sizes: NDArray[np.int32]) -> tuple[int, int]:
    """The size of all images."""
    other = (sizes != sizes[0]).any(axis=1)
    if other.any():
        (high, wide), (height, width) = sizes[0], sizes[np.argmax(other)]
        raise RequestError(
            f"{album.name!r} has images of several sizes: {album.told(int(rows[0]))} is {high}×{wide} and "
            f"{album.told(int(rows[np.argmax(other)]))} {height}×{width} (height×width); set the data option `size` to "
            "a number of pixels or to [height, width], such as 224"
        )
    return int(sizes[0, 0]), int(sizes[0, 1])
