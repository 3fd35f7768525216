"""The Python API: a whole run in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from amalgam import datasets, lexical, parts
from amalgam.datasets import DataOptions
from amalgam.embeddings.words import WordVectors
from amalgam.errors import RequestError
from amalgam.pipeline import distill as run
from amalgam.progress import shown
from amalgam.ranking.candidates import TARGET, named, rank_named
from amalgam.ranking.divergences import Divergence
from amalgam.ranking.entries import Ranker, Ranking
from amalgam.ranking.p2l import K
from amalgam.recipe import TransferRecipe, WordRecipe, read_any, resolve
from amalgam.registry import IN_MEMORY, name_of
from amalgam.schema import parse
from amalgam.signals import Rows
from amalgam.strategies import embedding_class
from amalgam.student import Student
from amalgam.transferring import distill as transfer


def distill(
    teachers: Sequence[Any],
    data: Any,
    strategy: str | Mapping[str, Any] = "ant",
    *,
    student: str | Mapping[str, Any] = "label_chain",
    training: Mapping[str, Any] | None = None,
    test: Any = None,
    labelled: float | None = None,
    shots: int | None = None,
    sources: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    test_options: Mapping[str, Any] | None = None,
    aliases: Mapping[str, Sequence[str]] | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    trust_code: bool = False,
    progress: bool = False,
) -> Student:
    """Distil what several teachers know together into one student.

    Args:
        teachers: each a card's name, a path, a pair (torch module or scikit-learn estimator, labels), or any object
            with `labels` and `score(inputs) -> logits (B, len(labels))`.
        data: the rows: an array (N, ...), a list of N texts, a SPEC such as a file's path, or, for a strategy that
            learns from a few labelled rows, a triple (inputs, annotated (N, L) of 0, 1 and NaN where nobody annotated,
            labels).
        strategy: its name, or a mapping with `name` and hyperparameters.
        student: its name, or a mapping with `name` and settings.
        training: the trainer's settings that differ from the defaults.
        test: rows to measure on, which nobody learns from: a SPEC, or a triple (inputs, annotated (N, L) of 0, 1 and
            NaN, labels).
        labelled: the share of the annotated rows of `data` that such a strategy may see; all of a triple by default.
        shots: instead of a share, so many rows of every label.
        sources: for a strategy that transfers, such as `l2tl`: name → what is transferred from, a SPEC or a triple as
            `data` is; or an array, of rows that the teachers label.
        options: how a file of `data` is read, such as `{"labels": ["cat", "dog"]}` for its label columns.
        test_options: how a file of `test` is read; `options` by default.
        aliases: common label name → other names of it.
        seed: of everything random.
        out: a run directory to write; None writes none.
        trust_code: whether code that cards name may run.
        progress: whether to show progress on standard error.

    Returns:
        the student; `student.report` says what it learned, from whom and how well.

    Raises:
        RequestError: something in the request must be mended.
        WorkError: the work failed.
    """
    if isinstance(teachers, str | Path) or not isinstance(teachers, Sequence):
        raise RequestError("teachers is a list; a single teacher is a list of one")
    source, measured = _is_spec(data), _is_spec(test)
    if isinstance(data, tuple) and labelled is None and shots is None:
        labelled = 1.0
    content: dict[str, Any] = {
        "name": strategy.get("name") if isinstance(strategy, Mapping) else strategy,
        "strategy": dict(strategy) if isinstance(strategy, Mapping) else strategy,
        "teachers": [
            str(one) if _is_spec(one) else IN_MEMORY + name_of(one, number) for number, one in enumerate(teachers, 1)
        ],
        "data": {
            "source": str(data) if source else parts.IN_MEMORY,
            "labelled": labelled,
            "shots": shots,
            "options": dict(options or {}),
            "held_out": str(test) if measured else None,
            "held_out_options": None if test_options is None else dict(test_options),
        },
        "labels": {"aliases": dict(aliases or {})},
        "student": dict(student) if isinstance(student, Mapping) else student,
        "training": dict(training or {}),
        "seed": seed,
    }
    given: dict[str, Any] = {
        "teachers": teachers,
        "rows": None if source else _rows(data),
        "held_out": None if test is None or measured else _annotated(test, "test"),
        "out": None if out is None else Path(out),
        "keep": out is not None,
        "trust": trust_code,
    }
    if sources is not None:
        content["sources"] = [{"source": str(one) if _is_spec(one) else parts.IN_MEMORY} for one in sources.values()]
        given["sources"] = {name: None if _is_spec(one) else _rows(one) for name, one in sources.items()}
    recipe = resolve(content, "amalgam.distill")
    with shown(progress) as display:
        if isinstance(recipe, TransferRecipe):
            made, report = transfer(recipe, **given, progress=display)
        else:
            made, report = run(recipe, **given, progress=display)
    made.report = report
    return made


def distill_words(
    sources: Sequence[Any],
    strategy: str | Mapping[str, Any] = "simme",
    *,
    width: int = 100,
    vocabulary: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    tests: Sequence[str] = (),
    extend: str | Path | None = None,
    bound: float = 0.0,
    seed: int = 0,
    out: str | Path | None = None,
    progress: bool = False,
) -> WordVectors:
    """Make one embedding of what several know together.

    Args:
        sources: each a path, a SPEC such as `gensim:lee_fasttext.vec`, a run directory, gensim's KeyedVectors, or a
            pair (words, vectors (V, D)).
        strategy: its name, or a mapping with `name` and hyperparameters; `simme` as recipes/simme.yaml has it.
        width: how many numbers a word has, for strategies that can choose it.
        vocabulary: which words, such as `{"minimum": 2}` for those that two sources know.
        training: the trainer's settings that differ from the recipe's.
        tests: word tests to measure it by, see `amalgam.wordtests.names`.
        extend: a run directory whose words are kept, and the sources' added to.
        bound: how far the unit vector of a kept word may move.
        seed: of everything random.
        out: a run directory to write; None writes none.
        progress: whether to show progress on standard error.

    Raises:
        RequestError: something in the request must be mended.
        WorkError: the work failed.
    """
    if isinstance(sources, str | Path) or not isinstance(sources, Sequence):
        raise RequestError(f"sources is {_kind(sources)}, expected a list of embeddings")
    for what, value in (("vocabulary", vocabulary), ("training", training)):
        if value is not None and not isinstance(value, Mapping):
            raise RequestError(f"{what} is {_kind(value)}, expected a mapping of keys to values")
    if not isinstance(strategy, str | Mapping):
        raise RequestError(f"strategy is {_kind(strategy)}, expected a name, or a mapping with `name`")
    if isinstance(tests, str) or not isinstance(tests, Sequence):
        raise RequestError(f"tests is {_kind(tests)}, expected a list of names of word tests")
    for what, place in (("extend", extend), ("out", out)):
        if place is not None and not _is_spec(place):
            raise RequestError(f"{what} is {_kind(place)}, expected the path of a run directory")
    changes: dict[str, object] = {
        "teachers": [str(one) if _is_spec(one) else IN_MEMORY + str(place) for place, one in enumerate(sources, 1)],
        "vocabulary": dict(vocabulary or {}),
        "student": {"name": "embedding", "width": width},
        "measured": list(tests),
        "seed": seed,
    } | {f"training.{key}": value for key, value in (training or {}).items()}
    if extend is not None:
        changes["extend"] = {"run": str(extend), "bound": bound}
    elif bound:
        raise RequestError("bound says how far the words of an embedding may move that is extended; name it: extend=")
    name = strategy if isinstance(strategy, str) else str(strategy.get("name"))
    embedding_class(name)
    if not isinstance(strategy, str):
        changes["strategy"] = dict(strategy)
    recipe = read_any(name, changes)
    if not isinstance(recipe, WordRecipe):
        raise RequestError(f"recipe {name} has rows; name a strategy that makes one embedding of several")
    with shown(progress) as display:
        words, report = lexical.distill(
            recipe, sources=sources, out=None if out is None else Path(out), keep=out is not None, progress=display
        )
    return replace(words, told=report)


def load_words(folder: str | Path) -> WordVectors:
    """The embedding that a run of words made.

    Args:
        folder: its run directory, or `student/` in it.

    Raises:
        RequestError: none is there, or it is damaged.
    """
    return WordVectors.load(Path(folder))


def rank(
    target: Any,
    sources: Mapping[str, Any] | Sequence[str | Path] | None = None,
    teachers: Sequence[Any] = (),
    *,
    by: Ranker | None = None,
    reference: Any = None,
    divergence: Divergence = "kl",
    k: float = K,
    trim: float = 0.0,
    most: int = 20_000,
    times: int = 200,
    seed: int = 0,
    usual: str | None = None,
    labels: Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
    own_options: Mapping[str, Mapping[str, Any]] | None = None,
    trust_code: bool = False,
    progress: bool = False,
) -> Ranking:
    """Rank data sets and teachers by what a transfer from each promises for a target, before anything is trained.

    Args:
        target: what is to be learned: an array (N, ...), a list of N texts, a SPEC such as a file's path, or a triple
            (inputs, annotated (N, L) of 0, 1 and NaN where nobody annotated, labels), by which teachers are scored.
        sources: data that it may learn from: name → what `target` can be, or a list of SPECs.
        teachers: teachers that it may learn from, as in `distill`; `NAME=SPEC` gives one another name.
        by: what they are ranked by: `p2l`, `largest` or `least_divergent`; of teachers `log_me`, `leep`, `nce`,
            `h_score` or `trans_rate`. By default `p2l` where it is known what all were trained on, else `log_me`, else
            `leep`.
        reference: a teacher through whose last representation all rows are seen; by default what needs no weights.
        divergence: of mean features: `kl`, `js`, `chi2`, `euclidean`, `cityblock`.
        k: how much the divergence counts beside the size.
        trim: of a trimmed mean, the share of values left out at each end.
        most: rows of a data set that are looked at, drawn at random.
        times: bootstrap samples, of which the intervals are.
        seed: of what is drawn.
        usual: the candidate that you would take without looking, to be held against the others.
        labels: the label columns of a target that is a file.
        options: how files are read; each counts for those for which it means something.
        own_options: name, or `target` → how that file alone is read.
        trust_code: whether code that cards name may run.
        progress: whether to show progress on standard error.

    Returns:
        the ranking: `ranking.best`, `ranking.entries` with estimates, intervals and parts, `ranking.as_json()`.

    Raises:
        RequestError: something in the request must be mended.
    """
    if isinstance(teachers, str | Path) or isinstance(sources, str | Path):
        raise RequestError("sources and teachers are several; a single one is a list of one")
    own = dict(own_options or {})
    if labels is not None:
        own[TARGET] = {**own.get(TARGET, {}), "labels": list(labels)}
    given = sources.items() if isinstance(sources, Mapping) else [named(str(one)) for one in sources or ()]
    with shown(progress) as display:
        return rank_named(
            _named_rows(target, "target"), [(name, _named_rows(one, name)) for name, one in given], teachers,
            by=by, reference=reference, divergence=divergence, k=k, trim=trim, most=most, times=times, seed=seed,
            usual=usual, trust=trust_code, progress=display, told=parse(DataOptions, dict(options or {}), "options"),
            own={name: parse(DataOptions, dict(one), f"own_options of {name}") for name, one in own.items()},
        )  # fmt: skip


def _named_rows(data: Any, name: str) -> str | Rows:
    """A SPEC, or the rows of a data set in memory under a name."""
    return str(data) if _is_spec(data) else replace(_rows(data), name=name)


def _kind(given: object) -> str:
    """What was given instead, for messages."""
    return "None" if given is None else f"of the type {type(given).__name__}"


def _is_spec(given: Any) -> bool:
    return isinstance(given, str | Path)


def _rows(data: Any) -> Rows:
    return _annotated(data, "data") if isinstance(data, tuple) else datasets.from_arrays(data)


def _annotated(given: Any, what: str) -> Rows:
    if not isinstance(given, tuple) or len(given) != 3:
        raise RequestError(
            f"{what} is a SPEC, or a triple (inputs, annotated, labels): the names say which column is which"
        )
    inputs, annotated, labels = given
    return datasets.from_arrays(inputs, annotated, labels)
