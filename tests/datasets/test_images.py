"""Folders of images: classes, order, sizes, what is left out, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from amalgam import datasets
from amalgam.datasets import DataOptions
from amalgam.errors import RequestError
from amalgam.schema import parse
from amalgam.signals import DatasetRows
from tests.datasets.drawings import as_floats, draw, pixels, read, refused


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three cats, one of them in a folder below, and two dogs."""
    folder = tmp_path / "photos"
    for seed, name in enumerate(["cat/b.png", "cat/a/z.png", "dog/1.PNG", "dog/10.png", "cat/c.png"]):
        draw(folder / name, seed, format="PNG")
    return folder


def test_a_sub_folder_is_a_class(photos: Path) -> None:
    loaded = read(photos)
    rows = loaded.rows
    assert isinstance(rows, DatasetRows)
    assert (rows.name, rows.labels, loaded.features, loaded.notes) == ("photos", ("cat", "dog"), (), ())
    assert rows.annotated is not None
    assert rows.annotated.tolist() == [[1, 0], [1, 0], [1, 0], [0, 1], [0, 1]]
    assert rows.resident is None
    order = [1, 0, 4, 2, 3]
    np.testing.assert_array_equal(rows.inputs(slice(None)), np.stack([as_floats(pixels(seed)) for seed in order]))
    assert datasets.files(str(photos)) == [
        photos / name for name in ("cat/a/z.png", "cat/b.png", "cat/c.png", "dog/1.PNG", "dog/10.png")
    ]


def test_a_flat_folder_is_unlabelled(tmp_path: Path) -> None:
    for seed, name in enumerate(["b.png", "a.png", "C.png"]):
        draw(tmp_path / "flat" / name, seed)
    rows = read(tmp_path / "flat").rows
    assert (rows.annotated, rows.labels) == (None, ())
    np.testing.assert_array_equal(rows.inputs(torch.tensor([2, 0]))[0], as_floats(pixels(0)))
    np.testing.assert_array_equal(rows.inputs(torch.tensor([2, 0]))[1], as_floats(pixels(2)))


def test_one_image_is_data(tmp_path: Path) -> None:
    path = draw(tmp_path / "one.png", 3)
    rows = read(path).rows
    assert (len(rows), rows.name, rows.annotated) == (1, "one.png", None)
    np.testing.assert_array_equal(rows.inputs(slice(0, 1))[0], as_floats(pixels(3)))
    assert datasets.files(str(path)) == [path]


def test_what_is_hidden_or_no_image_is_left_out_and_the_latter_noted(photos: Path) -> None:
    draw(photos / ".trash" / "x.png", 9)
    draw(photos / "cat" / ".b.png", 9)
    (photos / "labels.csv").write_text("")
    (photos / "dog" / "Thumbs.DB").write_text("")
    (photos / "README").write_text("")
    (photos / "docs").mkdir()
    (photos / "docs" / "a.txt").write_text("")
    loaded = read(photos)
    assert len(loaded.rows) == 5
    assert loaded.notes == (
        "4 files of other kinds were left out: '.csv', '.db', '.txt', 'README'",
        "the sub-folders 'docs' hold no image",
    )


def test_links_are_followed_once(tmp_path: Path, photos: Path) -> None:
    far = tmp_path / "far"
    draw(far / "x.png", 7)
    (photos / "fox").symlink_to(far)
    (far / "circle").symlink_to(photos)
    rows = read(photos).rows
    assert (rows.labels, len(rows)) == (("cat", "dog", "fox"), 6)


def test_images_beside_classes_are_refused(photos: Path) -> None:
    draw(photos / "stray.png")
    refused(
        photos,
        f"{photos} holds images ('stray.png') beside sub-folders of images ('cat', 'dog'); give every class a "
        "sub-folder, or keep all images in one place",
    )


def test_parts_are_no_classes(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "set").mkdir()
    photos.rename(tmp_path / "set" / "Train")
    draw(tmp_path / "set" / "test" / "cat" / "x.png")
    refused(
        tmp_path / "set",
        f"the sub-folders of {tmp_path / 'set'} are parts and no classes ('Train', 'test'); name one of them, such as "
        f"{tmp_path / 'set' / 'Train'}, and another to measure on under data.held_out",
    )


def test_a_folder_of_series_stays_one(tmp_path: Path) -> None:
    folder = tmp_path / "Toy"
    folder.mkdir()
    for part in ("TRAIN", "TEST"):
        (folder / f"Toy_{part}.tsv").write_text("a\t1\t2\nb\t3\t4\n")
    draw(folder / "plot.png")
    assert read(folder).rows.inputs(slice(None)).shape == (4, 2, 1)


