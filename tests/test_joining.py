"""Rows of several places as one: in memory and on disk, with their own annotations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from amalgam.errors import RequestError
from amalgam.fingerprint import of_each_row, of_rows
from amalgam.joining import JoinedRows, join, shown, shown_as
from amalgam.signals import FileRows, TensorRows
from amalgam.tokens import Reading

nan = torch.nan


def parts(tmp_path: Path, on_disk: bool) -> tuple[TensorRows, TensorRows | FileRows]:
    first = TensorRows(
        values=torch.arange(6.0).reshape(3, 2),
        annotated=torch.tensor([[1.0, 0], [0, 1], [nan, nan]]),
        labels=("a", "b"),
    )
    values, about = torch.arange(8.0).reshape(4, 2) + 10, {"annotated": torch.eye(4)[:, :2], "labels": ("b", "c")}
    np.save(tmp_path / "x.npy", values.numpy())
    return first, FileRows(path=tmp_path / "x.npy", **about) if on_disk else TensorRows(values=values, **about)  # type: ignore[arg-type]


@pytest.mark.parametrize("on_disk", [False, True])
def test_joined_rows_are_those_of_all_parts(tmp_path: Path, on_disk: bool) -> None:
    first, second = parts(tmp_path, on_disk)
    found = join([first, second], "both")
    assert isinstance(found, JoinedRows if on_disk else TensorRows)
    assert found.labels == ("a", "b", "c")
    assert (len(found), found.name) == (7, "both")
    wanted = torch.tensor([[1, 0, nan], [0, 1, nan], [nan] * 3, [nan, 1, 0], [nan, 0, 1], [nan, 0, 0], [nan, 0, 0]])
    assert found.annotated is not None
    torch.testing.assert_close(found.annotated, wanted, equal_nan=True)
    every = torch.cat([first.values, second.inputs(slice(None))])
    torch.testing.assert_close(found.inputs(slice(None)), every)
    some = torch.tensor([6, 0, 3, 3, 2])
    torch.testing.assert_close(found.inputs(some), every[some])
    taken = found.take(some)
    torch.testing.assert_close(taken.inputs(slice(1, 4)), every[some][1:4])
    torch.testing.assert_close(taken.take(torch.tensor([4])).inputs(slice(None)), every[[2]])
    assert found.inputs(slice(0, 0)).shape == (0, 2)
    in_memory = TensorRows(values=every)
    assert of_rows(found) == of_rows(in_memory)
    assert (of_each_row(found) == of_each_row(in_memory)).all()


def test_rows_of_other_shapes_are_refused_by_name(tmp_path: Path) -> None:
    first, _ = parts(tmp_path, on_disk=False)
    with pytest.raises(RequestError, match=r"the rows of data have the shape \(2,\) and those of wide \(3,\); bring"):
        join([first, TensorRows(values=torch.zeros(2, 3), name="wide")], "both")


def test_one_part_is_itself(tmp_path: Path) -> None:
    first, _ = parts(tmp_path, on_disk=False)
    assert join([first], "one") is first


def test_annotations_are_narrowed_to_some_labels(tmp_path: Path) -> None:
    first, _ = parts(tmp_path, on_disk=False)
    found = shown(first, ["b"])
    assert found.labels == ("b",)
    assert found.annotated is not None
    torch.testing.assert_close(found.annotated, torch.tensor([[0.0], [1.0], [nan]]), equal_nan=True)
    with pytest.raises(RequestError, match="data is not annotated with 'z'; its labels are 'a', 'b'"):
        shown(first, ["b", "z"])


def test_labels_that_others_imply_are_shown(tmp_path: Path) -> None:
    first, _ = parts(tmp_path, on_disk=False)
    implied = {"a": ("animal", "a"), "b": ("plant", "green", "b")}
    found = shown_as(first, ["plant", "stone", "animal"], implied)
    assert found.labels == ("plant", "animal")
    assert found.annotated is not None
    wanted = torch.tensor([[0.0, 1], [1, 0], [nan, nan]])
    torch.testing.assert_close(found.annotated, wanted, equal_nan=True)
    with pytest.raises(
        RequestError, match=r"annotated with none of 'stone', nor with labels that imply one; .* 'a', 'b'"
    ):
        shown_as(first, ["stone"], implied)


def test_a_row_may_have_a_source_s_label_itself_or_by_another(tmp_path: Path) -> None:
    first, _ = parts(tmp_path, on_disk=False)
    found = shown_as(first, ["b", "animal"], {"a": ("animal", "a"), "b": ("b",)}).annotated
    assert found is not None
    torch.testing.assert_close(found, torch.tensor([[0.0, 1], [1, 0], [nan, nan]]), equal_nan=True)


def test_a_row_without_a_label_of_the_source_is_annotated_with_none(tmp_path: Path) -> None:
    first, _ = parts(tmp_path, on_disk=False)
    found = shown_as(first, ["animal"], {"a": ("animal", "a"), "b": ("b",)}).annotated
    assert found is not None
    torch.testing.assert_close(found, torch.tensor([[1.0], [nan], [nan]]), equal_nan=True)


def test_texts_are_filled_up_to_the_longest_and_join_texts_alone() -> None:
    short = TensorRows(values=torch.tensor([[[1.0], [2.0]]]), texts=Reading(), name="short")
    long = TensorRows(values=torch.tensor([[[3.0], [4.0], [5.0]]]), texts=Reading(9), name="long")
    found = join([short, long], "both")
    assert found.texts == Reading()
    wanted = torch.tensor([[1.0, 2, nan], [3, 4, 5]])
    torch.testing.assert_close(found.inputs(slice(None))[..., 0], wanted, equal_nan=True)
    assert (of_each_row(found) == [*of_each_row(short), *of_each_row(long)]).all()
    with pytest.raises(RequestError, match="short has texts and plain numbers, and no student reads both"):
        join([short, TensorRows(values=torch.zeros(2, 2, 1), name="plain")], "both")
    other = TensorRows(values=torch.zeros(2, 2, 1), texts=Reading(tokenizer="bert"), name="other")
    with pytest.raises(RequestError, match="texts of short were read by hashing words and those of other by bert; set"):
        join([short, other], "both")
