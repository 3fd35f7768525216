"""Laws of a split, on made-up and on real rows."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from amalgam import datasets
from amalgam.datasets.split import _greedy, split, twins
from amalgam.errors import RequestError
from amalgam.signals import FileRows, Rows, TensorRows

PARTS = {"train": 0.5, "validation": 0.2, "test": 0.3}


def made(rows: int, labels: int, seed: int, distinct: int | None = None) -> TensorRows:
    """Rows with rare and frequent, dependent labels; `distinct` inputs only, so that some rows are twins."""
    chance = np.random.default_rng(seed)
    inputs = chance.normal(size=(distinct or rows, 3)).astype(np.float32)[chance.integers(0, distinct or rows, rows)]
    annotated = chance.random((rows, labels)) < np.geomspace(0.02, 0.5, labels)
    annotated[:, -1] |= annotated[:, 0]
    names = tuple(f"label{number}" for number in range(labels))
    return TensorRows(
        labels=names, annotated=torch.from_numpy(annotated.astype(np.float32)), values=torch.from_numpy(inputs)
    )


def unevenness(rows: Rows, parts: dict[str, Rows], shares: dict[str, float]) -> float:
    """How many rows the parts' label counts miss their shares by, in the mean."""
    total = rows.annotated.sum(0)
    return float(torch.stack([(parts[n].annotated.sum(0) - s * total).abs() for n, s in shares.items()]).mean())


@settings(max_examples=40, deadline=None)
@given(
    st.integers(20, 200),
    st.integers(1, 5),
    st.integers(0, 99),
    st.sampled_from([None, 15]),
    st.sampled_from([PARTS, {"a": 0.5, "b": 0.3}, {"all": 1.0}]),
    st.booleans(),
)
def test_parts_are_disjoint_cover_and_keep_twins_together(
    count: int, labels: int, seed: int, distinct: int | None, shares: dict[str, float], labelled: bool
) -> None:
    rows = made(count, labels, seed, distinct)
    rows = rows if labelled else rows.unlabelled()
    parts = split(rows, shares, seed)
    assert list(parts) == list(shares)
    ids = torch.cat([part.ids for part in parts.values()])
    assert len(ids.unique()) == len(ids)
    if sum(shares.values()) == 1:
        assert sorted(ids.tolist()) == list(range(count))
    for part in parts.values():
        assert part.ids.tolist() == sorted(part.ids.tolist())
        assert torch.equal(part.resident, rows.resident[part.ids])
        assert part.annotated is None or torch.equal(part.annotated, rows.annotated[part.ids])
    seen = [{tuple(row) for row in part.resident.tolist()} for part in parts.values()]
    assert sum(map(len, seen)) == len(set().union(*seen))
    again = split(rows, shares, seed)
    assert all(torch.equal(part.ids, again[name].ids) for name, part in parts.items())


@pytest.mark.parametrize("seed", range(3))
def test_labels_keep_their_shares_far_better_than_by_chance(seed: int) -> None:
    rows = made(1000, 8, seed)
    stratified = unevenness(rows, split(rows, PARTS, seed), PARTS)
    by_chance = split(rows.unlabelled(), PARTS, seed)
    random = unevenness(rows, {name: rows.take(part.ids) for name, part in by_chance.items()}, PARTS)
    assert stratified < 1
    assert random > 4 * stratified


def test_the_rarest_label_is_divided_exactly() -> None:
    rows = made(1000, 6, 0)
    rarest = int(rows.annotated.sum(0).argmin())
    parts = split(rows, PARTS, 7)
    for name, share in PARTS.items():
        assert abs(float(parts[name].annotated[:, rarest].sum() - share * rows.annotated[:, rarest].sum())) < 1


def test_dependent_labels_stay_even() -> None:
    rows = datasets.load("digits").rows
    parts = split(rows, {"teachers": 0.6, "student": 0.2, "test": 0.2}, 0)
    for name, share in (("teachers", 0.6), ("student", 0.2), ("test", 0.2)):
        assert (parts[name].annotated.sum(0) - share * rows.annotated.sum(0)).abs().max() <= 4
        assert len(parts[name]) == pytest.approx(share * len(rows), abs=4)


def test_another_seed_gives_another_split_and_the_global_state_is_untouched() -> None:
    rows = made(200, 3, 0)
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = split(rows, PARTS, 0), split(rows, PARTS, 1)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    assert first["train"].ids.tolist() != second["train"].ids.tolist()


def test_unlabelled_rows_are_shared_out_exactly() -> None:
    parts = split(made(1000, 1, 0).unlabelled(), PARTS, 0)
    assert {name: len(part) for name, part in parts.items()} == {"train": 500, "validation": 200, "test": 300}
    assert parts["train"].ids.tolist() != list(range(500))


