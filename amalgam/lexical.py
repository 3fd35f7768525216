"""The run of embeddings as a story, from sources to report: what `pipeline` is for teachers that answer rows."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from amalgam import run, store, strategies, wordtests
from amalgam.embeddings import Lexicon, align, specs
from amalgam.embeddings.graph import LARGEST, export, size_of
from amalgam.embeddings.maskout import all_pairs, some_pairs
from amalgam.embeddings.method import Learn, MetaEmbedding
from amalgam.embeddings.relations import Common, Relations, units
from amalgam.embeddings.words import WordVectors
from amalgam.errors import RequestError, WorkError, listed
from amalgam.fingerprint import fingerprint, of_array, of_code
from amalgam.journal import Journal
from amalgam.processes import nonce, processes
from amalgam.progress import Progress, Silent
from amalgam.recipe import WordRecipe, read_any
from amalgam.registry import IN_MEMORY
from amalgam.report import machine
from amalgam.schema import parse
from amalgam.signals import Loss, Targets, TensorRows
from amalgam.training.settings import CODE as TRAINING
from amalgam.training.settings import Training
from amalgam.training.trainer import Fit, fit
from amalgam.wordmeasures import doubts, measured, similarity_errors
from amalgam.wordreport import STUDENT, Known, WordReport

_EXTENDED = "extended"  # what the embedding is called that is
_VALIDATED = 512  # words, at least, among whose held-out pairs a training is validated
_ROUNDING = 1e-5


class Width(BaseModel):
    """The student of a run of words.

    Attributes:
        name: `embedding`, the only one there is.
        width: d, for the methods that can choose it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["embedding"] = "embedding"
    width: int = Field(default=100, gt=0)


def distill(
    recipe: WordRecipe,
    *,
    sources: Sequence[Any] = (),
    out: Path | None = None,
    keep: bool = True,
    resume: bool = False,
    progress: Progress | None = None,
) -> tuple[WordVectors, WordReport]:
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
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise RequestError("embeddings are distilled by one process; start it without torchrun or accelerate launch")
    method = strategies.build_embedding(recipe.strategy, f"recipe {recipe.name}")
    recipe = completed(recipe, method)
    width_of(recipe, f"recipe {recipe.name}")
    for name in recipe.measured:
        wordtests.find(name).require()
    store.ready()
    shown = progress or Silent()
    with run.opened(out, recipe, resume, keep, True) as folder, ExitStack() as passing:
        if folder is not None and run.finished(folder):
            shown.say(f"{folder} is finished; nothing is left to do")
            return WordVectors.load(folder / run.STUDENT), WordReport.read(folder)
        journal = Journal(shown, nonce(), passing)
        with journal.timed("sources"):
            lexicon = gathered(list(sources) or list(recipe.teachers), recipe, journal)
        with journal.timed("training" if method.trains else "computing"):
            made = embedded(recipe, method, lexicon, folder, journal)
        words = WordVectors(lexicon.words, made.vectors.numpy())
        if folder is not None:
            words.save(folder / run.STUDENT)
        with journal.timed("similarity error"):
            errors = similarity_errors(lexicon, made.vectors, made.common, extends=recipe.extend is not None)
        with journal.timed("word tests"):
            tests = tuple(measured(words, lexicon, recipe, journal))
        exported: dict[str, Any] = {}
        if folder is not None:
            if recipe.export and size_of(words) > LARGEST:
                journal.note("an ONNX file cannot hold so many numbers, and there is none; student/ has them all")
            elif recipe.export:
                with journal.timed("export"), shown.step("export", 1, "model") as bar:
                    exported = export(words, folder / run.ONNX)
                    bar.advance(1)
        report = WordReport(
            recipe=recipe.name,
            strategy=recipe.strategy["name"],
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            words=len(words.words),
            width=made.vectors.shape[1],
            sources=tuple(
                Known(
                    name=one.name,
                    words=len(one.words),
                    dimensions=one.dimensions,
                    shared=int(known.sum()),
                    source=one.named,
                    licence=one.licence,
                    fingerprint=one.fingerprint,
                )
                for one, known in zip(lexicon.sources, lexicon.known, strict=True)
            ),
            in_memory=any(not isinstance(one, str | Path) for one in sources),
            error=errors[0],
            error_without=errors[1],
            curve=method.curve,
            machine=machine("cpu"),
            seconds={**journal.seconds, "all": round(time.monotonic() - journal.began, 3)},
            history=made.history,
            tests=tests,
            export=exported,
            notes=tuple(journal.notes),
            settings=run.resolved(recipe).model_dump(mode="json"),
            fingerprint=words.fingerprint,
        )
        if folder is not None:
            report.write(folder)
            shutil.rmtree(folder / run.CHECKPOINTS, ignore_errors=True)  # as large as the embedding, and of no use now
        return words, report


