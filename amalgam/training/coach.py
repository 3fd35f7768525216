"""A coach: who gives the trainer further rows for every step, what it asks of them, and how it learns these rows.

A step adds up the gradients of its own batch and of the rows that the coach has `further`, moves the weights, and lets
the coach `watch` what came of it. The companion says the loss of its rows, which no epoch's mean loss is told by, and
which moves no running average.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from torch import Tensor, nn

from amalgam.signals import Targets


class Coach(Protocol):
    """Who chooses, step by step, further rows that the student learns beside its own, and sees what came of it."""

    def further(self) -> tuple[Tensor, Targets]:
        """Inputs and targets of a step's further rows, on the device; the companion says their loss."""

    def watch(self, student: nn.Module) -> None:
        """See the student after the step."""

    def facts(self) -> dict[str, float]:
        """What the history says of an epoch beside its losses, such as means over its steps; asked at its end."""

    def tracked(self) -> dict[str, float]:
        """What a tracker is told of an epoch besides, which may be too much for a history."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to it."""


@contextmanager
def averages_kept(network: nn.Module) -> Iterator[None]:
    """Batches seen meanwhile are normalised by their own statistics, and leave the running averages as they are."""
    layers = [one for one in network.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)]
    before = [one.momentum for one in layers]
    for one in layers:
        one.momentum = 0.0
    try:
        yield
    finally:
        for one, momentum in zip(layers, before, strict=True):
            one.momentum = momentum
