"""A teacher's habit: thresholds and usual sizes equal slow counts, however the votes are cut."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from amalgam.habit import Habit, expected_threshold, learn_habit
from tests.reference import habit as slow

FINE = 1 / 32


def drawn(seed: int, rows: int) -> Tensor:
    """Votes (N, 5): of all sorts of teachers, none within 1/512 of a threshold that could be."""
    chance = torch.Generator().manual_seed(seed)
    size, mean = torch.tensor([0.3, 1.0, 3.0, 12.0, 0.0]), torch.tensor([-1.0, -3.0, 0.5, -4.0, 2.0])
    votes = torch.randn(rows, 5, generator=chance) * size + mean
    return ((votes * 32).floor() + torch.rand(rows, 5, generator=chance) * 7 / 8 + 1 / 16) / 32


def truth(votes: Tensor, prevalence: float) -> slow.Habit:
    """The slow habit of votes (N, l), whose labels are numbers in words."""
    return slow.learn([{str(j): logit for j, logit in enumerate(row)} for row in votes.tolist()], prevalence)


def assert_is(habit: Habit, wanted: slow.Habit) -> None:
    assert habit.threshold.dtype == habit.usual.dtype == torch.float32
    assert habit.threshold.tolist() == list(wanted.threshold.values())
    usual = torch.tensor([list(wanted.denied.values()), list(wanted.affirmed.values())])
    torch.testing.assert_close(habit.usual, usual, rtol=1e-5, atol=0)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 60),
    st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    st.sampled_from([1, 2, 7, 60]),
)
def test_a_habit_is_that_of_a_slow_count_in_any_chunks(seed: int, rows: int, prevalence: float, chunk: int) -> None:
    votes = drawn(seed, rows)
    assert_is(learn_habit(lambda: votes.split(chunk), prevalence), truth(votes, prevalence))
    assert_is(learn_habit(lambda: votes[:, :1].split(chunk), prevalence), truth(votes[:, :1], prevalence))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 300))
def test_no_other_threshold_affirms_more_nearly_as_many_rows_as_expected(seed: int, rows: int) -> None:
    votes = drawn(seed, rows)
    threshold, expected = expected_threshold(votes.split(100)), votes.double().sigmoid().sum(0)
    assert threshold.shape == (5,)
    missed = ((votes > threshold).sum(0) - expected).abs()
    others = torch.arange(-512, 513)[:, None, None] / 32
    assert (missed <= ((votes > others).sum(1) - expected).abs()).all()
    assert torch.equal(threshold * 32, (threshold * 32).round())


@pytest.mark.parametrize(
    ("logits", "threshold"),
    [
        ([5.0], 0.0),  # .993 of a row is expected: this one
        ([-5.0], 0.0),
        ([0.0, 0.0], 0.0),  # one of two is expected, but none can be told from the other
        ([3.0] * 7, 0.0),  # whoever is sure of all is right to affirm all
        ([-3.0] * 7, 0.0),
        ([4.6] * 6 + [-4.6] * 4, 0.0),  # hard votes stay where they are
        ([-0.25, -0.75, -1.0, -1.5], -9 / 32),  # 1.21: the first, so the next of the grid below it
        ([-0.1, -0.2, -0.3, -0.4, -0.5], -7 / 32),  # 2.13: two
        ([0.1, 0.2, 0.3, 0.4, 0.5], 7 / 32),  # 2.87: three; one at the threshold would be denied
        ([3.0, 1.0, 0.5, 0.25], 8 / 32),  # 2.87 again: the last is at it
        ([-0.5] * 9 + [-0.4], -13 / 32),  # 3.80 is nearer to one than to ten
        ([-0.5] * 2 + [-30.0] * 5, 0.0),  # 0.76 is nearer to none than to two
        ([20.0, 30.0, 1e4], 0.0),
        ([20.0, -1.0, -2.0, -40.0], 0.0),  # 1.39
        ([1e30, -1e30], 0.0),
    ],
)
def test_thresholds_by_hand(logits: list[float], threshold: float) -> None:
    assert slow.expected_threshold(logits) == threshold
    assert expected_threshold([torch.tensor(logits)[:, None]]).tolist() == [threshold]


def test_a_side_that_was_hardly_seen_is_as_usual_as_if_seen_once_at_one() -> None:
    """A label always denied, one always affirmed, one at the threshold: that is denied, at no distance."""
    votes = torch.tensor([[-2.0, 5.0, 0.0], [-4.0, 3.0, 0.0], [-6.0, 1.0, 0.0]])
    habit = learn_habit(lambda: [votes], 0.0)
    assert habit.threshold.tolist() == [0, 0, 0]
    assert habit.usual.tolist() == [[13 / 4, 1, 1 / 4], [1, 10 / 4, 1]]
    one = learn_habit(lambda: [votes[:1]], 1.0)
    assert one.threshold.tolist() == [0, 0, 0]
    assert one.usual.tolist() == [[3 / 2, 1, 1 / 2], [1, 6 / 2, 1]]


def test_a_habit_at_the_threshold_everywhere_weighs_finitely() -> None:
    habit = learn_habit(lambda: [torch.zeros(4_000_000, 1)], 0.0)
    assert habit.usual.flatten().tolist() == pytest.approx([1e-6, 1.0])
    assert habit.sureness(torch.tensor([[0.0]])).tolist() == [[0.0]]


def test_sureness_is_beside_what_is_usual_on_a_claims_own_side() -> None:
    habit = Habit(torch.tensor([7.0, -7.0]), torch.tensor([[4.0, 1.0], [0.5, 2.0]]))
    claims = torch.tensor([[-2.0, -2.0], [2.0, 2.0], [0.0, -0.0], [torch.nan, 1.0]])
    wanted = torch.tensor([[0.5, 2.0], [4.0, 1.0], [0.0, 0.0], [torch.nan, 0.5]])
    torch.testing.assert_close(habit.sureness(claims), wanted, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize(("prevalence", "readings"), [(0.0, 1), (0.25, 2), (1.0, 2)])
def test_votes_are_read_chunk_by_chunk_and_none_is_kept(prevalence: float, readings: int) -> None:
    read = list[int]()

    def votes() -> Iterator[Tensor]:
        read.append(0)
        before = list[weakref.ref[Tensor]]()
        for seed in range(6):
            assert all(one() is None for one in before[:-1])
            chunk = drawn(seed, 50)
            before.append(weakref.ref(chunk))
            read[-1] += 1
            yield chunk
            del chunk

    habit = learn_habit(votes, prevalence)
    assert read == [6] * readings
    assert_is(habit, truth(torch.cat([drawn(seed, 50) for seed in range(6)]), prevalence))
