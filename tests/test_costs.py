"""What models cost, measured and added up."""

from __future__ import annotations

import time

import pytest
import torch
from torch import Tensor

from amalgam.costs import Cost, latency, total


def test_the_ensemble_costs_the_sum_of_its_teachers() -> None:
    assert total([Cost(1, 4, 0.1, 0.2), Cost(2, 8, 0.3, 0.4)]) == Cost(3, 12, pytest.approx(0.4), pytest.approx(0.6))
    assert total([Cost(1, 4, 0.1, 0.2), Cost(None, 8, 0.3, 0.4)]).parameters is None


def test_latency_is_the_median_of_repeated_runs_within_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    naps = iter([9.0, 1.0, 5.0, 1.0, 2.0, 1.0])  # the first warms up

    def score(inputs: Tensor) -> Tensor:
        nonlocal now
        now += next(naps)
        return inputs

    monkeypatch.setattr(time, "perf_counter", lambda: now)
    assert latency(score, torch.zeros(1, 1), seconds=9.5) == 1.0
    assert next(naps, None) is None
