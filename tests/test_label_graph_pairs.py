"""The recipes for pairs of image sets, whole, on tiny sets that lie as the real ones do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from torchvision.datasets import Flowers102

from amalgam import recipe
from amalgam.report import Report
from amalgam.results import tasks
from tests.conftest import Cli
from tests.datasets.drawings import draw
from tests.datasets.fakes import flowers, pets
from tests.datasets.test_pixels import cifar

TINY = "student.encoder={name: timm, model: resnet10t, arguments: {channels: [8, 8, 16, 16], stem_width: 4}}"
SHORT = (
    "--set", TINY, "--set", "student.hidden=16", "--set", "student.embedding=8", "--set", "training.epochs=12",
    "--set", "training.batch_size=8", "--set", "training.precision=no", "--set", "training.learning_rate=0.01",
    "--set", "training.workers=0", "--set", "training.threads=1", "--set", "training.augment=null",
    "--set", "export=false",
)  # fmt: skip


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of data, and another to work in."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("AMALGAM_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def picture(colour: tuple[int, int, int], chance: np.random.Generator, size: int = 16) -> NDArray[np.uint8]:
    """A plain picture with some noise."""
    return np.clip(np.array(colour) + chance.integers(-15, 16, (size, size, 3)), 0, 255).astype(np.uint8)


def distil(cli: Cli, name: str, *more: str) -> tuple[dict[str, float], dict[str, Any]]:
    """The student's accuracy in each task, and the report, of a recipe as it stands with a tiny student."""
    status, _, err = cli("distill", name, *SHORT, *more, "--out", "run")
    assert status == 0, err
    report = Report.read(Path("run"))
    assert report.evaluation is not None
    found = {task: float(entries[1].text) for task, entries in tasks(report.evaluation)}
    return found, json.loads((Path("run") / "report.json").read_text())


COLOURS = {"Abyssinian": (230, 20, 20), "Persian": (230, 140, 20), "pug": (20, 160, 230), "samoyed": (20, 20, 130)}
NUMBERS = {"Abyssinian": (1, 1), "Persian": (24, 1), "pug": (26, 2), "samoyed": (30, 2)}


def all_breeds() -> dict[str, tuple[int, int]]:
    """The 37 breeds as the set's files spell them (cats begin with a capital), their numbers and species."""
    from amalgam.labelgraph import specs

    graph = specs.find("pets")
    breeds = sorted(graph.labels["breeds"])
    cats = {label for upper in graph.children("Cat") for label in graph.children(upper)}
    spelt = {breed: breed.replace(" ", "_") if breed in cats else breed.lower().replace(" ", "_") for breed in breeds}
    return {spelt[breed]: (number, 1 if breed in cats else 2) for number, breed in enumerate(breeds, 1)}


def test_pets_join_dogs_vs_cats(root: Path, cli: Cli) -> None:
    """Four breeds in plain colours; dogs vs. cats come in the same, of another size."""
    chance = np.random.default_rng(0)
    numbers = all_breeds()
    parts = {
        part: [(f"{breed}_{first + n}", *numbers[breed]) for breed in COLOURS for n in range(10)]
        for part, first in (("trainval", 100), ("test", 200))
    }
    pictures = {
        image: picture(COLOURS[image.rpartition("_")[0]], chance) for own in parts.values() for image, *_ in own
    }
    pets(root, parts, pictures)
    for breed, colour in COLOURS.items():
        kind = "cat" if breed[0].isupper() else "dog"
        for n in range(8):
            draw(root / "images" / "dogs-vs-cats" / kind / f"{breed}{n}.jpg", picture(colour, chance, 24), format="PNG")
    sizes = ("--set", "data.options.size=16", "--set", "data.held_out_options.size=16")
    found, report = distil(cli, "label_graph-pets", *sizes)
    assert report["student"]["shape"] == [3, 16, 16]
    assert report["data"]["learnt from"] == report["data"]["annotated, of the student's"] == 40 + 32
    assert report["data"]["measured on"] == 40
    assert found["breeds"] > 0.8


def test_all_37_breeds_have_their_nodes(root: Path, cli: Cli) -> None:
    """With torchvision's names, a picture of each."""
    numbers = all_breeds()
    chance = np.random.default_rng(0)
    parts = {
        part: [(f"{breed}_{n}", *told) for breed, told in numbers.items()]
        for n, part in enumerate(("trainval", "test"))
    }
    pets(root, parts, {image: picture((9, 9, 9), chance) for own in parts.values() for image, *_ in own})
    for kind in ("cat", "dog"):
        draw(root / "images" / "dogs-vs-cats" / kind / "1.jpg", picture((99, 9, 9), chance))
    sizes = ("--set", "data.options.size=16", "--set", "data.held_out_options.size=16")
    found, report = distil(cli, "label_graph-pets", *sizes, "--set", "training.epochs=1")
    assert "breeds" in found
    assert not [note for note in report["notes"] if "no labelled row" in note or "not used" in note]


