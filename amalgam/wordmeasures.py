"""How a meta-embedding is measured beside its sources: by their cosines, and in word tests."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from amalgam import wordtests
from amalgam.embeddings import Lexicon
from amalgam.embeddings.maskout import difference
from amalgam.embeddings.relations import Common, Relations, groups_of, units
from amalgam.embeddings.words import WordVectors
from amalgam.journal import Journal
from amalgam.recipe import WordRecipe
from amalgam.wordreport import STUDENT, Measured
from amalgam.wordtests import Outcome

_FALLEN = {"loss": 0.03, "validation": 1e-3}  # of the first epoch's, at the least
_RISEN = 1.2  # times the first epoch's loss is more than chance
_COLLAPSED = 0.1  # of how different the sources' words are
_MEASURED = 4096  # words, at most, whose held-out pairs tell the similarity error


def similarity_errors(
    lexicon: Lexicon, vectors: Tensor, common: Sequence[Common | None], extends: bool
) -> tuple[float | None, float | None]:
    """How far cosines are from the sources', and from these as the method takes them, None where it takes them whole.

    Args:
        lexicon: the sources.
        vectors: (V, d).
        common: what the method takes off each source first.
        extends: whether the first source is an embedding that is extended; it has its own cosines, and is not asked.
    """
    if extends:
        lexicon, common = replace(lexicon, sources=lexicon.sources[1:], rows=lexicon.rows[1:]), common[1:]
    return similarity_error(lexicon, vectors), similarity_error(lexicon, vectors, common) if any(common) else None


def similarity_error(lexicon: Lexicon, vectors: Tensor, common: Sequence[Common | None] = ()) -> float | None:
    """How far cosines are from the sources', see `relations.difference`: the same words for every method.

    Args:
        lexicon: the sources.
        vectors: (V, d).
        common: what is taken off each source first; nothing by default.
    """
    known = torch.from_numpy(np.flatnonzero(lexicon.known.any(0)))
    some = known[torch.randperm(len(known), generator=torch.Generator().manual_seed(0))[:_MEASURED]]
    relations = Relations(lexicon, some[:, None], groups=groups_of(len(lexicon.words)), common=common)
    return difference(vectors[some], relations.at(slice(None)))


def doubts(lexicon: Lexicon, vectors: Tensor, history: Sequence[Mapping[str, float]], rate: float) -> Iterator[str]:
    """What makes a training look failed though every number of it is finite.

    Args:
        lexicon: the sources.
        vectors: (V, d), what came of it.
        history: its losses, an epoch a mapping.
        rate: its learning rate, for the advice.
    """
    first, last = history[0]["loss"], history[-1]["loss"]
    # What is learned is of other pairs in each epoch, and what is held out of the same: one may differ by chance, and
    # the other rest after a first epoch that was enough.
    still = all(history[-1][what] > (1 - least) * history[0][what] for what, least in _FALLEN.items())
    if len(history) > 1 and (still or last > _RISEN * first):
        yield (
            f"the loss did not fall: {first:.4g} in the first epoch, {last:.4g} in the last; if it never moved, raise "
            f"training.learning_rate (now {rate:g}), and if it rose, lower it"
        )
    some = torch.randperm(len(vectors), generator=torch.Generator().manual_seed(0))[:_MEASURED]
    sight = Relations(lexicon, some[:, None]).at(slice(None))
    theirs = [alike(own[known > 0]) for own, known in zip(sight.vectors, sight.known.T, strict=True)]
    usual = sum(theirs) / len(theirs)
    if 1 - (own := alike(units(vectors[some]))) < _COLLAPSED * (1 - usual):
        yield (
            f"the vectors have become alike: their squared cosines are {own:.3f} on average, the sources' {usual:.3f}; "
            f"they tell few words apart: lower training.learning_rate (now {rate:g})"
        )
    if empty := int((vectors == 0).all(1).sum()):
        yield f"{empty:,} of {len(vectors):,} words ended with a vector of zeros, which is like no other"


def alike(vectors: Tensor) -> float:
    """The mean squared cosine of unit vectors (n, d), from 1 / d of those that point everywhere to 1 of one line."""
    return float((vectors.T @ vectors / max(1, len(vectors))).square().sum())


def measured(words: WordVectors, lexicon: Lexicon, recipe: WordRecipe, journal: Journal) -> list[Measured]:
    """The word tests of a run: the student beside its sources, who are all asked the same."""
    found: dict[str, dict[str, Outcome]] = {name: {} for name in recipe.measured}
    if not found:
        return []
    with journal.progress.step("word tests", len(found) * (1 + len(lexicon.sources)), "tests") as bar:
        for who, embedding in beside(words, lexicon):
            for name, outcomes in found.items():
                outcomes[who] = wordtests.measure(name, embedding, recipe.seed, among=words.places)
                bar.advance(1, f"{name}: {who}")
    return [
        Measured(
            set=name,
            measure=outcomes[STUDENT].main[0],
            items=outcomes[STUDENT].items,
            asked=outcomes[STUDENT].asked,
            missing=outcomes[STUDENT].missing,
            values=told(outcomes, lambda one: one.main[1]),
            covered={who: one.covered for who, one in outcomes.items()},
            others={what: told(outcomes, partial(measure, what)) for what in list(outcomes[STUDENT].measures)[1:]},
            parts={part: told(outcomes, partial(section, part)) for part in outcomes[STUDENT].parts},
            notes=outcomes[STUDENT].notes,
            which=outcomes[STUDENT].which,
        )
        for name, outcomes in found.items()
    ]


def told(outcomes: Mapping[str, Outcome], what: Callable[[Outcome], float]) -> dict[str, float | None]:
    """Embedding → a number of its outcome, None for NaN, as JSON has it."""
    found = {who: what(outcome) for who, outcome in outcomes.items()}
    return {who: None if math.isnan(value) else value for who, value in found.items()}


def measure(name: str, outcome: Outcome) -> float:
    """One of an outcome's measures."""
    return outcome.measures[name]


def section(name: str, outcome: Outcome) -> float:
    """The main measure of a section."""
    return outcome.parts[name].main[1]


def beside(words: WordVectors, lexicon: Lexicon) -> Iterator[tuple[str, WordVectors]]:
    """The student, and each source with its words as the lexicon writes them; one by one, since they are large."""
    yield STUDENT, words
    for source, rows, known in zip(lexicon.sources, lexicon.rows, lexicon.known, strict=True):
        own = tuple(word for word, there in zip(lexicon.words, known, strict=True) if there)
        yield source.name, WordVectors(own, source.taken(rows[known]))
