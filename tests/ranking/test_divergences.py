"""Divergences of summaries, against numbers worked out by hand and the slow reference."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from amalgam.ranking.divergences import EPSILON, Divergence, apart, smoothed
from tests.reference import ranking as reference

KINDS: tuple[Divergence, ...] = get_args(Divergence)


def far(kind: Divergence, target: list[float], source: list[float]) -> float:
    return float(apart(kind, torch.tensor(target).double(), torch.tensor(source).double()))


def test_divergences_by_hand() -> None:
    even, uneven = [0.5, 0.5], [0.25, 0.75]
    assert far("kl", even, uneven) == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3))
    assert far("kl", uneven, even) == pytest.approx(0.25 * math.log(0.5) + 0.75 * math.log(1.5))
    middle = 0.5 * math.log(0.5 / 0.375) + 0.5 * math.log(0.5 / 0.625)
    other = 0.25 * math.log(0.25 / 0.375) + 0.75 * math.log(0.75 / 0.625)
    assert far("js", even, uneven) == pytest.approx((middle + other) / 2)
    assert far("chi2", even, uneven) == pytest.approx((1 / 16 / 0.75 + 1 / 16 / 1.25) / 2)
    assert far("euclidean", even, uneven) == pytest.approx(math.sqrt(2) / 4)
    assert far("cityblock", even, uneven) == pytest.approx(0.5)


def test_what_share_nothing_are_as_far_apart_as_can_be() -> None:
    one, other = [1.0, 0.0], [0.0, 1.0]
    assert far("js", one, other) == pytest.approx(math.log(2), abs=1e-4)
    assert far("chi2", one, other) == pytest.approx(1, abs=1e-4)
    assert far("kl", one, other) == pytest.approx(math.log(1 / EPSILON), rel=1e-3)
    assert far("euclidean", one, other) == pytest.approx(math.sqrt(2))
    assert far("cityblock", one, other) == pytest.approx(2)


def test_what_is_not_above_0_is_smoothed_and_all_adds_up_to_1() -> None:
    found = smoothed(torch.tensor([0.5, 0.0, -0.25, 0.25]).double(), 0.125)
    assert found.tolist() == [0.5, 0.125, 0.125, 0.25]
    assert smoothed(torch.zeros(4).double()).tolist() == [0.25] * 4


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(0, 10_000))
def test_divergences_are_the_references_also_of_many_samples_at_once(kind: Divergence, width: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    target, source = chance.normal(0.3, 1, (2, width)).clip(-0.2, None)
    target, source = (one / max(np.abs(one).sum(), 1e-9) for one in (target, source))
    wanted = reference.divergence(kind, target, source, EPSILON)
    ours = apart(kind, torch.from_numpy(target), torch.from_numpy(source))
    assert float(ours) == pytest.approx(wanted, abs=1e-12)
    many = apart(kind, torch.from_numpy(np.stack([target, target])), torch.from_numpy(np.stack([source, target])))
    assert many.tolist() == [pytest.approx(wanted, abs=1e-12), pytest.approx(0, abs=1e-12)]
