"""Torchvision's sets in their own layout: parts, classes, labels, what is missing, damaged or cannot be downloaded."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest

from amalgam import datasets
from amalgam.datasets import DataOptions
from amalgam.datasets.tagged import VOC_CLASSES
from amalgam.datasets.vision import _meant, _needed
from amalgam.errors import RequestError, listed
from tests.datasets.drawings import as_floats, draw, pixels, read, refused
from tests.datasets.test_pixels import drawn, idx


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AMALGAM_DATA", str(tmp_path))
    return tmp_path


def mnist(root: Path, name: str) -> None:
    """Three images for training, two for testing; one file as it was downloaded."""
    for short, place in (("train", slice(0, 3)), ("t10k", slice(3, 5))):
        idx(root / name / "raw" / f"{short}-images-idx3-ubyte", drawn(5, 4, 4)[place])
    idx(root / name / "raw" / "train-labels-idx1-ubyte.gz", np.array([9, 0, 1], dtype=np.uint8))
    idx(root / name / "raw" / "t10k-labels-idx1-ubyte", np.array([0, 1], dtype=np.uint8))


def test_fashion_mnist(root: Path) -> None:
    mnist(root, "FashionMNIST")
    loaded = read("torchvision:FashionMNIST")
    assert loaded.rows.name == "torchvision:FashionMNIST"
    assert (loaded.rows.labels[0], loaded.rows.labels[9], len(loaded.rows.labels)) == ("T-shirt/top", "Ankle boot", 10)
    assert loaded.rows.annotated is not None
    assert loaded.rows.annotated.argmax(1).tolist() == [9, 0, 1, 0, 1]
    np.testing.assert_array_equal(loaded.rows.resident, drawn(5, 4, 4)[:, None] / np.float32(255))
    assert loaded.notes[0] == "3 images from train-images-idx3-ubyte, 2 images from t10k-images-idx3-ubyte"
    assert loaded.notes[1] == ("no row has the label 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag'")
    test = read("torchvision:FashionMNIST/test").rows
    np.testing.assert_array_equal(test.inputs(slice(None)), drawn(5, 4, 4)[3:, None] / np.float32(255))
    assert test.labels == loaded.rows.labels
    assert [path.name for path in datasets.files("torchvision:FashionMNIST/train")] == [
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte.gz",
    ]


def test_classes_of_mnist_are_their_numbers(root: Path) -> None:
    mnist(root, "MNIST")
    assert read("torchvision:MNIST").rows.labels == ("0", "1", "9")
    assert read("torchvision:MNIST", channels=3).rows.inputs(slice(None)).shape == (5, 3, 4, 4)
    assert datasets.names() == [
        "digits",
        "digits-images",
        "digits-numerals",
        "shapes3d",
        "torchvision:MNIST",
        "tslearn:Trace",
    ]


def pickled(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=4))


def cifar_10(root: Path) -> np.ndarray[Any, Any]:
    folder = root / "cifar-10-batches-py"
    values = drawn(6, 3072)
    pickled(folder / "batches.meta", {"label_names": ["ape", "bee", "cow"]})
    for number in range(5):
        pickled(folder / f"data_batch_{number + 1}", {"data": values[[number]], "labels": [number % 3]})
    pickled(folder / "test_batch", {"data": values[5:], "labels": [2]})
    return values.reshape(-1, 3, 32, 32) / np.float32(255)


def test_cifar_10(root: Path) -> None:
    values = cifar_10(root)
    loaded = read("torchvision:CIFAR10")
    assert loaded.rows.labels == ("ape", "bee", "cow")
    assert loaded.rows.annotated is not None
    assert loaded.rows.annotated.argmax(1).tolist() == [0, 1, 2, 0, 1, 2]
    np.testing.assert_array_equal(loaded.rows.resident, values)
    np.testing.assert_array_equal(read("torchvision:CIFAR10/test").rows.resident, values[5:])


def test_cifar_100_has_its_fine_classes(root: Path) -> None:
    folder = root / "cifar-100-python"
    pickled(folder / "meta", {"fine_label_names": ["ape", "bee"], "coarse_label_names": ["x"]})
    content = {"data": drawn(2, 3072), "fine_labels": [1, 0], "coarse_labels": [0, 0]}
    pickled(folder / "train", content)
    rows = read("torchvision:CIFAR100/train").rows
    np.testing.assert_array_equal(rows.annotated, [[0, 1], [1, 0]])


def cifar_100(root: Path, **changes: Any) -> Path:
    """Two images of two fine and two coarse classes, and the file that names these."""
    folder = root / "cifar-100-python"
    pickled(folder / "meta", {"fine_label_names": ["ape", "bee"], "coarse_label_names": ["fur", "wings"]})
    content = {"data": drawn(2, 3072), "fine_labels": [1, 0], "coarse_labels": [1, 0], **changes}
    pickled(folder / "train", content)
    return folder


def test_cifar_100_has_coarse_classes_too(root: Path) -> None:
    cifar_100(root)
    rows = read("torchvision:CIFAR100/train", coarse=True).rows
    assert rows.labels == ("ape", "bee", "fur", "wings")
    np.testing.assert_array_equal(rows.annotated, [[0, 1, 0, 1], [1, 0, 1, 0]])


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ([1], "has 1 coarse classes, expected 2; fetch it again"),
        ([1, "0"], "has 0 coarse classes, expected 2; fetch it again"),
        (None, "has 0 coarse classes, expected 2; fetch it again"),
        ([1, 2], "has a coarse class 2, but there are names of 2 only"),
    ],
)
def test_wrong_coarse_classes_of_cifar_100_are_named(root: Path, told: object, message: str) -> None:
    path = cifar_100(root, coarse_labels=told) / "train"
    refused("torchvision:CIFAR100/train", f"{path} {message}", coarse=True)
    assert len(read("torchvision:CIFAR100/train").rows) == 2
    pickled(path.with_name("meta"), {"fine_label_names": ["ape", "bee"]})
    refused(
        "torchvision:CIFAR100/train", f"{path.with_name('meta')} names no coarse classes; fetch it again", coarse=True
    )


@pytest.mark.parametrize("name", ["CIFAR10", "MNIST", "CelebA", "VOC2007", "Flowers102"])
def test_other_sets_have_no_coarse_classes(root: Path, name: str) -> None:
    refused(
        f"torchvision:{name}",
        f"the data option `coarse` means nothing for torchvision:{name}: of torchvision's sets CIFAR100 and "
        "OxfordIIITPet alone have coarse classes; leave it out",
        coarse=True,
    )


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_pickle_that_would_run_code_is_refused(root: Path) -> None:
    cifar_10(root)
    path = root / "cifar-10-batches-py" / "test_batch"
    pickled(path, {"data": Trap(root / "sprung"), "labels": [0]})
    refused(
        "torchvision:CIFAR10",
        f"{path} is damaged or none of CIFAR's files (it asks for pathlib.Path.touch, which no file of this set "
        "needs); fetch it again",
    )
    path.write_bytes(pickle.dumps(Trap(root / "sprung"), protocol=0))
    with pytest.raises(RequestError):
        read("torchvision:CIFAR10")
    assert not (root / "sprung").exists()


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_no_pickle_reaches_what_is_not_needed(root: Path, protocol: int) -> None:
    import os

    cifar_10(root)
    path = root / "cifar-10-batches-py" / "test_batch"
    for name in (os.system, eval, getattr, np.load, np.frombuffer, pickle.loads):
        path.write_bytes(pickle.dumps({"data": name}, protocol=protocol))
        with pytest.raises(RequestError, match=r"it asks for .*, which no file of this set needs"):
            read("torchvision:CIFAR10")


@pytest.mark.parametrize(
    "content",
    [
        {"data": drawn(2, 3072)},
        {"data": drawn(2, 3072), "labels": [0]},
        {"data": drawn(2, 99), "labels": [0, 1]},
        {"data": drawn(2, 3072).astype(float), "labels": [0, 1]},
        {"data": drawn(2, 3072), "labels": [0, -1]},
        {"data": drawn(2, 3072), "labels": ["0", "1"]},
        {"labels": [0, 1]},
        [1],
    ],
)
def test_a_cifar_file_of_something_else_is_named(root: Path, content: object) -> None:
    cifar_10(root)
    path = root / "cifar-10-batches-py" / "test_batch"
    pickled(path, content)
    refused("torchvision:CIFAR10", f"{path} holds no 32×32 images and their classes; fetch it again")


def test_a_file_as_python_2_wrote_it(root: Path) -> None:
    """Protocol 2, whose texts are bytes: what the set's authors publish."""
    values = drawn(1, 3072)
    cifar_10(root)
    text = values.tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01b\x87R"
        b"(K\x01K\x01M\0\x0c\x86cnumpy\ndtype\nU\x02u1K\0K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
        b"\x89T" + len(text).to_bytes(4, "little") + text + b"tb"
    )
    path = root / "cifar-10-batches-py" / "test_batch"
    path.write_bytes(b"\x80\x02}(U\x04data" + array + b"U\x06labels](K\x02eu.")
    rows = read("torchvision:CIFAR10/test").rows
    np.testing.assert_array_equal(rows.resident, values.reshape(1, 3, 32, 32) / np.float32(255))
    assert rows.annotated is not None
    assert rows.annotated.tolist() == [[0, 0, 1]]
    assert pickle.loads(path.read_bytes(), encoding="latin1")["data"].tolist() == values.tolist()


