"""Drawn 3D shapes: factors, labels and pictures; and the original's file."""

from __future__ import annotations

import colorsys
import hashlib
import math
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from amalgam.datasets import raycast, shapes3d
from amalgam.datasets.loaded import finish
from amalgam.errors import RequestError

FLOOR, WALL, OBJECT, SCALE, SHAPE, ORIENTATION = range(6)
PLAIN = torch.tensor([0, 3, 6, 4, 0, 9])
SOME = torch.tensor([[0, 3, 6, 4, 0, 9], [9, 2, 5, 0, 1, 0], [4, 8, 1, 7, 2, 14], [3, 9, 7, 5, 3, 7]])


def drawn(size: int = 32, **changed: int) -> Tensor:
    """The picture (3, size, size) of PLAIN with some factors changed."""
    factors = PLAIN.clone()
    for name, value in changed.items():
        factors[globals()[name]] = value
    return shapes3d.draw(factors[None], size)[0]


def differs(one: Tensor, other: Tensor) -> Tensor:
    """(size, size) bool: which pixels are not the same colour."""
    return (one - other).abs().amax(0) > 0.01


def test_factors_are_the_originals() -> None:
    values = {factor: len(values) for factor, values in shapes3d.FACTORS.items()}
    assert values == {
        "floor hue": 10,
        "wall hue": 10,
        "object hue": 10,
        "scale": 8,
        "shape": 4,
        "orientation": 15,
    }
    assert math.prod(values.values()) == shapes3d.COMBINATIONS
    ends = {factor: (values[0], values[-1]) for factor, values in shapes3d.FACTORS.items()}
    assert ends["scale"] == (0.75, 1.25)
    assert ends["orientation"] == (-30, 30)
    assert ends["wall hue"] == (0, 0.9)
    assert raycast.SHAPES == ("cube", "cylinder", "sphere", "capsule")


def test_every_combination_is_sampled_once_before_any_twice() -> None:
    factors = shapes3d.sample(shapes3d.COMBINATIONS + 10, seed=1)
    number = torch.zeros(len(factors), dtype=torch.long)
    for column, values in enumerate(shapes3d.FACTORS.values()):
        assert factors[:, column].unique().tolist() == list(range(len(values)))
        number = number * len(values) + factors[:, column]
    assert number[: shapes3d.COMBINATIONS].sort().values.equal(torch.arange(shapes3d.COMBINATIONS))
    assert len(number[shapes3d.COMBINATIONS :].unique()) == 10


def test_a_seed_picks_the_factors() -> None:
    assert shapes3d.sample(100, 3).equal(shapes3d.sample(200, 3)[:100])
    assert not shapes3d.sample(100, 3).equal(shapes3d.sample(100, 4))


def test_pictures_are_what_they_always_were() -> None:
    pictures = shapes3d.draw(SOME, 32)
    assert pictures.dtype == torch.float32
    assert pictures.shape == (4, 3, 32, 32)
    expected = [[101.61, 100.05, 77.54], [167.68, 113.41, 106.84], [92.01, 125.07, 113.98], [103.1, 124.43, 91.58]]
    assert (pictures * 255).round().mean((2, 3)).tolist() == [pytest.approx(mean, abs=0.02) for mean in expected]


def test_pictures_have_the_same_bits_in_another_process_with_other_threads() -> None:
    code = (
        "import hashlib, torch; from amalgam.datasets import shapes3d; torch.set_num_threads(3); "
        "print(hashlib.sha256(shapes3d.draw(shapes3d.sample(50, 2), 48).numpy().tobytes()).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"OMP_NUM_THREADS": "3"}, capture_output=True, text=True
    )
    here = shapes3d.draw(shapes3d.sample(50, 2), 48)
    assert done.stdout.strip() == hashlib.sha256(here.numpy().tobytes()).hexdigest(), done.stderr


