"""The reference model: the one network, or other reader of rows, through which P2L sees every data set (§3.2, Fig. 2).

Any network that shows its last representation can be one: `--reference timm:resnet18?pretrained=true`. Without one,
what needs no weights reads the rows: a table's columns are features already, series are read by random convolutions
(MiniRocket), texts by the words in them, and images by random filters, which see colours, edges and textures.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from amalgam.collect import vote
from amalgam.errors import RequestError
from amalgam.fingerprint import of_rows
from amalgam.journal import Journal
from amalgam.panel import Seat, seat
from amalgam.processes import nonce
from amalgam.progress import Silent
from amalgam.ranking.entries import kind_of
from amalgam.rocket import Rocket
from amalgam.signals import Rows
from amalgam.teacher import FeatureScorer
from amalgam.tokens import NUMBERS

See = Callable[[Tensor], Tensor]

SIDE = 32
"""Pixels of a side that the random filters bring images to."""
_FILTERS, _WIDE = 128, 5
_WORDS = 1024


@dataclass(frozen=True)
class Reference:
    """A reader of rows.

    Attributes:
        name: what it is, for readers.
        see: inputs (B, ...) to features (B, D).
        size: height and width that it brings images to; None where it takes them as they are.
        fitted: whether it was made for one target, and sees others otherwise.
    """

    name: str
    see: See
    size: tuple[int, int] | None = None
    fitted: bool = False

    def features(self, rows: Rows, chunk: int = 1024) -> Tensor:
        """The features of all rows, (N, D); RequestError where they are no finite numbers."""
        with torch.inference_mode():
            found = torch.cat([self.see(inputs).float() for _, inputs in rows.chunks(chunk)])
        if not bool(torch.isfinite(found).all()):
            row = int(rows.ids[(~torch.isfinite(found).all(1)).nonzero()[0]])
            raise RequestError(
                f"the reference ({self.name}) shows NaN or infinite features of row {row} of {rows.name}; fill in "
                "missing values, or name another with --reference"
            )
        return found


@dataclass(frozen=True)
class Network(Reference):
    """A teacher as a reader of rows: what it says of some is kept in the store, like its votes."""

    seat: Seat | None = None

    def features(self, rows: Rows, chunk: int = 1024) -> Tensor:
        """The features of all rows, (N, D)."""
        assert self.seat is not None
        with ExitStack() as passing:
            journal = Journal(Silent(), nonce(), passing)
            ballots = vote(seat([self.seat]), rows.unlabelled(), of_rows(rows), journal, features=True)
            return torch.as_tensor(np.asarray(ballots.features[0][: len(rows)])).float()


def network(one: Seat) -> Network:
    """A teacher's last representation as the reader of rows.

    Raises:
        RequestError: it shows none.
    """
    if not isinstance(one.teacher, FeatureScorer):
        raise RequestError(
            f"the reference {one.name!r} shows no features; choose a network of torch, timm or torchvision, or a run"
        )
    return Network(one.name, lambda inputs: one.teacher.score_and_features(inputs)[1], size_of(one), seat=one)


def size_of(one: Seat) -> tuple[int, int] | None:
    """Height and width of the images that a teacher reads; None where it does not say, or reads no images."""
    module = getattr(one.teacher, "module", one.teacher)
    size: tuple[int, int] | None = getattr(getattr(module, "scaling", None), "size", None)
    shape: tuple[int, ...] = tuple(getattr(module, "shape", ()))
    return size if size is not None or len(shape) != 3 else (shape[1], shape[2])


def plain(target: Rows) -> Reference:
    """What reads rows of the target's kind without weights.

    Raises:
        RequestError: rows of a kind that nothing here reads.
    """
    kind = kind_of(target)
    if kind == "texts":
        return Reference("the words of a text", words)
    if kind == "columns":
        return Reference("the columns themselves", lambda inputs: inputs)
    if kind == "images":
        return Reference("random filters", filters(), (SIDE, SIDE))
    if kind == "series":
        rocket = Rocket(target.shape)
        rocket.fit(target)
        return Reference("random convolutions (MiniRocket)", rocket, fitted=True)
    raise RequestError(
        f"{target.name} has rows of the shape {target.shape}; name a network that reads them with --reference"
    )


def words(numbers: Tensor) -> Tensor:
    """How often each of some words comes in texts (B, T, 1) of word numbers, NaN beyond the end; (B, 1024)."""
    inside = ~numbers[..., 0].isnan()
    place = (numbers[..., 0].nan_to_num().long() % NUMBERS) % _WORDS
    counts = numbers.new_zeros(len(numbers), _WORDS).scatter_add_(1, place, inside.to(numbers.dtype))
    return counts / counts.sum(1, keepdim=True).clamp_min(1.0)


def filters(seed: int = 0) -> See:
    """Images (B, C, H, W) to how strongly random filters answer, on average over each quarter; (B, D) from 0.

    At the images' size, brought to 32 × 32, and at half of it; a filter's positive and negative answers count apart.
    One filter in eight has a mean, and sees brightness and colour; the others see contrasts alone.
    """
    chance = torch.Generator().manual_seed(seed)
    weight = torch.randn(_FILTERS, 3, _WIDE, _WIDE, generator=chance)
    contrast = torch.arange(_FILTERS) % 8 != 0
    weight[contrast] -= weight[contrast].mean((1, 2, 3), keepdim=True)
    weight /= weight.flatten(1).norm(dim=1)[:, None, None, None]

    def see(images: Tensor) -> Tensor:
        coloured = images.float().expand(-1, 3, -1, -1) if images.shape[1] == 1 else images.float()[:, :3]
        found = list[Tensor]()
        for side in (SIDE, SIDE // 2):
            small = F.interpolate(coloured, (side, side), mode="bilinear", antialias=True, align_corners=False)
            answers = F.conv2d(small, weight, stride=2)
            both = torch.cat([answers.relu(), (-answers).relu()], 1)
            found.append(F.adaptive_avg_pool2d(both, 2).flatten(1))
        return torch.cat(found, 1)

    return see
