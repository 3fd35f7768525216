"""What the adapters of image libraries share: a network by name, its weights, and how it reads images."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from amalgam.adapters import source
from amalgam.adapters.torch import TorchTeacher, wrap
from amalgam.errors import RequestError, listed
from amalgam.labels import canonical
from amalgam.networks import (
    ImageScaling,
    Library,
    Reading,
    build,
    class_names,
    last_layer,
    license_of,
    reading_of,
    shared,
)
from amalgam.teacher import Card
from amalgam.weights import EXPECTED, fill, read_weights


class ImageTeacher(nn.Module):
    """A network that reads images as it learned to, and shows the representation that all its labels share.

    Attributes:
        head: its last layer, where that alone makes its logits of the representation.
    """

    def __init__(self, library: Library, network: nn.Module, scaling: ImageScaling, layer: str | None) -> None:
        super().__init__()
        self.library, self.layer = library, layer
        self.network, self.scaling = network.eval(), scaling
        last = last_layer(network, "the network")[1]
        logits, features = self.score_and_features(torch.full((1, 1, *(scaling.size or (64, 64))), 0.5))
        if isinstance(last, nn.Linear) and last.in_features == features.shape[1]:
            with torch.no_grad():
                if torch.allclose(last(features), logits, rtol=1e-4, atol=1e-4):
                    self.head = last

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, L)."""
        logits: Tensor = self.network(self.scaling(images))
        return logits

    @torch.no_grad()
    def score_and_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, L) and features (B, D)."""
        layer = None if self.layer is None else self.network.get_submodule(self.layer)
        return shared(self.library, self.network, self.scaling(images), layer)


def load_network(library: Library, card: Card, folder: Path, device: torch.device) -> TorchTeacher:
    """The teacher of a card that names a library's network as `model`, with weights of its own or the library's.

    Raises:
        RequestError: no model, weights or labels; a file that is refused or of another network; an unknown layer.
    """
    what = f"teacher {card.name!r}"
    if card.model is None:
        raise RequestError(f"{what} names no network; write `model:` with {library}'s name for it, such as resnet18")
    if card.constructor is not None:
        raise RequestError(
            f"{what} is {library}'s {card.model!r}, which needs no constructor; leave `constructor:` out"
        )
    labels = canonical(card.labels, {}, what) if card.labels else ()
    if card.pretrained and labels:
        raise RequestError(
            f"{what}: {library}'s own weights of {card.model!r} know its own classes; leave `labels:` out "
            f"(now {listed(labels)}), or `pretrained:` if the weights in `source:` were learned for these labels"
        )
    if not card.pretrained and (card.source is None or not labels):
        raise RequestError(
            f"{what}: write `source:` with {EXPECTED} and `labels:` with the names of its outputs, in order; or "
            f"`pretrained: true` for {library}'s own weights, from the hub's cache, the hub, or the file in `source:`"
        )
    network = build(
        library, card.model, what, outputs=len(labels) or None, pretrained=card.source is None, arguments=card.arguments
    )
    if card.source is not None:
        path = source(card, folder, EXPECTED)
        mend = ("`model:` or `arguments:`", "`model:`, `arguments:` or `labels:`")
        fill(network, read_weights(path, what), what, path, f"{library}'s {card.model!r}", mend)
    own, told = reading_of(library, network, card.model), card.images
    read = Reading(told.size or own.size, told.mean or own.mean, told.deviation or own.deviation, own.channels)
    _require(card.layer, network, what)
    module = ImageTeacher(library, network, ImageScaling(own.channels, read=read), card.layer)
    exclusive = card.exclusive or (card.pretrained and not card.tasks)
    names = labels or class_names(library, network, card.model, what)
    teacher = wrap(module, names, card.name, device, scores=card.scores, exclusive=exclusive, tasks=card.tasks or None)
    teacher.license = license_of(library, network, card.model) if card.pretrained else None
    return teacher


def _require(layer: str | None, network: nn.Module, what: str) -> None:
    known = [path for path, _ in network.named_modules() if path]
    if layer is not None and layer not in known:
        raise RequestError(f"{what}: the network has no layer {layer!r} to show; it has {listed(known)}")
