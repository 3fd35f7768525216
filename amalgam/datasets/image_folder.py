"""Folders of images: a sub-folder for each class, or all in one place; and a single image."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from amalgam.datasets.images import Album, encoded
from amalgam.datasets.pictures import SUFFIXES
from amalgam.errors import RequestError, listed

EXPECTED = f"images ({', '.join(sorted(SUFFIXES))}), all of them in it or in a sub-folder for each class"
"""What a folder of images holds, for messages."""
_PARTS = {"train", "training", "val", "valid", "validation", "test", "testing"}


def is_image(path: Path) -> bool:
    """Whether a path names a file of a kind that images have."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def holds_images(folder: Path) -> bool:
    """Whether there is an image in a folder or below it, where it can be read."""
    return any(is_image(Path(name)) for _, names in _walk(folder, lambda _: None) for name in names)


def paths(place: Path) -> list[Path]:
    """The images in and below a folder, or a single one, ordered by their paths."""
    return [place] if place.is_file() else [place / name for name in _found(place)[0]]


def read(place: Path) -> Album:
    """The images in and below a folder, or a single one, ordered by their paths.

    A sub-folder, with all that is below it, is a class; classes exclude each other. Without sub-folders nothing is
    annotated. What is hidden (its name begins with a dot) is left out.

    Raises:
        RequestError: images beside sub-folders of images, or sub-folders that are parts and no classes.
    """
    if place.is_file():
        return Album(place.name, place.parent, encoded([place.name]))
    names, others = _found(place)
    notes = []
    if others:
        kinds = listed(sorted(others))
        notes.append(f"{others.total()} files of other kinds were left out: {kinds}")
    name = place.resolve().name
    folders = [PurePosixPath(one).parts[0] if "/" in one else "" for one in names]
    classes = sorted({*folders} - {""})
    if not classes:
        return Album(name, place, encoded(names), notes=tuple(notes))
    if "" in folders:
        raise RequestError(
            f"{place} holds images ({names[folders.index('')]!r}) beside sub-folders of images ({listed(classes)}); "
            "give every class a sub-folder, or keep all images in one place"
        )
    if {one.lower() for one in classes} <= _PARTS:
        raise RequestError(
            f"the sub-folders of {place} are parts and no classes ({listed(classes)}); name one of them, such as "
            f"{place / classes[0]}, and another to measure on under data.held_out"
        )
    number = {one: place for place, one in enumerate(classes)}
    annotated = np.eye(len(classes), dtype=np.float32)[[number[folder] for folder in folders]]
    bare = sorted({one.name for one in place.iterdir() if one.is_dir() and one.name[0] != "."} - {*classes})
    if bare:
        notes.append(f"the sub-folders {listed(bare)} hold no image")
    return Album(name, place, encoded(names), tuple(classes), annotated, notes=tuple(notes))


def _found(folder: Path) -> tuple[list[str], Counter[str]]:
    """The images' paths in a folder, in order; and how many other files there are of each kind."""
    names: list[str] = []
    others: Counter[str] = Counter()
    for below, files in _walk(folder):
        within = os.path.relpath(below, folder)
        for file in files:
            path = Path(within, file)
            if is_image(path):
                names.append(path.as_posix())
            else:
                others[path.suffix.lower() or path.name] += 1
    return sorted(names), others


def _refuse_unreadable(error: OSError) -> None:
    raise RequestError(f"the folder {error.filename} cannot be read ({error.strerror})") from None


def _walk(folder: Path, unreadable: Callable[[OSError], None] = _refuse_unreadable) -> Iterator[tuple[str, list[str]]]:
    """Each folder, links to folders followed once, and the files in it; nothing hidden."""
    seen: set[tuple[int, int]] = set()
    for below, folders, files in os.walk(folder, followlinks=True, onerror=unreadable):
        here = os.stat(below)
        if (here.st_dev, here.st_ino) in seen:  # a link in a circle
            folders.clear()
            continue
        seen.add((here.st_dev, here.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield below, [name for name in files if not name.startswith(".")]
