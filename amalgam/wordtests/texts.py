"""Text classification by the mean of words' vectors (knowledge-amalgamation, section 2.6, task 3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from amalgam.embeddings.entries import Floats
from amalgam.embeddings.lexicon import ABSENT
from amalgam.errors import RequestError
from amalgam.tokens import tokens
from amalgam.wordtests.asked import Asked
from amalgam.wordtests.outcome import Outcome

_FOLDS = 5


class Texts(NamedTuple):
    """N texts and the class of each."""

    texts: Sequence[str]
    classes: Sequence[str]


class Means(NamedTuple):
    """Vectors of N texts.

    Attributes:
        vectors: (N, D), the mean of each one's known words, a word as often as it stands there.
        known: (N,), how many of its words are known.
        words: (N,), how many words it has.
    """

    vectors: Floats
    known: NDArray[np.int64]
    words: NDArray[np.int64]


def means(asked: Asked, found: Sequence[Sequence[str]]) -> Means:
    """The mean vectors of texts, by one product of the sparse matrix (N, words) of counts with the words' vectors.

    Args:
        asked: the embedding.
        found: the words of N texts.

    Raises:
        RequestError: a vector that is not finite.
    """
    from scipy.sparse import csr_array

    lengths = np.array([len(words) for words in found], dtype=np.int64)
    numbers = dict[str, int]()
    columns = np.fromiter((numbers.setdefault(word, len(numbers)) for word in chain.from_iterable(found)), np.int64)
    rows = asked.rows[asked.entries(numbers)]
    there = rows[columns] != ABSENT
    lines = np.repeat(np.arange(len(found)), lengths)[there]
    ones = np.ones(len(lines), dtype=np.float32)
    counts = csr_array((ones, (lines, columns[there])), shape=(len(found), len(numbers)))
    vectors = np.zeros((len(rows), asked.vectors.shape[1]), dtype=np.float32)
    vectors[rows != ABSENT] = asked.vectors[rows[rows != ABSENT]]
    if not np.isfinite(vectors).all():
        raise RequestError("a vector of the embedding is not finite, and no mean can have it; train it again")
    known = np.bincount(lines, minlength=len(found))
    mean = np.asarray(counts @ vectors) / np.maximum(known, 1)[:, None].astype(np.float32)
    return Means(mean.astype(np.float32), known, lengths)


def texts(asked: Asked, given: Texts, seed: int) -> Outcome:
    """The accuracy of a logistic regression on the mean vectors of texts, in five-fold cross-validation.

    The paper does not name its classifier. Each fifth of the texts is classified by what was learned from the others
    alone, features standardised by these. The folds are stratified and drawn by the seed alone, so that every embedding
    has the same; texts of the same words are in one fold. The penalty is scikit-learn's default: its strength hardly
    matters with so many texts (with C from 0.01 to 1, accuracy on the sets here changes by .004 at most).

    Raises:
        RequestError: fewer than two classes, or a class of fewer than five different texts.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import PredefinedSplit, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    found = [tokens(text) for text in given.texts]
    made = means(asked, found)
    rights = cross_val_score(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
        made.vectors,
        np.array(given.classes),
        cv=PredefinedSplit(folds(found, given.classes, seed)),
        error_score="raise",
    )
    count, share = len(given.texts), made.known.sum() / max(1, int(made.words.sum()))
    missing = "a word that the embedding does not know is left out of the mean; a text of no other has zeros"
    note = f"{share:.1%} of the texts' words are known"
    return Outcome(
        {"accuracy": float(rights.mean())}, count, count, int((made.known > 0).sum()), missing, str(seed), (note,)
    )


def folds(found: Sequence[Sequence[str]], classes: Sequence[str], seed: int) -> NDArray[np.int64]:
    """(N,), the fold of each text: stratified over texts that differ, where those of the same words are in one.

    One in seven texts of pros-cons has a twin; learned from in one fold, it would be known by heart in another.

    Args:
        found: the words of N texts.
        classes: their classes.
        seed: of the draw.

    Raises:
        RequestError: fewer than two classes, or a class of fewer than five different texts.
    """
    from sklearn.model_selection import StratifiedKFold

    numbers = dict[tuple[str, ...], int]()
    same = np.array([numbers.setdefault(tuple(words), len(numbers)) for words in found])
    own = np.array(classes)[np.unique(same, return_index=True)[1]]
    sizes = Counter(own.tolist())
    if len(sizes) < 2 or min(sizes.values()) < _FOLDS:
        raise RequestError(
            f"different texts of the classes {dict(sizes)}; expected two classes or more, of {_FOLDS} texts each or "
            "more"
        )
    fold: NDArray[np.int64] = np.empty(len(own), dtype=np.int64)
    drawn = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed).split(own, own)
    for number, (_, tested) in enumerate(drawn):
        fold[tested] = number
    every: NDArray[np.int64] = fold[same]
    return every