def completed(recipe: WordRecipe, method: MetaEmbedding) -> WordRecipe:
    """A recipe whose training is as the method wants it where it does not say; it need not say anything."""
    said = recipe.training.model_dump(exclude_unset=True)
    training = parse(Training, {**method.usual, **said}, f"recipe {recipe.name}, training")
    return recipe.model_copy(update={"training": training})


def evaluate_again(folder: Path, tests: Sequence[str] | None = None, progress: Progress | None = None) -> WordReport:
    """A finished run's report, with its student beside its sources in these word tests.

    Args:
        folder: the run directory.
        tests: their names; those of the run's recipe by default.
        progress: who shows the steps.

    Raises:
        RequestError: no finished run of words, its sources are gone, or an unknown test.
    """
    recipe, report = read_any(str(folder / run.RECIPE)), WordReport.read(folder)
    if not isinstance(recipe, WordRecipe):
        raise RequestError(f"{folder} is a run of rows; name a run of words")
    asked = recipe.model_copy(update={"measured": recipe.measured if tests is None else tuple(tests)})
    journal = Journal(progress or Silent(), nonce(), ExitStack())
    lexicon = gathered(list(recipe.teachers), recipe, journal)
    found = tuple(measured(WordVectors.load(folder), lexicon, asked, journal))
    return report.model_copy(update={"tests": found})


class Made(NamedTuple):
    """What came of a method.

    Attributes:
        vectors: (V, d).
        history: of its training, an epoch a mapping; empty where nothing was trained.
        common: what it took off each source first, see `Relations`; empty where nothing.
    """

    vectors: Tensor
    history: tuple[dict[str, float], ...]
    common: Sequence[Common | None]


def embedded(
    recipe: WordRecipe, method: MetaEmbedding, lexicon: Lexicon, folder: Path | None, journal: Journal
) -> Made:
    """What a method makes of the sources.

    Args:
        recipe: the run.
        method: its strategy.
        lexicon: the sources, aligned.
        folder: the run directory, for checkpoints; or None.
        journal: of the run.
    """
    lessons, width = list[tuple[Fit, Targets]](), width_of(recipe, f"recipe {recipe.name}")
    learn = partial(learned, recipe, method, lexicon, folder, journal, lessons)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        if recipe.extend is None:
            found, whose = method.vectors(lexicon, width, learn), recipe.strategy["name"]
        else:
            found, whose = extended(recipe.extend.bound, method, lexicon, learn, journal), "what is extended"
    if "width" in recipe.student and found.shape[1] != width:
        journal.note(f"student.width is {width}, and the student's {found.shape[1]}: {whose} has its own")
    if not lessons:
        return Made(found, (), ())
    fitted, targets = lessons[-1]
    for note in doubts(lexicon, found, fitted.history, recipe.training.learning_rate):
        journal.note(note)
    return Made(found, fitted.history, targets.common if isinstance(targets, Relations) else ())


def width_of(recipe: WordRecipe, where: str) -> int:
    """d, as a recipe has it; RequestError begins with `where`."""
    return parse(Width, recipe.student, f"{where}, student").width


def extended(bound: float, method: MetaEmbedding, lexicon: Lexicon, learn: Learn, journal: Journal) -> Tensor:
    """The vectors (V, d) of the first source's words, moved by no more than a bound, and of the others'."""
    old = torch.from_numpy(lexicon.sources[0].vectors)
    found = method.extended(lexicon, old.shape[1], bound, learn)
    moved = float((units(found[: len(old)]) - units(old)).norm(dim=1).max())
    if moved > bound + _ROUNDING:
        raise WorkError(f"a word moved {moved:.3g}, further than extend.bound, {bound:g}; nothing was written")
    journal.note(
        f"{len(found) - len(old):,} words were added to {len(old):,}, of which none moved more than {moved:.3g} (unit "
        f"vectors; extend.bound is {bound:g})"
    )
    return found


