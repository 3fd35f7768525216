"""L2TL as a strategy; its policy and its steps are held against transcriptions in `tests/transfer`."""

from __future__ import annotations

import pytest

from amalgam import recipe, strategies
from amalgam.errors import RequestError
from amalgam.strategies.l2tl import L2TL
from amalgam.transfer.method import Beside


def test_the_paper_s_settings_are_the_defaults() -> None:
    """Supplementary A, and 11 actions as in section 4."""
    one = L2TL()
    assert (one.actions, one.scales, one.beta, one.gamma, one.policy_rate) == (11, 100, 0.5, 0.05, 1e-4)
    assert (one.source_batch, one.multiple, one.reward_batch, one.reward) == (256, 5, 1024, "accuracy")
    assert one.mode == "learned"
    assert recipe.read("l2tl-paper").strategy == {"name": "l2tl"}


def test_its_policy_has_a_row_for_every_class() -> None:
    policy = L2TL(actions=6, scales=9, beta=1.0).policy(4)
    assert policy.logits.shape == (4, 6)
    assert policy.scale.shape == (9,)
    assert policy.expected.tolist() == pytest.approx([0.5] * 4)
    assert policy.expected_alpha == pytest.approx(0.5)
    assert policy.optimizer.param_groups[0]["lr"] == 1e-4


def test_what_is_no_setting_is_refused() -> None:
    for spec, message in (
        ({"name": "l2tl", "reward": "f1"}, "strategy.reward is 'f1'"),
        ({"name": "l2tl", "validation": 1.0}, "strategy.validation is 1.0"),
        ({"name": "l2tl", "gama": 0.1}, "unknown key 'strategy.gama'; did you mean 'gamma'"),
        ({"name": "kd"}, "strategy 'kd' takes no source"),
    ):
        with pytest.raises(RequestError, match=message):
            strategies.build_transfer(spec, "here")
    with pytest.raises(RequestError, match="'l2tl' transfers from a source to a target; name one with --source"):
        strategies.build({"name": "l2tl"}, "here")
    assert isinstance(strategies.build_transfer({"name": "l2tl"}, "here"), Beside)
