"""Images in arrays: layouts of NPZ, NPY and the Python API, IDX files, CIFAR's binary files."""

from __future__ import annotations

import gzip
import json
import lzma
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from amalgam import datasets
from amalgam.datasets import DataOptions, from_arrays
from amalgam.errors import RequestError
from amalgam.signals import FileRows
from tests.conftest import SHARED_DATA
from tests.datasets.drawings import read, refused


def drawn(*shape: int, kind: str = "uint8") -> NDArray[Any]:
    values = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    return values if kind == "uint8" else (values / 255).astype(kind)


def npz(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "x.npz", **arrays)
    return folder / "x.npz"


@pytest.mark.parametrize(
    ("shape", "order"),
    [
        ((2, 5, 6), None),
        ((2, 5, 6, 1), (0, 3, 1, 2)),
        ((2, 5, 6, 3), (0, 3, 1, 2)),
        ((2, 1, 5, 6), (0, 1, 2, 3)),
        ((2, 3, 5, 6), (0, 1, 2, 3)),
    ],
)
def test_bytes_in_any_layout_are_images(tmp_path: Path, shape: tuple[int, ...], order: Any) -> None:
    values = drawn(*shape)
    wanted = (values[:, None] if order is None else values.transpose(order)).astype(np.float32) / np.float32(255)
    rows = read(npz(tmp_path, inputs=values)).rows
    assert rows.resident is not None
    assert rows.resident.dtype == torch.float32
    np.testing.assert_array_equal(rows.resident, wanted)
    if order is not None:
        np.testing.assert_array_equal(from_arrays(values).values, wanted)


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_floats_of_four_dimensions_are_images(tmp_path: Path, kind: str) -> None:
    values = drawn(4, 3, 5, 6, kind=kind)
    rows = read(npz(tmp_path, X=values, Y=np.eye(4)[:, :2], labels=np.array(["p", "q"]))).rows
    np.testing.assert_array_equal(rows.resident, values.astype(np.float32))
    assert rows.labels == ("p", "q")
    assert torch.equal(from_arrays(values.tolist()).values, from_arrays(values).values)


def test_the_fourth_channel_is_how_opaque(tmp_path: Path) -> None:
    values = np.array([[[[100, 100, 100, 0], [100, 0, 50, 255], [100, 0, 50, 51]]] * 2], dtype=np.uint8)
    wanted = [[255, 255, 255], [100, 0, 50], [0.2 * 100 + 204, 204, 0.2 * 50 + 204]]
    found = read(npz(tmp_path, inputs=values)).rows.inputs(slice(None))
    np.testing.assert_allclose(found[0, :, 0].T * 255, wanted, rtol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_can_be_chosen(tmp_path: Path, channels: int) -> None:
    grey = drawn(2, 5, 6)
    found = read(npz(tmp_path, inputs=grey), channels=channels).rows.inputs(slice(None))
    np.testing.assert_array_equal(found, np.repeat(grey[:, None] / np.float32(255), channels, axis=1))
    colour = drawn(2, 5, 6, 3)
    found = read(npz(tmp_path, inputs=colour), channels=channels).rows.inputs(slice(None))
    wanted = colour / 255 if channels == 3 else (colour / 255) @ np.array([[0.299], [0.587], [0.114]])
    np.testing.assert_allclose(found, wanted.transpose(0, 3, 1, 2), atol=1e-6)


def test_missing_values_of_images_are_dealt_with_as_those_of_tables(tmp_path: Path) -> None:
    values = drawn(3, 1, 2, 2, kind="float32")
    values[1, 0, 1, 0] = np.nan
    path = npz(tmp_path, inputs=values)
    refused(
        path,
        f"{path} row 1: column 0 1 0 has no value, the first of 1; fill them in, or set the data option `missing` to "
        "`mean` (a column's mean) or `drop_rows`",
    )
    assert read(path, missing="drop_rows").rows.ids.tolist() == [0, 2]
    with pytest.raises(RequestError, match=r"^row 1 of the inputs is NaN or infinite; fill or drop such rows first$"):
        from_arrays(values)


LAYOUT = (
    "; four dimensions are images, expected bytes (uint8) with 1, 3 or 4 channels first or last, but not both, or "
    "floats (N, C, H, W) from 0 to 1 with 1 or 3 channels"
)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (drawn(2, 5, 6, 7), "is an array (2, 5, 6, 7) of type uint8" + LAYOUT),
        (drawn(2, 3, 6, 3), "is an array (2, 3, 6, 3) of type uint8" + LAYOUT),
        (drawn(2, 5, 6, 3, kind="float32"), "is an array (2, 5, 6, 3) of type float32" + LAYOUT),
        (drawn(2, 4, 6, 5, kind="float32"), "is an array (2, 4, 6, 5) of type float32" + LAYOUT),
        (drawn(2, 3, 5, 6).astype(np.int64), "is an array (2, 3, 5, 6) of type int64" + LAYOUT),
    ],
)
def test_other_layouts_are_refused(tmp_path: Path, values: NDArray[Any], message: str) -> None:
    refused(npz(tmp_path, inputs=values), f"{tmp_path / 'x.npz'}: inputs {message}")