@pytest.mark.parametrize("size", [9, 32])
def test_a_picture_is_the_same_alone_and_among_others(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    factors = torch.cat([shapes3d.sample(200, 5), SOME, SOME])
    pictures = shapes3d.draw(factors, size)
    assert pictures[:40].equal(torch.cat([shapes3d.draw(one[None], size) for one in factors[:40]]))
    assert pictures[-4:].equal(pictures[-8:-4])
    monkeypatch.setattr(shapes3d, "_PIXELS", 3 * size * size)  # three pictures at once
    assert shapes3d.draw(factors, size).equal(pictures)


def test_each_hue_colours_its_own_surface_alone() -> None:
    """How a hue changes a picture does not depend on the other hues, and where, not on which hue it is."""
    parts = []
    for name in ("FLOOR", "WALL", "OBJECT"):
        other = next(one for one in ("FLOOR", "WALL", "OBJECT") if one != name)
        change = drawn(**{name: 5}) - drawn(**{name: 1})
        elsewhere = drawn(**{name: 5, other: 8}) - drawn(**{name: 1, other: 8})
        assert (change - elsewhere).abs().max() < 1e-6
        parts.append(change.abs().amax(0) > 1e-6)
        assert parts[-1].equal(differs(drawn(**{name: 2}), drawn(**{name: 8})))
    floor, wall, thing = parts
    for part in parts:
        assert 100 < int(part.sum()) < 700
    assert int((floor & wall).sum() + (floor & thing).sum() + (wall & thing).sum()) < 120  # edges, mixed of both
    sky = ~(floor | wall | thing)
    assert sky[0].all()
    assert not sky[6:].any()
    assert floor[-1].all()


def test_surfaces_have_their_hue() -> None:
    """Pixels within a surface have exactly its hue: red floor, blue thing, green wall of hue 0.3."""
    for hue, shade in enumerate(shapes3d.FACTORS["floor hue"]):
        floor = drawn(FLOOR=hue)[:, -1, 0]
        assert (floor / floor.max()).tolist() == pytest.approx(colorsys.hsv_to_rgb(shade, 1, 1), abs=1e-5)
    picture = shapes3d.draw(torch.tensor([[0, 3, 6, 7, 1, 7]]), 64)[0]
    red, green, blue = picture[:, 62, 5].tolist()
    assert red > 0.5
    assert (green, blue) == (0, 0)
    red, green, blue = picture[:, 14, 20].tolist()
    assert green > 0.5
    assert red / green == pytest.approx(2 - 6 * 0.3, abs=1e-5)
    assert blue == 0
    red, green, blue = picture[:, 45, 32].tolist()
    assert blue > 0.4
    assert green < 0.5 * blue


def object_pixels(**changed: int) -> Tensor:
    """Which pixels (size, size) show the object."""
    return differs(drawn(**changed, OBJECT=0), drawn(**changed, OBJECT=5))


@pytest.mark.parametrize("shape", range(4))
def test_scale_makes_the_object_larger_and_changes_nothing_away_from_it(shape: int) -> None:
    sizes = [object_pixels(SHAPE=shape, SCALE=scale) for scale in range(8)]
    for smaller, larger in pairwise(sizes):
        assert int((smaller & ~larger).sum()) <= 2  # the near edge may come a little nearer, and so lower
        assert int(larger.sum()) > 1.05 * int(smaller.sum())
    changed = differs(drawn(SHAPE=shape, SCALE=0), drawn(SHAPE=shape, SCALE=7))
    assert not changed[:2].any()
    assert not changed[:, :3].any()
    assert not changed[-1:].any()


def test_shapes_differ_and_change_nothing_away_from_the_object() -> None:
    pictures = [drawn(SHAPE=shape) for shape in range(4)]
    for shape, picture in enumerate(pictures):
        for other in pictures[:shape]:
            changed = differs(picture, other)
            assert int(changed.sum()) > 60
            assert not changed[:3].any()
            assert not changed[:, :5].any()


def test_orientation_turns_the_room_and_the_cube() -> None:
    sphere = [drawn(SHAPE=2, ORIENTATION=turn) for turn in range(15)]
    for one, other in pairwise(sphere):
        assert int(differs(one, other).sum()) > 30
    assert int((object_pixels(SHAPE=2, ORIENTATION=0) ^ object_pixels(SHAPE=2, ORIENTATION=14)).sum()) <= 2
    cubes = [object_pixels(SHAPE=0, ORIENTATION=turn) for turn in (0, 7, 14)]
    assert int((cubes[0] ^ cubes[1]).sum()) > 15
    assert int((cubes[0] ^ cubes[2].flip(1)).sum()) <= 4  # as far the other way round
    assert not differs(drawn(ORIENTATION=0)[:, :2], drawn(ORIENTATION=14)[:, :2]).any()  # the sky stays


def test_every_picture_is_within_bounds() -> None:
    grid = torch.cartesian_prod(torch.arange(8), torch.arange(4), torch.arange(15))
    hues = torch.stack([torch.arange(480) % 10, torch.arange(480) // 7 % 10, torch.arange(480) // 3 % 10], dim=1)
    pictures = shapes3d.draw(torch.cat([hues, grid], dim=1), 16)
    assert bool(pictures.isfinite().all())
    assert float(pictures.min()) >= 0
    assert 0.9 < float(pictures.max()) <= 1
    assert len(pictures.flatten(1).unique(dim=0)) == 480


def test_a_linear_model_tells_the_hues() -> None:
    """Least squares from pixels to the cosine and sine of a hue: nearly every hue of unseen pictures is told."""
    factors = shapes3d.sample(2400, 6)
    pixels = shapes3d.draw(factors, 12).flatten(1).double()
    angles = factors[:, :3] / 10 * (2 * math.pi)
    targets = torch.cat([angles.cos(), angles.sin()], dim=1).double()
    seen, unseen = pixels[:2000], pixels[2000:]
    weights = torch.linalg.solve(seen.T @ seen + 1e-1 * torch.eye(seen.shape[1]), seen.T @ targets[:2000])
    told = unseen @ weights
    hues = (torch.atan2(told[:, 3:], told[:, :3]) / (2 * math.pi) * 10).round().long() % 10
    right = (hues == factors[2000:, :3]).double().mean(0)
    assert (right > torch.tensor([0.95, 0.95, 0.9])).all(), right


def test_labels_are_what_they_say() -> None:
    factors = shapes3d.sample(5000, 0)
    floor, wall, thing, scale, shape, turn = factors.unbind(1)
    expected = {
        "blue object": thing == 6,
        "green floor": floor == 3,
        "purple wall": wall == 8,
        "pink wall": wall == 9,
        "cube": shape == 0,
        "cylinder": shape == 1,
        "sphere": shape == 2,
        "capsule": shape == 3,
        "large object": scale >= 4,
        "orientation below 0": turn < 7,
        "orientation above 0": turn > 7,
    }
    assert tuple(shapes3d.LABELS) == tuple(expected)
    assert tuple(shapes3d.TASKS) == tuple(expected)[:4]
    assert shapes3d.labelled(factors).equal(torch.stack(list(expected.values()), dim=1).float())


@pytest.mark.parametrize("name", ["blue", "green", "purple", "pink"])
def test_colours_are_the_hues_nearest_to_what_people_call_so(name: str) -> None:
    from matplotlib.colors import XKCD_COLORS, rgb_to_hsv, to_rgb

    hue = rgb_to_hsv(to_rgb(XKCD_COLORS[f"xkcd:{name}"]))[0]
    ((_, having),) = (meant for task, meant in shapes3d.TASKS.items() if task.startswith(name))
    assert having == {int(np.abs(np.array(shapes3d.FACTORS["wall hue"]) - hue).argmin())}


def test_classes_are_one_hot_and_named() -> None:
    factors = shapes3d.sample(300, 0)
    columns = shapes3d.one_hot(factors)
    assert columns.shape == (300, 57)
    start = 0
    for column, (factor, names) in enumerate(shapes3d.CLASSES.items()):
        part = columns[:, start : start + len(names)]
        assert part.sum(1).eq(1).all()
        assert part.argmax(1).equal(factors[:, column])
        assert all(name.startswith(f"{factor}: ") for name in names)
        start += len(names)
    assert start == 57
    assert tuple(shapes3d.CLASSES) == tuple(shapes3d.FACTORS)
    assert shapes3d.CLASSES["wall hue"][3] == "wall hue: 0.3"
    assert shapes3d.CLASSES["shape"] == ("shape: cube", "shape: cylinder", "shape: sphere", "shape: capsule")
    assert shapes3d.CLASSES["scale"][:2] == ("scale: 0.75", "scale: 0.82")
    assert shapes3d.CLASSES["orientation"][6:8] == ("orientation: -4.3", "orientation: 0.0")
    assert len({name for names in shapes3d.CLASSES.values() for name in names}) == 57


def test_drawn_pictures_are_read_as_rows() -> None:
    table = shapes3d.read(count=60, seed=7, size=16)
    loaded = finish(table, "refuse")
    factors = shapes3d.sample(60, 7)
    assert loaded.rows.name == "shapes3d"
    assert loaded.rows.labels == tuple(shapes3d.LABELS)
    assert loaded.rows.annotated.equal(shapes3d.labelled(factors))
    assert loaded.rows.resident.equal(shapes3d.draw(factors, 16))
    assert loaded.features == ()
    assert loaded.notes == ()
    assert table.where(3) == "shapes3d row 3"
    more = shapes3d.read(count=60, seed=7, size=4, tasks=("shape", "floor hue"))
    assert more.labels == (*shapes3d.LABELS, *shapes3d.CLASSES["shape"], *shapes3d.CLASSES["floor hue"])
    annotated = torch.from_numpy(more.annotated)
    assert annotated[:, :11].equal(shapes3d.labelled(factors))
    assert annotated[:, 11:15].argmax(1).equal(factors[:, 4])
    assert annotated[:, 15:].argmax(1).equal(factors[:, 0])
    assert annotated[:, 11:].sum(1).eq(2).all()
    assert refused(shapes3d.read, 6, 0, 4, ("Shape",)) == (
        "the data option `tasks` names 'Shape', which is no factor of these pictures; did you mean 'shape'? (factors: "
        "'floor hue', 'wall hue', 'object hue', 'scale', 'shape', 'orientation')"
    )


def refused(call: Any, *arguments: Any) -> str:
    with pytest.raises(RequestError) as caught:
        call(*arguments)
    return str(caught.value)


def test_wrong_requests() -> None:
    assert refused(shapes3d.read, 0) == "0 pictures were asked for, expected 1 or more"
    assert refused(shapes3d.sample, -2, 0) == "-2 pictures were asked for, expected 1 or more"
    assert refused(shapes3d.read, 5, 0, 0) == "pictures of 0 pixels were asked for, expected a size of 1 or more"
    wrong = SOME.clone()
    wrong[2, SHAPE] = 4
    assert refused(shapes3d.draw, wrong) == (
        "factors row 2: shape is 4, expected the number of one of its values, 0 to 3"
    )
    wrong[1, ORIENTATION] = -1
    assert refused(shapes3d.draw, wrong) == (
        "factors row 1: orientation is -1, expected the number of one of its values, 0 to 14"
    )


class Array:
    """A stored array that remembers which of its rows were read."""

    def __init__(self, values: np.ndarray[Any, Any], chunk: int) -> None:
        self.values, self.chunks = values, (chunk, 64, 64, 3)
        self.shape, self.dtype = values.shape, values.dtype
        self.reads: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, where: slice) -> np.ndarray[Any, Any]:
        assert isinstance(where, slice)
        start, stop, _ = where.indices(len(self.values))
        self.reads.append((start, stop))
        return self.values[where]


class Opened(dict[str, Any]):
    """An open file of arrays."""

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def original(rows: int = 1000) -> dict[str, np.ndarray[Any, Any]]:
    """A file's arrays as the original's: the orientation turns fastest, then the shape, the scale, …"""
    numbers = np.unravel_index(np.arange(rows), [len(values) for values in shapes3d.FACTORS.values()])
    labels = np.stack(
        [np.array(values)[number] for values, number in zip(shapes3d.FACTORS.values(), numbers, strict=True)], axis=1
    )
    images = np.random.default_rng(0).integers(0, 256, (rows, 64, 64, 3), dtype=np.uint8)
    return {"images": images, "labels": labels}


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A function that makes a file of arrays, read by a stand-in for h5py."""
    path = tmp_path / "3dshapes.h5"

    def store(content: dict[str, Any]) -> Path:
        def opened(given: Path, mode: str) -> Opened:
            assert (given, mode) == (path, "r")
            return Opened(content)

        h5py = ModuleType("h5py")
        h5py.File = opened  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "h5py", h5py)
        path.write_bytes(b"\x89HDF")
        return path

    return store


def check_rows(table: Any, arrays: dict[str, np.ndarray[Any, Any]], rows: Tensor) -> None:
    """Whether a table holds the rows asked for of a file's arrays."""
    pixels = arrays["images"][rows.numpy()].transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    assert table.inputs.dtype == np.float32
    assert np.array_equal(table.inputs, pixels)
    number, factors = rows, []
    for values in reversed(shapes3d.FACTORS.values()):
        factors.insert(0, number % len(values))
        number = number // len(values)
    assert torch.from_numpy(table.annotated).equal(shapes3d.labelled(torch.stack(factors, dim=1)))


def test_the_rows_asked_for_of_the_original_are_read_and_no_others(stored: Any) -> None:
    arrays = original()
    images, labels = Array(arrays["images"], 300), Array(arrays["labels"], 300)
    path = stored({"images": images, "labels": labels})
    table = shapes3d.read_h5(path, 3, seed=3)
    rows = torch.randperm(1000, generator=torch.Generator().manual_seed(3))[:3]
    check_rows(table, arrays, rows)
    blocks = sorted({int(row) // 300 for row in rows})
    assert len(blocks) < 4
    assert images.reads == [(300 * block, min(300 * block + 300, 1000)) for block in blocks]
    assert table.where(1) == f"3dshapes.h5 row {int(rows[1])}"
    assert table.labels == tuple(shapes3d.LABELS)


def test_a_real_file_of_the_originals_kind_is_read(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    arrays, path = original(600), tmp_path / "3dshapes.h5"
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, compression="gzip", compression_opts=1)
    rows = torch.randperm(600, generator=torch.Generator().manual_seed(0))[:40]
    check_rows(shapes3d.read_h5(path, 40), arrays, rows)
    path.write_bytes(path.read_bytes()[:3000])
    assert refused(shapes3d.read_h5, path).startswith(f"{path} is damaged or no HDF5 file: ")


def test_files_that_are_not_the_original(stored: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = original(20)
    expected = "expected those of 3dshapes.h5: images (N, 64, 64, 3, 'uint8') and labels (N, 6, 'float64')"
    path = stored({"images": arrays["images"]})
    assert refused(shapes3d.read_h5, path) == (f"{path} holds \"images (20, 64, 64, 3, 'uint8')\", {expected}")
    path = stored({"images": arrays["images"][..., 0], "labels": arrays["labels"], "more": {}})
    assert refused(shapes3d.read_h5, path) == (
        f"{path} holds \"images (20, 64, 64, 'uint8')\", \"labels (20, 6, 'float64')\", 'more ()', {expected}"
    )
    path = stored({"images": arrays["images"], "labels": arrays["labels"][:7]})
    assert refused(shapes3d.read_h5, path).endswith(expected)
    path = stored(arrays)
    assert refused(shapes3d.read_h5, path, 21) == (f"{path} holds 20 pictures, and 21 were asked for; ask for fewer")
    assert refused(shapes3d.read_h5, path, 0) == "0 pictures were asked for, expected 1 or more"
    arrays["labels"][13, SCALE] = 0.8
    first = int((torch.randperm(20, generator=torch.Generator().manual_seed(0)) == 13).nonzero()) + 1
    path = stored({"images": Array(arrays["images"], 20), "labels": arrays["labels"]})
    assert refused(shapes3d.read_h5, path, first) == (
        f"{path} row 13: the scale is 0.8, expected one of 8 values from 0.75 to 1.25, as in 3dshapes.h5"
    )
    gone = tmp_path / "gone.h5"
    assert refused(shapes3d.read_h5, gone) == f"data {gone}: no such file"
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert refused(shapes3d.read_h5, path) == (
        f"{path} is read with h5py, which is not installed; run `pip install h5py`"
    )
