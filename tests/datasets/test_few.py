"""The few labelled rows: a stratified share, a row of every class, the same for the same seed."""

from __future__ import annotations

import pytest
import torch

from amalgam.classes import truth_of
from amalgam.datasets.few import drawn, few, few_of_each
from amalgam.errors import RequestError
from amalgam.signals import TensorRows


def rows_of(sizes: list[int], unknown: int = 0) -> TensorRows:
    classes = torch.cat([torch.full((size,), label) for label, size in enumerate(sizes)])
    annotated = torch.cat([torch.eye(len(sizes))[classes], torch.full((unknown, len(sizes)), torch.nan)])
    values = torch.randn(len(annotated), 3, generator=torch.Generator().manual_seed(0))
    return TensorRows(values=values, annotated=annotated, labels=tuple("abcdefg"[: len(sizes)]), name="mine.npz")


def counts(rows: TensorRows) -> list[int]:
    assert rows.annotated is not None
    return torch.bincount(truth_of(rows.annotated) + 1, minlength=len(rows.labels) + 1)[1:].tolist()


@pytest.mark.parametrize(("share", "wanted"), [(0.02, [2, 2, 1]), (0.1, [10, 10, 1]), (1.0, [100, 100, 4])])
def test_every_class_has_its_share_and_at_least_a_row(share: float, wanted: list[int]) -> None:
    rows = rows_of([100, 100, 4])
    assert counts(few(rows, share, 3)) == wanted


def test_annotations_are_those_of_the_rows() -> None:
    rows = rows_of([40, 60], unknown=30)
    some = few(rows, 0.2, 1)
    assert rows.annotated is not None
    assert some.annotated is not None
    known = ~some.annotated.isnan().any(1)
    assert counts(some) == [8, 12]
    assert not known[100:].any(), "what nobody annotated"
    assert torch.equal(some.annotated[known], rows.annotated[known])
    assert torch.equal(some.values, rows.values)


def test_a_seed_is_a_draw() -> None:
    rows = rows_of([50, 50])
    one, again, other = (few(rows, 0.1, seed).annotated for seed in (1, 1, 2))
    assert torch.equal(one.isnan(), again.isnan())  # type: ignore[union-attr]
    assert not torch.equal(one.isnan(), other.isnan())  # type: ignore[union-attr]


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(RequestError) as raised:
        few(rows_of([5, 5]), share, 0)
    assert str(raised.value) == f"a share of {share:g} labelled rows; expected one above 0 and at most 1"


def test_rows_without_annotations_are_refused() -> None:
    with pytest.raises(RequestError) as raised:
        few(rows_of([5, 5]).unlabelled(), 0.5, 0)
    assert str(raised.value) == ("mine.npz has no annotated rows to draw labelled ones from; name its label columns")


@pytest.mark.parametrize(("shots", "wanted"), [(1, [1, 1, 1]), (3, [3, 3, 3]), (10, [10, 10, 4])])
def test_every_class_has_so_many_rows_or_all_that_there_are(shots: int, wanted: list[int]) -> None:
    rows = rows_of([30, 20, 4], unknown=5)
    assert counts(few_of_each(rows, shots, 3)) == wanted
    one, again, other = (few_of_each(rows, shots, seed).annotated for seed in (1, 1, 2))
    assert torch.equal(one.isnan(), again.isnan())  # type: ignore[union-attr]
    assert not torch.equal(one.isnan(), other.isnan())  # type: ignore[union-attr]


def test_no_annotations_are_no_shots() -> None:
    for rows in (rows_of([5, 5]).unlabelled(), rows_of([0, 0], unknown=4)):
        with pytest.raises(RequestError, match=r"mine.npz has no annotated rows to draw labelled ones from; name its"):
            few_of_each(rows, 1, 0)


@pytest.mark.parametrize("seed", range(5))
def test_a_row_counts_for_all_its_classes_and_the_rarest_choose_first(seed: int) -> None:
    """The one row of the rare class is one of the common class, too, which needs but one more."""
    positive = torch.tensor([[False, True]] * 6 + [[True, True]] + [[False, False]] * 3)
    found = drawn(positive, [2, 2], seed)
    assert len(found) == 2
    assert 6 in found.tolist()
    assert positive[found, 1].all()
    order = torch.randperm(10, generator=torch.Generator().manual_seed(seed)).tolist()
    assert found.tolist() == sorted(found.tolist(), key=order.index)
    assert len(drawn(positive, [0, -1], seed)) == 0
