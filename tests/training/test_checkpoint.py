"""Checkpoints: a training that is stopped anywhere and resumed is the one that was not, and no file is trusted."""

from __future__ import annotations

import hashlib
import os
import pickle
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from amalgam.errors import RequestError, WorkError
from amalgam.signals import FileRows, Loss, Rows, StudentOutput, Targets, TensorRows
from amalgam.students.mlp import MLP
from amalgam.training.checkpoint import Checkpoints
from tests.training.toys import INPUTS, WatchedRows, mlp, of_logits, same, targets, told, train, values, weights

ROWS = 22
SETTINGS: dict[str, Any] = {
    "epochs": 4, "batch_size": 4, "accumulate": 2, "learning_rate": 0.02, "validation": 0.2, "patience": 2,
    "schedule": "cosine", "warmup": 0.2, "ema": 0.8, "weight_decay": 0.01, "checkpoint_seconds": 0,
}  # fmt: skip
CALLS = 4 * (5 * 2 + 1)  # of the loss: 18 training rows are 5 steps of 2 micro-batches, then come the validation rows


class Stopped(Exception):
    """The power goes off."""


class Stopping:
    """A loss that stops the training at one of its calls."""

    def __init__(self, call: int | None) -> None:
        self.left = call

    def __call__(self, output: StudentOutput, wanted: Targets) -> Loss:
        if self.left == 0:
            raise Stopped
        self.left = None if self.left is None else self.left - 1
        return of_logits(output, wanted)


def kinds_of_rows() -> dict[str, Rows]:
    return {"resident": TensorRows(values=values(ROWS)), "read": WatchedRows(values=values(ROWS))}


@settings(max_examples=12, deadline=None)
@given(
    stops=st.lists(st.integers(0, CALLS), min_size=1, max_size=4),
    optimizer=st.sampled_from(["adam", "adamw", "sgd"]),
    kind=st.sampled_from(["resident", "read"]),
    patience=st.sampled_from([1, None]),
)
def test_resumed_anywhere_it_is_the_uninterrupted_training(
    stops: list[int], optimizer: str, kind: str, patience: int | None
) -> None:
    given = {**SETTINGS, "optimizer": optimizer, "patience": patience}
    whole = mlp(dropout=0.3)
    fitted = train(whole, kinds_of_rows()[kind], targets(ROWS), seed=5, **given)
    with TemporaryDirectory() as name:
        again = {"seed": 5, "folder": Path(name), **given}
        for number, stop in enumerate([*stops, None]):
            begun = (Path(name) / "training.pt").is_file()
            resumed = mlp(seed=number + 1 if begun else 0, dropout=0.3)  # only what the checkpoint holds may matter
            torch.manual_seed(number)
            with suppress(Stopped):
                ended = train(resumed, kinds_of_rows()[kind], targets(ROWS), loss=Stopping(stop), **again)
    assert same(resumed, whole)
    assert told(ended.history) == told(fitted.history)
    assert (ended.best_epoch, ended.rows) == (fitted.best_epoch, fitted.rows)
    assert (ended.resumed_at is not None) == begun


def test_a_finished_training_is_not_trained_again(tmp_path: Path) -> None:
    one, two = mlp(), mlp(seed=1)
    first = train(one, values(ROWS), targets(ROWS), folder=tmp_path, **SETTINGS)
    second = train(two, values(ROWS), targets(ROWS), folder=tmp_path, loss=Stopping(0), **SETTINGS)
    assert same(one, two)
    assert replace(second, resumed_at=None) == first
    assert second.resumed_at == len(first.history)


def test_a_resumed_training_says_where(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        train(mlp(), values(ROWS), targets(ROWS), folder=tmp_path, loss=Stopping(2 * 11 + 4), **SETTINGS)
    saved = Checkpoints(tmp_path, 0).load()
    assert saved is not None
    assert (saved["epoch"], saved["step"]) == (2, 2)
    assert train(mlp(), values(ROWS), targets(ROWS), folder=tmp_path, **SETTINGS).resumed_at == 2


def test_no_folder_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    train(mlp(), values(ROWS), targets(ROWS), **SETTINGS)
    checkpoints = Checkpoints(None, 0)
    checkpoints.save({"step": 1})
    assert not checkpoints.due()
    assert checkpoints.load() is None
    assert list(tmp_path.iterdir()) == []


def test_saving_waits_for_its_time_and_takes_little_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    checkpoints = Checkpoints(tmp_path, 10.0)

    def after(seconds: float) -> bool:
        clock[0] += seconds
        return checkpoints.due()

    assert not after(9.0)
    assert after(1.0)

    def slow(state: object, path: Path) -> None:
        clock[0] += 0.5

    monkeypatch.setattr(torch, "save", slow)
    checkpoints.save({})
    assert not after(24.0)  # half a second is to be a fiftieth
    assert after(1.0)


def test_a_failed_save_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = Checkpoints(tmp_path, 0)
    checkpoints.save({"step": 1})

    def torn(state: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise Stopped

    monkeypatch.setattr(torch, "save", torn)
    with pytest.raises(Stopped):
        checkpoints.save({"step": 2})
    assert checkpoints.load() == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["training.pt"]


def damaged(path: Path) -> str:
    return f"the checkpoint {path} is damaged; delete it, and --resume trains from the start"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no checkpoint at all", None])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "training.pt"
    if content is None:
        train(mlp(), values(ROWS), targets(ROWS), folder=tmp_path, **SETTINGS)
        content = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(content)
    with pytest.raises(RequestError) as caught:
        train(mlp(), values(ROWS), targets(ROWS), folder=tmp_path, **SETTINGS)
    assert str(caught.value) == damaged(path)


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, 0)
    checkpoints.save({"student": mlp().state_dict(), "step": 1})
    path = tmp_path / "training.pt"
    content = path.read_bytes()
    for place in range(0, len(content), 97):
        path.write_bytes(content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :])
        with pytest.raises(RequestError) as caught:
            checkpoints.load()
        assert str(caught.value) == damaged(path)


