"""Images drawn for tests, and folders of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from amalgam import datasets
from amalgam.datasets import DataOptions
from amalgam.errors import RequestError


def pixels(seed: int = 0, height: int = 8, width: int = 8, channels: int = 3) -> NDArray[np.uint8]:
    """Bytes (H, W, C), or (H, W) for one channel."""
    drawn = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return drawn[..., 0] if channels == 1 else drawn


def draw(path: Path, values: NDArray[Any] | int = 0, **given: Any) -> Path:
    """An image of these values, or of those of `pixels(seed)`, in a file that is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(values) if isinstance(values, int) else values).save(path, **given)
    return path


def as_floats(values: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What bytes (H, W, C) or (H, W) become, (C, H, W)."""
    planes = values[None] if values.ndim == 2 else values.transpose(2, 0, 1)
    return planes.astype(np.float32) / np.float32(255)


def refused(spec: str | Path, message: str, **options: Any) -> None:
    """Loading fails with this very message."""
    with pytest.raises(RequestError, match=f"^{re.escape(message)}$"):
        datasets.load(str(spec), DataOptions(**options))


def read(spec: str | Path, **options: Any) -> datasets.Loaded:
    """The data of a SPEC."""
    return datasets.load(str(spec), DataOptions(**options))
