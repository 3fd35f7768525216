"""Rows that are images, small, for a report to show: taken once, kept beside it, never the whole data."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from amalgam.errors import RequestError
from amalgam.files import draft
from amalgam.signals import Rows

FILE = "thumbnails.npz"
SIDE = 64
"""Pixels of the longer side, at most."""
_PIXEL = re.compile(r"pixel_(\d+)_(\d+)")


@dataclass(frozen=True, eq=False)
class Thumbnails:
    """Images of some rows.

    Attributes:
        rows: their numbers in the data, (M,).
        pixels: (M, H, W, C) from 0 to 255, grey (C = 1) or red, green and blue.
    """

    rows: NDArray[np.int64]
    pixels: NDArray[np.uint8]

    def of(self, row: int) -> NDArray[np.uint8] | None:
        """A row's image (H, W, C); None where it has none here."""
        found = np.flatnonzero(self.rows == row)
        return self.pixels[found[0]] if len(found) else None

    def write(self, folder: Path) -> None:
        """Write `thumbnails.npz` into a folder."""
        with draft(folder / FILE) as path, path.open("wb") as file:
            np.savez_compressed(file, rows=self.rows, pixels=self.pixels)

    @classmethod
    def read(cls, folder: Path) -> Thumbnails | None:
        """Those in a run directory; None where a run has none. RequestError for a damaged file."""
        path = folder / FILE
        if not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as found:
                return cls(found["rows"], found["pixels"])
        except (BadZipFile, EOFError, KeyError, OSError, ValueError):
            raise RequestError(f"{path} is damaged; delete it, and the page shows no images") from None


def taken(rows: Rows, features: Sequence[str], numbers: Iterable[int]) -> Thumbnails | None:
    """The images of some rows; None where rows are no images.

    Rows are images where they have the shape (C, H, W) of 1 or 3 channels, or where their columns are named for pixels,
    `pixel_ROW_COLUMN`, and fill a rectangle. Black is 0 or the least value of those taken, white 1 or the largest.

    Args:
        rows: N of them; only those asked for are read.
        features: the names of their columns, if they have some.
        numbers: which, by their numbers in the data.
    """
    wanted = torch.isin(rows.ids, torch.tensor(list(numbers), dtype=torch.long)).nonzero()[:, 0]
    if not len(wanted):
        return None
    chosen, small = rows.take(wanted), list[Tensor]()
    grid = pixel_grid(features)
    for _, inputs in chosen.chunks(64):
        images = inputs[:, grid][:, None] if inputs.ndim == 2 and grid is not None else inputs
        if images.ndim != 4 or images.shape[1] not in (1, 3):
            return None
        small.append(_shrunk(images))
    values = torch.cat(small)
    low, high = min(0.0, float(values.min())), max(1.0, float(values.max()))
    pixels = ((values - low) / (high - low) * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
    return Thumbnails(chosen.ids.numpy(), pixels.numpy())


def pixel_grid(features: Sequence[str]) -> NDArray[np.int64] | None:
    """The columns (H, W) of the pixels of each row, where names say so: `pixel_0_0`, `pixel_0_1`, …; else None."""
    found = [_PIXEL.fullmatch(name) for name in features]
    places = [(int(one[1]), int(one[2])) for one in found if one is not None]
    if not places or len(places) < len(found):
        return None
    height, width = (len(set(axis)) for axis in zip(*places, strict=True))
    if len(set(places)) != len(places) or height * width != len(places):
        return None
    return np.array(sorted(range(len(places)), key=lambda column: places[column])).reshape(height, width)


def _shrunk(images: Tensor) -> Tensor:
    """Images (B, C, H, W) with sides of at most SIDE pixels, each the mean of those that it stands for."""
    height, width = images.shape[2:]
    ratio = min(1.0, SIDE / max(height, width))
    return adaptive_avg_pool2d(images, (math.ceil(height * ratio), math.ceil(width * ratio)))
