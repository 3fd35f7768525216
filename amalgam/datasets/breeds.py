"""Images of one class each, as lists say: the breeds of Oxford-IIIT Pet, the species of 102 Flowers."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amalgam.datasets.compressed import opened, opened_text
from amalgam.datasets.images import Album, encoded
from amalgam.datasets.tagged import origins
from amalgam.errors import RequestError

SPECIES = ("Cat", "Dog")
"""The coarse classes of Oxford-IIIT Pet, in its own order."""
_PET = re.compile(r"(?P<image>[^/ ]+_[0-9]+) (?P<breed>[0-9]+) (?P<kind>[12]) [0-9]+")
_SPLITS = {"train": "trnid", "val": "valid", "test": "tstid"}


def pets(folder: Path, parts: Sequence[str], coarse: bool = False) -> Album:
    """The images of parts of Oxford-IIIT Pet; their classes are the breeds, called as torchvision calls them.

    Source: O. Parkhi, A. Vedaldi, A. Zisserman, C. Jawahar, "Cats and dogs", CVPR 2012.

    Args:
        folder: with images, and annotations/PART.txt: an image a line, its breed's number and its species'.
        parts: of trainval and test.
        coarse: whether the species, too, are labels.

    Raises:
        RequestError: names file and line of what is wrong.
    """
    listed_in = {part: _listed(folder / "annotations" / f"{part}.txt") for part in parts}
    every = [one for part in parts for one in listed_in[part]]
    numbers = sorted({breed for _, breed, _ in every})
    names = {breed: image.rpartition("_")[0].replace("_", " ").title() for image, breed, _ in every}
    annotated = _one_hot([numbers.index(breed) for _, breed, _ in every], len(numbers))
    if coarse:
        annotated = np.hstack((annotated, _one_hot([kind - 1 for *_, kind in every], len(SPECIES))))
    return Album(
        name="OxfordIIITPet",
        root=folder / "images",
        names=encoded([f"{image}.jpg" for image, *_ in every]),
        labels=(*(names[number] for number in numbers), *(SPECIES if coarse else ())),
        annotated=annotated,
        notes=origins({part: len(one) for part, one in listed_in.items()}),
    )


def _listed(path: Path) -> list[tuple[str, int, int]]:
    """The images of a list, with the number of the breed and of the species."""
    found = list[tuple[str, int, int]]()
    with opened_text(path) as text:
        lines = [" ".join(line.split()) for line in text]
    for number, line in enumerate(lines, start=1):
        if not line or line.startswith("#"):
            continue
        told = _PET.fullmatch(line)
        if told is None:
            raise RequestError(
                f"{path} line {number}: expected the name of an image (BREED_NUMBER), its breed's number, 1 for a cat "
                "or 2 for a dog, and a number; fetch the file again"
            )
        found.append((told["image"], int(told["breed"]), int(told["kind"])))
    if not found:
        raise RequestError(f"{path} lists no images, expected their names")
    return found


def flowers(folder: Path, parts: Sequence[str], classes: Sequence[str]) -> Album:
    """The images of parts of 102 Category Flower.

    Source: M.-E. Nilsback, A. Zisserman, "Automated flower classification over a large number of classes", ICVGIP 2008.

    Args:
        folder: with jpg, imagelabels.mat (the class of each image, from 1) and setid.mat (the images of each part).
        parts: of train, val and test.
        classes: the names of the classes, in the set's order.

    Raises:
        RequestError: names the file that is damaged.
    """
    where = folder / "imagelabels.mat"
    labels, splits = _numbers(where, "labels"), folder / "setid.mat"
    if not len(labels) or labels.min() < 1 or labels.max() > len(classes):
        raise RequestError(f"{where} has classes other than 1 to {len(classes)}; fetch the file again")
    listed_in = {part: _numbers(splits, _SPLITS[part]) for part in parts}
    every = np.concatenate(list(listed_in.values()))
    if not len(every) or every.min() < 1 or every.max() > len(labels):
        raise RequestError(f"{splits} lists images other than 1 to {len(labels)}, those of {where}; fetch both again")
    return Album(
        name="Flowers102",
        root=folder / "jpg",
        names=encoded([f"image_{number:05d}.jpg" for number in every]),
        labels=tuple(classes),
        annotated=_one_hot(labels[every - 1] - 1, len(classes)),
        notes=origins({part: len(one) for part, one in listed_in.items()}),
    )


def _numbers(path: Path, key: str) -> NDArray[np.int64]:
    """The numbers (n,) under a key of a file of MATLAB's."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    damaged = (
        MatReadError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, NotImplementedError,
        EOFError, OSError, MemoryError, zlib.error,
    )  # fmt: skip
    with opened(path) as stream:
        try:
            found: Any = loadmat(stream, variable_names=[key]).get(key)
        except damaged as error:
            raise RequestError(f"{path} is no file of MATLAB's, or damaged ({_short(error)}); fetch it again") from None
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "iu":
        raise RequestError(f"{path} has no whole numbers under {key!r}; fetch it again")
    return found.ravel().astype(np.int64)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:80] or type(error).__name__


def _one_hot(classes: Sequence[int] | NDArray[np.int64], count: int) -> NDArray[np.float32]:
    """(N, L) of classes (N,)."""
    marks: NDArray[np.float32] = np.eye(count, dtype=np.float32)[np.asarray(classes)]
    return marks
