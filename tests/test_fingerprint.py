"""Fingerprints: equal content, equal name, whatever process, order or form; different content, another name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from amalgam.errors import RequestError
from amalgam.fingerprint import _code, fingerprint, of_array, of_code, of_each_row, of_file, of_rows, of_tensors
from amalgam.signals import DatasetRows, FileRows, TensorRows


def test_pinned() -> None:
    """What a store holds stays valid from one release to the next; a change here needs a new FORMAT."""
    weight = torch.arange(6.0).reshape(2, 3)
    rows = TensorRows(values=weight)
    assert fingerprint("ant", {"alpha": 0.5, "labels": ["a", "b"]}) == "502a2fd39036de0cd01f478bcdb2c727"
    assert of_array(weight.numpy()) == "7304badd40057db3d807d7bddc2110c3"
    assert of_tensors({"weight": weight}) == "3f0ceae3815e448e15541debf4eac89f"
    assert of_rows(rows) == "e10f5311f9fe4445d1ae7788b4822828"
    assert of_each_row(rows).tolist() == [10839076188628950480, 18444735863159687491]


def test_other_processes_agree() -> None:
    """Strings hash differently in every process, so that the order of a set differs."""
    code = (
        "from amalgam.fingerprint import fingerprint; print(fingerprint({'b', 'a', 'c'}, {'x': {('d', 1), ('e', 2)}}))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
        ).stdout.strip()
        for seed in range(4)
    }
    assert said == {fingerprint({"c", "b", "a"}, {"x": {("e", 2), ("d", 1)}})}


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def _typed(value: object) -> object:
    """Equal only where type, sign and order are equal too: True == 1 and 0.0 == -0.0 in Python."""
    if isinstance(value, dict):
        return {key: _typed(one) for key, one in value.items()}
    return [_typed(one) for one in value] if isinstance(value, list) else (type(value), repr(value))


@given(plain, plain)
def test_equal_names_for_equal_values_alone(one: object, other: object) -> None:
    assert (fingerprint(one) == fingerprint(other)) == (_typed(one) == _typed(other))


def test_the_order_of_a_mapping_does_not_count_that_of_a_list_does() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint([1, 2]) != fingerprint([2, 1])
    assert fingerprint("ab", "c") != fingerprint("a", "bc")


def test_forms_of_the_same_value() -> None:
    assert fingerprint((1, 2), Path("a/b"), np.float32(0.5)) == fingerprint([1, 2], "a/b", 0.5)


def test_what_has_no_fingerprint() -> None:
    with pytest.raises(TypeError, match=r"^no fingerprint of a object$"):
        fingerprint(object())
    with pytest.raises(TypeError, match=r"^no fingerprint of an array of Python objects$"):
        of_array(np.array([object()]))


def test_arrays_differ_by_type_shape_and_content() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    others: list[np.ndarray[Any, Any]] = [
        array.astype(np.float64),
        array.reshape(3, 2),
        array.T,
        array + np.float32(1e-6),
        array.view(np.int32),
        np.empty((0, 3)),
        np.empty((0, 2)),
        np.array(0, np.float32),
        np.array(["2020-01-01"], dtype="datetime64[D]"),
    ]
    names = [of_array(one) for one in (array, *others)]
    assert len(set(names)) == len(names)
    assert of_array(np.asfortranarray(array)) == of_array(array) == of_array(np.repeat(array, 2, axis=0)[::2])


def test_tensors_differ_by_name_type_and_shape() -> None:
    """A rounded model is another model, though its numbers may be the same."""
    weight = torch.arange(6.0).reshape(2, 3)
    others = [
        {"w": weight},
        {"weight": weight.bfloat16()},
        {"weight": weight.half()},
        {"weight": weight.reshape(3, 2)},
        {"weight": weight.t()},
        {"weight": weight, "steps": torch.tensor(3)},
        {"weight": weight, "steps": torch.tensor(4)},
        {"weight": torch.empty(0, 3)},
        {},
    ]
    names = [of_tensors(one) for one in ({"weight": weight}, *others)]
    assert len(set(names)) == len(names)
    assert of_tensors({"weight": torch.nn.Parameter(weight.t().contiguous().t())}) == names[0]


def test_a_change_that_bfloat16_keeps_is_seen() -> None:
    one, other = torch.tensor([1.0], dtype=torch.bfloat16), torch.tensor([1.0078125], dtype=torch.bfloat16)
    assert of_tensors({"w": one}) != of_tensors({"w": other})


def test_a_file_has_its_sha256(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert of_file(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_code_differs_by_its_source_and_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def with_source(text: str) -> str:
        (tmp_path / "some_code.py").write_text(text)
        _code.cache_clear()
        return of_code("some_code", "json")

    monkeypatch.syspath_prepend(tmp_path)
    one = with_source("raise SystemExit(1)")
    assert with_source("raise SystemExit(2)") != one
    assert with_source("raise SystemExit(1)") == one
    assert of_code("json", "some_code") == one
    assert of_code("some_code") != one
    assert "some_code" not in sys.modules


def test_code_without_source_counts_by_version_or_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert of_code("numpy._core._multiarray_umath") != of_code("sys") != of_code("marshal")
    before = of_code("numpy._core._multiarray_umath")
    monkeypatch.setattr("amalgam.fingerprint.version", lambda _: "another")
    _code.cache_clear()
    assert of_code("numpy._core._multiarray_umath") != before
    _code.cache_clear()
    with pytest.raises(ModuleNotFoundError, match=r"^no module 'amalgam.nothing'$"):
        of_code("amalgam.nothing")


@pytest.mark.parametrize("measure", [of_rows, lambda rows, chunk: of_each_row(rows, chunk).tolist()])
def test_rows_are_known_by_their_inputs_alone(measure: Any, tmp_path: Path) -> None:
    values = torch.rand(10, 5)
    np.save(tmp_path / "a.npy", values.numpy())
    bare = TensorRows(values=values)
    annotated = TensorRows(("a",), torch.ones(10, 1), ids=torch.arange(10) + 7, name="other", values=values)
    same = {
        str(measure(rows, chunk))
        for rows in (bare, annotated, FileRows(("a",), path=tmp_path / "a.npy"))
        for chunk in (1, 3, 10, 4096)
    }
    assert len(same) == 1
    changed = values.clone()
    changed[9, 4] += 1e-6
    for other in (changed, values.flip(0), values[:9], values.double()):
        assert str(measure(TensorRows(values=other), 4)) not in same


def test_rows_differ_by_their_shape() -> None:
    values = torch.rand(4, 6)
    shapes = [(4, 6), (4, 2, 3), (2, 12)]
    assert len({of_rows(TensorRows(values=values.reshape(shape))) for shape in shapes}) == 3
    assert of_rows(TensorRows(values=torch.empty(0, 3))) != of_rows(TensorRows(values=values))


def test_each_row_has_a_number_of_its_own() -> None:
    """Small whole numbers, as in digits, and rows that differ only in where a value lies."""
    rows = torch.cartesian_prod(*[torch.arange(8.0)] * 5)
    numbers = of_each_row(TensorRows(values=rows))
    assert numbers.dtype == np.uint64
    assert numbers.shape == (8**5,)
    assert len(np.unique(numbers)) == 8**5
    again = of_each_row(TensorRows(values=rows.flip(0)))
    assert np.array_equal(again[::-1], numbers)
    bits = np.unpackbits(numbers.view(np.uint8)).reshape(-1, 64).mean(axis=0)
    assert np.abs(bits - 0.5).max() < 0.02


def test_no_rows_have_no_numbers() -> None:
    assert of_each_row(TensorRows(values=torch.empty(0, 3))).shape == (0,)


class Jittered:
    """A dataset with a random view of its own."""

    def __init__(self, noise: float) -> None:
        self.noise = noise

    def __len__(self) -> int:
        return 30

    def __getitem__(self, row: int) -> torch.Tensor:
        return torch.full((2,), float(row)) + self.noise * torch.rand(2)


def test_rows_that_are_other_ones_each_time_have_no_fingerprint() -> None:
    assert of_rows(DatasetRows(dataset=Jittered(0.0)))
    with pytest.raises(RequestError) as refusal:
        of_rows(DatasetRows(dataset=Jittered(0.1), name="photos"))
    assert str(refusal.value) == (
        "photos gives other inputs each time it is read, so what teachers say of them cannot be kept; read the plain "
        "inputs, and let the training draw random views of them: training.augment"
    )
