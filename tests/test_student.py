"""A student is saved, loaded and asked; damaged files and wrong rows end in a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from amalgam.errors import RequestError
from amalgam.scaling import Scaling
from amalgam.signals import TensorRows
from amalgam.student import Student, build, load, student_class

SPECS: list[dict[str, Any]] = [
    {"name": "mlp", "hidden": [5, 4], "dropout": 0.5},
    {"name": "label_chain", "hidden": 7, "accept": "own", "unchosen": "last"},
    {"name": "recurrent", "hidden": 7, "layers": 2, "dropout": 0.5},
    {"name": "convolutional", "channels": 8, "kernels": [3, 1]},
]


def a_student(spec: dict[str, Any] = SPECS[0]) -> Student:
    torch.manual_seed(0)
    student = build(spec, (6,), ("rain", "snow", "fog"), "test")
    student.scaling.fit(TensorRows(values=3 + 2 * torch.randn(40, 6)))
    return student


@pytest.mark.parametrize("chunk", [7, 64])
def test_scaling_learns_the_mean_and_deviation_that_numpy_computes(chunk: int) -> None:
    values = 5 + 3 * torch.randn(50, 2, 4, generator=torch.Generator().manual_seed(0))
    scaling = Scaling((2, 4))
    scaling.fit(TensorRows(values=values), chunk)
    np.testing.assert_allclose(scaling.mean.numpy(), values.double().numpy().mean(0), rtol=1e-6)
    np.testing.assert_allclose(scaling.spread.numpy(), values.double().numpy().std(0), rtol=1e-6)
    scaled = scaling(values)
    torch.testing.assert_close(scaled.mean(0), torch.zeros(2, 4), atol=1e-6, rtol=0)
    torch.testing.assert_close(scaled.std(0, correction=0), torch.ones(2, 4))


def test_a_constant_column_is_only_centred_however_large_it_is() -> None:
    values = torch.stack([torch.full((301,), 7.1), torch.full((301,), 1.7e9)], 1)
    scaling = Scaling((2,))
    scaling.fit(TensorRows(values=values), 100)
    assert scaling.spread.tolist() == [1, 1]
    assert scaling(values).abs().max() == 0


def test_a_small_spread_around_a_large_mean_is_not_lost() -> None:
    values = torch.tensor([[1e6], [1e6 + 0.125], [1e6 + 0.25]])
    scaling = Scaling((1,))
    scaling.fit(TensorRows(values=values))
    np.testing.assert_allclose(scaling.spread.numpy(), values.double().numpy().std(0), rtol=1e-6)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec["name"])
def test_a_saved_student_comes_back_whole(spec: dict[str, Any], tmp_path: Path) -> None:
    student = a_student(spec)
    inputs = torch.randn(9, 6)
    student.save(tmp_path / "student")
    for folder in (tmp_path / "student", tmp_path):  # itself, or its run directory
        again = load(folder)
        assert type(again) is type(student)
        assert (again.labels, again.shape, again.settings) == (student.labels, student.shape, student.settings)
        assert not again.training
        assert torch.equal(again.logits(inputs), student.logits(inputs))
    assert sorted(path.name for path in (tmp_path / "student").iterdir()) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec["name"])
def test_predictions_are_the_logits_seen_otherwise(spec: dict[str, Any]) -> None:
    student, inputs = a_student(spec).train(), 3 + 2 * torch.randn(11, 6)
    logits = student.logits(inputs)
    assert logits.shape == (11, 3)
    assert student.training  # as it was
    np.testing.assert_allclose(student.predict_proba(inputs), 1 / (1 + np.exp(-logits.numpy())), rtol=1e-5)
    assert np.array_equal(student.predict(inputs.numpy()), logits.numpy() > 0)
    assert student.predict(inputs).any()
    assert not student.predict(inputs).all()
    torch.testing.assert_close(student.logits(inputs.tolist(), batch_size=4), logits)
    assert student.predict(inputs[:0]).shape == (0, 3)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((4, 5)), "inputs have the shape (4, 5), expected (rows, 6)"),
        (np.zeros(6), "inputs have the shape (6,), expected (rows, 6)"),
        (np.zeros((4, 6, 1)), "inputs have the shape (4, 6, 1), expected (rows, 6)"),
        (
            np.where(np.arange(24).reshape(4, 6) == 13, np.nan, 0),
            "row 2 of the inputs is NaN or infinite; fill or drop missing values first",
        ),
        (
            [["a"] * 6],
            "the inputs are no rows of numbers (can't convert np.ndarray of type numpy.str_. The only supported",
        ),
        (np.full((1, 6), 1e300), "row 0 of the inputs is NaN or infinite; fill or drop missing values first"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_rows_that_do_not_fit_are_refused(inputs: Any, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        a_student().predict(inputs)
    assert str(caught.value).startswith(message)


def _cut(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-20])


def _edit(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


@pytest.mark.parametrize(
    "damage",
    [
        _cut,
        lambda folder: (folder / "model.safetensors").write_bytes(b""),
        lambda folder: (folder / "config.json").write_text('{"student": "ml'),
        lambda folder: (folder / "config.json").write_bytes(b"\xff\xfe\x00"),
        lambda folder: (folder / "config.json").write_text("[]"),
        lambda folder: (folder / "config.json").write_text('{"student": "mlp"}'),
        lambda folder: _edit(folder, shape=["six"]),
        lambda folder: _edit(folder, shape=[7]),
        lambda folder: _edit(folder, labels=["rain", "snow"]),
        lambda folder: _edit(folder, settings=None),
    ],
    ids=["cut", "empty", "cut config", "no text", "a list", "keys missing", "words", "shape", "labels", "settings"],
)
def test_a_damaged_student_is_refused(damage: Any, tmp_path: Path) -> None:
    a_student().save(tmp_path)
    damage(tmp_path)
    with pytest.raises(RequestError) as caught:
        load(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"the student in {tmp_path} is damaged (")
    assert message.endswith("); copy or distil it again")
    assert "\n" not in message


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_missing_student_is_named(missing: str, tmp_path: Path) -> None:
    a_student().save(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(RequestError) as caught:
        load(tmp_path)
    assert str(caught.value) == (
        f"no student in {tmp_path}: expected config.json and model.safetensors (or a run directory with student/)"
    )


def test_an_unknown_student_or_setting_is_refused_by_name() -> None:
    with pytest.raises(RequestError) as caught:
        student_class("mpl")
    assert str(caught.value).startswith("unknown student 'mpl'; did you mean 'mlp'? (known: ")
    with pytest.raises(RequestError) as caught:
        build({"name": "mlp", "hiden": [3]}, (6,), ("rain",), "recipe x, student")
    assert str(caught.value) == (
        "recipe x, student: unknown key 'hiden'; did you mean 'hidden'? (known: dropout, hidden)"
    )
