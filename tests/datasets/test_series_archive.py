"""Where series lie: folders, named sets, tslearn's; a part that does not fit, and a download that fails."""

from __future__ import annotations

import lzma
import re
import time
import warnings
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest

from amalgam import datasets
from amalgam.datasets import DataOptions
from amalgam.errors import RequestError

TRAIN, TEST = "b\t1\t2\t3\na\t4\t5\t6\n", "10\t7\t8\n"


def refused(spec: str | Path, message: str, options: DataOptions | None = None) -> None:
    with pytest.raises(RequestError, match=f"^{re.escape(message)}$"):
        datasets.load(str(spec), options)


def ucr(folder: Path, train: str = TRAIN, test: str = TEST, kind: str = ".tsv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{folder.name}_TRAIN{kind}").write_text(train)
    (folder / f"{folder.name}_TEST{kind}").write_text(test)
    return folder


@pytest.mark.parametrize("options", [None, DataOptions(series=True)])
def test_a_folder_of_the_archive_is_read_whole(tmp_path: Path, options: DataOptions | None) -> None:
    folder = ucr(tmp_path / "Toy")
    (folder / "Toy_TEST.tsv").rename(folder / "other.tsv")
    (folder / "Toy_TEST.tsv.xz").write_bytes(lzma.compress((folder / "other.tsv").read_bytes()))
    loaded = datasets.load(str(folder), options)
    nan = np.nan
    np.testing.assert_array_equal(loaded.rows.resident[..., 0], [[1, 2, 3], [4, 5, 6], [7, 8, nan]])
    assert (loaded.rows.labels, loaded.rows.name) == (("10", "a", "b"), "Toy")
    assert loaded.rows.annotated.tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert loaded.notes == (
        "2 rows from Toy_TRAIN.tsv, 1 rows from Toy_TEST.tsv.xz",
        "series have 2 to 3 steps; shorter ones are masked at their end",
    )
    assert datasets.files(str(folder), options) == [folder / "Toy_TRAIN.tsv", folder / "Toy_TEST.tsv.xz"]


def test_of_several_formats_in_a_folder_the_richest_is_read(tmp_path: Path) -> None:
    folder = ucr(tmp_path / "Toy", kind=".txt")
    head = "@univariate true\n@classLabel true {}\n@data\n"
    ucr(folder, head.format("z y") + "1:y\n", head.format("z x a") + "2:x\n", kind=".ts")
    (folder / "Toy_TRAIN.tsv").write_text(TRAIN)  # without its test part
    rows = datasets.load(str(folder)).rows
    assert (rows.labels, rows.annotated.tolist()) == (("z", "y", "x", "a"), [[0, 1, 0, 0], [0, 0, 1, 0]])


def test_parts_of_other_channels_are_refused(tmp_path: Path) -> None:
    head = "@classLabel true a\n@data\n"
    folder = ucr(tmp_path / "Toy", head + "1:2:a\n", head + "1:2:3:a\n", kind=".ts")
    refused(
        folder,
        f"{folder / 'Toy_TRAIN.ts'} has series of 2 channels and {folder / 'Toy_TEST.ts'} of 3; read them as data of "
        "their own",
    )


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    folder = ucr(tmp_path / "Toy")
    (folder / "Toy_TEST.tsv").unlink()
    refused(
        folder,
        f"{folder} holds no series that can be read; expected Toy_TRAIN and Toy_TEST (.ts, .tsv, .txt, .csv, .arff, "
        ".npz), or train/X_train.txt and train/y_train.txt; nor does it hold images (.bmp, .gif, .jpeg, .jpg, .pbm, "
        ".pgm, .png, .pnm, .ppm, .tif, .tiff, .webp), all of them in it or in a sub-folder for each class, or MNIST's "
        "(…-images-idx3-ubyte) or CIFAR's binary files (train.bin, fine_label_names.txt)",
    )


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AMALGAM_DATA", str(tmp_path))
    ucr(tmp_path / "timeseries" / "Toy")
    ucr(tmp_path / "Other", "1\t1\t2\n")
    return tmp_path


def test_sets_in_the_data_folder_have_names(shelf: Path) -> None:
    assert datasets.names() == [
        "Other",
        "Toy",
        "digits",
        "digits-images",
        "digits-numerals",
        "shapes3d",
        "tslearn:Trace",
    ]
    assert datasets.load("Toy").rows.labels == ("10", "a", "b")
    assert datasets.load("Other").rows.labels == ("1", "10")
    assert datasets.files("Other") == [shelf / "Other" / f"Other_{part}.tsv" for part in ("TRAIN", "TEST")]


def test_a_name_of_several_sets_is_no_guess(shelf: Path) -> None:
    ucr(shelf / "Toy")
    places = f"'{shelf / 'timeseries' / 'Toy'}', '{shelf / 'Toy'}'"
    refused("Toy", f"'Toy' names several data sets, {places}; give the path of the one you mean")
    table = shelf / "multilabel" / "Other"
    table.mkdir(parents=True)
    (table / "Other.arff").write_text("@relation 'r: -C -1'\n@attribute x real\n@attribute l {0,1}\n@data\n1,1\n")
    places = f"'{shelf / 'Other'}', '{table}'"
    refused("Other", f"'Other' names several data sets, {places}; give the path of the one you mean")
    assert datasets.load(str(shelf / "Other")).rows.labels == ("1", "10")


