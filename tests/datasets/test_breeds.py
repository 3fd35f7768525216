"""Oxford-IIIT Pet and 102 Flowers in torchvision's layout: parts, classes by name, damaged lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets
from scipy.io import savemat

from amalgam import datasets
from amalgam.errors import RequestError
from tests.datasets.drawings import as_floats, draw, pixels, read, refused
from tests.datasets.fakes import flowers, pets


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AMALGAM_DATA", str(tmp_path))
    return tmp_path


PETS = {"trainval": [("Abyssinian_1", 1, 1), ("great_pyrenees_10", 16, 2)], "test": [("Abyssinian_2", 1, 1)]}


def test_breeds_are_classes_as_torchvision_names_them(root: Path) -> None:
    folder = pets(root, PETS)
    loaded = read("torchvision:OxfordIIITPet")
    assert (loaded.rows.name, loaded.rows.labels) == ("OxfordIIITPet", ("Abyssinian", "Great Pyrenees"))
    assert loaded.rows.labels == tuple(torchvision.datasets.OxfordIIITPet(root).classes)
    np.testing.assert_array_equal(loaded.rows.annotated, [[1, 0], [0, 1], [1, 0]])
    np.testing.assert_array_equal(loaded.rows.inputs(slice(None)), [as_floats(pixels(seed)) for seed in (0, 1, 2)])
    assert loaded.notes[0] == "2 images from trainval, 1 images from test"
    assert datasets.files("torchvision:OxfordIIITPet/test") == [
        folder / "annotations" / "test.txt",
        folder / "images" / "Abyssinian_2.jpg",
    ]
    assert "torchvision:OxfordIIITPet" in datasets.names()


def test_species_are_the_coarse_classes(root: Path) -> None:
    pets(root, PETS)
    rows = read("torchvision:OxfordIIITPet/trainval", coarse=True).rows
    assert rows.labels == ("Abyssinian", "Great Pyrenees", "Cat", "Dog")
    np.testing.assert_array_equal(rows.annotated, [[1, 0, 1, 0], [0, 1, 0, 1]])


@pytest.mark.parametrize(
    "line", ["Abyssinian_1 1 1", "Abyssinian_1 one 1 1", "Abyssinian 1 1 1", "../Abyssinian_1 1 1 1", "pug_1 1 12 1"]
)
def test_a_damaged_list_of_pets_is_named(root: Path, line: str) -> None:
    path = pets(root, PETS) / "annotations" / "test.txt"
    path.write_text(f"#Image CLASS-ID SPECIES BREED\n{line}\n")
    refused(
        "torchvision:OxfordIIITPet/test",
        f"{path} line 2: expected the name of an image (BREED_NUMBER), its breed's number, 1 for a cat or 2 for a dog, "
        "and a number; fetch the file again",
    )
    path.write_text("\n")
    refused("torchvision:OxfordIIITPet/test", f"{path} lists no images, expected their names")


def test_an_image_that_a_list_names_and_is_not_there(root: Path) -> None:
    path = pets(root, PETS) / "images" / "Abyssinian_2.jpg"
    path.unlink()
    with pytest.raises(RequestError) as raised:
        read("torchvision:OxfordIIITPet/test")
    assert str(raised.value).startswith(f"{path} cannot be read (No such file or directory), the first of 1")


def test_flowers_have_the_names_of_torchvision_s_classes(root: Path) -> None:
    folder = flowers(root, [1, 102, 3, 1], {"train": [4, 2], "val": [1], "test": [3]})
    loaded = read("torchvision:Flowers102")
    rows = loaded.rows
    assert rows.labels == tuple(torchvision.datasets.Flowers102.classes)
    assert rows.annotated is not None
    assert rows.annotated.argmax(1).tolist() == [0, 101, 0, 2]
    assert rows.annotated.sum(1).tolist() == [1, 1, 1, 1]
    np.testing.assert_array_equal(rows.inputs(slice(None)), [as_floats(pixels(seed)) for seed in (4, 2, 1, 3)])
    assert loaded.notes[0] == "2 images from train, 1 images from val, 1 images from test"
    assert datasets.files("torchvision:Flowers102/test") == [
        folder / "imagelabels.mat",
        folder / "setid.mat",
        folder / "jpg" / "image_00003.jpg",
    ]


def test_damaged_files_of_flowers_are_named(root: Path) -> None:
    folder = flowers(root, [1, 102, 3], {"train": [2], "val": [1], "test": [3]})
    splits, labels = folder / "setid.mat", folder / "imagelabels.mat"
    spec = "torchvision:Flowers102/train"
    for wrong in ([4], [0], []):
        savemat(splits, {"trnid": np.array(wrong, np.uint16)})
        refused(spec, f"{splits} lists images other than 1 to 3, those of {labels}; fetch both again")
    savemat(splits, {"other": [1]})
    refused(spec, f"{splits} has no whole numbers under 'trnid'; fetch it again")
    for classes in ([0, 1, 2], [1, 103, 2], []):
        savemat(labels, {"labels": np.array(classes, np.uint8)})
        refused(spec, f"{labels} has classes other than 1 to 102; fetch the file again")
    savemat(labels, {"labels": np.array([0.5, 1])})
    refused(spec, f"{labels} has no whole numbers under 'labels'; fetch it again")
    for junk in (b"", b"junk" * 100, splits.read_bytes()[:100]):
        labels.write_bytes(junk)
        with pytest.raises(RequestError) as raised:
            read(spec)
        assert str(raised.value).startswith(f"{labels} is no file of MATLAB's, or damaged (")
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ("dogs-vs-cats", "its images, in sub-folders cat and dog, from https://www.kaggle.com/c/dogs-vs-cats"),
        (
            "flowers-17",
            "its images, in a sub-folder for each class, from https://www.robots.ox.ac.uk/~vgg/data/flowers/17",
        ),
        ("cifar-100", "the files of CIFAR-100's binary version from https://www.cs.toronto.edu/~kriz/cifar.html"),
    ],
)
def test_a_known_set_that_is_not_there_says_where_to_get_it(
    root: Path, monkeypatch: pytest.MonkeyPatch, spec: str, what: str
) -> None:
    refused(spec, f"data '{spec}' is not there: fetch {what} and put them into {root / 'images' / spec}")
    monkeypatch.delenv("AMALGAM_DATA")
    refused(
        spec,
        f"data '{spec}' is not there: fetch {what} and put them into images/{spec} in a folder that you make, and let "
        "the environment variable AMALGAM_DATA name that",
    )


def test_a_set_is_not_there(root: Path) -> None:
    (root / "images" / "dogs-vs-cats").mkdir(parents=True)
    with pytest.raises(RequestError, match="data 'dogs-vs-cats' is not there: fetch its images"):
        read("dogs-vs-cats")
    (root / "images" / "dogs-vs-cats" / "images.tar").write_bytes(b"")
    with pytest.raises(RequestError, match=r"images\.tar is damaged"):
        read("dogs-vs-cats")
    draw(root / "images" / "dogs-vs-cats" / "cat" / "1.jpg")
    assert read("dogs-vs-cats").rows.labels == ("cat",)
