"""The run of embeddings as a story, from sources to report: what `pipeline` is for teachers that answer rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from amalgam import run, store, strategies
from amalgam.embeddings import Lexicon, align, specs
from amalgam.embeddings.method import MetaEmbedding
from amalgam.embeddings.relations import Relations, all_pairs, groups_of
from amalgam.embeddings.words import WordVectors
from amalgam.errors import RequestError, listed
from amalgam.fingerprint import fingerprint
from amalgam.journal import Journal
from amalgam.processes import nonce, processes
from amalgam.progress import Progress, Silent
from amalgam.recipe import WordRecipe
from amalgam.schema import parse
from amalgam.signals import Loss, Targets, TensorRows
from amalgam.training.settings import Training
from amalgam.training.trainer import Fit, fit

_MEASURED = 4096  # words, at most, whose held-out pairs tell the similarity error


class Width(BaseModel):
    """The student of a run of words.

    Attributes:
        name: `embedding`, the only one there is.
        width: d, for the methods that can choose it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "embedding"
    width: int = Field(default=100, gt=0)


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes:
        words: the meta-embedding.
        lexicon: what it was made of.
        error: the mean squared difference between its cosines and the sources', over pairs that were held out.
        history: of the training, an epoch a mapping; empty where nothing was trained.
        seconds: step → how long it took.
        notes: what a reader must know.
    """

    words: WordVectors
    lexicon: Lexicon
    error: float
    history: tuple[dict[str, float], ...]
    seconds: Mapping[str, float]
    notes: tuple[str, ...] = field(default=())


def distill(
    recipe: WordRecipe,
    *,
    sources: Sequence[Any] = (),
    out: Path | None = None,
    keep: bool = True,
    resume: bool = False,
    progress: Progress | None = None,
) -> Outcome:
    """Make one embedding of what several know together.

    Args:
        recipe: the run.
        sources: embeddings of the Python API, see `embeddings.specs.given`, instead of the recipe's.
        out: the run directory; None makes a fresh one below `runs/`.
        keep: whether there is a run directory at all.
        resume: go on with the run in `out`.
        progress: who shows the steps.

    Raises:
        RequestError: something in the request must be mended.
        WorkError: the work failed.
    """
    method = strategies.build_embedding(recipe.strategy, f"recipe {recipe.name}")
    width = parse(Width, recipe.student, f"recipe {recipe.name}, student").width
    store.ready()
    shown = progress or Silent()
    with run.opened(out, recipe, resume, keep, True) as folder, ExitStack() as passing:
        journal = Journal(shown, nonce(), passing)
        with journal.timed("sources"):
            lexicon = gathered(list(sources) or list(recipe.teachers), recipe, journal)
        fitted = list[Fit]()
        learn = partial(learned, recipe, lexicon, folder, journal, fitted)
        with journal.timed(method_name(method)), torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            vectors = method.vectors(lexicon, width, learn)
        with journal.timed("similarity error"):
            error = similarity_error(lexicon, vectors)
        words = WordVectors(lexicon.words, vectors.numpy())
        if folder is not None:
            words.save(folder / run.STUDENT)
        history = fitted[-1].history if fitted else ()
        journal.seconds["all"] = round(time.monotonic() - journal.began, 3)
        return Outcome(words, lexicon, error, history, journal.seconds, tuple(journal.notes))


def gathered(given: Sequence[Any], recipe: WordRecipe, journal: Journal) -> Lexicon:
    """The sources of a run on its vocabulary."""
    if len(given) < 2:
        raise RequestError(
            f"{len(given)} embeddings are too few to make one of: name two or more with --teacher, files as word2vec, "
            f"GloVe or fastText write them, or {listed(f'gensim:{one}' for one in specs.bundled())}"
        )
    sources = [specs.given(one, number, journal.progress) for number, one in enumerate(given, start=1)]
    names = [source.name for source in sources]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RequestError(f"two sources are called {listed(twice)}; name them apart: PATH?name=news")
    lexicon = align(sources, recipe.vocabulary)
    for source in sources:
        for note in source.notes:
            journal.note(f"{source.name}: {note}")
    for note in lexicon.notes:
        journal.note(note)
    return lexicon


def learned(
    recipe: WordRecipe,
    lexicon: Lexicon,
    folder: Path | None,
    journal: Journal,
    fitted: list[Fit],
    network: nn.Module,
    rows: Tensor,
    targets: Targets,
    loss: Callable[[Any, Any], Loss],
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Train a method's network with the run's trainer, see `embeddings.method.Learn`."""
    training = parse(Training, {**recipe.training.model_dump(), **(settings or {})}, f"recipe {recipe.name}, training")
    held = targets.held_out() if isinstance(targets, Relations) and targets.groups is not None else None
    wide = rows.shape[1]
    fitted.append(
        fit(
            network, TensorRows(values=rows), targets, loss, training,
            seed=recipe.seed, accelerator=processes(training), held=held,
            folder=None if folder is None else folder / run.CHECKPOINTS,
            key=fingerprint("words", lexicon.fingerprint, recipe.model_dump(mode="json", exclude={"made_with"})),
            progress=journal.progress, name="training", unit="pairs",
            count=lambda words: wide * words * (wide * words - 1) // 2,
        )
    )  # fmt: skip


@torch.no_grad()
def similarity_error(lexicon: Lexicon, vectors: Tensor) -> float:
    """Eq. (4) over the pairs that are held out, among 4,096 words at most: the same for every method."""
    some = torch.randperm(len(lexicon.words), generator=torch.Generator().manual_seed(0))[:_MEASURED]
    relations = Relations(lexicon, some[:, None], groups=groups_of(len(lexicon.words))).held_out()
    said = all_pairs(vectors[some], relations.at(slice(None)))
    return float(said.sum / said.count)


def method_name(method: MetaEmbedding) -> str:
    """What the step is called in which a method works."""
    return "training" if method.trains else "computing"
