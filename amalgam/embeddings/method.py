"""What a way to make one embedding of several is: a lexicon to vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from torch import Tensor, nn

from amalgam.embeddings.lexicon import Lexicon
from amalgam.errors import RequestError
from amalgam.signals import Loss, Targets
from amalgam.strategy import Paper


class Learn(Protocol):
    """Trains a network in place with the run's trainer."""

    def __call__(
        self,
        network: nn.Module,
        rows: Tensor,
        targets: Targets,
        loss: Callable[[Any, Any], Loss],
        settings: Mapping[str, Any] | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        """Train a network on N rows of words.

        Args:
            network: maps words (B, W) to what `loss` reads.
            rows: (N, W), numbers of words.
            targets: N targets.
            loss: of what the network answers and its targets.
            settings: what is changed in the run's settings of the training.
            notes: what a reader should know of them.
        """


@dataclass(frozen=True)
class MetaEmbedding(ABC):
    """A frozen dataclass whose fields are the paper's hyperparameters, defaults the paper's.

    Attributes:
        paper: where it comes from.
        trains: whether it learns with the run's trainer; the others compute their vectors at once.
        curve: what its losses are of, for the caption of their curve.
    """

    paper: ClassVar[Paper | None] = None
    trains: ClassVar[bool] = False
    curve: ClassVar[str] = ""

    @property
    def usual(self) -> Mapping[str, Any]:
        """What it wants of the run's trainer, where a recipe does not say: settings other than for students of rows."""
        return {}

    @abstractmethod
    def vectors(self, lexicon: Lexicon, width: int, learn: Learn) -> Tensor:
        """The vectors (V, d) of a lexicon's words.

        Args:
            lexicon: the sources, aligned.
            width: d, for methods that can choose it.
            learn: trains a network of the method's own.
        """

    def extended(self, lexicon: Lexicon, width: int, bound: float, learn: Learn) -> Tensor:
        """The vectors (V, d) of a lexicon whose first source is an embedding of d dimensions that is to be extended.

        Args:
            lexicon: the sources, aligned; its first words are those of its first source, in their order.
            width: d.
            bound: how far the unit vector of one of these may move.
            learn: trains a network of the method's own.

        Raises:
            RequestError: the method moves all words together.
        """
        raise RequestError(
            f"strategy {type(self).__module__.rpartition('.')[2]!r} computes all vectors anew and cannot extend an "
            "embedding; simme can"
        )
