"""DATL: the source is drawn anew, as often as the target asks for each class."""

from __future__ import annotations

import pytest
import torch

from amalgam.errors import RequestError
from amalgam.strategies.datl import DATL
from amalgam.transfer.source import Source, annotated
from tests.transfer.test_source import rows


def test_the_source_is_drawn_by_what_its_network_says_of_the_target() -> None:
    source = annotated({"x": rows([0] * 500 + [1] * 400 + [2] * 100)})

    def ask(some: Source) -> torch.Tensor:
        assert some is source
        return torch.tensor([[0.0, 0.2, 0.8], [0.0, 0.4, 0.6]])

    found = DATL().begins_with(source, ask, 0)
    share = found.counts / len(found.rows)
    torch.testing.assert_close(share, torch.tensor([0.0, 0.3, 0.7]), atol=0.05, rtol=0)
    assert len(found.rows) == 1000


def test_several_sources_are_refused() -> None:
    source = annotated({"x": rows([0, 1]), "y": rows([0, 1])})
    with pytest.raises(RequestError, match=r"matches the classes of one source, and there are 'x \(2 classes\)'"):
        DATL().begins_with(source, lambda some: torch.zeros(1, 4), 0)
