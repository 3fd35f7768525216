"""Analogies: a is to b as c is to what? Not among the paper's tasks, but the field's oldest test of embeddings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from amalgam.embeddings.entries import Floats
from amalgam.embeddings.lexicon import ABSENT
from amalgam.wordtests.outcome import Outcome
from amalgam.wordtests.vectors import Rows, WordVectors, units

Analogy: TypeAlias = tuple[str, str, str, str]
"""a, b, c and d: a is to b as c is to d."""

Rule: TypeAlias = Literal["3CosAdd", "3CosMul"]
"""How the answer is chosen."""

_WORDS, _QUESTIONS = 2**14, 2**9  # of the vocabulary, and questions, that are compared at once
_EPSILON = 1e-3  # 3CosMul's, by Levy and Goldberg


def analogies(asked: WordVectors, sections: Mapping[str, Sequence[Analogy]], rule: Rule = "3CosAdd") -> Outcome:
    """The share of questions whose answer, of the whole vocabulary without a, b and c, is d.

    3CosAdd (Mikolov et al., 2013) takes the greatest cos(x, b) - cos(x, a) + cos(x, c); 3CosMul (Levy, Goldberg,
    CoNLL 2014, Eq. 4) the greatest cos(x, b) cos(x, c) / (cos(x, a) + ε), with cosines brought to [0, 1].

    `accuracy` is over the questions all of whose words are known; in `accuracy_all` the others count as wrong. `parts`
    has both for each section.
    """
    rows = {name: asked.rows(word for question in some for word in question).reshape(-1, 4)
            for name, some in sections.items()}  # fmt: skip
    together = np.concatenate([np.empty((0, 4), dtype=np.int64), *rows.values()])
    covered = (together != ABSENT).all(1)
    right = np.zeros(len(together), dtype=np.bool_)
    right[covered] = answers(asked.vectors, together[covered, :3], rule) == together[covered, 3]
    ends = np.cumsum([len(some) for some in rows.values()])
    parts = {
        name: _outcome(right[end - len(some) : end], covered[end - len(some) : end])
        for (name, some), end in zip(rows.items(), ends, strict=True)
    }
    whole = _outcome(right, covered)
    return Outcome(whole.measures, whole.covered, whole.items, whole.others, (rule,), parts)


def _outcome(right: NDArray[np.bool_], covered: NDArray[np.bool_]) -> Outcome:
    """Of some questions (N,)."""
    count = int(covered.sum())
    measures = {
        "accuracy": float(right.sum() / count) if count else math.nan,
        "accuracy_all": float(right.mean()) if len(right) else math.nan,
    }
    return Outcome(measures, count, len(right), "a question with a missing word is left out, or in `_all` wrong")


def answers(vectors: Floats, given: Rows, rule: Rule) -> Rows:
    """(N,), the row of each question's answer; the first of equals.

    The cosines of the few words that questions are made of, with all of the vocabulary, are one matrix product for each
    block of it; a question's scores are then sums or products of its three rows.

    Args:
        vectors: (V, D).
        given: (N, 3), rows of a, b and c.
        rule: how the answer is chosen.
    """
    words, places = np.unique(given, return_inverse=True)
    places = places.reshape(given.shape)
    own = units(np.asarray(vectors[words], dtype=np.float32))
    best, found = np.full(len(given), -np.inf, dtype=np.float32), np.zeros(len(given), dtype=np.int64)
    for start in range(0, len(vectors) if len(given) else 0, _WORDS):
        cosines = own @ units(np.asarray(vectors[start : start + _WORDS], dtype=np.float32)).T
        for some in _slices(len(given)):
            scores = _scores(cosines, places[some], rule)
            at = given[some] - start
            line, which = np.nonzero((at >= 0) & (at < scores.shape[1]))
            scores[line, at[line, which]] = -np.inf
            column = scores.argmax(1)
            reached = scores[np.arange(len(scores)), column]
            better = reached > best[some]
            best[some] = np.where(better, reached, best[some])
            found[some] = np.where(better, column + start, found[some])
    return found


def _slices(count: int) -> Iterator[slice]:
    return (slice(start, start + _QUESTIONS) for start in range(0, count, _QUESTIONS))


def _scores(cosines: Floats, places: Rows, rule: Rule) -> Floats:
    """(n, v), the scores of v words for n questions.

    Args:
        cosines: (W, v), of the questions' words with these.
        places: (n, 3), which of the questions' words are a, b and c.
        rule: how they are joined.
    """
    a, b, c = (cosines[places[:, part]] for part in range(3))
    scores: Floats = b - a + c if rule == "3CosAdd" else (1 + b) * (1 + c) / 2 / (1 + a + 2 * _EPSILON)
    return scores
