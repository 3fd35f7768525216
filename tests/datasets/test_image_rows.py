"""Rows of images at work: threads, stamps, splits, parts, the feed; and memory that stays flat."""

from __future__ import annotations

import pickle
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from amalgam import datasets, signals
from amalgam.datasets import DataOptions, images
from amalgam.datasets.split import split, twins
from amalgam.errors import RequestError
from amalgam.fingerprint import of_each_row, of_rows
from amalgam.parts import apportion, rows_for
from amalgam.progress import Silent
from amalgam.recipe import Recipe
from amalgam.signals import DatasetRows, ProbabilityTargets, Rows, TensorRows
from amalgam.student import build
from amalgam.training.feed import Feed
from tests.datasets.drawings import as_floats, draw, pixels

CLASSES, EACH = ("cat", "dog", "fox"), 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 images of three classes."""
    folder = tmp_path_factory.mktemp("data") / "photos"
    for place, name in enumerate(CLASSES):
        for number in range(EACH):
            draw(folder / name / f"{number}.png", EACH * place + number)
    return folder


def rows_of(folder: Path, **options: Any) -> DatasetRows:
    rows = datasets.load(str(folder), DataOptions(**options)).rows
    assert isinstance(rows, DatasetRows)
    return rows


def everything() -> torch.Tensor:
    return torch.from_numpy(np.stack([as_floats(pixels(seed)) for seed in range(len(CLASSES) * EACH)]))


@pytest.mark.parametrize("processors", [1, 3])
def test_a_batch_is_decoded_in_as_many_threads_as_there_are_processors(
    folder: Path, monkeypatch: pytest.MonkeyPatch, processors: int
) -> None:
    names, decoded = set(), images.decoded
    together = threading.Barrier(processors, timeout=20)

    def noting(*given: Any) -> Any:
        if threading.current_thread().name not in names:
            names.add(threading.current_thread().name)
            together.wait()
        return decoded(*given)

    rows = rows_of(folder)
    monkeypatch.setattr(images, "_processors", lambda: processors)
    monkeypatch.setattr(images, "decoded", noting)
    index = torch.randperm(len(rows))
    assert torch.equal(rows.inputs(index), everything()[index])
    assert len(names) == processors


def test_a_worker_decodes_in_one_thread(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_processors", lambda: 4)
    monkeypatch.setattr(torch.utils.data, "get_worker_info", lambda: object())
    names, decoded = set(), images.decoded

    def noting(*given: Any) -> Any:
        names.add(threading.current_thread().name)
        return decoded(*given)

    monkeypatch.setattr(images, "decoded", noting)
    rows_of(folder).inputs(slice(None))
    assert names == {threading.main_thread().name}


def test_more_files_than_a_round_of_the_threads(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_processors", lambda: 3)
    monkeypatch.setattr(images, "_ROUND", 7)
    rows = rows_of(folder)
    assert torch.equal(rows.inputs(slice(None)), everything())
    assert len(np.unique(of_each_row(rows))) == len(rows)


@pytest.mark.parametrize("processors", [1, 3])
def test_an_image_damaged_since_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processors: int) -> None:
    monkeypatch.setattr(images, "_processors", lambda: processors)
    path = draw(tmp_path / "x" / "a.png")
    draw(tmp_path / "x" / "b.png", 1)
    draw(tmp_path / "x" / "c.png", 2)
    rows = rows_of(tmp_path / "x")
    path.unlink()
    message = f"{path} cannot be read (No such file or directory), though it could be read before; put the image back"
    with pytest.raises(RequestError, match=f"^{re.escape(message)}$"):
        rows.inputs(slice(None))


def test_stamps_follow_the_bytes_and_the_settings(tmp_path: Path) -> None:
    path = draw(tmp_path / "x" / "a.png")
    (tmp_path / "x" / "b.png").write_bytes(path.read_bytes())
    draw(tmp_path / "x" / "c.png", 1)

    def stamps(**options: Any) -> list[int]:
        return of_each_row(rows_of(tmp_path / "x", **options)).tolist()

    first, twin, other = stamps()
    assert first == twin != other
    assert stamps() == stamps(size=8) == stamps(size=(8, 8), channels=3, fit="crop") == [first, twin, other]
    for options in ({"size": 4}, {"size": (8, 4)}, {"channels": 1}, {"fit": "squash"}):
        changed = stamps(**options)
        assert changed[0] == changed[1] != changed[2]
        assert not {*changed} & {first, other}
    path.write_bytes(path.read_bytes() + b"\0")
    assert stamps()[0] not in (first, other)
    assert stamps()[1:] == [twin, other]


def test_fingerprints_need_no_pixels_and_files_are_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(folder)
    key, numbers = of_rows(rows), of_each_row(rows)
    fresh = DatasetRows(dataset=images.ImageFiles(folder, rows.dataset.names, rows.dataset.reading))
    reads = []
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: reads.append(path) or read(path))
    monkeypatch.setattr(images, "decoded", None)
    assert (of_rows(fresh), of_each_row(fresh).tolist(), of_rows(rows)) == (key, numbers.tolist(), key)
    assert len(reads) == len(rows)


def test_stamps_stay_with_their_rows(folder: Path) -> None:
    rows = rows_of(folder)
    numbers = of_each_row(rows)
    index = torch.tensor([4, 29, 0, 4])
    taken = rows.take(index)
    assert of_each_row(taken).tolist() == numbers[index.numpy()].tolist()
    assert of_each_row(taken.take(torch.tensor([1]))).tolist() == [numbers[29]]
    assert of_rows(taken) != of_rows(rows) != of_rows(rows.take(torch.arange(29, -1, -1)))
    assert of_rows(rows.take(torch.arange(30)).unlabelled()) == of_rows(rows)
    of_each_row(rows).sort()
    assert of_each_row(rows).tolist() == numbers.tolist()


class Plain(torch.utils.data.Dataset[torch.Tensor]):
    """A dataset as anybody writes one: neither batches nor stamps."""

    def __len__(self) -> int:
        return 30

    def __getitem__(self, row: int) -> torch.Tensor:
        return everything()[row]


def test_a_dataset_without_stamps_goes_by_its_inputs() -> None:
    rows, here = DatasetRows(dataset=Plain()), TensorRows(values=everything())
    assert rows.stamps() is None
    assert (of_rows(rows), of_each_row(rows).tolist()) == (of_rows(here), of_each_row(here).tolist())


def test_a_dataset_s_own_stamps_are_not_changed_in_place() -> None:
    class Stamped(Plain):
        own = np.arange(30, 0, -1, dtype=np.uint64)

        def stamps(self) -> Any:
            return self.own

    of_each_row(DatasetRows(dataset=Stamped())).sort()
    assert Stamped.own[0] == 30


def test_a_split_is_stratified_and_keeps_twins_together(folder: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(folder, tmp_path / "photos")
    for number in range(5):
        (tmp_path / "photos" / "dog" / f"twin{number}.png").write_bytes((folder / "dog" / f"{number}.png").read_bytes())
    rows = rows_of(tmp_path / "photos")
    parts = split(rows, {"a": 0.6, "b": 0.4}, 0)
    assert sorted(parts["a"].ids.tolist() + parts["b"].ids.tolist()) == list(range(35))
    assert not {*of_each_row(parts["a"]).tolist()} & {*of_each_row(parts["b"]).tolist()}
    assert len(np.unique(twins(rows))) == 30
    for part, share in (("a", 0.6), ("b", 0.4)):
        assert parts[part].annotated is not None
        counts = parts[part].annotated.sum(0)
        np.testing.assert_allclose(counts, share * np.array([10, 15, 10]), atol=1.1)
    kept = parts["b"]
    assert torch.equal(kept.inputs(slice(0, 3)), rows.inputs(kept.ids[:3]))


def test_a_recipe_apportions_images(folder: Path, tmp_path: Path) -> None:
    recipe = Recipe.model_validate(
        {
            "name": "photos",
            "strategy": {"name": "kd"},
            "teachers": ["custom:x.py:make"],
            "data": {"source": str(folder), "options": {"size": [4, 6], "channels": 1}, "labelled": 0.5},
            "student": {"name": "mlp"},
        }
    )
    parts = apportion(recipe)
    assert parts.test is not None
    assert parts.learn.annotated is not None
    assert (len(parts.learn), len(parts.test)) == (24, 6)
    assert parts.test.inputs(slice(0, 2)).shape == (2, 1, 4, 6)
    assert int((~parts.learn.annotated.isnan()).all(1).sum()) == 12
    (tmp_path / "held").mkdir()
    for number in range(4):
        draw(tmp_path / "held" / CLASSES[number % 3] / f"{number}.png", 100 + number)
    data = recipe.data.model_copy(update={"held_out": str(tmp_path / "held"), "labelled": None})
    parts = apportion(recipe.model_copy(update={"data": data}))
    assert parts.test is not None
    assert (len(parts.learn), parts.learn.annotated, len(parts.test)) == (30, None, 4)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_feed_brings_images(folder: Path, workers: int) -> None:
    rows: Rows = rows_of(folder).take(torch.arange(29, -1, -1))
    wanted = ProbabilityTargets(torch.rand(30, 2), torch.ones(30, 2))
    indices = [torch.tensor([3, 0]), torch.tensor([29, 7, 7])]
    arrived = list(Feed(rows, wanted, torch.device("cpu"), workers).batches(indices))
    assert len(arrived) == 2
    for index, (inputs, targets) in zip(indices, arrived, strict=True):
        assert torch.equal(inputs, everything().flip(0)[index])
        assert isinstance(targets, ProbabilityTargets)
        assert torch.equal(targets.probabilities, wanted.probabilities[index])


@pytest.mark.parametrize("processors", [1, 3])
def test_whoever_waits_for_many_images_sees_how_many_are_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, processors: int
) -> None:
    told: list[Any] = []

    class Telling(Silent):
        @contextmanager
        def step(self, name: str, total: int, unit: str = "rows") -> Iterator[Telling]:
            told.append((name, total, unit))
            yield self

        def advance(self, rows: int, note: str = "") -> None:
            told.append(rows)

    monkeypatch.setattr(images, "_processors", lambda: processors)
    monkeypatch.setattr(images, "_ROUND", 8)
    datasets.load(str(folder), progress=Telling())
    assert told == [("images", 30, "images"), 8, 8, 8, 6]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_vanishes_is_named_without_a_traceback(folder: Path, tmp_path: Path, workers: int) -> None:
    rows: Rows = rows_of(Path(shutil.copytree(folder, tmp_path / "photos")))
    lost = tmp_path / "photos" / "dog" / "4.png"
    lost.unlink()
    wanted = ProbabilityTargets(torch.rand(30, 2), torch.ones(30, 2))
    with pytest.raises(RequestError) as caught:
        list(Feed(rows, wanted, torch.device("cpu"), workers).batches(list(torch.arange(30).split(4))))
    assert str(lost) in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_a_dataset_is_as_small_as_its_names(folder: Path) -> None:
    """What a worker gets, and what stays in memory however large the images are."""
    rows = rows_of(folder, size=512)
    before = len(pickle.dumps(rows.dataset))
    rows.inputs(slice(0, 4))
    of_each_row(rows)
    assert len(pickle.dumps(rows.dataset)) == before < 2000
    again = pickle.loads(pickle.dumps(rows.dataset))
    assert torch.equal(again[7], rows.inputs(slice(7, 8))[0])


def test_memory_is_that_of_a_chunk(tmp_path: Path) -> None:
    """Ten times the images need no more: numpy's memory is counted, in which every image is decoded."""
    import tracemalloc

    for number in range(60):
        draw(tmp_path / "x" / f"{number}.png", number)

    def peak(count: int) -> int:
        rows = rows_of(tmp_path / "x", size=64).take(torch.arange(count))
        tracemalloc.start()
        for _, inputs in rows.chunks(6):
            del inputs
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(6)
    few = peak(6)
    assert peak(60) < few + 2 * 3 * 64 * 64 * 4


