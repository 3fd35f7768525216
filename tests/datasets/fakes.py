"""Tiny image sets in the layouts of those that torchvision fetches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

from tests.datasets.drawings import draw

SPLITS = {"train": "trnid", "val": "valid", "test": "tstid"}


def pets(
    root: Path,
    parts: Mapping[str, Sequence[tuple[str, int, int]]],
    pictures: Mapping[str, NDArray[Any]] | None = None,
) -> Path:
    """Oxford-IIIT Pet below a folder: of each part the images with their breed's and species' numbers.

    Args:
        root: where; the set's own folder is in it.
        parts: part → (image, breed, species).
        pictures: image → what is drawn; by default the n-th image is of the seed n.
    """
    folder = root / "oxford-iiit-pet"
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    number = 0
    for part, images in parts.items():
        lines = [f"{image} {breed} {kind} 1" for image, breed, kind in images]
        (folder / "annotations" / f"{part}.txt").write_text("\n".join(lines) + "\n")
        for image, *_ in images:
            drawn = number if pictures is None else pictures[image]
            draw(folder / "images" / f"{image}.jpg", drawn, format="PNG")
            number += 1
    return folder


def flowers(
    root: Path,
    classes: Sequence[int],
    parts: Mapping[str, Sequence[int]],
    pictures: Sequence[NDArray[Any]] | None = None,
) -> Path:
    """102 Flowers below a folder: the class of each image, from 1, and the images of each part, from 1.

    Args:
        root: where; the set's own folder is in it.
        classes: of image 1, 2, ….
        parts: part → images.
        pictures: what is drawn of image 1, 2, …; by default the n-th image is of the seed n.
    """
    folder = root / "flowers-102"
    folder.mkdir(parents=True, exist_ok=True)
    savemat(folder / "imagelabels.mat", {"labels": np.array([classes], np.uint8)})
    savemat(folder / "setid.mat", {SPLITS[part]: np.array([own], np.uint16) for part, own in parts.items()})
    for number in range(1, len(classes) + 1):
        drawn = number if pictures is None else pictures[number - 1]
        draw(folder / "jpg" / f"image_{number:05d}.jpg", drawn, format="PNG")
    return folder
