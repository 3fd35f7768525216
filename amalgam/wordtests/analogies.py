"""Analogies: a is to b as c is to what? Not among the paper's tasks, but the field's oldest test of embeddings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from amalgam.embeddings.lexicon import ABSENT
from amalgam.fingerprint import fingerprint, of_array
from amalgam.wordtests.asked import Asked, Entries
from amalgam.wordtests.outcome import Outcome

Analogy: TypeAlias = tuple[str, str, str, str]
"""a, b, c and d: a is to b as c is to d."""

_WORDS, _QUESTIONS = 2**11, 2**7  # that are compared at once: few, so that their scores stay in the processor's cache


def analogies(asked: Asked, sections: Mapping[str, Sequence[Analogy]]) -> Outcome:
    """The share of questions whose answer is d, by 3CosAdd (Mikolov, Yih, Zweig, NAACL 2013).

    The answer is the word x with the greatest cos(x, b) - cos(x, a) + cos(x, c), of all words that may be asked for but
    a, b and c. `parts` has the share for each section.
    """
    given = asked.entries(word for some in sections.values() for question in some for word in question).reshape(-1, 4)
    chosen, covered = np.all(given != ABSENT, axis=1), np.all(asked.known(given), axis=1)
    right = np.zeros(len(given), dtype=np.bool_)
    right[covered] = answers(asked, given[covered, :3]) == given[covered, 3]
    ends = np.cumsum([len(some) for some in sections.values()])
    parts = {
        name: _outcome(right[end - len(some) : end], chosen[end - len(some) : end], covered[end - len(some) : end])
        for (name, some), end in zip(sections.items(), ends, strict=True)
    }
    return _outcome(right, chosen, covered, fingerprint(of_array(chosen), list(asked.places)), parts)


def _outcome(
    right: NDArray[np.bool_],
    chosen: NDArray[np.bool_],
    covered: NDArray[np.bool_],
    which: str = "",
    parts: Mapping[str, Outcome] | None = None,
) -> Outcome:
    """Of some questions (N,)."""
    accuracy = float(right[chosen].mean()) if chosen.any() else math.nan
    missing = "a question with a word that the embedding does not know is answered wrongly"
    counts = len(right), int(chosen.sum()), int(covered.sum())
    return Outcome({"accuracy": accuracy}, *counts, missing, which, parts=parts or {})


def answers(asked: Asked, given: Entries) -> Entries:
    """(N,), the answer to each question; the first of equals, and `ABSENT` where no word is left to answer with.

    The cosines of the few words that questions are made of, with all others, are one matrix product for each block of
    these; a question's scores are then sums of its three rows.

    Args:
        asked: the embedding.
        given: (N, 3), a, b and c, all of them known.
    """
    words, places = np.unique(given, return_inverse=True)
    places = places.reshape(given.shape)
    own = asked.units(words)
    candidates = np.flatnonzero(asked.known(np.arange(len(asked.rows) - 1)))
    excluded = np.searchsorted(candidates, given)
    best, found = np.full(len(given), -np.inf, dtype=np.float32), np.full(len(given), ABSENT)
    for start in range(0, len(candidates) if len(given) else 0, _WORDS):
        block = candidates[start : start + _WORDS]
        cosines = own @ asked.units(block).T
        for first in range(0, len(given), _QUESTIONS):
            some = slice(first, first + _QUESTIONS)
            a, b, c = places[some].T
            scores = cosines[b] - cosines[a]
            scores += cosines[c]
            at = excluded[some] - start
            line, which = np.nonzero((at >= 0) & (at < len(block)))
            scores[line, at[line, which]] = -np.inf
            column = scores.argmax(1)
            reached = scores[np.arange(len(scores)), column]
            better = reached > best[some]
            best[some] = np.where(better, reached, best[some])
            found[some] = np.where(better, block[column], found[some])
    return found