def test_a_damaged_cifar_file_is_named(root: Path) -> None:
    cifar_10(root)
    path = root / "cifar-10-batches-py" / "test_batch"
    whole = path.read_bytes()
    for content in (whole[:100], b"\x80\x04junk", b""):
        path.write_bytes(content)
        with pytest.raises(RequestError) as raised:
            read("torchvision:CIFAR10")
        assert str(raised.value).startswith(f"{path} is ")
        assert "\n" not in str(raised.value)
    pickled(path.with_name("batches.meta"), {"other": 1})
    refused("torchvision:CIFAR10", f"{path.with_name('batches.meta')} names no classes; fetch it again")


def annotation(*found: tuple[str, int]) -> str:
    objects = "".join(
        f"<object><name>{name}</name><difficult>{hard}</difficult><part><name>head</name></part></object>"
        for name, hard in found
    )
    return f"<annotation><filename>x</filename>{objects}</annotation>"


def voc(root: Path) -> Path:
    """Two images in trainval, one in test."""
    folder = root / "VOCdevkit" / "VOC2007"
    lists = folder / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "trainval.txt").write_text("000007\n000005\n")
    (lists / "test.txt").write_text("000001\n")
    (folder / "Annotations").mkdir()
    said = {
        "000005": annotation(("dog", 0), ("dog", 1), ("person", 0)),
        "000007": annotation(("cat", 1), ("aeroplane", 0)),
        "000001": annotation(),
    }
    for seed, (number, text) in enumerate(said.items()):
        (folder / "Annotations" / f"{number}.xml").write_text(text)
        draw(folder / "JPEGImages" / f"{number}.jpg", seed, format="PNG")
    return folder


