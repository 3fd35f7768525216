"""SimME, similarity-preserving meta-embedding (knowledge-amalgamation, ch. 2): its cosines are those of the sources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import PositiveInt
from torch import Tensor

from amalgam.embeddings.lexicon import ABSENT, Lexicon
from amalgam.embeddings.method import Learn, MetaEmbedding
from amalgam.embeddings.model import Embedding, GaussNewton
from amalgam.embeddings.pairs import listed_pairs, with_neighbours, written_together
from amalgam.embeddings.relations import Common, Relations, all_pairs, groups_of, reach, some_pairs, units
from amalgam.errors import RequestError
from amalgam.signals import Loss
from amalgam.strategies.concat import joined
from amalgam.strategies.concat_svd import projected
from amalgam.strategy import Paper

_RIDGE = 0.01  # in means of the diagonal


@dataclass(frozen=True)
class SimME(MetaEmbedding):
    """Every word has a vector whose cosine with any other is close to what each source says that knows both.

    The paper does not say which of the V (V - 1) / 2 pairs a training sees; its authors' code goes through a list made
    from the texts of a task. Here are four ways; in all of them a pair that no source knows is nobody's.

    Attributes:
        pairs: `batch`, all pairs of the words of a batch, drawn anew in every epoch; `neighbours`, the same, where each
            word brings its nearest neighbours in every source along; `list`, the pairs of a file alone; `texts`, those
            of words that stand near each other in texts, as the authors have it.
        neighbours: how many in each source.
        list: a text file with two words a line.
        texts: a text file, a text a line.
        window: how far apart two words of a text may be, in words.
        start: the first vectors: `random`, as printed; `concat_svd`, the sources side by side on their d strongest
            directions, where words that a source does not know have zeros in its place.
        step: `gradient`, what the trainer's optimiser makes of it; `least_squares`, where a word's own squared errors
            are least, see `GaussNewton`: faster, and `training.learning_rate` is the share of it that is taken.
        weights: how much each source's squared errors count; 1 each by default, as printed.
        common: how many directions that a source's words have in common are taken off them before their cosines are
            taken, with their mean; None takes nothing off, as printed. See `Common`.
    """

    paper: ClassVar[Paper | None] = Paper(
        title="SimME: Similarity-Preserving Meta-Embedding",
        where="knowledge-amalgamation, chapter 2, Eqs. (1)–(5)",
        equations=(1, 2, 3, 4, 5),
        files=("embeddings/model.py", "embeddings/relations.py"),
    )
    trains: ClassVar[bool] = True

    pairs: Literal["batch", "neighbours", "list", "texts"] = "batch"
    neighbours: PositiveInt = 5
    list: Path | None = None
    texts: Path | None = None
    window: PositiveInt = 5
    start: Literal["random", "concat_svd"] = "random"
    step: Literal["gradient", "least_squares"] = "gradient"
    weights: tuple[float, ...] = ()
    common: int | None = None

    def vectors(self, lexicon: Lexicon, width: int, learn: Learn) -> Tensor:
        """What is learned of all sources, (V, d)."""
        model = self.model(lexicon, width, self.first(lexicon, width))
        return self.learned(model, lexicon, torch.arange(len(lexicon.words)), learn)

    def extended(self, lexicon: Lexicon, width: int, bound: float, learn: Learn) -> Tensor:
        """The first source's vectors, at most `bound` away, and the others' words, (V, d).

        A new word begins where the words that its source shares with the first one say, by the linear map between the
        two that fits them best. Trained on are the words that a new source knows; of the others nothing new is said.
        """
        old = torch.from_numpy(np.array(lexicon.sources[0].vectors))
        model = self.model(lexicon, width, torch.cat([old, mapped(lexicon, old)]))
        model.hold(old, bound)
        return self.learned(model, lexicon, torch.from_numpy(np.flatnonzero(lexicon.known[1:].any(0))), learn)

    def model(self, lexicon: Lexicon, width: int, first: Tensor | None) -> Embedding:
        """What is trained, from the first vectors (V, d) on; None for random ones."""
        self.require(lexicon)
        if self.step == "gradient":
            return Embedding(len(lexicon.words), width, first)
        return GaussNewton(reach(lexicon, self.weights), width, first)

    def learned(self, model: Embedding, lexicon: Lexicon, words: Tensor, learn: Learn) -> Tensor:
        """The vectors (V, d) of a model that is trained on some words (N,)."""
        # Sources list common words first, and neighbours there are alike; a share of the rows shall be like the whole.
        rows = self.rows(lexicon, words[torch.randperm(len(words))])
        loss: Callable[..., Loss] = some_pairs if self.pairs in {"list", "texts"} else all_pairs
        common = () if self.common is None else [Common.of(one, self.common) for one in lexicon.sources]
        learn(model, rows, Relations(lexicon, rows, self.weights, groups_of(len(lexicon.words)), common=common), loss)
        return model.vectors()

    def require(self, lexicon: Lexicon) -> None:
        """Refuse weights of other sources, and to take off all that there is."""
        for source in lexicon.sources:
            if self.common is not None and not 0 <= self.common < source.dimensions:
                raise RequestError(
                    f"strategy.common is {self.common}, and source {source.name!r} has {source.dimensions} dimensions; "
                    "leave some of them"
                )
        if self.weights and len(self.weights) != len(lexicon.sources):
            raise RequestError(
                f"strategy.weights has {len(self.weights)} numbers, expected {len(lexicon.sources)}, one a source"
            )

    def first(self, lexicon: Lexicon, width: int) -> Tensor | None:
        """The first vectors (V, d); None for random ones."""
        if self.start == "random":
            return None
        weights = [weight**0.5 for weight in self.weights]
        return projected(partial(joined, lexicon, "zero", True, weights), len(lexicon.words), width)

    def rows(self, lexicon: Lexicon, words: Tensor) -> Tensor:
        """The words of each row that is trained on, (N, W), of some words (N,)."""
        if self.pairs == "list":
            if self.list is None:
                raise RequestError("strategy.pairs is 'list': say which, strategy.list, a file with two words a line")
            return listed_pairs(self.list, lexicon)
        if self.pairs == "texts":
            if self.texts is None:
                raise RequestError("strategy.pairs is 'texts': say which, strategy.texts, a file with a text a line")
            return written_together(
                self.texts, lexicon, self.window, fold=all(one == one.lower() for one in lexicon.words)
            )
        return with_neighbours(lexicon, self.neighbours)[words] if self.pairs == "neighbours" else words[:, None]


def mapped(lexicon: Lexicon, old: Tensor) -> Tensor:
    """Where the first source would have the words that it does not know, (V - H, d), to begin with.

    Args:
        lexicon: the sources; the first H words are the first source's.
        old: (H, d), their vectors.

    Returns:
        the mean over the other sources of their vectors, each brought to the first one's space by the ridge regression
        on the words that both know.
    """
    count, total = lexicon.known[1:, len(old) :].sum(0), torch.zeros(len(lexicon.words) - len(old), old.shape[1])
    for source, rows in zip(lexicon.sources[1:], lexicon.rows[1:], strict=True):
        shared = np.flatnonzero(rows[: len(old)] != ABSENT)
        seen = units(torch.from_numpy(source.taken(rows[shared])))
        products = seen.T @ seen
        products.diagonal().add_(_RIDGE * products.diagonal().mean())
        into = torch.linalg.solve(products, seen.T @ units(old[shared]))
        new = np.flatnonzero(rows[len(old) :] != ABSENT)
        total[new] += units(torch.from_numpy(source.taken(rows[len(old) :][new]))) @ into
    return total / torch.from_numpy(count)[:, None]
