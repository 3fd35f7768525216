"""timm's networks as teachers: `timm:resnet18@labels?source=weights.safetensors`, or with its own weights."""

from __future__ import annotations

from pathlib import Path

import torch

from amalgam.adapters._image import load_network
from amalgam.adapters.torch import TorchTeacher
from amalgam.teacher import Card


def load(card: Card, folder: Path, device: torch.device, trust: bool) -> TorchTeacher:
    """The teacher of a card, see `load_network`; no code of the card's is run.

    Raises:
        RequestError: no model, weights or labels; a file that is refused or of another network; an unknown layer.
    """
    return load_network("timm", card, folder, device)
