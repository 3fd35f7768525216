"""The target's labelled rows: what is none, and those that the reward is told by."""

from __future__ import annotations

import pytest
import torch

from amalgam.errors import RequestError
from amalgam.signals import TensorRows
from amalgam.transfer.target import divided, target_of


def rows(annotated: list[list[float]]) -> TensorRows:
    said = torch.tensor(annotated)
    return TensorRows(
        values=torch.arange(len(said)).float()[:, None], labels=tuple("abcdef"[: said.shape[1]]), annotated=said,
        name="mine.csv",
    )  # fmt: skip


def classes(*sizes: int) -> TensorRows:
    return rows([[float(one == place) for place in range(len(sizes))]
                 for one, size in enumerate(sizes) for _ in range(size)])  # fmt: skip


def test_rows_of_one_class_each_are_one_task() -> None:
    found = target_of(rows([[1, 0], [torch.nan, 1], [0, 1]]))
    assert found.rows.ids.tolist() == [0, 2]
    assert dict(found.tasks) == {"class": ("a", "b")}
    assert found.spans == found.truth.spans == ((0, 2),)
    several = target_of(rows([[1, 0], [1, 1]]))
    assert several.tasks == {}
    assert several.spans == ()
    assert target_of(rows([[1], [0]])).tasks == {}


def test_what_is_no_target_is_refused() -> None:
    nothing = r"the target mine.csv has no rows that are annotated in full; name its label columns in data.options"
    for odd in (rows([[1, torch.nan]]), TensorRows(values=torch.zeros(2, 1), name="mine.csv")):
        with pytest.raises(RequestError, match=nothing):
            target_of(odd)
    with pytest.raises(RequestError, match=r"the 2 labelled rows of the target mine.csv are all of one class; show"):
        target_of(rows([[1, 0], [1, 0]]))


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_every_class_keeps_rows_to_learn_and_has_some_held(share: float) -> None:
    target = target_of(classes(40, 30, 20, 10))
    learn, held = divided(target, share, 0)
    assert len(learn.rows) + len(held.rows) == len(target.rows)
    assert held.rows.annotated is not None
    assert target.rows.annotated is not None
    counts = target.rows.annotated.sum(0)
    torch.testing.assert_close(held.rows.annotated.sum(0), (share * counts).round())
    assert set(learn.rows.ids.tolist()).isdisjoint(held.rows.ids.tolist())
    again, other = divided(target, share, 0)[1], divided(target, share, 1)[1]
    assert torch.equal(again.rows.ids, held.rows.ids)
    assert not torch.equal(other.rows.ids, held.rows.ids)


def test_a_class_of_two_rows_has_one_to_learn_and_one_held() -> None:
    learn, held = divided(target_of(classes(2, 20)), 0.05, 0)
    for part in (learn, held):
        assert part.rows.annotated is not None
        assert int(part.rows.annotated[:, 0].sum()) == 1


@pytest.mark.parametrize("shots", [1, 3])
def test_one_row_of_each_class_leaves_none_to_tell_the_reward_by(shots: int) -> None:
    target = target_of(classes(shots, shots))
    if shots == 1:
        with pytest.raises(RequestError, match=r"the 2 labelled rows of the target leave none to tell the reward by"):
            divided(target, 0.9, 0)
        return
    learn, held = divided(target, 0.9, 0)
    assert (len(learn.rows), len(held.rows)) == (2, 4)


@pytest.mark.parametrize("seed", range(8))
def test_a_row_that_is_held_for_a_label_is_given_back_if_others_have_no_row_left(seed: int) -> None:
    """The labels a and b are on one row alone; it may be drawn for c, and comes back once, for both."""
    target = target_of(rows([[1, 1, 1], [0, 0, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0]]))
    learn, held = divided(target, 0.5, seed)
    assert 0 in learn.rows.ids.tolist()
    assert len(learn.rows) + len(held.rows) == 5
    assert learn.rows.annotated is not None
    assert learn.rows.annotated.any(0).all()
    assert bool((learn.rows.annotated.sum(1) == 0).any()), "a row without labels is one to learn from, too"


def test_a_class_of_one_row_asks_for_none_to_be_held() -> None:
    """Else its row would count as held for the other class, and then be given back."""
    target = target_of(rows([[1, 1], [0, 1], [0, 0], [0, 0], [0, 0]]))
    held = [divided(target, 0.5, seed)[1].rows.ids.tolist() for seed in range(8)]
    assert any(1 in one for one in held)
    assert not any(0 in one for one in held)