def test_a_mulan_set_is_no_series(shelf: Path) -> None:
    table = shelf / "multilabel" / "birds"
    table.mkdir(parents=True)
    (table / "birds.arff").write_text("@relation 'r: -C -1'\n@attribute x real\n@attribute l {0,1}\n@data\n1,1\n")
    refused(
        "birds",
        "the data option `series` means nothing for birds; leave it out (known here: drop, label_count, "
        "label_position, labels, missing, xml)",
        DataOptions(series=True),
    )


def har(folder: Path, **changed: str) -> Path:
    content = {
        "train/X_train.txt": "  1.0  2.0 -3e-1\n  4.0  5.0  6.0\n",
        "train/y_train.txt": "5\n1\n",
        "test/X_test.txt": " 7 8 9\n",
        "test/y_test.txt": "5\n",
        "activity_labels.txt": "1 WALKING\n5 STANDING\n4 SITTING\n",
    }
    for name, text in (content | {key.replace("__", "/") + ".txt": text for key, text in changed.items()}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if text:
            (folder / name).write_text(text)
    return folder


def test_a_folder_as_har_has_it(tmp_path: Path) -> None:
    folder = har(tmp_path / "HAR")
    loaded = datasets.load(str(folder))
    expected = np.array([[1, 2, -0.3], [4, 5, 6], [7, 8, 9]], dtype=np.float32)
    np.testing.assert_array_equal(loaded.rows.resident[..., 0], expected)
    assert (loaded.rows.labels, loaded.rows.name) == (("WALKING", "STANDING", "SITTING"), "HAR")
    assert loaded.rows.annotated.tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0]]
    assert loaded.notes == ("2 rows from X_train.txt, 1 rows from X_test.txt", "no row has the label 'SITTING'")
    assert [path.name for path in datasets.files(str(folder))] == [
        "X_train.txt",
        "y_train.txt",
        "X_test.txt",
        "y_test.txt",
        "activity_labels.txt",
    ]


def test_every_file_of_har_may_be_compressed(tmp_path: Path) -> None:
    folder = har(tmp_path / "HAR")
    expected = datasets.load(str(folder)).rows
    for path in datasets.files(str(folder)):
        path.with_name(f"{path.name}.xz").write_bytes(lzma.compress(path.read_bytes()))
        path.unlink()
    found = datasets.load(str(folder)).rows
    assert (found.labels, found.resident.tolist()) == (expected.labels, expected.resident.tolist())
    assert found.annotated.tolist() == expected.annotated.tolist()


def test_har_without_names_and_test_rows(tmp_path: Path) -> None:
    loaded = datasets.load(str(har(tmp_path, test__X_test="", test__y_test="", activity_labels="")))
    assert (loaded.rows.labels, loaded.rows.annotated.tolist()) == (("1", "5"), [[0, 1], [1, 0]])
    assert loaded.notes == ()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"train__y_train": "5\n"},
            "{folder}/train/y_train.txt has 1 classes, expected 2, one for each row of {folder}/train/X_train.txt",
        ),
        ({"train__y_train": "5\n\n1 2\n"}, "{folder}/train/y_train.txt line 3: expected a class, found '1 2'"),
        (
            {"train__y_train": "5\n\n7\n"},
            "{folder}/train/y_train.txt line 3: the class '7' is not among those of {folder}/activity_labels.txt "
            "('1', '5', '4')",
        ),
        (
            {"activity_labels": "1\n"},
            "{folder}/activity_labels.txt line 1: expected a number and the class it stands for, found '1'",
        ),
        (
            {"activity_labels": "1 A\n5 B\n1 C\n"},
            "{folder}/activity_labels.txt has the same number twice ('1', '5', '1'); leave one",
        ),
        ({"activity_labels": "\n"}, "{folder}/activity_labels.txt has no rows: it is empty or cut short"),
        (
            {"activity_labels": "1 A\n5 A\n"},
            "{folder}/activity_labels.txt has the same class twice ('A', 'A'); leave one",
        ),
        ({"test__y_test": ""}, "{folder}/test holds only X_test.txt, expected X_test.txt and y_test.txt"),
    ],
)
def test_complaints_about_a_folder_as_har_has_it(tmp_path: Path, changed: dict[str, str], message: str) -> None:
    folder = har(tmp_path / "HAR", **changed)
    refused(folder, message.format(folder=folder))


