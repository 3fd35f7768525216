"""Images in a `.tar` or `.zip` archive, read where they lie: nothing is unpacked, so no path can lead out of it."""

from __future__ import annotations

import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from amalgam.datasets.images import each
from amalgam.datasets.loaded import DataOptions, Table
from amalgam.datasets.pictures import SUFFIXES, Damaged, Reading, decoded, measured, quiet
from amalgam.errors import RequestError, listed, nearest
from amalgam.progress import Progress

ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".zip")
_MOST = 2**31  # bytes of decoded images
_FLOWERS = re.compile(r"image_(\d{4})$")
_FLOWERS_OF_A_CLASS = 80

Read = Callable[[str], bytes]


def archive_in(path: Path) -> Path | None:
    """The archive that a path is, or leads into: `x.tar` of `x.tar/train/cat`."""
    return next((one for one in (path, *path.parents) if one.name.endswith(ENDINGS) and one.is_file()), None)


def in_folder(folder: Path) -> Path | None:
    """The one archive in a folder that has no images by themselves."""
    found = [one for one in folder.iterdir() if one.name.endswith((".tar", ".tgz", ".tar.gz"))]
    return found[0] if len(found) == 1 else None


def holds_images(path: Path) -> bool:
    """Whether there are images in an archive, or in the part of it that a path leads to."""
    archive = archive_in(path)
    if archive is None:
        return False
    with _opened(archive) as (names, _):
        return any(_below(name, archive, path) is not None for name in names)


def leads_to_images(path: Path) -> bool:
    """Whether a path is an archive of images or leads into one, be it to a folder that is not there."""
    archive = archive_in(path)
    return archive is not None and (holds_images(path) or (not path.suffix and holds_images(archive)))


def read(path: Path, options: DataOptions, progress: Progress) -> Table:
    """The images of an archive, or of a folder in it, (N, C, H, W); a sub-folder is a class, as in a folder of images.

    Of an archive of one folder, what is in that is read. Oxford's 17 flowers, `17flowers….tar`, are numbered: 80 of
    each class, whose names stand in `classes.txt` beside it.

    Raises:
        RequestError: no image there, one that is damaged (unless such rows are to be left out), several sizes and none
            to bring them to, or more pixels than should be held in memory.
    """
    archive = archive_in(path)
    assert archive is not None
    with _opened(archive) as (every, content):
        found = {name: below for name in every if (below := _below(name, archive, path)) is not None}
        if not found:
            folders = sorted({str(PurePosixPath(name).parent) for name in every})
            inner = path.relative_to(archive).as_posix()
            raise RequestError(
                f"{archive} has no images in {inner!r}{nearest(inner, folders)} (its folders: {listed(folders)})"
            )
        names = sorted(found)
        images, kept, notes = _pictures(archive, names, content, options, progress)
    names = [names[number] for number in kept]
    classes = _classes(archive, [found[name] for name in names])
    labels = tuple(sorted({one for one in classes if one}, key=str))
    annotated = None
    if labels:
        annotated = np.array([[float(own == label) for label in labels] for own in classes], dtype=np.float32)
    return Table(
        name=path.name, inputs=images, features=(), labels=labels, annotated=annotated,
        where=lambda row: f"{archive}: {names[row]}", notes=tuple(notes),
    )  # fmt: skip


@contextmanager
def _opened(archive: Path) -> Iterator[tuple[list[str], Read]]:
    """The names of the images in an archive, and who reads one; RequestError for a damaged archive."""
    try:
        if archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as whole:
                yield _images(whole.namelist()), whole.read
            return
        with tarfile.open(archive) as packed:
            members = {one.name: one for one in packed.getmembers() if one.isfile()}

            def content(name: str) -> bytes:
                stream = packed.extractfile(members[name])
                assert stream is not None
                return stream.read()

            yield _images(members), content
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise RequestError(f"{archive} is damaged ({' '.join(str(error).split())}); fetch the file again") from None
    except RuntimeError as error:  # zipfile's, of a password that is wanted
        raise RequestError(f"{archive} cannot be read ({error}); unpack it") from None


def _images(names: object) -> list[str]:
    plain = [name for name in names if PurePosixPath(name).suffix.lower() in SUFFIXES]  # type: ignore[attr-defined]
    return [name for name in plain if not any(part[0] == "." and part.strip(".") for part in PurePosixPath(name).parts)]


def _below(name: str, archive: Path, path: Path) -> PurePosixPath | None:
    """A member's path below the one asked for; None where it is elsewhere."""
    inner, member = PurePosixPath(path.relative_to(archive).as_posix()), PurePosixPath(name)
    return member.relative_to(inner) if member.is_relative_to(inner) else None


def _classes(archive: Path, below: list[PurePosixPath]) -> list[str]:
    """The class of each image; "" where it has none."""
    listed_there = archive.with_name("classes.txt")
    if archive.name.startswith("17flowers") and listed_there.is_file():
        told = listed_there.read_text(encoding="utf-8").split()
        numbers = [_FLOWERS.search(one.stem) for one in below]
        return [told[(int(one[1]) - 1) // _FLOWERS_OF_A_CLASS] if one else "" for one in numbers]
    while len({one.parts[0] for one in below}) == 1 and all(len(one.parts) > 1 for one in below):
        below = [PurePosixPath(*one.parts[1:]) for one in below]
    if any(len(one.parts) == 1 for one in below):
        if any(len(one.parts) > 1 for one in below):
            raise RequestError(f"{archive} holds images beside folders of images; name one of its folders")
        return [""] * len(below)
    return [one.parts[0] for one in below]


def _pictures(
    archive: Path, names: list[str], content: Read, options: DataOptions, progress: Progress
) -> tuple[NDArray[np.float32], list[int], list[str]]:
    """The images (N, C, H, W), the numbers of those that could be read, and what is to be said of the others."""
    files = [content(name) for name in names]  # one after the other: an archive is one stream
    damage, sizes = dict[int, str](), dict[int, tuple[int, int]]()

    def look(number: int) -> None:
        try:
            sizes[number] = measured(BytesIO(files[number]))
        except Damaged as error:
            damage[number] = str(error)

    with quiet():
        each(look, len(files))
    if damage and (options.missing != "drop_rows" or len(damage) == len(files)):
        first = min(damage)
        raise RequestError(
            f"{archive}: {names[first]} {damage[first]}, the first of {len(damage)} such images; set the data option "
            "`missing` to `drop_rows` to leave them out"
        )
    kept = sorted(sizes)
    if options.size is None and len({sizes[number] for number in kept}) > 1:
        raise RequestError(
            f"{archive} has images of several sizes; set the data option `size` to a number of pixels or to "
            "[height, width], such as 64"
        )
    size = options.size or sizes[kept[0]]
    reading = Reading(size, options.channels or 3, options.fit)
    if len(kept) * reading.channels * size[0] * size[1] * 4 > _MOST:
        raise RequestError(f"the images of {archive} take more than {_MOST / 2**30:.0f} GiB of memory; unpack it")
    images = np.empty((len(kept), reading.channels, *size), dtype=np.float32)

    def read_one(number: int) -> None:
        images[number] = decoded(BytesIO(files[kept[number]]), reading)

    with quiet(), progress.step("images", len(kept), "images") as bar:
        each(read_one, len(kept), bar.advance)
    notes = [f"{len(damage)} of {len(names)} images were left out, since they cannot be read"] if damage else []
    return images, kept, notes