def test_voc_has_a_label_for_each_class_of_object(root: Path) -> None:
    folder = voc(root)
    loaded = read("torchvision:VOC2007", size=8)
    rows = loaded.rows
    assert (rows.name, rows.labels) == ("VOC2007", VOC_CLASSES)
    assert rows.annotated is not None
    wanted = np.zeros((3, 20))
    wanted[0, VOC_CLASSES.index("aeroplane")] = 1
    wanted[0, VOC_CLASSES.index("cat")] = np.nan  # only difficult ones
    wanted[1, [VOC_CLASSES.index("dog"), VOC_CLASSES.index("person")]] = 1
    np.testing.assert_array_equal(rows.annotated, wanted)
    np.testing.assert_array_equal(rows.inputs(slice(None)), [as_floats(pixels(seed)) for seed in (1, 0, 2)])
    assert loaded.notes[0] == "2 images from trainval, 1 images from test"
    assert len(read("torchvision:VOC2007/test").rows) == 1
    assert datasets.files("torchvision:VOC2007/test") == [
        folder / "ImageSets" / "Main" / "test.txt",
        folder / "JPEGImages" / "000001.jpg",
        folder / "Annotations" / "000001.xml",
    ]


def test_damaged_voc_files_are_named(root: Path) -> None:
    folder = voc(root)
    path = folder / "Annotations" / "000001.xml"
    path.write_text(annotation(("unicorn", 0)))
    refused(
        "torchvision:VOC2007", f"{path} has an object 'unicorn', which is none of the 20 classes of PASCAL VOC", size=8
    )
    path.write_text("<annotation>")
    refused("torchvision:VOC2007", f"{path} is no XML (no element found: line 1, column 12); fetch the file again")
    path.unlink()
    refused("torchvision:VOC2007", f"data {path}: no such file")
    path = folder / "ImageSets" / "Main" / "test.txt"
    path.write_text("../../secret\n")
    refused("torchvision:VOC2007", f"{path} lists '../../secret', expected their names")
    path.write_text("\n")
    refused("torchvision:VOC2007", f"{path} lists no images, expected their names")


