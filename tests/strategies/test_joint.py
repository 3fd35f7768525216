"""Joint training: every class of the source counts as much."""

from __future__ import annotations

import torch

from amalgam.strategies.joint import Joint


def test_every_class_has_the_weight_1_and_alpha_is_learned() -> None:
    torch.manual_seed(0)
    policy = Joint().policy(5)
    for _ in range(3):
        action = policy.act()
        assert action.weights.tolist() == [1.0] * 5
        assert 0 <= float(action.alpha) <= 0.5
    before = policy.scale.clone()
    for reward in (0.1, 0.9):
        policy.learn(policy.act(), torch.ones(5, dtype=torch.bool), reward)
    assert not torch.equal(policy.scale, before)
    assert not policy.logits.any()
