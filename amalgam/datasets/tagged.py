"""Images with many yes/no labels: PASCAL VOC's objects, CelebA's attributes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from amalgam.datasets.compressed import opened, opened_text
from amalgam.datasets.images import Album, encoded
from amalgam.errors import RequestError

VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""The classes of PASCAL VOC since 2007, in its own order."""
_CELEBA_PARTS = {"0": "train", "1": "valid", "2": "test"}


def voc(folder: Path, parts: Sequence[str]) -> Album:
    """The images of parts of PASCAL VOC, with a label for each class of object.

    A label is 1 where an object of the class is annotated, NaN where all of them are marked as difficult, else 0: so
    the set's own lists mark them, and its measures leave the difficult ones out.
    Source: M. Everingham, J. Winn, "The PASCAL Visual Object Classes Challenge 2007 Development Kit", 2007, 4.1.

    Args:
        folder: with Annotations, ImageSets and JPEGImages, such as VOCdevkit/VOC2007.
        parts: the names of lists in ImageSets/Main.

    Raises:
        RequestError: names the file that is damaged.
    """
    listed_in = {part: _listed(folder / "ImageSets" / "Main" / f"{part}.txt") for part in parts}
    numbers = [number for part in parts for number in listed_in[part]]
    return Album(
        name=folder.name,
        root=folder / "JPEGImages",
        names=encoded([f"{number}.jpg" for number in numbers]),
        labels=VOC_CLASSES,
        annotated=np.stack([_objects(folder / "Annotations" / f"{number}.xml") for number in numbers]),
        notes=origins({part: len(one) for part, one in listed_in.items()}),
    )


def voc_paths(folder: Path, parts: Sequence[str]) -> list[Path]:
    """The images and annotations of parts of PASCAL VOC."""
    numbers = [number for part in parts for number in _listed(folder / "ImageSets" / "Main" / f"{part}.txt")]
    images = [folder / "JPEGImages" / f"{number}.jpg" for number in numbers]
    return [*images, *(folder / "Annotations" / f"{number}.xml" for number in numbers)]


def _listed(path: Path) -> list[str]:
    with opened_text(path) as text:
        numbers = [line.strip() for line in text if line.strip()]
    wrong = next((one for one in numbers if "/" in one or "\\" in one), None)
    if wrong is not None or not numbers:
        raise RequestError(f"{path} lists {'no images' if wrong is None else repr(wrong)}, expected their names")
    return numbers


def _objects(path: Path) -> NDArray[np.float32]:
    """Which classes an annotation has, (20,)."""
    marks = np.zeros(len(VOC_CLASSES), dtype=np.float32)
    with opened(path) as stream:
        try:
            root = ElementTree.parse(stream).getroot()
        except ElementTree.ParseError as error:
            raise RequestError(f"{path} is no XML ({error}); fetch the file again") from None
    for found in root.iter("object"):
        name = (found.findtext("name") or "").strip()
        if name not in VOC_CLASSES:
            raise RequestError(f"{path} has an object {name!r}, which is none of the 20 classes of PASCAL VOC")
        place = VOC_CLASSES.index(name)
        if (found.findtext("difficult") or "0").strip() != "1":
            marks[place] = 1
        elif marks[place] == 0:
            marks[place] = np.nan
    return marks


def celeba(folder: Path, parts: Sequence[str]) -> Album:
    """The images of parts of CelebA, with its attributes as labels.

    Source: Z. Liu, P. Luo, X. Wang, X. Tang, "Deep Learning Face Attributes in the Wild", ICCV 2015.

    Args:
        folder: with img_align_celeba, list_attr_celeba.txt and list_eval_partition.txt.
        parts: of train, valid and test.

    Raises:
        RequestError: names file and line of what is wrong.
    """
    path = folder / "list_attr_celeba.txt"
    with opened_text(path) as text:
        lines = text.read().splitlines()
    labels = tuple(lines[1].split()) if len(lines) > 1 else ()
    rows = [line.split() for line in lines[2:] if line.strip()]
    for number, row in enumerate(rows, start=3):
        if len(row) != len(labels) + 1 or {*row[1:]} - {"1", "-1"}:
            raise RequestError(
                f"{path} line {number}: expected the name of an image and 1 or -1 for each of the {len(labels)} "
                "attributes of line 2; fetch the file again"
            )
    part_of = _partition(folder / "list_eval_partition.txt")
    unknown = next((row[0] for row in rows if row[0] not in part_of), None)
    if unknown is not None:
        raise RequestError(f"{folder / 'list_eval_partition.txt'} does not say what part {unknown!r} of {path} is in")
    kept = [row for part in parts for row in rows if part_of[row[0]] == part]
    counts = {part: sum(part_of[row[0]] == part for row in rows) for part in parts}
    return Album(
        name="CelebA",
        root=folder / "img_align_celeba",
        names=encoded([row[0] for row in kept]),
        labels=labels,
        annotated=(np.array([row[1:] for row in kept]) == "1").astype(np.float32),
        notes=origins(counts),
    )


def _partition(path: Path) -> dict[str, str]:
    """Image → the name of its part."""
    with opened_text(path) as text:
        told = [line.split() for line in text if line.strip()]
    for number, words in enumerate(told, start=1):
        if len(words) != 2 or words[1] not in _CELEBA_PARTS or "/" in words[0]:
            raise RequestError(f"{path} line {number}: expected the name of an image and 0, 1 or 2; fetch it again")
    return {image: _CELEBA_PARTS[part] for image, part in told}


def origins(counts: dict[str, int]) -> tuple[str, ...]:
    """The note on how many images come from which of several parts."""
    return (", ".join(f"{count} images from {part}" for part, count in counts.items()),) if len(counts) > 1 else ()