def test_flowers_join_flowers(root: Path, cli: Cli) -> None:
    """Of the 102 two shared ones and the two irises; of the 17 the same, and snowdrops."""
    chance = np.random.default_rng(0)
    colours = {
        "sunflower": (230, 200, 20), "windflower": (230, 20, 90), "yellow iris": (20, 160, 230),
        "bearded iris": (90, 20, 130), "snowdrop": (240, 240, 240),
    }  # fmt: skip
    own = [name for name in colours if name != "snowdrop" for _ in range(16)]
    numbers = np.arange(1, len(own) + 1)
    parts = {"train": numbers[0::2].tolist(), "val": [], "test": numbers[1::2].tolist()}
    classes = [Flowers102.classes.index(name) + 1 for name in own]
    flowers(root, classes, parts, [picture(colours[name], chance) for name in own])
    for name, kind in (("sunflower", "sunflower"), ("windflower", "windflower"), ("yellow iris", "iris"),
                       ("snowdrop", "snowdrop")):  # fmt: skip
        for n in range(6):
            draw(root / "images" / "flowers-17" / kind / f"{n}.jpg", picture(colours[name], chance), format="PNG")
    for name in ("lily_valley", "tigerlily", "colts_foot", "dandelion"):  # the folders that are called otherwise
        draw(root / "images" / "flowers-17" / name / "1.jpg", picture((99, 99, 99), chance), format="PNG")
    sizes = ("--set", "data.options.size=16", "--set", "data.held_out_options.size=16")
    found, report = distil(cli, "label_graph-flowers", *sizes)
    assert report["data"]["learnt from"] == report["data"]["annotated, of the student's"] == 32 + 24 + 4
    assert found["flowers-102"] > 0.8


def test_cifar_100_joins_its_coarse_classes(root: Path, cli: Cli) -> None:
    """A folder as the real one: all names, pictures of four fine classes of two coarse ones."""
    from amalgam.labelgraph import specs

    graph = specs.find("cifar-100")
    fine, coarse = sorted(graph.labels["fine"]), sorted(graph.labels["coarse"])
    folder = root / "images" / "cifar-100"
    cifar(folder, 2, {"train.bin": [0]}, "\n".join(fine), "\n".join(coarse))
    chance = np.random.default_rng(0)
    colours = {"apple": (230, 20, 20), "pear": (20, 230, 20), "bee": (230, 200, 20), "beetle": (20, 20, 130)}
    content = b""
    for name, colour in colours.items():
        upper = next(one for one in coarse if name in graph.children(one))
        for _ in range(20):
            planes = picture(colour, chance, 32).transpose(2, 0, 1).tobytes()
            content += bytes([coarse.index(upper), fine.index(name)]) + planes
    (folder / "train.bin").write_bytes(content)
    found, report = distil(cli, "label_graph-cifar100", "--set", "training.epochs=8")
    assert found["fine"] > 0.8
    assert found["coarse"] > 0.9
    assert report["data"]["learnt from"] == 64


@pytest.mark.parametrize("name", ["label_graph-pets", "label_graph-flowers"])
def test_what_is_missing_is_named(root: Path, cli: Cli, name: str) -> None:
    """First the finer set, then the coarser one."""
    status, _, err = cli("distill", name, "--out", "run")
    assert status == 2
    assert f"data '{recipe.read(name).data.source}' is not there: {root} lacks " in err
    assert "or set the data option `download` to true" in err
    if name.endswith("pets"):
        every = {"trainval": [("pug_1", 26, 2), ("pug_2", 26, 2)], "test": [("pug_3", 26, 2)]}
        pets(root, every)
    else:
        flowers(root, [1, 2, 3], {"train": [1, 2], "val": [], "test": [3]})
    status, _, err = cli("distill", name, "--out", "other")
    assert status == 2
    assert f"data '{recipe.read(name).data.join[0].source}' is not there: fetch its images, in " in err
    assert f"{root / 'images'}" in err
    assert "Traceback" not in err


def test_joined_rows_that_the_graph_does_not_know(root: Path, cli: Cli) -> None:
    """Unpacked, but not sorted, the 17 have one folder; sorted in part, one of several is no label."""
    flowers(root, [1, 2, 3], {"train": [1, 2], "val": [], "test": [3]})
    for n in range(4):
        draw(root / "images" / "flowers-17" / "jpg" / f"image_{n}.jpg", n + 10, format="PNG")
    sizes = ("--set", "data.options.size=16", "--set", "data.held_out_options.size=16")
    status, _, err = cli("distill", "label_graph-flowers", *SHORT, *sizes, "--out", "run")
    assert status == 2
    assert "flowers-17 under data.join annotates 'jpg', and the strategy's label graph has 'pink primrose', " in err
    assert "its rows would teach nothing" in err
    draw(root / "images" / "flowers-17" / "daisy" / "1.jpg", 20, format="PNG")
    _, report = distil(cli, "label_graph-flowers", *sizes, "--set", "training.epochs=1")
    assert "flowers-17 annotates 'jpg', which the label graph does not have; not used" in report["notes"]
