"""Odd pictures: damaged, turned, transparent, deep, of other modes; and how one is brought to a size."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from amalgam.datasets.pictures import FORMATS, Damaged, Reading, decoded, measured, quiet
from tests.datasets.drawings import as_floats, draw, pixels, read, refused


def values(path: Path, **reading: Any) -> np.ndarray[Any, Any]:
    return decoded(path, Reading(**reading))


@pytest.mark.parametrize("kind", ["BMP", "GIF", "PNG", "PPM", "TIFF", "WEBP"])
def test_lossless_formats_give_their_pixels(tmp_path: Path, kind: str) -> None:
    path = draw(tmp_path / f"x.{kind.lower()}", format=kind, **({"lossless": True} if kind == "WEBP" else {}))
    wanted = as_floats(pixels())
    found = values(path)
    assert (found.shape, found.dtype, measured(path)) == ((3, 8, 8), np.float32, (8, 8))
    np.testing.assert_allclose(found, wanted, atol=0.5 if kind == "GIF" else 0)  # a palette of 256 colours
    assert values(path, channels=1).shape == (1, 8, 8)


def test_what_an_image_is_does_not_depend_on_its_name(tmp_path: Path) -> None:
    np.testing.assert_array_equal(values(draw(tmp_path / "x.jpg", format="PNG")), as_floats(pixels()))


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_images(tmp_path: Path, channels: int) -> None:
    grey = pixels(channels=1)
    found = values(draw(tmp_path / "x.png", grey), channels=channels)
    np.testing.assert_array_equal(found, np.repeat(as_floats(grey), channels, axis=0))


def test_grey_of_colours_is_their_luma(tmp_path: Path) -> None:
    found = values(draw(tmp_path / "x.png"), channels=1)
    np.testing.assert_allclose(found[0], np.einsum("chw,c", as_floats(pixels()), [0.299, 0.587, 0.114]), atol=1 / 255)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_images_lie_on_white(tmp_path: Path, mode: str) -> None:
    opaque = np.array([[0, 255, 51]], dtype=np.uint8)
    drawn = np.stack([np.full_like(opaque, 100)] * (len(mode) - 1) + [opaque], axis=-1)
    found = values(draw(tmp_path / "x.png", drawn), channels=3)
    np.testing.assert_allclose(found[0] * 255, [[255, 100, 0.2 * 100 + 0.8 * 255]], atol=0.6)
    assert (found == found[0]).all()


@pytest.mark.parametrize("transparency", [None, 0, b"\x00\xff"])
def test_palettes_give_their_colours(tmp_path: Path, transparency: Any) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putpixel((1, 0), 1)
    given = {} if transparency is None else {"transparency": transparency}
    picture.save(tmp_path / "x.png", **given)
    left = [255, 0, 0] if transparency is None else [255, 255, 255]
    np.testing.assert_array_equal(values(tmp_path / "x.png")[:, 0].T * 255, [left, [0, 0, 255]])


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    draw(tmp_path / "x.png", np.array([[True, False]]))
    np.testing.assert_array_equal(values(tmp_path / "x.png", channels=1), [[[1, 0]]])


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path, kind: str) -> None:
    deep = np.array([[0, 255, 256, 32768, 65535]], dtype=np.uint16)
    found = values(draw(tmp_path / f"x.{kind}", deep), channels=3)
    np.testing.assert_array_equal(found, np.repeat(deep[None] / np.float32(65535), 3, axis=0))
    halved = values(draw(tmp_path / f"y.{kind}", np.repeat(deep[:, 1:3], 4, axis=0)), channels=1, size=(1, 1))
    assert halved.item() == pytest.approx(255.5 / 65535)


def test_floats_from_0_to_1_stay_and_others_are_damage(tmp_path: Path) -> None:
    whole = np.array([[0, 0.3, 1]], dtype=np.float32)
    np.testing.assert_array_equal(values(draw(tmp_path / "x.tif", whole), channels=1), whole[None])
    for wrong in (1.5, -0.1, np.nan):
        path = draw(tmp_path / "y.tif", np.array([[0, wrong]], dtype=np.float32))
        for look in (values, measured):
            with pytest.raises(Damaged, match=r"^has pixels that are not from 0 to 1$"):
                look(path)  # type: ignore[operator]
    path = draw(tmp_path / "z.tif", np.array([[70000]], dtype=np.int32))
    with pytest.raises(Damaged, match=r"^has pixels that are not from 0 to 65535$"):
        measured(path)


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (2, 2), (0, 255, 255, 0)).save(tmp_path / "x.jpg")  # cyan is red's opposite
    np.testing.assert_allclose(values(tmp_path / "x.jpg")[:, 0, 0], [1, 0, 0], atol=0.02)


@pytest.mark.parametrize("kind", ["png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(tmp_path: Path, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    drawn = pixels(1, 4, 6)
    path = draw(tmp_path / f"x.{kind}", drawn, exif=exif, **({"lossless": True} if kind == "webp" else {}))
    turned = Image.fromarray(drawn)
    turned.getexif()[0x0112] = orientation
    upright = np.asarray(ImageOps.exif_transpose(turned))
    np.testing.assert_array_equal(values(path), as_floats(upright))
    assert measured(path) == upright.shape[:2]


def test_a_turned_jpeg_is_measured_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert measured(draw(tmp_path / "x.jpg", pixels(0, 40, 64), exif=exif)) == (64, 40)


@pytest.mark.parametrize("exif", [b"Exif\x00\x00junk", b"Exif\x00\x00II*\x00\xff\xff\xff\x7f", b"\x00" * 9])
def test_damaged_metadata_of_a_whole_image_does_not_matter(tmp_path: Path, exif: bytes) -> None:
    draw(tmp_path / "x.png", exif=exif)
    with quiet():
        np.testing.assert_array_equal(values(tmp_path / "x.png"), as_floats(pixels()))


def bomb() -> bytes:
    """A PNG file of few bytes that says it has 40000×40000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 40000, 40000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


