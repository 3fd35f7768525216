"""The rows of some labels alone, and so many of each."""

from __future__ import annotations

import pytest
import torch

from amalgam import datasets, recipe
from amalgam.datasets import DataOptions
from amalgam.datasets.few import few_of_each
from amalgam.errors import RequestError
from amalgam.signals import TensorRows


def test_rows_of_other_labels_are_left_out() -> None:
    loaded = datasets.load("digits-numerals", DataOptions(only=("nine", "one")))
    assert loaded.rows.labels == ("nine", "one")
    assert loaded.rows.annotated is not None
    assert (loaded.rows.annotated.sum(1) == 1).all()
    whole = datasets.load("digits-numerals").rows
    assert whole.annotated is not None
    wanted = whole.annotated[:, [whole.labels.index("nine"), whole.labels.index("one")]]
    assert len(loaded.rows) == int(wanted.any(1).sum())
    assert torch.equal(loaded.rows.ids, wanted.any(1).nonzero()[:, 0])
    assert (
        loaded.notes[-1]
        == f"{1797 - len(loaded.rows)} of 1797 rows have none of the labels asked for and were left out"
    )


def test_unknown_labels_are_named() -> None:
    with pytest.raises(
        RequestError, match=r"has no label 'nnie', which the data option `only` names.*did you mean 'nine'"
    ):
        datasets.load("digits-numerals", DataOptions(only=("nnie",)))


def rows(annotated: list[list[float]]) -> TensorRows:
    said = torch.tensor(annotated, dtype=torch.float)
    return TensorRows(values=torch.zeros(len(said), 2), labels=("a", "b", "c")[: said.shape[1]], annotated=said)


@pytest.mark.parametrize("shots", [1, 3, 5])
def test_so_many_of_each_class(shots: int) -> None:
    some = rows([[1, 0, 0]] * 9 + [[0, 1, 0]] * 4 + [[0, 0, 1]] * 7)
    found = few_of_each(some, shots, 3)
    assert found.annotated is not None
    counts = found.annotated.nansum(0).tolist()
    assert counts == [min(shots, have) for have in (9, 4, 7)]
    again = few_of_each(some, shots, 3).annotated
    assert again is not None
    assert torch.equal(found.annotated.isnan(), again.isnan())
    other = few_of_each(some, shots, 4).annotated
    assert other is not None
    assert not torch.equal(found.annotated.isnan(), other.isnan())


def test_a_row_of_several_labels_counts_for_each() -> None:
    some = rows([[1, 1, 0], [1, 1, 0], [0, 1, 1], [1, 0, 0], [0, 0, 0], [1, 0, 1]])
    found = few_of_each(some, 2, 0).annotated
    assert found is not None
    assert (found.nansum(0) >= 2).all()
    assert found[4].isnan().all()


def test_nothing_annotated_is_refused() -> None:
    with pytest.raises(RequestError, match="has no annotated rows to draw labelled ones from"):
        few_of_each(TensorRows(values=torch.zeros(2, 2)), 1, 0)
    with pytest.raises(RequestError, match="labelled or shots, not both"):
        recipe.read("tc", assignments=("data.shots=2",))
