"""Teachers of classes and what they say, as tensors and as class → logit, for the tests of methods of classes."""

from __future__ import annotations

import torch

from amalgam.panel import Ballots, Panel, Seat, seat
from amalgam.signals import TensorRows, Votes
from tests.class_laws import Chooses

SETS = (("a", "b", "c"), ("c", "d"), ("b", "c", "e"))
ROWS = 7


def drawn(seed: int) -> tuple[Panel, Votes, list[list[dict[str, float]]]]:
    """Three teachers of five classes, what they say of 7 rows, and the same as class → logit, row by row."""
    chance = torch.Generator().manual_seed(seed)
    panel = seat([Seat(f"t{k}", Chooses(own, k)) for k, own in enumerate(SETS)])
    scores = tuple(3 * torch.randn(ROWS, len(own), generator=chance) for own in SETS)
    said = [[dict(zip(own, scores[k][row].tolist(), strict=True)) for k, own in enumerate(SETS)] for row in range(ROWS)]
    return panel, Ballots(panel, ROWS, scores).at(slice(0, ROWS)), said


def labelled(panel: Panel, **classes: int) -> TensorRows:
    """7 series, of which some are labelled: class → row."""
    annotated = torch.full((ROWS, len(panel.space.names)), torch.nan)
    for name, row in classes.items():
        annotated[row] = torch.eye(len(panel.space.names))[panel.space.names.index(name)]
    return TensorRows(values=torch.zeros(ROWS, 4, 1), annotated=annotated, labels=panel.space.names)


def student(seed: int) -> torch.Tensor:
    """A student's logits (7, 5)."""
    return torch.randn(ROWS, 5, generator=torch.Generator().manual_seed(seed))