def test_missing_annotations_count_as_absent() -> None:
    rows = made(300, 2, 0)
    unknown = TensorRows(
        labels=rows.labels, annotated=torch.where(rows.annotated == 0, torch.nan, 1.0), values=rows.values
    )
    assert split(unknown, PARTS, 0)["test"].ids.tolist() == split(rows, PARTS, 0)["test"].ids.tolist()


def test_ids_of_a_part_go_back_to_the_first_data() -> None:
    rows = made(400, 3, 0)
    outer = split(rows, {"rest": 0.5, "test": 0.5}, 0)["rest"]
    shuffled = outer.take(torch.randperm(len(outer), generator=torch.Generator().manual_seed(0)))
    inner = split(shuffled, {"a": 0.5, "b": 0.5}, 0)["a"]
    assert torch.equal(inner.resident, rows.resident[inner.ids])
    assert inner.ids.tolist() == sorted(inner.ids.tolist())


@given(st.lists(st.integers(0, 12), min_size=1, max_size=4), st.integers(1, 3), st.integers(1, 12), st.integers(0, 9))
@settings(deadline=None)
def test_greedy_counts_are_those_of_one_group_after_the_other(
    quarters: list[int], weight: int, count: int, seed: int
) -> None:
    demand = np.array(quarters) / 4 + np.arange(len(quarters)) / 100  # no ties, which chance decides
    wants, expected = demand.copy(), np.zeros(len(demand), dtype=int)
    for _ in range(count):
        part = int(np.argmax(wants))
        wants[part] -= weight
        expected[part] += 1
    counts = _greedy(demand, np.zeros(len(demand)), weight, count, np.random.default_rng(seed))
    assert counts.tolist() == expected.tolist()


def test_ties_go_to_the_part_that_wants_more_rows() -> None:
    chance = np.random.default_rng(0)
    assert all(_greedy(np.ones(2), np.array([1.0, 2.0]), 1, 1, chance).tolist() == [0, 1] for _ in range(20))
    assert {tuple(_greedy(np.ones(2), np.ones(2), 1, 1, chance)) for _ in range(20)} == {(0, 1), (1, 0)}


def test_twins_are_rows_with_identical_inputs(tmp_path: Path) -> None:
    values = np.array([[1, 2], [2, 1], [1, 2], [0, 0], [-0.0, 0], [0, 1], [2, 1]], dtype=np.float32)
    assert twins(TensorRows(values=torch.from_numpy(values))).tolist() == [0, 1, 0, 2, 2, 3, 1]
    np.save(tmp_path / "x.npy", values)
    assert twins(FileRows(path=tmp_path / "x.npy")).tolist() == [0, 1, 0, 2, 2, 3, 1]


def test_twins_do_not_collide_and_are_found_across_chunks() -> None:
    grid = torch.cartesian_prod(*[torch.arange(12.0)] * 4)
    assert twins(TensorRows(values=torch.cat([grid, grid]))).tolist() == [*range(len(grid))] * 2


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "no part to split the data into; name at least one with its share, such as train: 0.6"),
        ({"train": 0.6, "test": 0.0}, "part 'test' has a share of 0; a share is above 0 and at most 1"),
        ({"train": -0.1}, "part 'train' has a share of -0.1; a share is above 0 and at most 1"),
        ({"train": float("nan")}, "part 'train' has a share of nan; a share is above 0 and at most 1"),
        ({"train": 60}, "part 'train' has a share of 60; a share is above 0 and at most 1"),
        (
            {"train": 0.8, "test": 0.3},
            "the parts' shares add up to 1.1 ('test' 0.3, 'train' 0.8), expected at most 1; lower one of them",
        ),
        (
            {"train": 0.99, "test": 0.01},
            "part 'test' with a share of 0.01 gets none of the 30 rows of data 'data' (30 distinct); raise its share "
            "or bring more rows",
        ),
    ],
)
def test_wrong_shares_are_refused(parts: dict[str, float], message: str) -> None:
    rows = TensorRows(values=torch.arange(30.0)[:, None])
    with pytest.raises(RequestError, match=f"^{re.escape(message)}$"):
        split(rows, parts, 0)


def test_shares_may_add_up_to_one_but_for_rounding() -> None:
    parts = split(made(100, 1, 0), {str(number): 0.1 for number in range(10)}, 0)
    assert sum(map(len, parts.values())) == 100


def test_the_order_of_parts_does_not_matter() -> None:
    loaded = datasets.load("digits").rows
    shares = {"a": 0.25, "b": 0.25, "c": 0.3, "d": 0.2}
    ahead, turned = split(loaded, shares, 0), split(loaded, dict(reversed(shares.items())), 0)
    assert all(torch.equal(ahead[part].ids, turned[part].ids) for part in shares)