def test_a_chunk_is_no_larger_than_memory_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Votes, scalings and measures read rows so: however many they ask for, large images come a few at a time."""
    rows = TensorRows(values=torch.rand(10, 3, 4, 4))
    whole = [(where.start, where.stop) for where, _ in rows.chunks(4)]
    assert whole == [(0, 4), (4, 8), (8, 10)]
    monkeypatch.setattr(signals, "_MOST_BYTES", 3 * 3 * 4 * 4 * 4 + 1)
    cut = list(rows.chunks(4, slice(2, 9)))
    assert [(where.start, where.stop) for where, _ in cut] == [(2, 5), (5, 8), (8, 9)]
    assert torch.equal(torch.cat([inputs for _, inputs in cut]), rows.values[2:9])
    assert list(rows.take(torch.arange(0)).chunks(4)) == []


@pytest.mark.parametrize(("budget", "step"), [(1, 32), (40, 40), (4000, 64)])
def test_networks_are_asked_about_few_rows_at_once(monkeypatch: pytest.MonkeyPatch, budget: int, step: int) -> None:
    rows = TensorRows(values=torch.rand(100, 3, 4, 4))
    monkeypatch.setattr(signals, "_FEW_BYTES", budget * 3 * 4 * 4 * 4)
    assert [where.start for where, _ in rows.chunks(64)] == list(range(0, 100, step))


def test_files_come_as_the_student_reads_them(folder: Path) -> None:
    """A student of grey 5 × 6 pictures is asked about larger, coloured ones without telling their size."""
    student = build({"name": "mlp"}, (1, 5, 6), ("a",), "a test")
    assert rows_for(student, str(folder)).inputs(slice(0, 2)).shape == (2, 1, 5, 6)
    told = rows_for(student, str(folder), DataOptions(size=(5, 6), channels=1))
    assert torch.equal(told.inputs(slice(0, 2)), rows_for(student, str(folder)).inputs(slice(0, 2)))