def test_torch_alone_reads_a_checkpoint(tmp_path: Path) -> None:
    Checkpoints(tmp_path, 0).save({"step": 1})
    assert torch.load(tmp_path / "training.pt", weights_only=True) == {"step": 1}


class _Payload:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("form", ["torch", "pickle"])
def test_code_in_a_checkpoint_does_not_run(tmp_path: Path, form: str) -> None:
    path, proof = tmp_path / "training.pt", tmp_path / "it ran"
    state = {"student": mlp().state_dict(), "epoch": _Payload(proof)}
    if form == "torch":
        Checkpoints(tmp_path, 0).save(state)
    else:
        content = pickle.dumps(state, protocol=2)
        path.write_bytes(content + hashlib.sha256(content).digest())
    with pytest.raises(RequestError) as caught:
        train(mlp(), values(ROWS), targets(ROWS), folder=tmp_path, **SETTINGS)
    assert str(caught.value) == damaged(path)
    assert not proof.exists()


def test_a_checkpoint_is_no_larger_than_what_it_holds(tmp_path: Path) -> None:
    student = mlp()
    train(student, FileRows(path=_file(tmp_path)), targets(ROWS), folder=tmp_path, **SETTINGS)
    numbers = len(weights(student))
    assert (tmp_path / "training.pt").stat().st_size < 5 * 4 * numbers + 20_000  # two moments, average, best, itself


def _file(folder: Path) -> Path:
    np.save(folder / "rows.npy", values(ROWS).numpy())
    return folder / "rows.npy"


def test_a_checkpoint_of_another_student_is_refused(tmp_path: Path) -> None:
    train(mlp(), values(10), targets(10), folder=tmp_path, epochs=1)
    other = MLP((INPUTS,), mlp().labels, MLP.Settings(hidden=(5,)))
    with pytest.raises(RequestError) as raised:
        train(other, values(10), targets(10), folder=tmp_path, epochs=1)
    assert str(raised.value) == (
        f"the checkpoint {tmp_path / 'training.pt'} is of another student or another amalgam; delete it, and --resume "
        "trains from the start"
    )


def test_a_checkpoint_of_other_rows_is_refused_and_stays(tmp_path: Path) -> None:
    one, two = mlp(), mlp(seed=1)
    train(one, values(ROWS), targets(ROWS), folder=tmp_path, key="these rows", **SETTINGS)
    with pytest.raises(RequestError) as raised:
        train(mlp(), values(ROWS, seed=3), targets(ROWS), folder=tmp_path, key="those rows", **SETTINGS)
    assert str(raised.value) == (
        f"the checkpoint {tmp_path / 'training.pt'} was made from other rows, teachers or settings than this run now "
        "has; put them back, or delete it, and --resume trains from the start"
    )
    train(two, values(ROWS), targets(ROWS), folder=tmp_path, key="these rows", loss=Stopping(0), **SETTINGS)
    assert same(one, two)


def test_the_key_is_saved_while_training_too(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        train(mlp(), values(ROWS), targets(ROWS), folder=tmp_path, key="these", loss=Stopping(4), **SETTINGS)
    saved = Checkpoints(tmp_path, 0).load()
    assert saved is not None
    assert saved["key"] == "these"


def test_a_broken_loss_is_not_saved(tmp_path: Path) -> None:
    calls = 0

    def breaking(output: StudentOutput, wanted: Targets) -> Loss:
        nonlocal calls
        calls += 1
        said = of_logits(output, wanted)
        return replace(said, sum=said.sum * torch.nan) if calls == 11 + 5 else said

    whole, resumed = mlp(), mlp()
    train(whole, values(ROWS), targets(ROWS), **SETTINGS)
    with pytest.raises(WorkError):
        train(mlp(), values(ROWS), targets(ROWS), folder=tmp_path, loss=breaking, **SETTINGS)
    saved = Checkpoints(tmp_path, 0).load()
    assert saved is not None
    assert (saved["epoch"], saved["step"]) == (1, 2)  # its third step broke
    train(resumed, values(ROWS), targets(ROWS), folder=tmp_path, **SETTINGS)
    assert same(resumed, whole)
