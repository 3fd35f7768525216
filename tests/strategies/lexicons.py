"""For tests of embeddings: small panels of sources, and a bare trainer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from amalgam.embeddings import Lexicon, align, from_arrays
from amalgam.embeddings.relations import Relations
from amalgam.signals import Loss, Targets, TensorRows
from amalgam.training.settings import Training
from amalgam.training.trainer import fit

TRAINING: dict[str, Any] = {
    "optimizer": "sgd", "momentum": 0.0, "clip_norm": None, "patience": None, "keep": "last", "threads": 1,
    "validation": 0.5, "learning_rate": 0.5, "schedule": "cosine", "epochs": 20, "batch_size": 32,
}  # fmt: skip


def rotated(words: int = 96, width: int = 6, noise: float = 0.02, sources: int = 2) -> Lexicon:
    """Sources that see the same space, each turned in its own way, and each two thirds of the words."""
    draw = np.random.default_rng(3)
    space = draw.normal(size=(words, width))
    each = []
    for number in range(sources):
        first = number * words // (3 * max(sources - 1, 1))
        which = slice(first, first + 2 * words // 3)
        turned = space[which] @ np.linalg.qr(draw.normal(size=(width, width)))[0]
        seen = (turned + noise * draw.normal(size=turned.shape)).astype(np.float32)
        names = [f"w{place}" for place in range(words)][which]
        each.append(from_arrays(f"source {number + 1}", names, seen))
    return align(each)


def learn(
    network: nn.Module,
    rows: Tensor,
    targets: Targets,
    loss: Callable[[Any, Any], Loss],
    settings: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Train as a run does, with these tests' settings."""
    held = targets.held_out() if isinstance(targets, Relations) and targets.groups is not None else None
    training = Training(**{**TRAINING, **(settings or {})})
    fit(network, TensorRows(values=rows), targets, loss, training, seed=0, accelerator=Accelerator(cpu=True), held=held)


def never(*_: Any, **__: Any) -> None:
    """For methods that learn nothing."""
    raise AssertionError("this method trains nothing")


def cosines(vectors: Tensor) -> Tensor:
    """(V, V)."""
    own = torch.nn.functional.normalize(vectors, dim=1)
    return own @ own.T
