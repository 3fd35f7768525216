"""The feed: wherever rows and targets lie, the same batches arrive and the same student comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from amalgam import store
from amalgam.signals import DatasetRows, FileRows, ProbabilityTargets, Rows, TensorRows
from amalgam.training.feed import Feed
from tests.training.toys import mlp, same, targets, told, train, values

ROWS = 30


class Items(torch.utils.data.Dataset[torch.Tensor]):
    """A map-style dataset, as image folders are."""

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, row: int) -> torch.Tensor:
        return values(ROWS)[row]


def rows_of(kind: str, folder: Path) -> Rows:
    """The same rows in a file, in a dataset, or as a part of a file whose rows lie in another order."""
    if kind == "dataset":
        return DatasetRows(dataset=Items())
    np.save(folder / "rows.npy", values(ROWS).flip(0).numpy() if kind == "part" else values(ROWS).numpy())
    rows = FileRows(path=folder / "rows.npy")
    return rows.take(torch.arange(ROWS - 1, -1, -1)) if kind == "part" else rows


@pytest.mark.parametrize(
    ("kind", "workers"), [("file", 0), ("file", 1), ("part", 0), ("dataset", 0), ("dataset", 1), ("dataset", 2)]
)
def test_rows_elsewhere_make_the_very_same_student(tmp_path: Path, kind: str, workers: int) -> None:
    given: dict[str, Any] = {"epochs": 2, "batch_size": 7, "accumulate": 2, "validation": 0.2, "workers": workers}
    here, there = mlp(dropout=0.2), mlp(dropout=0.2)
    in_memory = train(here, TensorRows(values=values(ROWS)), targets(ROWS), **given)
    elsewhere = train(there, rows_of(kind, tmp_path), targets(ROWS), **given)
    assert same(here, there)
    assert told(in_memory.history) == told(elsewhere.history)


@pytest.mark.parametrize("resident", [True, False])
def test_stored_targets_make_the_very_same_student(tmp_path: Path, resident: bool) -> None:
    wanted = targets(ROWS)

    def produce(where: slice) -> dict[str, np.ndarray]:
        return {name: value[where].numpy() for name, value in wanted.arrays().items()}

    stored = store.fill("targets", "key", ROWS, produce, about={})
    rows = TensorRows(values=values(ROWS)) if resident else rows_of("file", tmp_path)
    here, there = mlp(), mlp()
    train(here, values(ROWS), wanted, epochs=2, batch_size=7)
    train(there, rows, ProbabilityTargets.of(stored.arrays), epochs=2, batch_size=7)
    assert same(here, there)


@pytest.mark.parametrize("kind", ["memory", "file", "dataset"])
def test_batches_arrive_in_order_with_their_targets(tmp_path: Path, kind: str) -> None:
    rows = TensorRows(values=values(ROWS)) if kind == "memory" else rows_of(kind, tmp_path)
    wanted = [torch.tensor([4, 29, 0]), torch.tensor([], dtype=torch.long), torch.tensor([7])]
    if kind == "dataset":  # an image folder cannot say what the shape of no image is
        wanted = [index for index in wanted if len(index)]
    feed = Feed(rows, targets(ROWS), torch.device("cpu"), 0)
    arrived = list(feed.batches(wanted))
    assert len(arrived) == len(wanted)
    for index, (inputs, said) in zip(wanted, arrived, strict=True):
        assert isinstance(said, ProbabilityTargets)
        assert torch.equal(inputs, values(ROWS)[index])
        assert torch.equal(said.probabilities, targets(ROWS).probabilities[index])
    assert (feed.inputs is not None) == (kind == "memory")


def test_reading_rows_draws_no_random_numbers(tmp_path: Path) -> None:
    feed = Feed(rows_of("file", tmp_path), targets(ROWS), torch.device("cpu"), 0)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    list(feed.batches([torch.arange(3)]))
    assert torch.equal(torch.get_rng_state(), before)


def test_stored_targets_are_read_by_the_cpu_whatever_the_device() -> None:
    asked: list[list[int]] = []

    class Stored:
        """An array on disk: it can only be indexed by numbers that the CPU has."""

        def __len__(self) -> int:
            return ROWS

        def __getitem__(self, index: torch.Tensor) -> np.ndarray:
            asked.append(np.asarray(index).tolist())
            return np.zeros((len(index), 3), np.float32)

    wanted = ProbabilityTargets.of({"probabilities": Stored(), "weights": Stored()})
    feed = Feed(TensorRows(values=values(ROWS)), wanted, torch.device("meta"), 0)
    [(inputs, said)] = feed.batches([torch.tensor([4, 29, 0])])
    assert isinstance(said, ProbabilityTargets)
    assert asked == [[4, 29, 0], [4, 29, 0]]
    for arrived in (inputs, said.probabilities, said.weights):
        assert arrived.device.type == "meta"
