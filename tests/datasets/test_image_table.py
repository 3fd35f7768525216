"""Tables of images: the column of paths, label columns, and paths that lead nowhere or out of the folder."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from amalgam import datasets
from amalgam.datasets import DataOptions
from tests.datasets.drawings import as_floats, draw, pixels, read, refused


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed in range(3):
        draw(tmp_path / "photos" / f"00{seed}", seed, format="PNG")
    return tmp_path


def table(folder: Path, text: str, name: str = "x.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_a_column_holds_paths_and_the_others_labels(folder: Path) -> None:
    path = table(folder, "file,p,q\nphotos/002,1,0\nphotos/000,,1\n\nphotos/001,0,\n")
    loaded = read(path, image="file", labels=("q", "p"))
    rows = loaded.rows
    assert (rows.name, rows.labels, loaded.features) == ("x.csv", ("q", "p"), ())
    np.testing.assert_array_equal(rows.annotated, [[0, 1], [1, np.nan], [np.nan, 0]])
    np.testing.assert_array_equal(rows.inputs(slice(None)), np.stack([as_floats(pixels(seed)) for seed in (2, 0, 1)]))
    assert loaded.notes == ("1 empty lines were left out",)
    assert datasets.files(str(path), DataOptions(image="file", labels=("p", "q"))) == [
        path,
        *(folder / "photos" / name for name in ("002", "000", "001")),
    ]


def test_a_task_is_a_column_of_classes(folder: Path) -> None:
    path = table(folder, "file,p,colour\nphotos/002,1,red\nphotos/000,,\nphotos/001,0, green \n")
    rows = read(path, image="file", labels=("p",), tasks=("colour",)).rows
    assert rows.labels == ("p", "colour: green", "colour: red")
    np.testing.assert_array_equal(rows.annotated, [[1, 0, 1], [np.nan] * 3, [0, 1, 0]])


def test_without_labels_nothing_is_annotated(folder: Path) -> None:
    path = table(folder, "file\tage\nphotos/000\tx\n photos/001 \ty\n", "x.tsv")
    loaded = read(path, image="file", drop=("age",), size=4)
    assert (len(loaded.rows), loaded.rows.annotated) == (2, None)
    assert loaded.notes == ("column 'age' was left out as asked",)


def test_names_that_look_like_numbers_stay_as_they_are(folder: Path) -> None:
    (folder / "photos" / "007.50").write_bytes((folder / "photos" / "001").read_bytes())
    (folder / "photos" / "x.csv.gz").write_bytes(gzip.compress(b"file\n000\n007.50\n"))
    rows = read(folder / "photos" / "x.csv.gz", image="file").rows
    np.testing.assert_array_equal(rows.inputs(slice(1, 2))[0], as_floats(pixels(1)))


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            "file,p\na,1\n",
            {"image": "path"},
            "{path} has no column 'path', which the data option `image` names (columns: 'file', 'p')",
        ),
        (
            "file,age\na,1\n",
            {"image": "file"},
            "{path} has the column 'age' beside the images in 'file'; if it is a label (0 or 1) name it under the data "
            "option `labels`, if it holds classes under `tasks`, else under `drop`",
        ),
        (
            "file,p\na,1\n",
            {"image": "file", "drop": ("file",)},
            "the data options name 'file' under `image` and under `drop`; choose one",
        ),
        (
            "file,p\na,1\n",
            {"image": "p", "labels": ("p",)},
            "the data options name 'p' under `image` and under `labels`; choose one",
        ),
        (
            "file,p\nphotos/000,1\nphotos/001,2\n",
            {"image": "file", "labels": ("p",)},
            "{path} line 3: the label 'p' is 2, expected 0, 1 or nothing where nobody annotated; a column of other "
            "values is no label",
        ),
        (
            "file,p\nphotos/000,yes\n",
            {"image": "file", "labels": ("p",)},
            "{path} line 2: column 'p' is 'yes', expected a number; encode it as numbers, name it "
            "under the data option `tasks` if it holds classes, or leave it out with `drop`",
        ),
        (
            "file,p\nphotos/000,1\n../photos/001,0\n",
            {"image": "file", "labels": ("p",)},
            "{path} line 3 names '../photos/001', which leads out of {folder}; keep the file beside it",
        ),
        (
            "file,p\nphotos/000,1\n/etc/passwd,0\n",
            {"image": "file", "labels": ("p",)},
            "{path} line 3 names '/etc/passwd', which leads out of {folder}; keep the file beside it",
        ),
        (
            "file,p\nphotos/000,1\n\nphotos/none,0\n,1\n",
            {"image": "file", "labels": ("p",)},
            "{path} line 4: {folder}/photos/none cannot be read (No such file or directory), the first of 2 such "
            "images; put a whole one there or take it out, or set the data option `missing` to `drop_rows`",
        ),
        (
            "file,p\nphotos/000,1\n,1\n",
            {"image": "file", "labels": ("p",)},
            "{path} line 3: it names no image, the first of 1 such images; put a whole one there or take it out, or "
            "set the data option `missing` to `drop_rows`",
        ),
        ("file,p\n", {"image": "file", "labels": ("p",)}, "data 'x.csv' has no rows"),
        (
            "file,p\nphotos/000,1\n",
            {"image": "file", "series": True},
            "the data option `image` means nothing for {path}; leave it out (known here: series)",
        ),
    ],
)
def test_complaints(folder: Path, text: str, options: dict[str, object], message: str) -> None:
    path = table(folder, text)
    refused(path, message.format(path=path, folder=folder), **options)


def test_rows_without_an_image_are_left_out_when_asked(folder: Path) -> None:
    path = table(folder, "file,p\n,1\nphotos/none,1\nphotos/001,0\n")
    loaded = read(path, image="file", labels=("p",), missing="drop_rows")
    assert loaded.notes == (
        "2 of 3 images were left out, since they cannot be read: '', 'photos/none'",
        "no row has the label 'p'",
    )
    assert loaded.rows.ids.tolist() == [2]


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    refused(tmp_path / "x.csv", f"data {tmp_path / 'x.csv'}: no such file", image="file")
    assert datasets.files(str(tmp_path / "x.csv"), DataOptions(image="file")) == [tmp_path / "x.csv"]
