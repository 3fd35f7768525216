"""The policy against a transcription of the paper, and against what it must learn."""

from __future__ import annotations

import math
from copy import deepcopy

import pytest
import torch

from amalgam.transfer import policy as fast
from amalgam.transfer.policy import Action, Policy
from amalgam.transfer.source import importance
from tests.reference import l2tl as slow


def made(mode: fast.Mode = "learned", rate: float = 0.01) -> Policy:
    one = Policy(3, 5, 7, 0.5, 0.05, rate, mode).double()
    with torch.no_grad():
        one.logits.copy_(torch.randn(3, 5, generator=torch.Generator().manual_seed(1)))
        one.scale.copy_(torch.randn(7, generator=torch.Generator().manual_seed(2)))
    return one


def test_actions_mean_what_the_paper_says() -> None:
    chosen = [0, 3, 10]
    assert fast.class_weights(torch.tensor(chosen), 11).tolist() == pytest.approx(slow.weights_of(chosen, 11))
    for k in (0, 42, 99):
        assert float(fast.alphas(torch.tensor(k), 100, 0.5)) == pytest.approx(slow.alpha_of(k, 100, 0.5))


@pytest.mark.parametrize("weights", [[0.1, 0.5, 0.5, 1, 0.5, 0], [0, 0, 0.2], [0.5, 0.5], [0.0, 0.0, 0.0]])
def test_the_highest_weights_are_selected_and_of_equals_the_first(weights: list[float]) -> None:
    size = max(1, len(weights) // 2)
    assert fast.selected(torch.tensor(weights), size).tolist() == slow.chosen(weights, size)


def test_rewards_move_the_policy_as_the_transcription_says() -> None:
    """Four steps, with a class that is absent in some."""
    one = made()
    logits = [*one.logits.flatten().tolist(), *one.scale.tolist()]
    moments, before = slow.Moments([0.0] * len(logits), [0.0] * len(logits)), None
    steps = [([0, 2, 4], 3, [True, True, True], 0.3), ([1, 1, 0], 0, [True, False, True], 0.7),
             ([4, 0, 2], 6, [False, False, True], 0.1), ([3, 3, 3], 2, [True, True, False], 0.9)]  # fmt: skip
    for number, (chosen, scale, present, reward) in enumerate(steps, start=1):
        gained = slow.advantage_of(reward, before)
        before = slow.baseline(before, reward, 0.05)
        classes = [logits[first : first + 5] for first in (0, 5, 10)]
        told = slow.policy_gradient(classes, chosen, gained, present)
        told += slow.policy_gradient([logits[15:]], [scale], gained, [True])
        logits, moments = slow.adam(logits, [one for row in told for one in row], moments, 0.01, number)
        action = Action(torch.tensor(chosen), torch.tensor(scale), torch.empty(0), torch.empty(0))
        assert one.learn(action, torch.tensor(present), reward) == pytest.approx(gained)
        assert one.baseline == pytest.approx(before)
        torch.testing.assert_close(one.logits.flatten(), torch.tensor(logits[:15]).double())
        torch.testing.assert_close(one.scale.detach(), torch.tensor(logits[15:]).double())


def test_a_policy_learns_which_class_pays() -> None:
    """The reward is the second class's weight less the third's; the first's does not matter."""
    torch.manual_seed(0)
    one = Policy(3, 11, 20, 0.5, 0.05, 0.05, "learned")
    for _ in range(600):
        action = one.act()
        one.learn(action, torch.ones(3, dtype=torch.bool), float(action.weights[1] - action.weights[2]))
    assert one.expected[1] > 0.8
    assert one.expected[2] < 0.2
    assert 0.2 < one.expected[0] < 0.8


@pytest.mark.parametrize("mode", ["random", "uniform"])
def test_without_learning_the_weights_alpha_still_learns(mode: fast.Mode) -> None:
    torch.manual_seed(0)
    one = Policy(3, 11, 20, 0.5, 0.05, 0.05, mode)
    for _ in range(300):
        action = one.act()
        one.learn(action, torch.ones(3, dtype=torch.bool), float(action.alpha))
    assert one.expected_alpha > 0.4
    assert one.expected.tolist() == pytest.approx([1.0 if mode == "uniform" else 0.5] * 3)
    if mode == "uniform":
        assert one.act().weights.tolist() == [1.0, 1.0, 1.0]


def test_a_restored_policy_goes_on_as_the_saved_one() -> None:
    one, other = made(), made()
    present = torch.ones(3, dtype=torch.bool)
    torch.manual_seed(3)
    for reward in (0.2, 0.8):
        one.learn(one.act(), present, reward)
    other.restore(deepcopy(one.saved()))  # as a checkpoint is: read anew
    for policy in (one, other):
        torch.manual_seed(4)
        policy.learn(policy.act(), present, 0.5)
    assert torch.equal(one.logits, other.logits)
    assert torch.equal(one.scale, other.scale)
    assert one.baseline == other.baseline


def test_the_first_reward_begins_the_average() -> None:
    assert fast.advantage(0.4, math.nan) == 0.0
    assert fast.moving_average(math.nan, 0.4, 0.05) == 0.4
    assert fast.moving_average(0.6, 0.8, 0.05) == pytest.approx(slow.baseline(0.6, 0.8, 0.05))


@pytest.mark.parametrize("counts", [[4, 2, 2, 0], [1, 3, 1, 1]])
def test_the_prior_is_matched_as_the_transcription_says(counts: list[int]) -> None:
    rows = [[0.6, 0.2, 0.2, 0.0], [0.4, 0.4, 0.2, 0.0]]
    found = importance(torch.tensor(rows).mean(0), torch.tensor(counts))
    assert found.tolist() == pytest.approx(slow.prior_matching(rows, counts))