def test_an_unreadable_folder_is_named(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    walk = os.walk

    def refusing(top: Any, **given: Any) -> Any:
        yield from walk(top, **given)
        given["onerror"](PermissionError(13, "Permission denied", str(photos / "dog")))

    (photos / "x.txt").write_text("")
    monkeypatch.setattr("os.walk", refusing)
    refused(photos, f"the folder {photos / 'dog'} cannot be read (Permission denied)")


def test_an_unreadable_folder_in_the_data_folder_is_passed_by(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    (tmp_path / "images" / "locked").mkdir(parents=True)
    photos.rename(tmp_path / "images" / "photos")
    scan, access = os.scandir, os.access
    locked = tmp_path / "images" / "locked"

    def refusing(path: Any) -> Any:
        if str(path) == str(locked):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr("os.scandir", refusing)
    monkeypatch.setattr("os.access", lambda path, mode: str(path) != str(locked) and access(path, mode))
    monkeypatch.setenv("AMALGAM_DATA", str(tmp_path))
    names = ["digits", "digits-images", "digits-numerals", "photos", "shapes3d", "tslearn:Trace"]
    assert datasets.names() == names


def test_images_of_several_sizes_need_one(photos: Path) -> None:
    draw(photos / "dog" / "2.png", pixels(9, 6, 12))
    refused(
        photos,
        f"'photos' has images of several sizes: {photos / 'cat/a/z.png'} is 8×8 and {photos / 'dog/2.png'} 6×12 "
        "(height×width); set the data option `size` to a number of pixels or to [height, width], such as 224",
    )
    assert read(photos, size=4).rows.inputs(slice(None)).shape == (6, 3, 4, 4)
    assert read(photos, size=(5, 7), channels=1).rows.inputs(slice(0, 2)).shape == (2, 1, 5, 7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"labels": ("cat",)},
            "`labels` means nothing for {}; leave it out (known here: channels, fit, missing, size)",
        ),
        ({"series": True}, "`series` means nothing for {}; leave it out (known here: channels, fit, missing, size)"),
        (
            {"download": True},
            "`download` means nothing for {}; leave it out (known here: channels, fit, missing, size)",
        ),
        (
            {"missing": "mean"},
            "`missing` is `mean`, which means nothing for the images of 'photos'; choose `refuse` or `drop_rows`",
        ),
    ],
)
def test_options_that_mean_nothing_for_a_folder(photos: Path, options: dict[str, Any], message: str) -> None:
    refused(photos, "the data option " + message.format(photos), **options)


@pytest.mark.parametrize("option", [{"size": 8}, {"channels": 1}, {"fit": "squash"}, {"download": True}])
def test_options_of_images_mean_nothing_for_a_table(tmp_path: Path, option: dict[str, Any]) -> None:
    (tmp_path / "x.csv").write_text("a\n1\n")
    (name,) = option
    path = tmp_path / "x.csv"
    message = (
        f"the data option `{name}` means nothing for {path}; leave it out (known here: drop, image, labels, missing, "
        "primary, tasks, text)"
    )
    refused(path, message, **option)


@pytest.mark.parametrize("size", [0, -3, True, 2.5, "8", [8], [8, 0], [8, 8, 8], []])
def test_a_size_is_pixels(size: Any) -> None:
    message = f"recipe: size is {size!r}, expected a number of pixels, 1 or more, or [height, width]"
    with pytest.raises(RequestError) as raised:
        parse(DataOptions, {"size": size}, "recipe")
    assert str(raised.value) == message


def test_a_size_is_height_and_width() -> None:
    assert (DataOptions(size=8).size, DataOptions(size=[4, 8]).size, DataOptions().size) == ((8, 8), (4, 8), None)
    assert DataOptions.model_validate_json(DataOptions(size=8).model_dump_json()) == DataOptions(size=(8, 8))


def test_damaged_images_are_refused_or_left_out(photos: Path) -> None:
    whole = (photos / "cat" / "b.png").read_bytes()
    (photos / "cat" / "b.png").write_bytes(whole[: len(whole) // 2])
    (photos / "dog" / "1.PNG").write_bytes(b"")
    refused(
        photos,
        f"{photos / 'cat/b.png'} is damaged (image file is truncated), the first of 2 such images; put a whole one "
        "there or take it out, or set the data option `missing` to `drop_rows`",
    )
    loaded = read(photos, missing="drop_rows")
    assert loaded.notes == ("2 of 5 images were left out, since they cannot be read: 'cat/b.png', 'dog/1.PNG'",)
    assert loaded.rows.ids.tolist() == [0, 2, 4]
    assert loaded.rows.annotated is not None
    assert loaded.rows.annotated.tolist() == [[1, 0], [1, 0], [0, 1]]
    np.testing.assert_array_equal(loaded.rows.inputs(slice(2, 3))[0], as_floats(pixels(3)))


def test_only_the_first_few_damaged_images_are_named(photos: Path) -> None:
    for number in range(7):
        (photos / "cat" / f"{number}.jpg").write_text("no image")
    assert read(photos, missing="drop_rows").notes == (
        "7 of 12 images were left out, since they cannot be read: 'cat/0.jpg', 'cat/1.jpg', 'cat/2.jpg', 'cat/3.jpg' "
        "and 3 more",
    )


def test_no_image_that_can_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.jpg").write_bytes(b"")
    refused(tmp_path / "x", f"none of the 1 images of 'x' can be read: {tmp_path / 'x' / 'a.jpg'} is empty",
            missing="drop_rows")  # fmt: skip


def test_repeated_images_and_labels_without_a_row_are_noted(photos: Path) -> None:
    (photos / "dog" / "twin.png").write_bytes((photos / "cat" / "b.png").read_bytes())
    (photos / "fox").mkdir()
    (photos / "fox" / "x.gif").write_bytes(b"")
    assert read(photos, missing="drop_rows").notes == (
        "1 of 7 images were left out, since they cannot be read: 'fox/x.gif'",
        "1 of 6 rows repeat the inputs of an earlier row; they are kept",
        "no row has the label 'fox'",
    )


def test_folders_in_the_data_folder_have_names(tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMALGAM_DATA", str(tmp_path))
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "tars").mkdir()
    (tmp_path / "images" / "tars" / "x.tar").write_bytes(b"")
    photos.rename(tmp_path / "images" / "photos")
    names = ["digits", "digits-images", "digits-numerals", "photos", "shapes3d", "tars", "tslearn:Trace"]
    assert datasets.names() == names
    assert datasets.load("photos").rows.labels == ("cat", "dog")
    other = tmp_path / "photos"
    other.mkdir()
    (other / "photos.arff").write_text("@relation r\n@attribute x real\n@data\n1\n")
    places = f"'{other}', '{tmp_path / 'images' / 'photos'}'"
    refused("photos", f"'photos' names several data sets, {places}; give the path of the one you mean")
