"""Synonym detection: are synonyms nearer than other words? (knowledge-amalgamation, section 2.6, task 2)."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from amalgam.embeddings.lexicon import ABSENT
from amalgam.wordtests.outcome import Outcome
from amalgam.wordtests.vectors import Rows, WordVectors, completed, rows_among

_MOST = 50_000  # pairs of synonyms that are drawn; the AUC of as many is known to a fifth of a percent
_ROUNDS = 50  # of drawing other pairs; a set of few words may not have enough of them


class Synonyms(NamedTuple):
    """W words, and P pairs of them (P, 2) that are synonyms, each pair once, whichever word is first."""

    words: tuple[str, ...]
    pairs: Rows


class Question(NamedTuple):
    """Which of the choices is a synonym of the word."""

    word: str
    choices: tuple[str, ...]
    answer: str


def gathered(pairs: Iterable[tuple[str, str]]) -> Synonyms:
    """Synonyms from pairs of words, in their order; a pair that is there again, or of one word, is left out."""
    numbers = dict[str, int]()
    kept = dict[tuple[int, int], None]()
    for one, other in pairs:
        first, second = (numbers.setdefault(word, len(numbers)) for word in (one, other))
        if first != second:
            kept[min(first, second), max(first, second)] = None
    return Synonyms(tuple(numbers), np.array(list(kept), dtype=np.int64).reshape(-1, 2))


def synonyms(
    asked: WordVectors, known: Synonyms, seed: int, most: int = _MOST, among: Collection[str] | None = None
) -> Outcome:
    """The area under the ROC curve (AUC) of the cosine, which should tell synonyms from other pairs.

    The paper does not say what its other pairs are. Here they are as many as the pairs of synonyms, drawn from the
    words of these as often as each stands there, so that its being in many pairs does not give a word away. Pairs that
    are one entry to the embedding ("US", "us") ask nothing and are left out.

    Args:
        asked: the embedding.
        known: the synonyms.
        seed: of what is drawn; embeddings with the same words are asked the same pairs, whatever their order.
        most: how many pairs of synonyms are drawn where there are more.
        among: the words that pairs are drawn from, by default those that the embedding knows. Embeddings with words of
            their own are asked the same pairs if they are told the same; then `auc_all` is over all these pairs, whose
            missing cosines `vectors.completed` fills in.
    """
    rows = asked.rows(known.words)
    entries = rows
    if among is not None:
        entries = rows_among({word: place for place, word in enumerate(among)}, known.words, asked.fold)
    of_pairs = entries[known.pairs]
    usable = (of_pairs != ABSENT).all(1) & (of_pairs[:, 0] != of_pairs[:, 1])
    generator = np.random.default_rng(seed)
    chosen = known.pairs[usable]
    if len(chosen) > most:
        chosen = chosen[np.sort(generator.choice(len(chosen), most, replace=False))]
    drawn = other_pairs(chosen, entries, of_pairs[usable], generator)
    cosines, covered, others = completed(asked, rows[np.concatenate([chosen, drawn])])
    truth = np.arange(len(cosines)) < len(chosen)
    measures = {"auc": area(truth[covered], cosines[covered])}
    if among is not None:
        measures["auc_all"] = area(truth, cosines)
    items, whole = (len(known.pairs), usable) if among is None else (int(usable.sum()), (rows[known.pairs] >= 0).all(1))
    return Outcome(
        measures,
        int((whole & usable).sum()),
        items,
        others if among is not None else "a pair with a missing word is left out",
        (f"{len(chosen):,} pairs of synonyms, {len(drawn):,} other pairs",),
    )


def other_pairs(chosen: Rows, entries: Rows, taken: Rows, generator: np.random.Generator) -> Rows:
    """Pairs of words (N, 2) that are no synonyms, none twice; N is P, or less where there are not as many.

    Args:
        chosen: (P, 2), pairs of words. One word of a pair is drawn from their first, the other from their second words.
        entries: (W,), the entries of all words. Two words with one entry are one word.
        taken: (Q, 2), the entries of all pairs of synonyms.
        generator: draws them.
    """
    found, keys = np.empty((0, 2), dtype=np.int64), np.empty(0, dtype=np.int64)
    base = int(entries.max(initial=0)) + 1
    synonymous = _keys(taken, base)
    for _ in range(_ROUNDS if len(chosen) else 0):
        tried = np.stack([generator.choice(own, 2 * len(chosen)) for own in chosen.T], axis=1)
        numbers = _keys(entries[tried], base)
        right = (entries[tried[:, 0]] != entries[tried[:, 1]]) & ~np.isin(numbers, synonymous)
        found, keys = np.concatenate([found, tried[right]]), np.concatenate([keys, numbers[right]])
        first = np.sort(np.unique(keys, return_index=True)[1])
        found, keys = found[first], keys[first]
        if len(found) >= len(chosen):
            break
    return found[: len(chosen)]


def _keys(pairs: Rows, base: int) -> Rows:
    """A number for each pair of numbers below `base`, whichever is first."""
    keys: Rows = pairs.min(1) * base + pairs.max(1)
    return keys


def area(truth: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """The area under the ROC curve of N scores; NaN where all are of one kind."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, scores)) if 0 < truth.sum() < len(truth) else math.nan


def choices(asked: WordVectors, questions: Sequence[Question]) -> Outcome:
    """The accuracy of choosing the word with the greatest cosine to the one that is asked for.

    `accuracy` is over the questions all of whose words are known; in `accuracy_all`, each of the others counts as what
    guessing gets right. Of n choices that are equally near, the right one counts 1/n.
    """
    right, guessed = list[float](), list[float]()
    for question in questions:
        rows = asked.rows((question.word, *question.choices))
        if (rows == ABSENT).any():
            guessed.append(1 / len(question.choices))
            continue
        said = asked.cosines(np.stack([np.full(len(rows) - 1, rows[0]), rows[1:]], axis=1))
        best = said == said.max()
        right.append(float(best[question.choices.index(question.answer)] / best.sum()))
    measures = {"accuracy": _mean(right), "accuracy_all": _mean(right + guessed)}
    return Outcome(measures, len(right), len(questions), "a question with a missing word counts as guessed")


def _mean(numbers: Sequence[float]) -> float:
    return float(np.mean(numbers)) if numbers else math.nan
