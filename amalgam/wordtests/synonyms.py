"""Synonym detection: are synonyms nearer than other words? (knowledge-amalgamation, section 2.6, task 2)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from amalgam.embeddings.lexicon import ABSENT
from amalgam.fingerprint import fingerprint, of_array
from amalgam.wordtests.asked import PAIRS, Asked, Entries
from amalgam.wordtests.outcome import Outcome

_ROUNDS = 50  # of drawing other pairs; a set of few words may not have enough of them
_GUESSED = "a question with a word that the embedding does not know counts as guessed"


class Synonyms(NamedTuple):
    """W words, and P pairs of them by number (P, 2) that are synonyms, each pair once, whichever word is first."""

    words: tuple[str, ...]
    pairs: NDArray[np.int64]


class Question(NamedTuple):
    """Which of the choices is a synonym of the word."""

    word: str
    choices: tuple[str, ...]
    answer: str


def gathered(pairs: Iterable[tuple[str, str]]) -> Synonyms:
    """Synonyms from pairs of words, in their order; a pair that is there again, or of one word, is left out."""
    numbers = dict[str, int]()
    flat = (numbers.setdefault(word, len(numbers)) for pair in pairs for word in pair)
    found = np.fromiter(flat, np.int64).reshape(-1, 2)
    found = found[found[:, 0] != found[:, 1]]
    return Synonyms(tuple(numbers), np.sort(found[_firsts(_keys(found, len(numbers)))], axis=1))


def synonyms(asked: Asked, known: Synonyms, seed: int) -> Outcome:
    """The area under the ROC curve (AUC) of the cosine, which should tell synonyms from other pairs.

    The paper does not say what its other pairs are. Here they are as many as the pairs of synonyms, drawn from the
    words of these as often as each stands there, so that its being in many pairs does not give a word away. They are
    the same for all embeddings that are asked for the same words. Synonyms that are one word to the test ("US" where
    only "us" may be asked for) ask nothing and are left out.

    Args:
        asked: the embedding.
        known: the synonyms.
        seed: of the other pairs.
    """
    pairs = asked.entries(known.words)[known.pairs]
    pairs = pairs[(pairs != ABSENT).all(1) & (pairs[:, 0] != pairs[:, 1])]
    others = other_pairs(pairs, np.random.default_rng(seed))
    cosines, covered = asked.cosines(np.concatenate([pairs, others]))
    measures = {"auc": area(np.arange(len(cosines)) < len(pairs), cosines)}
    note = f"{len(pairs):,} pairs of synonyms, {len(others):,} other pairs"
    which = fingerprint(of_array(np.concatenate([pairs, others])), list(asked.places))
    return Outcome(measures, len(known.pairs), len(pairs), int(covered[: len(pairs)].sum()), PAIRS, which, (note,))


def other_pairs(pairs: Entries, generator: np.random.Generator) -> Entries:
    """Pairs of words (N, 2) that are no synonyms, none twice; N is P, or less where there are not as many.

    Args:
        pairs: (P, 2), all synonyms. One word of a pair is drawn from their first, the other from their second words.
        generator: draws them.
    """
    base = int(pairs.max(initial=0)) + 1
    synonymous, found = _keys(pairs, base), pairs[:0]
    for _ in range(_ROUNDS):
        if len(found) >= len(pairs):
            break
        tried = np.stack([generator.choice(own, 2 * len(pairs)) for own in pairs.T], axis=1)
        found = np.concatenate([found, tried[tried[:, 0] != tried[:, 1]]])
        keys = _keys(found, base)
        kept = _firsts(keys)
        found = found[kept[~np.isin(keys[kept], synonymous)]]
    return found[: len(pairs)]


def _keys(pairs: NDArray[np.int64], base: int) -> NDArray[np.int64]:
    """(P,), a number for each pair (P, 2) of numbers below `base`, whichever is first."""
    keys: NDArray[np.int64] = pairs.min(1) * base + pairs.max(1)
    return keys


def _firsts(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each key stands first, in the order of the keys."""
    return np.sort(np.unique(keys, return_index=True)[1])


def area(truth: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """The area under the ROC curve of N scores, equals counting half; NaN where all are of one kind."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, scores)) if 0 < truth.sum() < len(truth) else math.nan


def choices(asked: Asked, questions: Sequence[Question]) -> Outcome:
    """The accuracy of choosing the word with the greatest cosine to the one that is asked for.

    Of n choices that are equally near, the right one counts 1/n; so does guessing, where a word is not known.
    """
    counts = np.array([len(one.choices) for one in questions], dtype=np.int64)
    flat = asked.entries(word for one in questions for choice in one.choices for word in (one.word, choice))
    pairs = flat.reshape(-1, 2)
    if not len(pairs):
        return Outcome({"accuracy": math.nan}, len(questions), 0, 0, _GUESSED, "")
    starts = np.cumsum(counts) - counts
    chosen = np.logical_and.reduceat((pairs != ABSENT).all(1), starts)
    cosines, there = asked.cosines(pairs)
    covered = np.logical_and.reduceat(there, starts)
    best = cosines == np.repeat(np.maximum.reduceat(cosines, starts), counts)
    answers = starts + np.array([one.choices.index(one.answer) for one in questions])
    right = np.where(covered, best[answers] / np.add.reduceat(best, starts, dtype=np.int64), 1 / counts)
    accuracy = float(right[chosen].mean()) if chosen.any() else math.nan
    many = len(questions), int(chosen.sum()), int(covered[chosen].sum())
    return Outcome({"accuracy": accuracy}, *many, _GUESSED, of_array(chosen))
