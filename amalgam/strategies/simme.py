"""SimME, similarity-preserving meta-embedding (knowledge-amalgamation, ch. 2): its cosines are those of the sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt
from torch import Tensor

from amalgam.embeddings.lexicon import ABSENT, Lexicon
from amalgam.embeddings.maskout import all_pairs, some_pairs
from amalgam.embeddings.method import Learn, MetaEmbedding
from amalgam.embeddings.model import Embedding, GaussNewton
from amalgam.embeddings.pairs import listed_pairs, with_neighbours, written_together
from amalgam.embeddings.relations import Common, Relations, groups_of, reach, units
from amalgam.embeddings.room import require_room
from amalgam.errors import RequestError, listed
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
            are least, see `GaussNewton`: faster, and `training.learning_rate` is the share of it that is taken. It
            solves a word against all others of a batch, and not against those of a list or of texts alone.
        weights: how much each source's squared errors count; 1 each by default, as printed.
        common: how many directions that a source's words have in common are taken off them before their cosines are
            taken, with their mean; None takes nothing off, as printed. A source of fewer than 100 words, or of fewer
            than 12 dimensions a direction, stays whole. See `Common`.
    """

    paper: ClassVar[Paper | None] = Paper(
        title="SimME: Similarity-Preserving Meta-Embedding",
        where="knowledge-amalgamation, chapter 2, Eqs. (1)–(5)",
        equations=(1, 2, 3, 4, 5),
        files=("embeddings/model.py", "embeddings/relations.py", "embeddings/maskout.py"),
    )
    trains: ClassVar[bool] = True
    curve: ClassVar[str] = (
        "Eq. (5), the mean squared difference from the cosines that it learns: of the pairs that are \
learned, and of pairs held out."
    )

    pairs: Literal["batch", "neighbours", "list", "texts"] = "batch"
    neighbours: PositiveInt = 5
    list: Path | None = None
    texts: Path | None = None
    window: PositiveInt = 5
    start: Literal["random", "concat_svd"] = "random"
    step: Literal["gradient", "least_squares"] = "gradient"
    weights: tuple[NonNegativeFloat, ...] = ()
    common: NonNegativeInt | None = None

    @property
    def usual(self) -> Mapping[str, Any]:
        """Steps that move a batch's words alone; as printed, or of the recommended recipe if `least_squares`."""
        common = {"optimizer": "sgd", "momentum": 0.0, "clip_norm": None, "batch_size": 512, "patience": None,
                  "keep": "last", "threads": 1}  # fmt: skip
        if self.step == "least_squares":
            return common | {"learning_rate": 0.5, "schedule": "cosine", "epochs": 40}
        return common | {"learning_rate": 5.0, "epochs": 200}

    def vectors(self, lexicon: Lexicon, width: int, learn: Learn) -> Tensor:
        """What is learned of all sources, (V, d)."""
        squares = 4 if self.step == "least_squares" else 0  # d × d: M, damped, its factor, its inverse
        require_room(lambda d: len(lexicon.words) * d + squares * d * d, width)
        model = self.model(lexicon, width, self.first(lexicon, width))
        return self.learned(model, lexicon, torch.arange(len(lexicon.words)), learn)

    def extended(self, lexicon: Lexicon, width: int, bound: float, learn: Learn) -> Tensor:
        """The first source's vectors, at most `bound` away, and the others' words, (V, d).

        A new word begins where the words that its source shares with the first one say, by the linear map between the
        two that fits them best. Trained on are the words that a new source knows; of the others nothing new is said.
        """
        old = torch.from_numpy(np.array(lexicon.sources[0].vectors))
        words = torch.from_numpy(np.flatnonzero(lexicon.known[1:].any(0)))
        model = self.model(lexicon, width, torch.cat([old, mapped(lexicon, old)]), words)
        model.hold(old, bound)
        return self.learned(model, lexicon, words, learn)

    def model(self, lexicon: Lexicon, width: int, first: Tensor | None, words: Tensor | None = None) -> Embedding:
        """What is trained, from the first vectors (V, d) on, None for random ones; on some words (N,), or on all."""
        self.require(lexicon)
        if self.step == "gradient":
            return Embedding(len(lexicon.words), width, first)
        return GaussNewton(reach(lexicon, self.weights, words), width, first)

    def learned(self, model: Embedding, lexicon: Lexicon, words: Tensor, learn: Learn) -> Tensor:
        """The vectors (V, d) of a model that is trained on some words (N,)."""
        # Sources list common words first, and neighbours there are alike; a share of the rows shall be like the whole.
        rows, note = self.rows(lexicon, words[torch.randperm(len(words))])
        loss: Callable[..., Loss] = some_pairs if self.pairs in {"list", "texts"} else all_pairs
        groups = groups_of(len(lexicon.words))
        common = self.without(lexicon)
        whole = [one.name for one, off in zip(lexicon.sources, common, strict=True) if off is None] if common else []
        notes = [note] if note else []
        notes += [f"strategy.common: too few words or dimensions, whole as they are: {listed(whole)}"] if whole else []
        learn(model, rows, Relations(lexicon, rows, self.weights, groups, common=common), loss, notes=notes)
        return model.vectors()

    def without(self, lexicon: Lexicon) -> Sequence[Common | None]:
        """What is taken off each source first, None where nothing is; empty if of none."""
        return () if self.common is None else [Common.of(one, self.common) for one in lexicon.sources]

    def require(self, lexicon: Lexicon) -> None:
        """Refuse weights of other sources, and to solve what is not asked whole."""
        if self.step == "least_squares" and self.pairs in {"list", "texts"}:
            raise RequestError(
                f"strategy.step least_squares solves a word against all others of a batch; with strategy.pairs "
                f"{self.pairs!r} take strategy.step gradient"
            )
        if self.weights and len(self.weights) != len(lexicon.sources):
            raise RequestError(
                f"strategy.weights has {len(self.weights)} numbers, expected {len(lexicon.sources)}, one a source"
            )
        for key in ("list", "texts"):
            if getattr(self, key) is not None and self.pairs != key:
                raise RequestError(f"strategy.{key} names a file that is not read; it needs strategy.pairs {key!r}")
        if self.weights and not any(self.weights):
            raise RequestError("strategy.weights are all 0; at least one source counts")

    def first(self, lexicon: Lexicon, width: int) -> Tensor | None:
        """The first vectors (V, d); None for random ones."""
        if self.start == "random":
            return None
        weights = [weight**0.5 for weight in self.weights]
        return projected(partial(joined, lexicon, "zero", True, weights), len(lexicon.words), width)

    def rows(self, lexicon: Lexicon, words: Tensor) -> tuple[Tensor, str]:
        """The words of each row that is trained on, (N, W), of some words (N,), and what to tell of them."""
        if self.pairs == "list":
            if self.list is None:
                raise RequestError("strategy.pairs is 'list': say which, strategy.list, a file with two words a line")
            found = listed_pairs(self.list, lexicon)
            return found, f"{len(found):,} pairs of {self.list.name} have both words in the vocabulary"
        if self.pairs == "texts":
            if self.texts is None:
                raise RequestError("strategy.pairs is 'texts': say which, strategy.texts, a file with a text a line")
            found = written_together(self.texts, lexicon, self.window)
            return found, f"{len(found):,} pairs of words stand within {self.window} of each other in {self.texts.name}"
        return (with_neighbours(lexicon, self.neighbours)[words] if self.pairs == "neighbours" else words[:, None]), ""


