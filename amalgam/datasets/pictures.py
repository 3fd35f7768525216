"""Pictures: one image file as numbers, whatever its format, mode, depth or rotation."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from amalgam.datasets.loaded import Fit

SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
"""What the names of image files end with, in lower case."""
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What is read, whatever a file's name ends with. Pillow knows more, EPS among them, for which it starts a program."""

_DEEP = {"I;16", "I;16B", "I;16L", "I;16N", "I", "F"}  # grey, of more than 8 bits
_ORIENTATION = 0x0112  # the tag of EXIF and TIFF
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ERRORS = (SyntaxError, ValueError, LookupError, ArithmeticError, EOFError, struct.error, zlib.error)
"""What Pillow raises for files that are damaged, beside OSError."""


class Damaged(Exception):
    """A picture that cannot be read. Its text says why, so that a path can stand before it."""


@dataclass(frozen=True)
class Reading:
    """How pictures are read.

    Attributes:
        size: height and width of what comes out; None leaves each picture its own.
        channels: 1 (grey) or 3 (red, green, blue).
        fit: what becomes of a picture of other proportions: its middle is cut out, or it is squeezed.
    """

    size: tuple[int, int] | None = None
    channels: int = 3
    fit: Fit = "crop"


@contextmanager
def quiet() -> Iterator[None]:
    """Hush what Pillow warns of (odd metadata); a picture of too many pixels becomes an error.

    Filters of warnings are the process's: enter it around the threads, not in them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def decoded(source: Path | IO[bytes], reading: Reading) -> NDArray[np.float32]:
    """A picture as (C, H, W) float32 from 0 to 1.

    Turned upright by its EXIF orientation; transparent parts are white; 16 bits keep their depth. Resized by Pillow's
    bilinear filter, whose support grows with the reduction (antialiased): Pillow has decoded the picture anyway, lets
    go of Python's lock meanwhile, and resizes bytes and floats alike. Large JPEG files are decoded at a power of two of
    their size, at least twice the one wanted, as Pillow's `thumbnail` does.

    Raises:
        Damaged: says why it cannot be read.
    """
    with _opened(source) as picture:
        if reading.size is not None:
            side = 2 * max(reading.size)
            picture.draft(None, (side, side))
        picture.load()
        upright = _fitted(_plain(_upright(picture), reading.channels), reading)
        values = np.asarray(upright)
        if upright.mode != "F":
            values = np.divide(values, 255, dtype=np.float32)
    planes = values[None] if values.ndim == 2 else values.transpose(2, 0, 1)
    return np.repeat(planes, reading.channels // len(planes), axis=0)


def measured(source: Path | IO[bytes]) -> tuple[int, int]:
    """Height and width of a picture, upright, that was decoded to its end.

    Raises:
        Damaged: says why it cannot be read.
    """
    with _opened(source) as picture:
        width, height = picture.size
        picture.draft(None, (1, 1))  # an eighth of a JPEG file's size, from all of its data
        picture.load()
        turned = _orientation(picture) >= 5
        _plain(picture, 3)
    return (width, height) if turned else (height, width)


@contextmanager
def _opened(source: Path | IO[bytes]) -> Iterator[Image.Image]:
    try:
        with Image.open(source, formats=FORMATS) as picture:
            yield picture
    except UnidentifiedImageError:
        raise Damaged(f"is no image that can be read ({', '.join(FORMATS)})") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Damaged(f"has more than {Image.MAX_IMAGE_PIXELS} pixels, Pillow's limit") from None
    except OSError as error:
        raise Damaged(f"cannot be read ({error.strerror})" if error.errno else f"is damaged ({error})") from None
    except _ERRORS as error:
        raise Damaged(f"is damaged ({' '.join(str(error).split()) or type(error).__name__})") from None


def _orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none that can be read."""
    try:
        told = picture.getexif().get(_ORIENTATION, 1)
    except (OSError, *_ERRORS):  # damaged metadata, of a picture that is whole
        return 1
    return told if told in _TURNS else 1


def _upright(picture: Image.Image) -> Image.Image:
    turn = _TURNS.get(_orientation(picture))
    return picture if turn is None else picture.transpose(turn)


def _plain(picture: Image.Image, channels: int) -> Image.Image:
    """A picture of mode RGB or L (0 to 255), or, if it is grey and deep, of mode F (0 to 1)."""
    if picture.mode in _DEEP:
        values = np.asarray(picture, dtype=np.float32)
        values = values if picture.mode == "F" else values / np.float32(65535)
        if not (values.min() >= 0 and values.max() <= 1):  # NaN is neither
            what = "0 to 1" if picture.mode == "F" else "0 to 65535"
            raise Damaged(f"has pixels that are not from {what}")
        return Image.fromarray(values)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("L" if channels == 1 else "RGB")


def _fitted(picture: Image.Image, reading: Reading) -> Image.Image:
    if reading.size is None or reading.size == (picture.height, picture.width):
        return picture
    height, width = reading.size
    box = (0.0, 0.0, float(picture.width), float(picture.height))
    if reading.fit == "crop":
        scale = min(picture.width / width, picture.height / height)
        left, top = max(0.0, (picture.width - width * scale) / 2), max(0.0, (picture.height - height * scale) / 2)
        box = (left, top, picture.width - left, picture.height - top)
    return picture.resize((width, height), Image.Resampling.BILINEAR, box=box)