@pytest.mark.parametrize(("low", "high"), [(-0.5, 1.0), (0.0, 255.0)])
def test_images_of_other_values_are_refused(tmp_path: Path, low: float, high: float) -> None:
    values = np.full((2, 1, 4, 4), low, dtype=np.float32)
    values[1, 0, 0, 0] = high
    said = (
        f"four dimensions are images, whose values are from 0 to 1, and these are from {low:g} to {high:g}; scale "
        "them, or save bytes (uint8)"
    )
    refused(npz(tmp_path, inputs=values), f"{tmp_path / 'x.npz'}: inputs: {said}")
    np.save(tmp_path / "x.npy", values)
    refused(tmp_path / "x.npy", f"{tmp_path / 'x.npy'}: {said}")
    with pytest.raises(RequestError) as raised:
        from_arrays(values)
    assert str(raised.value) == f"inputs: {said}"


def test_images_in_npy_files_stay_on_disk(tmp_path: Path) -> None:
    values = drawn(3, 3, 5, 6, kind="float32")
    np.save(tmp_path / "x.npy", values)
    rows = read(tmp_path / "x.npy").rows
    assert isinstance(rows, FileRows)
    np.testing.assert_array_equal(rows.inputs(slice(None)), values)
    np.save(tmp_path / "x.npy", drawn(3, 3, 5, 6))
    refused(
        tmp_path / "x.npy",
        f"{tmp_path / 'x.npy'} holds images as bytes; save them in an .npz file, or as floats from 0 to 1",
    )


def test_a_table_of_bytes_is_no_image(tmp_path: Path) -> None:
    path = npz(tmp_path, inputs=drawn(4, 5))
    assert read(path).rows.inputs(slice(None)).max() > 1
    refused(
        path, f"the data option `channels` means nothing for {path}; leave it out (known here: missing)", channels=1
    )


def idx(path: Path, values: NDArray[np.uint8]) -> Path:
    """An IDX file."""
    head = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = head + values.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("dot", ["-", "."])
def test_an_idx_file_and_its_labels(tmp_path: Path, end: str, dot: str) -> None:
    values = drawn(3, 5, 6)
    path = idx(tmp_path / f"train-images{dot}idx3-ubyte{end}", values)
    labels = idx(tmp_path / f"train-labels{dot}idx1-ubyte", np.array([10, 9, 10], dtype=np.uint8))
    loaded = read(path)
    np.testing.assert_array_equal(loaded.rows.resident, values[:, None] / np.float32(255))
    assert (loaded.rows.labels, loaded.notes) == (("9", "10"), ())
    np.testing.assert_array_equal(loaded.rows.annotated, [[0, 1], [1, 0], [0, 1]])
    assert datasets.files(str(path)) == [path, labels]
    assert read(path, channels=3).rows.inputs(slice(None)).shape == (3, 3, 5, 6)


def test_an_idx_file_without_labels(tmp_path: Path) -> None:
    path = idx(tmp_path / "t10k-images-idx3-ubyte", drawn(3, 5, 6))
    loaded = read(path)
    assert (loaded.rows.annotated, loaded.notes) == (None, (f"{path} has no file of labels beside it",))


def test_a_folder_of_idx_files_is_read_whole_training_part_first(tmp_path: Path) -> None:
    folder = tmp_path / "digits"
    for seed, name in enumerate(["t10k", "train"]):
        idx(folder / f"{name}-images-idx3-ubyte.gz", drawn(4, 5, 6)[seed : seed + 2])
        idx(folder / f"{name}-labels-idx1-ubyte.gz", np.array([seed, 3], dtype=np.uint8))
    idx(folder / "train-images-idx3-ubyte", drawn(4, 5, 6)[1:3])  # unpacked beside the download
    loaded = read(folder)
    assert (loaded.rows.name, loaded.rows.labels) == ("digits", ("0", "1", "3"))
    np.testing.assert_array_equal(loaded.rows.resident, drawn(4, 5, 6)[[1, 2, 0, 1]][:, None] / np.float32(255))
    np.testing.assert_array_equal(loaded.rows.annotated, [[0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 0, 1]])
    assert loaded.notes == (
        "2 images from train-images-idx3-ubyte, 2 images from t10k-images-idx3-ubyte.gz",
        "1 of 4 rows repeat the inputs of an earlier row; they are kept",
    )