def test_synthetic_control_is_read_like_a_slow_reader_does(
    benchmark_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMALGAM_DATA", str(benchmark_data))
    folder = benchmark_data / "timeseries" / "SyntheticControl"
    lines = [
        line.split("\t")
        for part in ("TRAIN", "TEST")
        for line in (folder / f"SyntheticControl_{part}.tsv").read_text().splitlines()
    ]
    loaded = datasets.load("SyntheticControl")
    values = np.array([[float(cell) for cell in line[1:]] for line in lines], dtype=np.float32)
    np.testing.assert_array_equal(loaded.rows.resident[..., 0], values)
    assert [loaded.rows.labels[one] for one in loaded.rows.annotated.argmax(1)] == [line[0] for line in lines]
    assert loaded.notes == ("300 rows from SyntheticControl_TRAIN.tsv, 300 rows from SyntheticControl_TEST.tsv",)


def test_har_is_read_in_little_time(benchmark_data: Path) -> None:
    folder = benchmark_data / "timeseries" / "HAR"
    began = time.process_time()
    rows = datasets.load(str(folder)).rows
    assert time.process_time() - began < 15  # five seconds, of which decompressing takes half
    assert rows.resident.shape == (7352, 561, 1)
    assert dict(zip(rows.labels, rows.annotated.sum(0).tolist(), strict=True)) == {
        "WALKING": 1226,
        "WALKING_UPSTAIRS": 1073,
        "WALKING_DOWNSTAIRS": 986,
        "SITTING": 1286,
        "STANDING": 1374,
        "LAYING": 1407,
    }
    with lzma.open(folder / "train" / "X_train.txt.xz", "rt") as text:
        first = np.array([[float(cell) for cell in next(text).split()] for _ in range(50)], dtype=np.float32)
    np.testing.assert_array_equal(rows.resident[:50, :, 0], first)


def test_the_set_that_tslearn_carries() -> None:
    from tslearn.datasets import CachedDatasets

    train, train_classes, test, test_classes = CachedDatasets().load_dataset("Trace")
    loaded = datasets.load("tslearn:Trace")
    np.testing.assert_array_equal(loaded.rows.resident, np.concatenate([train, test]).astype(np.float32))
    names = [loaded.rows.labels[one] for one in loaded.rows.annotated.argmax(1)]
    assert names == [str(one) for one in [*train_classes, *test_classes]]
    assert (loaded.rows.labels, loaded.rows.name) == (("1", "2", "3", "4"), "tslearn:Trace")
    assert loaded.notes == ("100 rows from its training part, 100 rows from its test part",)
    assert datasets.files("tslearn:Trace") == []


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where tslearn keeps what it downloads."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path / "tslearn" / "UCR_UEA"


def offline(monkeypatch: pytest.MonkeyPatch, load: Any) -> list[str]:
    """Put another `load_dataset` in the place of tslearn's; the names it is asked for."""
    asked: list[str] = []

    class Datasets:
        def load_dataset(self, name: str) -> Any:
            asked.append(name)
            return load(name)

    monkeypatch.setattr("tslearn.datasets.UCR_UEA_datasets", Datasets)
    return asked


def test_a_cached_set_of_tslearn_is_not_downloaded(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = offline(monkeypatch, lambda name: ucr(cache / name))
    assert datasets.files("tslearn:Toy") == []
    loaded = datasets.load("tslearn:Toy")
    assert (asked, loaded.rows.labels, loaded.rows.name) == (["Toy"], ("10", "a", "b"), "tslearn:Toy")
    assert datasets.load("tslearn:Toy").rows.resident.shape == (3, 3, 1)
    assert asked == ["Toy"]
    assert [path.name for path in datasets.files("tslearn:Toy")] == ["Toy_TRAIN.tsv", "Toy_TEST.tsv"]


def hushed(name: str) -> tuple[None, ...]:
    warnings.warn(f'dataset "{name}" could not be downloaded', category=RuntimeWarning, stacklevel=1)
    return None, None, None, None


def unreachable(name: str) -> None:
    raise URLError("no route to host")


def hollow(name: str) -> None:
    raise AttributeError("no attribute '_list_univariate_filename'")


@pytest.mark.parametrize(
    ("load", "why"),
    [
        (hushed, 'dataset "Traces" could not be downloaded'),
        (unreachable, "URLError: <urlopen error no route to host>"),
        (hollow, "AttributeError: no attribute '_list_univariate_filename'"),
        (lambda name: (None, None, None, None), "tslearn gives no reason"),
    ],
)
def test_a_failed_download_says_what_was_tried(
    cache: Path, load: Any, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline(monkeypatch, load)
    refused(
        "tslearn:Traces",
        f"data 'tslearn:Traces' is neither bundled with tslearn (Trace) nor in its cache {cache}, and downloading it "
        f"failed ({why}); did you mean 'Trace'?; check the name, or fetch the set's archive from "
        "timeseriesclassification.com, unpack it into a folder named Traces, and give that folder's path",
    )


@pytest.mark.parametrize("name", ["", "../../etc", "a/b", "."])
def test_a_name_that_is_a_path_never_reaches_tslearn(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = offline(monkeypatch, hushed)
    refused(
        f"tslearn:{name}",
        f"data 'tslearn:{name}' names no set of tslearn's; expected its name, such as tslearn:Trace",
    )
    assert asked == []
