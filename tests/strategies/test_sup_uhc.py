"""SupUHC: without supervision it is UHC; its loss with supervision is held against the slow one beside SupKD's."""

from __future__ import annotations

import torch

from amalgam.signals import StudentOutput
from amalgam.strategies.sup_uhc import SupUHC
from amalgam.strategies.uhc import UHC
from tests.strategies.classes import drawn, labelled, student


def test_without_supervision_and_everywhere_it_is_uhc() -> None:
    panel, votes, _ = drawn(8)
    rows, output = labelled(panel, a=0), StudentOutput(student(1), torch.zeros(7, 1))
    alone = SupUHC(supervision=0.0, everywhere=True)
    one = alone.loss(output, alone.targets(panel, rows, votes, None))
    other = UHC().loss(output, UHC().targets(panel, rows, votes, None))
    torch.testing.assert_close(one.sum, other.sum)
    torch.testing.assert_close(one.count, other.count)
