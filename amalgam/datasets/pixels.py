"""Images in arrays: their layouts, and the files of MNIST (IDX) and CIFAR (binary)."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amalgam.datasets.compressed import opened, opened_text, plain_name
from amalgam.datasets.loaded import DataOptions, Table
from amalgam.errors import RequestError

_IDX = re.compile(r"images[-.]idx3-ubyte$")
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601, as Pillow's
_CIFAR = {"batches.meta.txt": 1, "fine_label_names.txt": 2}  # the names of the classes, and the bytes before an image
_COARSE = "coarse_label_names.txt"


@dataclass(frozen=True)
class Batch:
    """The images of one file.

    Attributes:
        path: where they come from, for messages.
        pixels: (n, H, W) or (n, C, H, W) uint8.
        classes: (n,) each image's class, a number; None where the file's images have none.
        coarse: (n,) each image's coarse class, a number; None where the file does not say.
    """

    path: Path
    pixels: NDArray[np.uint8]
    classes: NDArray[np.uint8] | None
    coarse: NDArray[np.uint8] | None = None


def are_images(values: NDArray[Any]) -> bool:
    """Whether an array is taken for images: four dimensions, or three of bytes."""
    return values.ndim == 4 or (values.ndim == 3 and values.dtype == np.uint8)


def as_images(values: NDArray[Any], what: str, channels: int | None = None) -> NDArray[np.float32]:
    """Images as (N, C, H, W) float32 from 0 to 1, C 1 or 3.

    Args:
        values: bytes (N, H, W), (N, H, W, C) or (N, C, H, W), or floats (N, C, H, W) from 0 to 1, NaN where one is
            missing. A fourth channel is how opaque the image is, on white.
        what: their name, for messages.
        channels: 1 or 3; their own by default.

    Raises:
        RequestError: another layout, or values that are not from 0 to 1.
    """
    images = _channels_first(values, what)
    if images.dtype == np.uint8:
        images = np.divide(images, 255, dtype=np.float32)
    else:
        low, high = np.nanmin(images, initial=0), np.nanmax(images, initial=1)
        if low < 0 or high > 1:
            raise RequestError(
                f"{what}: four dimensions are images, whose values are from 0 to 1, and these are from {low:g} to "
                f"{high:g}; scale them, or save bytes (uint8)"
            )
        images = images.astype(np.float32, copy=False)
    if images.shape[1] == 4:
        images = 1 - images[:, 3:] * (1 - images[:, :3])
    if channels == 1 and images.shape[1] == 3:
        images = np.einsum("nchw,c->nhw", images, _LUMA)[:, None]
    if channels == 3 and images.shape[1] == 1:
        images = np.repeat(images, 3, axis=1)
    return np.ascontiguousarray(images)


def _channels_first(values: NDArray[Any], what: str) -> NDArray[Any]:
    if values.ndim == 3 and values.dtype == np.uint8:
        return values[:, None]
    first, last = values.shape[1] in (1, 3, 4), values.shape[3] in (1, 3, 4)
    if values.dtype == np.uint8 and first != last:
        return values if first else values.transpose(0, 3, 1, 2)
    if values.dtype.kind == "f" and values.shape[1] in (1, 3):
        return values
    raise RequestError(
        f"{what} is an array {values.shape} of type {values.dtype}; four dimensions are images, expected bytes (uint8) "
        "with 1, 3 or 4 channels first or last, but not both, or floats (N, C, H, W) from 0 to 1 with 1 or 3 channels"
    )


def holds_pixels(folder: Path) -> bool:
    """Whether a folder, if it can be read, holds the files of MNIST or CIFAR."""
    return os.access(folder, os.R_OK | os.X_OK) and bool(paths(folder))


def is_pixels(path: Path) -> bool:
    """Whether a path names an IDX file of images, as those of MNIST are named."""
    return _IDX.search(plain_name(path)) is not None


def paths(place: Path, coarse: bool = False) -> list[Path]:
    """The files that `read` reads: those of a folder, training parts first, or an IDX file and that of its labels.

    Args:
        place: the folder, or the IDX file.
        coarse: whether the names of CIFAR-100's coarse classes are among them, at the end, where they are there.
    """
    if not place.is_dir():
        labels = _labels_of(place)
        return [place, *([] if labels is None else [labels])]
    files = sorted(place.iterdir(), key=lambda path: (not path.name.startswith("train"), path.name))
    images = [path for path in files if is_pixels(path)]
    if images:
        once = {plain_name(path): path for path in reversed(images)}  # not both plain and compressed
        return [path for one in images if once[plain_name(one)] == one for path in paths(one)]
    for names in files:
        if plain_name(names) in _CIFAR:
            parts = [path for path in files if re.fullmatch(r"(train|test|(data|test)_batch.*)\.bin", plain_name(path))]
            upper = [path for path in files if plain_name(path) == _COARSE] if coarse else []
            return [names, *parts, *upper[:1]] if parts else []
    return []


def read(place: Path, options: DataOptions) -> Table:
    """The images of an IDX file, or of a folder of IDX files or of CIFAR's binary ones; classes are one-hot.

    With `coarse`, the coarse classes of CIFAR-100 follow the fine ones.

    Sources: http://yann.lecun.com/exdb/mnist and https://www.cs.toronto.edu/~kriz/cifar.html. Classes of MNIST's are
    named by their numbers, those of CIFAR-100 are the fine ones.

    Raises:
        RequestError: names the file that is damaged, no such file, or coarse classes asked of images that have none.
    """
    files = paths(place, options.coarse)
    head = _CIFAR.get(plain_name(files[0]), 0)
    if options.coarse and head != 2:
        raise RequestError(
            f"the data option `coarse` means nothing for {place}: of such files CIFAR-100's alone have coarse classes; "
            "leave it out"
        )
    if head:
        if options.coarse and plain_name(files[-1]) != _COARSE:
            raise RequestError(
                f"{place} has no {_COARSE}, which names the classes that the data option `coarse` asks for; fetch it "
                "again, or leave the option out"
            )
        parts = [read_cifar(path, head) for path in files[1:] if plain_name(path) != _COARSE]
        upper = class_names(files[-1]) if options.coarse else None
        return table(place.resolve().name, parts, class_names(files[0]), options.channels, upper)
    name = place.resolve().name if place.is_dir() else place.name
    return table(name, [read_idx(path) for path in files if is_pixels(path)], None, options.channels)


def class_names(path: Path) -> list[str]:
    """The class names in a text file, one a line."""
    with opened_text(path) as text:
        return [line.strip() for line in text if line.strip()]


def read_idx(path: Path) -> Batch:
    """The images of an IDX file, and their classes where a file of labels lies beside it."""
    labels = _labels_of(path)
    pixels = _idx(path, 3)
    classes = None if labels is None else _idx(labels, 1)
    if classes is not None and len(classes) != len(pixels):
        raise RequestError(f"{labels} has {len(classes)} labels, expected {len(pixels)}, one for each image of {path}")
    return Batch(path, pixels, classes)


def _labels_of(path: Path) -> Path | None:
    """The file of the labels beside a file of images, plain or compressed."""
    name = re.sub(r"images([-.])idx3", r"labels\1idx1", plain_name(path))
    return next((one for end in ("", ".gz", ".xz", ".bz2") if (one := path.with_name(name + end)).is_file()), None)


def _idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    with opened(path) as stream:
        content = stream.read()
    start = 4 + 4 * dimensions
    if content[:4] != bytes([0, 0, 8, dimensions]) or len(content) < start:
        raise RequestError(f"{path} is no IDX file of bytes in {dimensions} dimensions; fetch the file again")
    shape = [int(side) for side in np.frombuffer(content[4:start], dtype=">u4")]
    if len(content) - start != math.prod(shape):
        raise RequestError(
            f"{path} holds {len(content) - start} bytes, expected {math.prod(shape)} ({'×'.join(map(str, shape))}); it "
            "is cut short or damaged, so fetch the file again"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def read_cifar(path: Path, head: int) -> Batch:
    """The 32×32 images of a binary file of CIFAR's.

    Args:
        path: it.
        head: how many bytes stand before an image's red, green and blue: the last is its class, one before it its
            coarse class.
    """
    with opened(path) as stream:
        content = np.frombuffer(stream.read(), dtype=np.uint8)
    width = head + 3072
    if len(content) == 0 or len(content) % width:
        raise RequestError(
            f"{path} holds {len(content)} bytes, expected {width} for each image; it is cut short or damaged, so fetch "
            "the file again"
        )
    each = content.reshape(-1, width)
    coarse = each[:, head - 2] if head > 1 else None
    return Batch(path, each[:, head:].reshape(-1, 3, 32, 32), each[:, head - 1], coarse)


def table(
    name: str,
    batches: Sequence[Batch],
    names: Sequence[str] | None,
    channels: int | None,
    coarse: Sequence[str] | None = None,
) -> Table:
    """The images of some files, one after the other.

    Args:
        name: what they are called.
        batches: the files.
        names: of the classes; without them, classes are named by their numbers.
        channels: 1 or 3; their own by default.
        coarse: names of the coarse classes, whose labels follow the others; None leaves them out.

    Raises:
        RequestError: images of other sizes, or a class without a name.
    """
    first = batches[0]
    for one in batches:
        if one.pixels.shape[1:] != first.pixels.shape[1:]:
            raise RequestError(
                f"{first.path} has images of shape {first.pixels.shape[1:]} and {one.path} of "
                f"{one.pixels.shape[1:]}; read them as data of their own"
            )
        _refuse_unnamed(one.path, "class", one.classes, names)
        _refuse_unnamed(one.path, "coarse class", one.coarse, coarse)
    said = [one.classes for one in batches if one.classes is not None]
    present = np.unique(np.concatenate(said)) if said else np.empty(0, np.uint8)
    known = present if names is None else np.arange(len(names))
    marks = [_marks(one.classes, known, len(one.pixels)) for one in batches]
    if coarse is not None:
        upper = np.arange(len(coarse))
        marks = [np.hstack((own, _marks(one.coarse, upper, len(own)))) for own, one in zip(marks, batches, strict=True)]
    notes = [f"{one.path} has no file of labels beside it" for one in batches if one.classes is None]
    if len(batches) > 1:
        notes.append(", ".join(f"{len(one.pixels)} images from {one.path.name}" for one in batches))
    ends = np.cumsum([len(one.pixels) for one in batches])

    def where(row: int) -> str:
        batch = int(np.searchsorted(ends, row, side="right"))
        return f"{batches[batch].path} image {row - ends[batch] + len(batches[batch].pixels)}"

    return Table(
        name=name,
        inputs=as_images(np.concatenate([one.pixels for one in batches]), name, channels),
        features=(),
        labels=(*(map(str, known) if names is None else names), *(coarse or ())),
        annotated=np.concatenate(marks) if said else None,
        where=where,
        notes=tuple(notes),
    )


def _marks(classes: NDArray[np.uint8] | None, known: NDArray[Any], count: int) -> NDArray[np.float32]:
    """Classes (n,) as 0 and 1 (n, L) of the known ones; NaN where nobody said."""
    if classes is None:
        return np.full((count, len(known)), np.nan, np.float32)
    marks: NDArray[np.float32] = (classes[:, None] == known).astype(np.float32)
    return marks


def _refuse_unnamed(path: Path, kind: str, classes: NDArray[np.uint8] | None, names: Sequence[str] | None) -> None:
    if names is not None and classes is not None and len(classes) and classes.max() >= len(names):
        raise RequestError(f"{path} has a {kind} {classes.max()}, but there are names of {len(names)} only")