def celeba(root: Path) -> Path:
    folder = root / "celeba"
    for number in range(1, 4):
        draw(folder / "img_align_celeba" / f"00000{number}.jpg", number, format="PNG")
    rows = "000001.jpg -1  1\n000002.jpg  1  1\n000003.jpg -1 -1\n"
    (folder / "list_attr_celeba.txt").write_text(f"3\nBald Young \n{rows}")
    (folder / "list_eval_partition.txt").write_text("000001.jpg 2\n000002.jpg 0\n000003.jpg 1\n")
    return folder


def test_celeba_s_attributes_are_labels(root: Path) -> None:
    folder = celeba(root)
    loaded = read("torchvision:CelebA")
    assert (loaded.rows.name, loaded.rows.labels) == ("CelebA", ("Bald", "Young"))
    np.testing.assert_array_equal(loaded.rows.annotated, [[1, 1], [0, 0], [0, 1]])
    np.testing.assert_array_equal(loaded.rows.inputs(slice(None)), [as_floats(pixels(seed)) for seed in (2, 3, 1)])
    assert loaded.notes == ("1 images from train, 1 images from valid, 1 images from test",)
    np.testing.assert_array_equal(read("torchvision:CelebA/test").rows.annotated, [[0, 1]])
    assert datasets.files("torchvision:CelebA/valid") == [
        folder / "list_attr_celeba.txt",
        folder / "list_eval_partition.txt",
        folder / "img_align_celeba" / "000003.jpg",
    ]


def test_damaged_celeba_files_are_named(root: Path) -> None:
    folder = celeba(root)
    parts = folder / "list_eval_partition.txt"
    parts.write_text("000001.jpg 2\n000002.jpg 0\n")
    attributes = folder / "list_attr_celeba.txt"
    refused("torchvision:CelebA", f"{parts} does not say what part '000003.jpg' of {attributes} is in")
    parts.write_text("000001.jpg 2\n000002.jpg 7\n")
    refused("torchvision:CelebA", f"{parts} line 2: expected the name of an image and 0, 1 or 2; fetch it again")
    attributes.write_text("3\nBald Young\n000001.jpg -1 1\n000002.jpg 1\n")
    refused(
        "torchvision:CelebA",
        f"{attributes} line 4: expected the name of an image and 1 or -1 for each of the 2 attributes of line 2; fetch "
        "the file again",
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "torchvision:Fashion",
            "data 'torchvision:Fashion' names no set of torchvision's that can be read; did you mean 'FashionMNIST'? "
            "(known: MNIST, FashionMNIST, KMNIST, CIFAR10, CIFAR100, VOC2007, VOC2012, CelebA, OxfordIIITPet, "
            "Flowers102)",
        ),
        (
            "torchvision:CIFAR1OO",
            "data 'torchvision:CIFAR1OO' names no set of torchvision's that can be read; did you mean 'CIFAR10'? "
            "(known: MNIST, FashionMNIST, KMNIST, CIFAR10, CIFAR100, VOC2007, VOC2012, CelebA, OxfordIIITPet, "
            "Flowers102)",
        ),
        (
            "torchvision:CelebA/val",
            "data 'torchvision:CelebA/val' names no part of CelebA; it has 'train', 'valid', 'test'",
        ),
    ],
)
def test_unknown_sets_are_refused(root: Path, spec: str, message: str) -> None:
    refused(spec, message)


