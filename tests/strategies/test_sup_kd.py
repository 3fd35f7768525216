"""SupKD and SupUHC: imitation and supervision, on the labelled rows or everywhere, against the slow transcription."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from amalgam.signals import StudentOutput
from amalgam.strategies.sup_kd import SupKD
from amalgam.strategies.sup_uhc import SupUHC
from tests.reference import tc as slow
from tests.strategies.classes import drawn, labelled, student

KNOWN = {1: "c", 4: "e"}


def imitation(strategy: Any, mine: dict[str, float], said: Any) -> float:
    return slow.uhc_loss(mine, said) if isinstance(strategy, SupUHC) else slow.kd_loss(mine, said, 3.0)


@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize("kind", [SupKD, SupUHC])
def test_the_loss_equals_slow(kind: Any, everywhere: bool) -> None:
    panel, votes, said = drawn(6)
    strategy = kind(supervision=0.5, everywhere=everywhere)
    made = strategy.targets(panel, labelled(panel, **{name: row for row, name in KNOWN.items()}), votes, None)
    logits = student(7)
    loss = strategy.loss(StudentOutput(logits, torch.zeros(7, 1)), made)
    by_hand = 0.0
    for row in range(7) if everywhere else KNOWN:
        mine = dict(zip(panel.space.names, logits[row].tolist(), strict=True))
        by_hand += slow.with_labels(imitation(strategy, mine, said[row]), mine, KNOWN.get(row), 0.5)
    assert float(loss.sum) == pytest.approx(by_hand, rel=1e-4)
    assert float(loss.count) == (7 if everywhere else 2)


def test_what_was_stored_is_what_was_made() -> None:
    panel, votes, _ = drawn(6)
    made = SupUHC().targets(panel, labelled(panel, a=0), votes, None)
    again = type(made).of(made.arrays())
    assert type(again.said) is type(made.said)
    assert again.truth.exclusive
    for name, array in made.arrays().items():
        torch.testing.assert_close(array, again.arrays()[name], equal_nan=True)
    assert again.weights.tolist() == [[1, 1], *[[0, 0]] * 6]
