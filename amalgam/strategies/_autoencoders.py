"""What the autoencoders of several embeddings share (Bao and Bollegala, COLING 2018): networks, words, training.

One encoder and one decoder a source, each a linear layer; vectors are brought to length one first. The paper's own text
was not at hand and its authors' public code was followed, so equations have no numbers here. What a meta-embedding is
made of and what a decoder reads is each method's own.

That code trains with Adam at a rate of 0.001 that falls by 1 % every 50 steps, with batches of 128 words and for 500
epochs: however many steps these are, they go no farther than 5,000 at the first rate, which is what 10,000 of a cosine
schedule do. Here that is a recipe's. A step's cost is Adam's pass over all learned vectors, 1.5 µs a word of three
sources of 300 dimensions that know two thirds each, so that an epoch of small batches is quadratic in V and large
vocabularies want large batches (docs/tables.md): 2,500 steps of 512 words that begin at 0.003 end at much the same
loss in a third of the time.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat
from torch import Tensor, nn

from amalgam.embeddings.lexicon import Lexicon
from amalgam.embeddings.method import Learn, MetaEmbedding
from amalgam.embeddings.relations import Relations, Sight, units
from amalgam.embeddings.room import require_room
from amalgam.errors import RequestError
from amalgam.signals import Loss

Unknown: TypeAlias = Literal["learned", "none"]
"""What stands for a word that a source does not know: a vector that is learned with the networks, or nothing."""

Activation: TypeAlias = Literal["relu", "sigmoid", "tanh", "linear"]
"""What encoders end with."""

Share: TypeAlias = Annotated[float, Field(ge=0, lt=1)]

_ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "linear": lambda encoded: encoded,
}
_SMALL = 0.01  # standard deviation of what a synthetic vector begins with (chosen)
_BLOCK = 2**13  # words coded at once


@dataclass(frozen=True)
class Coded:
    """What the networks make of the B words of a batch.

    Attributes:
        parts: K tensors (B, d_k), the encodings; zeros where nothing stands for a word that the source does not know.
        meta: (B, d), the meta-embeddings, at length one.
        rebuilt: K tensors (B, D_k), what the decoders make of it.
        synthetic: K tensors (B, D_k), the learned vectors of words that a source does not know, zeros for the others.
        there: (B, K), 1 where a source has a vector for the word, its own or a learned one, else 0.
    """

    parts: tuple[Tensor, ...]
    meta: Tensor
    rebuilt: tuple[Tensor, ...]
    synthetic: tuple[Tensor, ...]
    there: Tensor


@dataclass(frozen=True)
class Autoencoded(MetaEmbedding):
    """A method whose meta-embeddings are what all sources' vectors can be rebuilt from.

    All words are trained on and none is held out: what is learned for a word that a source does not know is learned in
    no other way.

    Attributes:
        unknown: what stands for a word that a source does not know.
        activation: what encoders end with.
        noise: the share of an encoder's inputs that is set to zero in training.
        weights: λ of each source's errors; 1 each by default.
    """

    trains: ClassVar[bool] = True
    curve: ClassVar[str] = "What the decoders lose of a word's vectors; no word is held out."

    unknown: Unknown = "learned"
    activation: Activation = "relu"
    noise: Share = 0.05
    weights: tuple[NonNegativeFloat, ...] = ()

    @property
    def usual(self) -> Mapping[str, Any]:
        """The authors' batches and first rate; a cosine instead of their falling rate, and epochs for small sources."""
        return {"learning_rate": 0.001, "schedule": "cosine", "clip_norm": None, "epochs": 50, "batch_size": 128,
                "patience": None, "keep": "last", "threads": 1}  # fmt: skip

    @abstractmethod
    def widths(self, sources: int, width: int) -> Sequence[int]:
        """How wide each source's encoding is, K numbers."""

    @abstractmethod
    def meta(self, parts: Sequence[Tensor]) -> Tensor:
        """The meta-embeddings (B, d) of encodings, K tensors (B, d_k), zeros where a source has nothing to encode."""

    @abstractmethod
    def read(self, parts: Sequence[Tensor], meta: Tensor) -> Sequence[Tensor]:
        """What each of the K decoders reads."""

    def loss(self, coded: Coded, sight: Sight) -> Loss:
        """What the decoders lost, summed over the B words and counted in words."""
        return Loss(reconstruction(coded, sight), coded.meta.new_tensor(float(len(coded.meta))))

    def numbers(self, lexicon: Lexicon, width: int) -> int:
        """How many numbers a training holds at the least: all that is learned four times, with gradients and Adam's."""
        dimensions = [source.dimensions for source in lexicon.sources]
        layers = sum(dimensions) * width // len(dimensions)  # each source's encoder, or its decoder
        absent = (~lexicon.known).sum(1) @ dimensions if self.unknown == "learned" else 0
        return max(4 * (2 * layers + int(absent)), len(lexicon.words) * width)

    def vectors(self, lexicon: Lexicon, width: int, learn: Learn) -> Tensor:
        """The meta-embeddings of all words, (V, d), once the networks are trained."""
        sources = len(lexicon.sources)
        if self.weights and len(self.weights) != sources:
            raise RequestError(f"strategy.weights has {len(self.weights)} numbers, expected {sources}, one a source")
        require_room(partial(self.numbers, lexicon), width)
        words = torch.arange(len(lexicon.words))[:, None]
        sight = Relations(lexicon, words, self.weights)
        networks = Autoencoders(self, lexicon, sight.sight, width)
        learn(networks, words, sight, self.loss, {"validation": 0.0})
        return networks.vectors()