@pytest.mark.parametrize(
    ("spec", "missing"),
    [
        ("torchvision:KMNIST/test", "'KMNIST/raw/t10k-images-idx3-ubyte', 'KMNIST/raw/t10k-labels-idx1-ubyte'"),
        ("torchvision:CIFAR100/test", "'cifar-100-python/meta', 'cifar-100-python/test'"),
        ("torchvision:CIFAR10/test", "'cifar-10-batches-py/batches.meta', 'cifar-10-batches-py/test_batch'"),
        (
            "torchvision:VOC2012",
            "'VOCdevkit/VOC2012/ImageSets/Main/trainval.txt', 'VOCdevkit/VOC2012/Annotations', "
            "'VOCdevkit/VOC2012/JPEGImages'",
        ),
        (
            "torchvision:CelebA",
            "'celeba/list_attr_celeba.txt', 'celeba/list_eval_partition.txt', 'celeba/img_align_celeba'",
        ),
        ("torchvision:OxfordIIITPet/test", "'oxford-iiit-pet/annotations/test.txt', 'oxford-iiit-pet/images'"),
        ("torchvision:Flowers102/val", "'flowers-102/imagelabels.mat', 'flowers-102/setid.mat', 'flowers-102/jpg'"),
    ],
)
def test_what_is_missing_is_named_and_nothing_downloaded(root: Path, spec: str, missing: str) -> None:
    refused(
        spec,
        f"data '{spec}' is not there: {root} lacks {missing}; put the set's files there (the environment variable "
        "AMALGAM_DATA names another folder), or set the data option `download` to true",
    )
    assert not [*root.iterdir()]
    assert all(path.is_relative_to(root) for path in datasets.files(spec))


def test_without_a_data_folder_sets_lie_in_the_platform_s_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AMALGAM_DATA", raising=False)
    monkeypatch.setattr("amalgam.datasets.vision.user_cache_path", lambda name: tmp_path / name)
    mnist(tmp_path / "amalgam" / "datasets", "MNIST")
    assert len(read("torchvision:MNIST").rows) == 5


def test_a_set_is_downloaded_when_asked_and_not_there(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision.datasets

    asked = []

    def fetch(where: Path, train: bool, download: bool) -> None:
        asked.append((where, train, download))
        mnist(root, "MNIST")

    monkeypatch.setattr(torchvision.datasets, "MNIST", fetch)
    assert len(read("torchvision:MNIST", download=True).rows) == 5
    assert asked == [(root, True, True), (root, False, True)]
    assert len(read("torchvision:MNIST/test", download=True).rows) == 2
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("spec", "name", "given"),
    [
        ("VOC2007/test", "VOCDetection", {"year": "2007", "image_set": "test", "download": True}),
        ("CelebA", "CelebA", {"split": "all", "download": True}),
        ("CIFAR10/train", "CIFAR10", {"train": True, "download": True}),
        ("OxfordIIITPet/trainval", "OxfordIIITPet", {"split": "trainval", "download": True}),
        ("Flowers102/val", "Flowers102", {"split": "val", "download": True}),
    ],
)
def test_a_download_that_fails_is_an_error(
    root: Path, monkeypatch: pytest.MonkeyPatch, spec: str, name: str, given: dict[str, Any]
) -> None:
    import torchvision.datasets

    asked = []

    def fail(where: Path, **how: Any) -> None:
        asked.append((where, how))
        raise URLError("no\nnetwork")

    monkeypatch.setattr(torchvision.datasets, name, fail)
    needed = listed(_needed(*_meant(f"torchvision:{spec}")))
    refused(
        f"torchvision:{spec}",
        f"data 'torchvision:{spec}' could not be downloaded (<urlopen error no network>); fetch the set's files "
        f"yourself and put them into {root}: {needed}",
        download=True,
    )
    assert asked == [(root, given)]


@pytest.mark.parametrize(
    ("spec", "options", "known"),
    [
        ("torchvision:MNIST", {"size": 8}, "channels, coarse, download"),
        ("torchvision:MNIST", {"missing": "drop_rows"}, "channels, coarse, download"),
        ("torchvision:CelebA", {"labels": ("Bald",)}, "channels, coarse, download, fit, missing, size"),
    ],
)
def test_options_that_mean_nothing(root: Path, spec: str, options: dict[str, Any], known: str) -> None:
    (name,) = options
    refused(spec, f"the data option `{name}` means nothing for {spec}; leave it out (known here: {known})", **options)


def test_torchvision_s_sets_are_not_looked_for_by_other_names(root: Path) -> None:
    assert datasets.files("digits", DataOptions()) == []
    assert datasets.names() == ["digits", "digits-images", "digits-numerals", "shapes3d", "tslearn:Trace"]
