"""SimME, similarity-preserving meta-embedding (knowledge-amalgamation, ch. 2): its cosines are those of the sources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor

from amalgam.embeddings.lexicon import Lexicon
from amalgam.embeddings.method import Learn, MetaEmbedding
from amalgam.embeddings.model import Embedding
from amalgam.embeddings.pairs import listed_pairs, with_neighbours
from amalgam.embeddings.relations import Relations, all_pairs, groups_of, some_pairs
from amalgam.errors import RequestError
from amalgam.signals import Loss
from amalgam.strategies.concat import joined
from amalgam.strategies.concat_svd import projected
from amalgam.strategy import Paper


@dataclass(frozen=True)
class SimME(MetaEmbedding):
    """Every word has a vector whose cosine with any other is close to what each source says that knows both.

    The paper does not say which of the V (V - 1) / 2 pairs a training sees; its authors' code goes through a list made
    from the texts of a task. Here are three ways; in all of them a pair that no source knows is nobody's.

    Attributes:
        pairs: `batch`, all pairs of the words of a batch, drawn anew in every epoch; `neighbours`, the same, where each
            word brings its nearest neighbours in every source along; `list`, the pairs of a file alone, as printed.
        neighbours: how many in each source.
        list: a text file with two words a line.
        start: the first vectors: `random`, as printed; `concat_svd`, the sources side by side on their d strongest
            directions, where words that a source does not know have zeros in its place.
        weights: how much each source's squared errors count; 1 each by default, as printed.
    """

    paper: ClassVar[Paper | None] = Paper(
        title="SimME: Similarity-Preserving Meta-Embedding",
        where="knowledge-amalgamation, chapter 2, Eqs. (1)–(5)",
        equations=(1, 2, 3, 4, 5),
        files=("embeddings/model.py", "embeddings/relations.py"),
    )
    trains: ClassVar[bool] = True

    pairs: Literal["batch", "neighbours", "list"] = "batch"
    neighbours: int = 5
    list: Path | None = None
    start: Literal["random", "concat_svd"] = "random"
    weights: tuple[float, ...] = ()

    def vectors(self, lexicon: Lexicon, width: int, learn: Learn) -> Tensor:
        """What is learned of all sources, (V, d)."""
        if self.weights and len(self.weights) != len(lexicon.sources):
            raise RequestError(
                f"strategy.weights has {len(self.weights)} numbers, expected {len(lexicon.sources)}, one a source"
            )
        model = Embedding(len(lexicon.words), width, self.first(lexicon, width))
        rows = self.rows(lexicon)
        loss: Callable[..., Loss] = some_pairs if self.pairs == "list" else all_pairs
        learn(model, rows, Relations(lexicon, rows, self.weights, groups_of(len(lexicon.words))), loss)
        return model.vectors()

    def first(self, lexicon: Lexicon, width: int) -> Tensor | None:
        """The first vectors (V, d); None for random ones."""
        if self.start == "random":
            return None
        together = joined(lexicon, "zero", True, [weight**0.5 for weight in self.weights])
        found = projected(together, min(width, together.shape[1]))
        return torch.nn.functional.pad(found, (0, width - found.shape[1]))

    def rows(self, lexicon: Lexicon) -> Tensor:
        """The words of each row that is trained on, (N, W)."""
        if self.pairs == "list":
            if self.list is None:
                raise RequestError("strategy.pairs is 'list': say which, strategy.list, a file with two words a line")
            return listed_pairs(self.list, lexicon)
        every = torch.arange(len(lexicon.words))[:, None]
        return with_neighbours(lexicon, self.neighbours) if self.pairs == "neighbours" else every