def reconstruction(coded: Coded, sight: Sight) -> Tensor:
    """Σ_w Σ_k λ_k ‖D_k(…) - s_k(w)‖² (unnumbered here), over the words that have a vector s_k(w), ().

    The authors' code takes the mean over a source's dimensions, so that one of more counts less; here, as the paper has
    it, all are added up. Where s_k(w) is learned, it moves towards what is rebuilt as that moves towards it.
    """
    total = coded.meta.new_zeros(())
    every = zip(coded.rebuilt, sight.vectors, coded.synthetic, coded.there.T, sight.weights, strict=True)
    for rebuilt, own, synthetic, there, weight in every:
        total = total + weight * (there * (rebuilt - own - synthetic).square().sum(1)).sum()
    return total


def shared_out(width: int, sources: int) -> tuple[int, ...]:
    """d in K parts that differ by one at most, the first the wider."""
    if width < sources:
        raise RequestError(f"student.width is {width}, and {sources} sources need one each; choose a larger one")
    return tuple(width // sources + (place < width % sources) for place in range(sources))


class Synthetic(nn.Module):
    """A vector for each word that a source does not know, and for no other.

    Args:
        absent: (V,), whether the source does not know a word.
        dimensions: D.
    """

    places: Tensor

    def __init__(self, absent: NDArray[np.bool_], dimensions: int) -> None:
        super().__init__()
        places = np.where(absent, absent.cumsum() - 1, -1)
        self.register_buffer("places", torch.from_numpy(places), persistent=False)  # the lexicon says it again
        self.weight = nn.Parameter(_SMALL * torch.randn(int(absent.sum()), dimensions))

    def forward(self, words: Tensor) -> Tensor:
        """Of words (B,), zeros for those that the source knows, (B, D)."""
        places = self.places[words]
        (asked,) = torch.where(places >= 0)
        return self.weight.new_zeros(len(words), self.weight.shape[1]).index_put((asked,), self.weight[places[asked]])


class Autoencoders(nn.Module):
    """The encoders and decoders of K sources, and what stands for the words that they do not know.

    Args:
        method: what they are put together by.
        lexicon: the sources, aligned.
        see: what the sources say of words.
        width: d of the meta-embeddings.
    """

    def __init__(self, method: Autoencoded, lexicon: Lexicon, see: Callable[[Tensor], Sight], width: int) -> None:
        super().__init__()
        self.method, self.see, self.words = method, see, len(lexicon.words)
        dimensions = [source.dimensions for source in lexicon.sources]
        widths = method.widths(len(dimensions), width)
        parts = [torch.zeros(1, one) for one in widths]
        read = method.read(parts, method.meta(parts))  # for its widths
        self.encoders = nn.ModuleList(map(_linear, dimensions, widths))
        self.decoders = nn.ModuleList(map(_linear, [one.shape[1] for one in read], dimensions))
        absent = ~lexicon.known if method.unknown == "learned" else np.zeros_like(lexicon.known)
        self.synthetic = nn.ModuleList(map(Synthetic, absent, dimensions))

    def forward(self, words: Tensor) -> Coded:
        """Words (B, 1) or (B,), coded; with noise in training."""
        here, words = words.device, words.flatten()
        sight = self.see(words.cpu()).to(here)
        synthetic = tuple(of(words) for of in self.synthetic)
        there = torch.ones_like(sight.known) if self.method.unknown == "learned" else sight.known
        parts = tuple(
            self._encoded(encode, own + learned) * known[:, None]
            for encode, own, learned, known in zip(self.encoders, sight.vectors, synthetic, there.T, strict=True)
        )
        meta = self.method.meta(parts)
        read = self.method.read(parts, meta)
        rebuilt = tuple(decode(one) for decode, one in zip(self.decoders, read, strict=True))
        return Coded(parts, meta, rebuilt, synthetic, there)

    def _encoded(self, encode: nn.Module, vectors: Tensor) -> Tensor:
        if self.training and self.method.noise:
            vectors = vectors * (torch.rand_like(vectors) >= self.method.noise)
        return _ACTIVATIONS[self.method.activation](encode(vectors))

    @torch.no_grad()
    def vectors(self) -> Tensor:
        """The meta-embeddings of all words, (V, d)."""
        self.eval()
        device = next(self.parameters()).device
        words = torch.split(torch.arange(self.words), _BLOCK)
        return torch.cat([self(some.to(device)).meta.cpu() for some in words])


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer that begins as the authors' does: Glorot's uniform weights, and biases of zero."""
    made = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(made.weight)
    nn.init.zeros_(made.bias)
    return made


def side_by_side(parts: Sequence[Tensor]) -> Tensor:
    """E_1(s_1(w)) ⊕ … ⊕ E_K(s_K(w)), at length one (unnumbered here), (B, Σ d_k)."""
    return units(torch.cat(list(parts), dim=1))
