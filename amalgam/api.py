"""The Python API: a whole run in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from amalgam import datasets
from amalgam.errors import RequestError
from amalgam.pipeline import distill as run
from amalgam.progress import shown
from amalgam.recipe import Data, Labels, Recipe
from amalgam.schema import parse
from amalgam.signals import Rows
from amalgam.student import Student
from amalgam.training.settings import Training


def distill(
    teachers: Sequence[Any],
    data: Any,
    strategy: str | Mapping[str, Any] = "ant",
    *,
    student: str | Mapping[str, Any] = "label_chain",
    training: Mapping[str, Any] | None = None,
    test: Any = None,
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
        data: rows without annotations: an array (N, ...), or a SPEC such as a file's path.
        strategy: its name, or a mapping with `name` and hyperparameters.
        student: its name, or a mapping with `name` and settings.
        training: the trainer's settings that differ from the defaults.
        test: rows to measure on, which nobody learns from: a SPEC, or a triple (inputs, annotated (N, L) of 0, 1 and
            NaN, labels).
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
    named = dict(strategy) if isinstance(strategy, Mapping) else {"name": strategy}
    source = isinstance(data, str | Path)
    recipe = Recipe(
        name=str(named["name"]),
        strategy=named,
        teachers=tuple(str(one) for one in teachers if isinstance(one, str | Path)),
        data=Data(source=str(data) if source else "rows in memory", held_out=test if isinstance(test, str) else None),
        labels=parse(Labels, {"aliases": dict(aliases or {})}, "aliases"),
        student=dict(student) if isinstance(student, Mapping) else {"name": student},
        training=parse(Training, dict(training or {}), "training"),
        seed=seed,
    )
    with shown(progress) as display:
        made, report = run(
            recipe,
            teachers=teachers,
            rows=None if source else datasets.from_arrays(data),
            held_out=None if test is None or isinstance(test, str) else _annotated(test),
            out=None if out is None else Path(out),
            keep=out is not None,
            trust=trust_code,
            progress=display,
        )
    made.report = report
    return made


def _annotated(test: Any) -> Rows:
    if not isinstance(test, tuple) or len(test) != 3:
        raise RequestError(
            "test is a SPEC, or a triple (inputs, annotated, labels): the names say which column is which"
        )
    inputs, annotated, labels = test
    return datasets.from_arrays(inputs, annotated, labels)
