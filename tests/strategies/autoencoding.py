"""For tests of the autoencoders: sources, a bare training loop, and layers as plain lists of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from amalgam.embeddings import Lexicon, align, from_arrays
from amalgam.embeddings.relations import Relations
from amalgam.signals import Loss, Targets
from amalgam.strategies._autoencoders import Autoencoded, Autoencoders

Row = list[float]
KNOWN = {"news": ("abcd", 3), "films": ("cdefa", 2), "health": ("gab", 4)}
ORDER = tuple(KNOWN)


def drawn(name: str) -> dict[str, Row]:
    """A source's words and vectors."""
    words, dimensions = KNOWN[name]
    draw = np.random.default_rng(dimensions)
    return {word: draw.normal(size=dimensions).astype(np.float32).tolist() for word in words}


def lexicon_of(order: Sequence[str] = ORDER) -> Lexicon:
    own = {name: drawn(name) for name in order}
    return align([from_arrays(name, list(one), np.array(list(one.values()))) for name, one in own.items()])


def targets_of(lexicon: Lexicon, method: Autoencoded) -> Relations:
    return Relations(lexicon, torch.arange(len(lexicon.words))[:, None], method.weights)


def networks_of(method: Autoencoded, lexicon: Lexicon, width: int = 12, seed: int = 0) -> Autoencoders:
    """Untrained networks whose biases and synthetic vectors are no longer small."""
    torch.manual_seed(seed)
    made = Autoencoders(method, lexicon, targets_of(lexicon, method).sight, width).eval()
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if "bias" in name or "synthetic" in name:
                weight.normal_(std=0.5)
    return made


def loss_of(networks: Autoencoders, lexicon: Lexicon, rows: Sequence[int]) -> Loss:
    """Of some words."""
    index = torch.tensor(rows)
    sight = targets_of(lexicon, networks.method).at(index)
    return networks.method.loss(networks(index[:, None]), sight)


@dataclass
class Bare:
    """A plain loop of Adam, and what it was asked to train."""

    steps: int = 0
    rate: float = 0.01
    losses: list[float] = field(default_factory=list)
    settings: Mapping[str, Any] = field(default_factory=dict)
    networks: Any = None

    def __call__(
        self,
        network: nn.Module,
        rows: Tensor,
        targets: Targets,
        loss: Callable[[Any, Any], Loss],
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.networks, self.settings = network, settings or {}
        optimizer = torch.optim.Adam(network.parameters(), lr=self.rate)
        for _ in range(self.steps):
            said = loss(network.train()(rows), targets.at(slice(None)))
            optimizer.zero_grad()
            (said.sum / said.count).backward()
            optimizer.step()
            self.losses.append(float((said.sum / said.count).detach()))


# ---------------------------------------------------------------- in plain numbers, word by word


def unit(vector: Sequence[float]) -> Row:
    length = math.sqrt(sum(x * x for x in vector)) or 1.0
    return [x / length for x in vector]


def layer(of: nn.Module, vector: Sequence[float]) -> Row:
    """W x + b."""
    assert isinstance(of, nn.Linear)
    weight, bias = of.weight.tolist(), of.bias.tolist()
    return [sum(w * x for w, x in zip(row, vector, strict=True)) + b for row, b in zip(weight, bias, strict=True)]


def squared(one: Sequence[float], other: Sequence[float]) -> float:
    return sum((x - y) ** 2 for x, y in zip(one, other, strict=True))


def inputs_of(networks: Autoencoders, lexicon: Lexicon, word: str) -> list[Row | None]:
    """What each source has for a word: its vector at length one, or the learned one, or nothing."""
    found = list[Row | None]()
    for source, synthetic in zip(lexicon.sources, networks.synthetic, strict=True):
        own = drawn(source.name)
        missing = [other for other in lexicon.words if other not in own]
        if word in own:
            found.append(unit(own[word]))
        elif networks.method.unknown == "learned":
            found.append(synthetic.weight.tolist()[missing.index(word)])
        else:
            found.append(None)
    return found


def encodings_of(networks: Autoencoders, inputs: Sequence[Row | None]) -> list[Row | None]:
    """max(0, W x + b) of each source that has something."""
    return [
        None if one is None else [max(0.0, x) for x in layer(encode, one)]
        for encode, one in zip(networks.encoders, inputs, strict=True)
    ]


# ---------------------------------------------------------------- what holds for all of them


def assert_gradients_reach_the_missing_alone(method: Autoencoded) -> None:
    """Of the words of a batch, those that a source does not know have a gradient there, and no other has a vector."""
    lexicon = lexicon_of()
    networks = networks_of(method, lexicon)
    batch = "ceg"
    loss_of(networks, lexicon, [lexicon.words.index(word) for word in batch]).sum.backward()
    for source, synthetic in zip(lexicon.sources, networks.synthetic, strict=True):
        own = KNOWN[source.name][0]
        missing = [word for word in lexicon.words if word not in own]
        assert synthetic.weight.shape == (len(missing), source.dimensions)
        moved = synthetic.weight.grad.abs().sum(1)
        assert {word for word, much in zip(missing, moved, strict=True) if much > 0} == set(batch) - set(own)


def assert_learns(method: Autoencoded, width: int) -> None:
    """The loss falls, on all words; the vectors are the trained networks' meta-embeddings, at length one."""
    lexicon = lexicon_of()
    bare = Bare(steps=60)
    torch.manual_seed(0)
    made = method.vectors(lexicon, width, bare)
    assert bare.settings == {"validation": 0.0}
    assert bare.losses[-1] < 0.5 * bare.losses[0]
    assert made.shape == (7, width)
    assert not made.requires_grad
    torch.testing.assert_close(made.norm(dim=1), torch.ones(7))
    torch.testing.assert_close(made, bare.networks.eval()(torch.arange(7)).meta.detach())
    again = method.vectors(lexicon, width, Bare())
    assert not torch.allclose(again, made)


def assert_nothing_stands_for_what_is_not_known(method: Autoencoded) -> None:
    """With `none`, no synthetic vectors; a source that does not know a word learns nothing of it."""
    assert method.unknown == "none"
    lexicon = lexicon_of()
    networks = networks_of(method, lexicon)
    assert all(one.weight.numel() == 0 for one in networks.synthetic)
    loss_of(networks, lexicon, [lexicon.words.index("g")]).sum.backward()  # known to health alone
    for name, weight in networks.named_parameters():
        moved = weight.grad is not None and bool(weight.grad.ne(0).any())
        assert moved == name.startswith(("encoders.2", "decoders.2")), name
