"""A cell of a table of words: from one panel of sources under one seed, every method's embedding, in every test."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from amalgam import strategies, wordtests
from amalgam.bench.ground import within
from amalgam.bench.scores import Cell, Merits, Score, Tell
from amalgam.bench.word_table import Panel, WordTable
from amalgam.embeddings import Lexicon, align, specs
from amalgam.embeddings.method import MetaEmbedding
from amalgam.embeddings.words import WordVectors
from amalgam.errors import RequestError
from amalgam.fingerprint import fingerprint
from amalgam.journal import Journal
from amalgam.lexical import embedded, width_of
from amalgam.processes import nonce, processes
from amalgam.progress import Silent
from amalgam.recipe import WordRecipe
from amalgam.schema import parse
from amalgam.wordmeasures import similarity_error
from amalgam.wordtests import Outcome

_SOURCES = 0.05  # of a cell's time, about
_FEWEST = 20  # items that a test must ask, or it says nothing


def ready(table: WordTable) -> None:
    """Refuse what is wrong with a table's methods, sources, tests or trainings; nothing is trained.

    Raises:
        RequestError: what is wrong, and where.
    """
    for name, panel in table.settings.items():
        here = f"table {table.name}, setting {name}"
        for key in methods(table, panel):
            recipe, _ = asked(table, panel, key, 0, here)
            with within(f"{here}, training"):
                processes(recipe.training)
        for test in panel.tests:
            with within(here):
                wordtests.find(test).require()
        for test in panel.expected_by_task:
            if test not in panel.tests:
                raise RequestError(f"{here}: expected_by_task names {test!r}, none of its tests")
        with within(here):
            sources(panel)


def run(table: WordTable, name: str, seed: int, tell: Tell) -> Cell:
    """One panel under one seed.

    Args:
        table: the table.
        name: the setting.
        seed: of the training, and of what tests draw.
        tell: told of the share that is done, 0 to 1, and what is under way.

    Raises:
        RequestError: the table asks for something that is not there.
        WorkError: the work failed.
    """
    began, panel = time.monotonic(), table.settings[name]
    tell(0.0, "sources")
    lexicon = sources(panel)
    scores = dict[str, Score]()
    with ExitStack() as passing:
        journal = Journal(Silent(), nonce(), passing)
        for number, key in enumerate(methods(table, panel)):
            tell(_SOURCES + (1 - _SOURCES) * number / len(table.methods), table.shown(key))
            with within(f"method {key}"):
                recipe, method = asked(table, panel, key, seed, f"table {table.name}, setting {name}")
                scores[key], outcomes = scored(recipe, method, lexicon, panel, journal)
    return Cell(
        setting=name,
        seed=seed,
        labels=len(panel.tests),
        rows={"words": len(lexicon.words)},
        scores=scores,
        notes=(f"{name} asks {told(panel, outcomes)}", *lexicon.notes, *journal.notes),
        seconds=round(time.monotonic() - began, 3),
        names=panel.tests,
        test=fingerprint("word tests", panel.tests, lexicon.words),
    )


def asked(table: WordTable, panel: Panel, key: str, seed: int, where: str) -> tuple[WordRecipe, MetaEmbedding]:
    """A method's run on a panel, and its strategy.

    Raises:
        RequestError: no such strategy, or a setting that is wrong.
    """
    method = table.methods[key]
    strategy: dict[str, Any] = {**method.strategy, **panel.methods.get(key, {})}
    content: Mapping[str, Any] = {
        "name": key,
        "strategy": strategy,
        "vocabulary": panel.vocabulary.model_dump(),
        "student": table.student_of(panel),
        "training": {**table.training, **method.training, **panel.training},
        "seed": seed,
    }
    recipe = parse(WordRecipe, dict(content), where)
    width_of(recipe, where)
    return recipe, strategies.build_embedding(strategy, f"{where}, method {key}")


def methods(table: WordTable, panel: Panel) -> list[str]:
    """The methods that a panel has enough sources for."""
    return [key for key, one in table.methods.items() if len(panel.sources) >= one.least]


def told(panel: Panel, outcomes: Sequence[Outcome]) -> str:
    """How many items of each test are asked, for the reader; of every method the same."""
    return ", ".join(
        f"{one.asked:,} of {one.items:,} of {test}" for test, one in zip(panel.tests, outcomes, strict=True)
    )


def sources(panel: Panel) -> Lexicon:
    """A panel's sources, aligned; a word that several know is asked for in every test."""
    return align([specs.find(spec, name=name) for name, spec in panel.sources.items()], panel.vocabulary)


def scored(
    recipe: WordRecipe, method: MetaEmbedding, lexicon: Lexicon, panel: Panel, journal: Journal
) -> tuple[Score, list[Outcome]]:
    """A method's embedding in every test of a panel, and what came of each; a test that asks too little has NaN."""
    began = time.monotonic()
    vectors, history, _ = embedded(recipe, method, lexicon, None, journal)
    seconds = time.monotonic() - began
    error = similarity_error(lexicon, vectors)
    words = WordVectors(lexicon.words, vectors.numpy())
    outcomes = [wordtests.measure(test, words, recipe.seed, among=words.places) for test in panel.tests]
    found = [one.main[1] if one.asked >= _FEWEST else math.nan for one in outcomes]
    facts = {"numbers a word": float(vectors.shape[1]), "similarity error": math.nan if error is None else error}
    return Score(Merits(tuple(found)), len(panel.tests), facts, len(history), round(seconds, 3)), outcomes


def cost(table: WordTable, name: str) -> float:
    """The work of a panel's cell, beside other panels' of the table: its sources."""
    return float(len(table.settings[name].sources))
