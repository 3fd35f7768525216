"""Text classification by the mean of words' vectors (knowledge-amalgamation, section 2.6, task 3)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from html import unescape
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from amalgam.embeddings.entries import Floats
from amalgam.embeddings.lexicon import ABSENT
from amalgam.errors import RequestError
from amalgam.wordtests.outcome import Outcome
from amalgam.wordtests.vectors import WordVectors

STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""The inverse strengths of the penalty, scikit-learn's C, among which the training part chooses."""

_FOLDS = 3
_FEWEST = 5  # texts of a class; a fifth of them is to be tested, and the rest to be divided for choosing C
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


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


def tokens(text: str) -> list[str]:
    """The words of a text in lower case: letters and digits, with apostrophes between them (`don't`, `o'brien`).

    All else separates words, underscores too. HTML's entities become the signs they stand for first, twice, since the
    reviews were escaped twice; a curly apostrophe becomes a straight one.
    """
    return _WORD.findall(unescape(unescape(text)).replace("\u2019", "'").lower())


def means(asked: WordVectors, texts: Sequence[str]) -> Means:
    """The mean vectors of texts, by one product of the sparse matrix (N, words) of counts with the words' vectors.

    A text without a known word has the unknown word's vector, else zeros.
    """
    from scipy.sparse import csr_array

    found = [tokens(text) for text in texts]
    lengths = np.array([len(words) for words in found], dtype=np.int64)
    numbers = dict[str, int]()
    columns = np.fromiter((numbers.setdefault(word, len(numbers)) for word in chain.from_iterable(found)), np.int64)
    rows = asked.rows(numbers)
    there = rows[columns] != ABSENT
    lines = np.repeat(np.arange(len(texts)), lengths)[there]
    ones = np.ones(len(lines), dtype=np.float32)
    counts = csr_array((ones, (lines, columns[there])), shape=(len(texts), len(numbers)))
    vectors = np.asarray(asked.vectors[np.maximum(rows, 0)], dtype=np.float32)
    vectors[rows == ABSENT] = 0.0  # no text counts them, but 0 times infinity would be no number
    if not np.isfinite(vectors).all():
        raise RequestError("a vector of the embedding is not finite, and no mean can have it; train it again")
    known = np.bincount(lines, minlength=len(texts))
    mean = np.asarray(counts @ vectors) / np.maximum(known, 1)[:, None].astype(np.float32)
    if asked.unknown is not None:
        mean[known == 0] = asked.unknown
    return Means(mean.astype(np.float32), known, lengths)


def texts(asked: WordVectors, given: Texts, seed: int) -> Outcome:
    """The accuracy of a logistic regression on the mean vectors of texts, in a fifth of them that it has not seen.

    The paper does not name its classifier. The split is stratified and, as the folds are, drawn by the seed alone, so
    that every embedding has the same texts to learn from. Features are standardised, and C chosen by the accuracy in
    cross-validation, by the training part alone.

    Raises:
        RequestError: fewer than two classes, or a class of fewer than five texts.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    sizes = Counter(given.classes)
    if len(sizes) < 2 or min(sizes.values()) < _FEWEST:
        raise RequestError(
            f"texts of the classes {dict(sizes)}; expected two classes or more, of {_FEWEST} texts each or more"
        )
    made = means(asked, given.texts)
    learned, tested, right, wanted = train_test_split(
        made.vectors, np.array(given.classes), test_size=0.2, stratify=given.classes, random_state=seed
    )
    search = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
        {"logisticregression__C": STRENGTHS},
        cv=StratifiedKFold(_FOLDS, shuffle=True, random_state=seed),
    )
    search.fit(learned, right)
    strength = search.best_params_["logisticregression__C"]
    share = made.known.sum() / max(1, int(made.words.sum()))
    return Outcome(
        {"accuracy": float(np.mean(search.predict(tested) == wanted))},
        int((made.known > 0).sum()),
        len(given.texts),
        f"a text without a known word has {'zeros' if asked.unknown is None else 'the unknown word'} for its vector",
        (f"{share:.1%} of the texts' words are known", f"C = {strength:g}"),
    )