def mapped(lexicon: Lexicon, old: Tensor) -> Tensor:
    """Where the first source would have the words that it does not know, (V - H, d), to begin with.

    Args:
        lexicon: the sources; the first H words are the first source's.
        old: (H, d), their vectors.

    Returns:
        the mean over the other sources of their vectors, each brought to the first one's space by the ridge regression
        on the words that both know.

    Raises:
        RequestError: a source shares no word with the first.
    """
    count, total = lexicon.known[1:, len(old) :].sum(0), torch.zeros(len(lexicon.words) - len(old), old.shape[1])
    for source, rows in zip(lexicon.sources[1:], lexicon.rows[1:], strict=True):
        shared = np.flatnonzero(rows[: len(old)] != ABSENT)
        if not len(shared):
            raise RequestError(
                f"{source.name} has no word in common with the embedding that is extended, and nothing says where its "
                "words begin; extend it by another source that shares words with both first"
            )
        seen = units(torch.from_numpy(source.taken(rows[shared])))
        products = seen.T @ seen
        products.diagonal().add_(_RIDGE * products.diagonal().mean())
        into = torch.linalg.solve(products, seen.T @ units(old[shared]))
        new = np.flatnonzero(rows[len(old) :] != ABSENT)
        total[new] += units(torch.from_numpy(source.taken(rows[len(old) :][new]))) @ into
    return total / torch.from_numpy(count)[:, None]
