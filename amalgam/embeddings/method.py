"""What a way to make one embedding of several is: a lexicon to vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from torch import Tensor, nn

from amalgam.embeddings.lexicon import Lexicon
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
    ) -> None:
        """Train a network on N rows of words.

        Args:
            network: maps words (B, W) to what `loss` reads.
            rows: (N, W), numbers of words.
            targets: N targets.
            loss: of what the network answers and its targets.
            settings: what is changed in the run's settings of the training.
        """


@dataclass(frozen=True)
class MetaEmbedding(ABC):
    """A frozen dataclass whose fields are the paper's hyperparameters, defaults the paper's.

    Attributes:
        paper: where it comes from.
        trains: whether it learns with the run's trainer; the others compute their vectors at once.
    """

    paper: ClassVar[Paper | None] = None
    trains: ClassVar[bool] = False

    @abstractmethod
    def vectors(self, lexicon: Lexicon, width: int, learn: Learn) -> Tensor:
        """The vectors (V, d) of a lexicon's words.

        Args:
            lexicon: the sources, aligned.
            width: d, for methods that can choose it.
            learn: trains a network of the method's own.
        """
