"""UHC: each teacher imitated on its own classes, against the slow transcription."""

from __future__ import annotations

import pytest
import torch

from amalgam.signals import StudentOutput, TensorRows
from amalgam.strategies.uhc import UHC
from tests.reference import tc as slow
from tests.strategies.classes import drawn, student


@pytest.mark.parametrize("seed", range(5))
def test_the_loss_equals_slow(seed: int) -> None:
    panel, votes, said = drawn(seed)
    made, logits = UHC().targets(panel, TensorRows(), votes, None), student(seed).requires_grad_()
    loss = UHC().loss(StudentOutput(logits, torch.zeros(7, 1)), made)
    by_hand = sum(
        slow.uhc_loss(dict(zip(panel.space.names, logits[row].tolist(), strict=True)), said[row]) for row in range(7)
    )
    assert float(loss.sum.detach()) == pytest.approx(by_hand, rel=1e-5)
    assert float(loss.count) == 7
    loss.sum.backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