def test_an_unlabelled_part_is_not_annotated(tmp_path: Path) -> None:
    idx(tmp_path / "train-images-idx3-ubyte", drawn(2, 5, 6))
    idx(tmp_path / "train-labels-idx1-ubyte", np.array([1, 0], dtype=np.uint8))
    idx(tmp_path / "t10k-images-idx3-ubyte", drawn(3, 5, 6)[2:])
    loaded = read(tmp_path)
    np.testing.assert_array_equal(loaded.rows.annotated, [[0, 1], [1, 0], [np.nan, np.nan]])
    assert loaded.notes[0] == f"{tmp_path / 't10k-images-idx3-ubyte'} has no file of labels beside it"


def test_damaged_idx_files_are_named(tmp_path: Path) -> None:
    path = idx(tmp_path / "train-images-idx3-ubyte", drawn(3, 5, 6))
    labels = idx(tmp_path / "train-labels-idx1-ubyte", np.array([1, 0], dtype=np.uint8))
    refused(path, f"{labels} has 2 labels, expected 3, one for each image of {path}")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    refused(path, f"{path} holds 89 bytes, expected 90 (3×5×6); it is cut short or damaged, so fetch the file again")
    for wrong in (whole[:10], b"\0\0\x08\x01" + whole[4:], b""):
        path.write_bytes(wrong)
        refused(path, f"{path} is no IDX file of bytes in 3 dimensions; fetch the file again")
    path.unlink()
    refused(path, f"data {path}: no such file")
    idx(path, drawn(2, 5, 6))
    idx(tmp_path / "t10k-images-idx3-ubyte", drawn(2, 4, 4))
    refused(
        tmp_path,
        f"{path} has images of shape (5, 6) and {tmp_path / 't10k-images-idx3-ubyte'} of (4, 4); read them as data of "
        "their own",
    )
    refused(
        path, f"the data option `size` means nothing for {path}; leave it out (known here: channels, coarse)", size=4
    )