def gathered(given: Sequence[Any], recipe: WordRecipe, journal: Journal) -> Lexicon:
    """The sources of a run on its vocabulary; the embedding that is extended is the first."""
    if recipe.extend is not None:
        if not given:
            raise RequestError(f"nothing says which embeddings to add to {recipe.extend.run}; name them with --teacher")
        if recipe.vocabulary.minimum > 1 or recipe.vocabulary.words is not None:
            raise RequestError(
                "an embedding is extended by every word of its new sources; leave vocabulary.minimum and "
                "vocabulary.words out"
            )
        given = [f"{recipe.extend.run}?name={_EXTENDED}", *given]
    if len(given) < 2:
        raise RequestError(
            f"{len(given)} embeddings are too few to make one of: name two or more with --teacher, files as word2vec, "
            f"GloVe or fastText write them, or {listed(f'gensim:{one}' for one in specs.bundled())}"
        )
    if any(str(one).startswith(IN_MEMORY) for one in given if isinstance(one, str)):
        raise RequestError(f"the sources of run {recipe.name} were in memory and are gone; distil it anew with them")
    sources = [specs.given(one, number, journal.progress) for number, one in enumerate(given, start=1)]
    names = [source.name for source in sources]
    if STUDENT in names:
        raise RequestError(f"no source is called {STUDENT!r}, as the result is; name it another way: PATH?name=mine")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RequestError(f"two sources are called {listed(twice)}; name them apart: PATH?name=news")
    lexicon = align(sources, recipe.vocabulary)
    if recipe.extend is not None:
        check_case(recipe.extend.run, lexicon, journal)
    for source in sources:
        for note in source.notes:
            journal.note(f"{source.name}: {note}")
    for note in lexicon.notes:
        journal.note(note)
    return lexicon


def check_case(run: Path, lexicon: Lexicon, journal: Journal) -> None:
    """Refuse to fold words of a run that is extended into one; tell of new words that it has in lower case."""
    old = lexicon.sources[0].words
    if lexicon.words[: len(old)] != tuple(old):
        raise RequestError(
            f"some words of {run} are one in lower case, and every one is kept; leave vocabulary.fold out"
        )
    there = set(old)
    if cased := [word for word in lexicon.words[len(old) :] if word.lower() != word and word.lower() in there]:
        journal.note(
            f"{len(cased):,} words are added that {run} has in lower case ({listed(cased, 3)}); vocabulary.fold adds "
            "them in lower case"
        )


def learned(
    recipe: WordRecipe,
    method: MetaEmbedding,
    lexicon: Lexicon,
    folder: Path | None,
    journal: Journal,
    lessons: list[tuple[Fit, Targets]],
    network: nn.Module,
    rows: Tensor,
    targets: Targets,
    loss: Callable[[Any, Any], Loss],
    settings: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Train a method's network with the run's trainer, see `embeddings.method.Learn`."""
    training = parse(Training, {**recipe.training.model_dump(), **(settings or {})}, f"recipe {recipe.name}, training")
    held = None
    if isinstance(targets, Relations) and targets.groups is not None:
        held = targets.held_out()
        if training.validation:  # of few words, too few pairs are held out to tell anything
            share = max(training.validation, min(1.0, _VALIDATED / len(rows)))
            training = training.model_copy(update={"validation": share})
    unit, count = counted(loss, rows.shape[1])
    for note in notes:
        journal.note(note)
    learns = [type(method).__module__, "amalgam.embeddings.relations", "amalgam.embeddings.model"]
    fitted = fit(
        network, TensorRows(values=rows), targets, loss, training,
        seed=recipe.seed, accelerator=processes(training), held=held,
        folder=None if folder is None else folder / run.CHECKPOINTS,
        key=fingerprint(
            "words", lexicon.fingerprint, recipe.model_dump(mode="json", exclude={"made_with"}),
            of_array(rows.numpy()), of_code(*TRAINING, *learns),
        ),
        progress=journal.progress, name="training", unit=unit, count=count,
    )  # fmt: skip
    lessons.append((fitted, targets))
    network.to("cpu")


def counted(loss: Callable[..., Loss], words: int) -> tuple[str, Callable[[int], int]]:
    """What a step's work is told in, and how much of it a step of so many rows of words is."""
    if loss is all_pairs and words == 1:
        return "pairs", lambda rows: rows * (rows - 1) // 2
    if loss is all_pairs:  # neighbours of several words are one word, and how many there are is seen in the step
        return "words", lambda rows: words * rows
    return ("pairs" if loss is some_pairs else "words"), int