NO_IMAGE = f"is no image that can be read ({', '.join(FORMATS)})"


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("empty.jpg", b"", "is empty"),
        ("text.jpg", b"this is no image\n", NO_IMAGE),
        ("script.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", NO_IMAGE),
        ("bomb.png", bomb(), "has more than 89478485 pixels, Pillow's limit"),
    ],
)
def test_files_that_are_no_image_are_named(tmp_path: Path, name: str, content: bytes, why: str) -> None:
    draw(tmp_path / "x" / "a.png")
    (tmp_path / "x" / name).write_bytes(content)
    path = tmp_path / "x" / name
    refused(
        path.parent,
        f"{path} {why}, the first of 1 such images; put a whole one there or take it out, or set the data option "
        "`missing` to `drop_rows`",
    )
    assert len(read(path.parent, missing="drop_rows").rows) == 1


def test_an_image_of_more_pixels_than_pillow_s_limit_is_damage_not_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)  # 8×8 is more, yet not twice as much
    path = draw(tmp_path / "x.png")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as a user's filters may be
        with quiet(), pytest.raises(Damaged, match=r"^has more than 50 pixels, Pillow's limit$"):
            measured(path)


@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.gif", "x.bmp", "x.tif", "x.webp"])
@pytest.mark.parametrize("share", [0.4, 0.8])
def test_images_cut_short_are_damaged(tmp_path: Path, name: str, share: float) -> None:
    path = draw(tmp_path / name, pixels(0, 64, 64))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    for look in (values, measured):
        with quiet(), pytest.raises(Damaged, match=r"^(is damaged \(.+\)|is no image that can be read \(.+\))$"):
            look(path)  # type: ignore[operator]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_whatever_is_changed_in_a_file_it_is_read_or_damaged(kind: str) -> None:
    """And what was measured can be decoded."""
    chance = np.random.default_rng(0)
    stream = io.BytesIO()
    Image.fromarray(pixels(0, 24, 24)).save(stream, kind)
    whole = np.frombuffer(stream.getvalue(), dtype=np.uint8)
    damaged = 0
    for _ in range(200):
        changed = whole.copy()
        changed[chance.integers(len(whole), size=4)] = chance.integers(256, size=4)
        with quiet():
            try:
                measured(io.BytesIO(changed.tobytes()))
            except Damaged:
                damaged += 1
                continue
            assert decoded(io.BytesIO(changed.tobytes()), Reading((4, 4))).shape == (3, 4, 4)
    assert damaged


def smooth(height: int, width: int) -> np.ndarray[Any, Any]:
    """An image that differs everywhere, but gently."""
    down, across = np.mgrid[0:height, 0:width]
    planes = [down / height, across / width, (down / height + across / width) / 2]
    return (255 * np.stack(planes, axis=-1)).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), [(60, 90), (90, 60), (61, 87), (20, 20), (7, 9)])
@pytest.mark.parametrize("fit", ["crop", "squash"])
def test_resizing_is_that_of_torchvision(tmp_path: Path, height: int, width: int, fit: str) -> None:
    """The shortest side to the size and then the middle; or squeezed; antialiased."""
    from torchvision.transforms.v2 import functional

    drawn = np.concatenate([smooth(height, width)[: height // 2], pixels(0, height - height // 2, width)])
    whole = torch.from_numpy(as_floats(drawn))
    if fit == "squash":
        wanted = functional.resize(whole, [20, 20], antialias=True)
    else:
        ratio = 20 / min(height, width)
        wanted = functional.resize(whole, [round(height * ratio), round(width * ratio)], antialias=True)
        wanted = functional.center_crop(wanted, [20, 20])
    found = values(draw(tmp_path / "x.png", drawn), size=(20, 20), fit=fit)
    assert found.shape == (3, 20, 20)
    exact = fit == "squash" or (height * 20 % min(height, width), width * 20 % min(height, width)) == (0, 0)
    assert np.abs(found - wanted.numpy()).mean() < (0.002 if exact else 0.03)


def test_the_middle_of_a_wide_image_is_kept(tmp_path: Path) -> None:
    wide = np.zeros((4, 12, 3), dtype=np.uint8)
    wide[:, 4:8] = 255
    path = draw(tmp_path / "x.png", wide)
    assert values(path, size=(4, 4)).min() == 1
    assert 0 < values(path, size=(4, 4), fit="squash").mean() < 0.5
    assert values(path, size=(2, 6), fit="crop").shape == (3, 2, 6)


def stripes(height: int, width: int) -> np.ndarray[Any, Any]:
    """An image of stripes of six pixels, which an eighth of its size does not show."""
    return np.repeat(255 * (np.mgrid[0:height, 0:width][1] // 6 % 2).astype(np.uint8)[..., None], 3, axis=-1)


@pytest.mark.parametrize(("drawing", "size"), [(smooth, 32), (stripes, 200)])
def test_a_large_jpeg_is_decoded_small_and_looks_the_same(tmp_path: Path, drawing: Any, size: int) -> None:
    path = draw(tmp_path / "x.jpg", drawing(1000, 1201), quality=95)
    small = values(path, size=(size, size))
    with Image.open(path) as picture:
        whole = np.asarray(picture)
    exact = values(draw(tmp_path / "x.png", whole), size=(size, size))
    assert np.abs(small - exact).mean() < 0.1
    assert not np.array_equal(small, exact)  # or it was decoded whole