def cifar(folder: Path, head: int, parts: dict[str, list[int]], names: str, coarse: str | None = None) -> None:
    """CIFAR's binary files: the image of class c has every byte c, and its coarse class is c div 2."""
    folder.mkdir(parents=True)
    file = "fine_label_names.txt" if head == 2 else "batches.meta.txt"
    (folder / file).write_text(names)
    if coarse is not None:
        (folder / "coarse_label_names.txt").write_text(coarse)
    for name, classes in parts.items():
        content = b"".join(
            bytes([one // 2] * (head - 1) + [one]) + bytes([one] * 1024 + [100] * 2048) for one in classes
        )
        (folder / name).write_bytes(lzma.compress(content) if name.endswith(".xz") else content)


@pytest.mark.parametrize(
    ("head", "train", "test"), [(1, "data_batch_1.bin", "test_batch.bin"), (2, "train.bin.xz", "test.bin")]
)
def test_cifar_s_binary_files(tmp_path: Path, head: int, train: str, test: str) -> None:
    folder = tmp_path / "cifar"
    cifar(folder, head, {train: [1, 2], test: [0]}, "ape\nbee\ncow\n\n")
    order = sorted([train, test], key=lambda name: (not name.startswith("train"), name))
    loaded = read(folder)
    assert (loaded.rows.name, loaded.rows.labels) == ("cifar", ("ape", "bee", "cow"))
    assert loaded.rows.annotated is not None
    assert loaded.rows.annotated.argmax(1).tolist() == [1, 2, 0]
    values = loaded.rows.inputs(slice(None)) * 255
    assert values.shape == (3, 3, 32, 32)
    assert [values[row, 0].unique().tolist() for row in range(3)] == [[1], [2], [0]]
    assert values[:, 1:].unique().tolist() == [100]
    assert loaded.notes == (f"2 images from {train}, 1 images from {test}",)
    assert [path.name for path in datasets.files(str(folder))][1:] == order


def test_damaged_cifar_files_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "cifar"
    cifar(folder, 2, {"train.bin": [0, 3]}, "ape\nbee\ncow\n")
    refused(folder, f"{folder / 'train.bin'} has a class 3, but there are names of 3 only")
    (folder / "train.bin").write_bytes(bytes(5000))
    refused(
        folder,
        f"{folder / 'train.bin'} holds 5000 bytes, expected 3074 for each image; it is cut short or damaged, so fetch "
        "the file again",
    )


def test_coarse_classes_stand_beside_the_fine_ones(tmp_path: Path) -> None:
    folder = tmp_path / "cifar"
    cifar(folder, 2, {"train.bin": [0, 3], "test.bin.xz": [1]}, "ape\nbee\ncow\nant\n", "warm\ncold\nwet\n")
    loaded = read(folder, coarse=True)
    assert loaded.rows.labels == ("ape", "bee", "cow", "ant", "warm", "cold", "wet")
    wanted = [[1, 0, 0, 0, 1, 0, 0], [0, 0, 0, 1, 0, 1, 0], [0, 1, 0, 0, 1, 0, 0]]
    np.testing.assert_array_equal(loaded.rows.annotated, wanted)
    assert loaded.notes == ("2 images from train.bin, 1 images from test.bin.xz", "no row has the label 'cow', 'wet'")
    names = [path.name for path in datasets.files(str(folder), DataOptions(coarse=True))]
    assert names == ["fine_label_names.txt", "train.bin", "test.bin.xz", "coarse_label_names.txt"]
    assert read(folder).rows.labels == ("ape", "bee", "cow", "ant")
    assert datasets.files(str(folder)) == [folder / name for name in names[:3]]


def test_wrong_coarse_classes_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "cifar"
    cifar(folder, 2, {"train.bin": [0, 3]}, "ape\nbee\ncow\nant\n")
    refused(
        folder,
        f"{folder} has no coarse_label_names.txt, which names the classes that the data option `coarse` asks for; "
        "fetch it again, or leave the option out",
        coarse=True,
    )
    names = folder / "coarse_label_names.txt"
    for few, count in (("warm\n", 1), ("\n", 0)):
        names.write_text(few)
        refused(
            folder, f"{folder / 'train.bin'} has a coarse class 1, but there are names of {count} only", coarse=True
        )
    names.write_bytes(b"\xff\xfe\0")
    refused(folder, f"{names} is not UTF-8 text (invalid start byte); convert it to UTF-8", coarse=True)
    names.write_text("warm\nape\n")
    refused(folder, "data 'cifar' has the label 'ape' twice; every output needs a name of its own", coarse=True)


def test_other_pixels_have_no_coarse_classes(tmp_path: Path) -> None:
    cifar(tmp_path / "ten", 1, {"data_batch_1.bin": [0, 1]}, "ape\nbee\n", "warm\n")
    path = idx(tmp_path / "train-images-idx3-ubyte", drawn(3, 5, 6))
    for place in (tmp_path / "ten", path):
        refused(
            place,
            f"the data option `coarse` means nothing for {place}: of such files CIFAR-100's alone have coarse classes; "
            "leave it out",
            coarse=True,
        )


def test_the_coarse_classes_of_the_public_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fine class lies below the coarse one that the set's authors say, by the same names."""
    taxonomy = SHARED_DATA / "taxonomies" / "cifar-100-superclasses.json"
    if not (SHARED_DATA / "images" / "cifar-100").is_dir() or not taxonomy.is_file():
        pytest.skip("the benchmark data is not on this machine; set AMALGAM_DATA to its folder")
    monkeypatch.setenv("AMALGAM_DATA", str(SHARED_DATA))
    rows = datasets.load("cifar-100", DataOptions(coarse=True)).rows
    assert rows.annotated is not None
    assert rows.annotated.sum(1).unique().tolist() == [2]
    fine, coarse = (one.argmax(1).tolist() for one in (rows.annotated[:, :100], rows.annotated[:, 100:]))
    found: dict[str, set[str]] = {}
    for lower, upper in zip(fine, coarse, strict=True):
        found.setdefault(rows.labels[100 + upper], set()).add(rows.labels[lower])
    assert found == {upper: set(own) for upper, own in json.loads(taxonomy.read_text()).items()}


def test_the_public_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    if not (SHARED_DATA / "images" / "mnist").is_dir():
        pytest.skip("the benchmark data is not on this machine; set AMALGAM_DATA to its folder")
    monkeypatch.setenv("AMALGAM_DATA", str(SHARED_DATA))
    loaded = datasets.load("mnist")
    assert loaded.rows.labels == tuple("0123456789")
    assert loaded.rows.annotated is not None
    assert loaded.rows.annotated.sum(0).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert loaded.rows.inputs(slice(None)).shape == (10_000, 1, 28, 28)
    assert {"mnist", "cifar-100"} <= {*datasets.names()}
