"""Random search: weights of classes are drawn, and never learned."""

from __future__ import annotations

import torch

from amalgam.strategies.random_search import RandomSearch


def test_weights_are_drawn_and_not_learned() -> None:
    torch.manual_seed(0)
    policy = RandomSearch().policy(500)
    drawn = policy.act().weights
    assert set((drawn * 10).round().int().tolist()) == set(range(11))
    for reward in (0.1, 0.9, 0.2):
        policy.learn(policy.act(), torch.ones(500, dtype=torch.bool), reward)
    assert not policy.logits.any()
    assert policy.scale.any()
