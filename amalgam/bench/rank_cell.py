"""A cell of a table of rankings: each source measured as that of every target, and what was estimated before."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from amalgam import datasets, transferring
from amalgam.bench.ground import within
from amalgam.bench.rank_table import Collection, RankTable
from amalgam.bench.scores import Cell, Merits, Score, Tell
from amalgam.datasets import DataOptions
from amalgam.datasets.few import few_of_each
from amalgam.datasets.loaded import Loaded, narrowed
from amalgam.datasets.split import split
from amalgam.errors import RequestError
from amalgam.feasibility import feasible_transfer, pretraining_of
from amalgam.fingerprint import fingerprint, of_rows
from amalgam.labels import class_of
from amalgam.panel import Seat
from amalgam.parts import IN_MEMORY
from amalgam.processes import processes
from amalgam.progress import Silent
from amalgam.ranking import p2l
from amalgam.ranking.entries import Candidate
from amalgam.ranking.rank import rank
from amalgam.ranking.reference import Reference, plain
from amalgam.recipe import Joined, TransferRecipe
from amalgam.registry import seat_of
from amalgam.schema import parse
from amalgam.signals import Rows
from amalgam.student import Student
from amalgam.transfer.begin import learned
from amalgam.transfer.source import Source, annotated

Numbers = NDArray[np.float64]

_BOUNDS = ("best", "random", "alone")
_RANKERS = ("p2l", "largest", "least_divergent", "log_me", "leep", "nce", "h_score", "trans_rate")
_OF_SOURCES = 0.1  # of a cell's work, training the sources' networks


@dataclass(frozen=True)
class Goal:
    """A target, and what each of its candidates brings.

    Attributes:
        rows: its rows to learn from, a few of them annotated.
        candidates: M sources, with the networks that learned them.
        accuracy: of a student that begins with each of these, (M,).
        alone: of one that begins with none.
        reference: who sees all rows.
    """

    rows: Rows
    candidates: tuple[Candidate, ...]
    accuracy: Numbers
    alone: float
    reference: Reference

    @property
    def gains(self) -> Numbers:
        """I(t, s) of each candidate (M,)."""
        return np.array([p2l.improvement(one, self.alone) for one in self.accuracy.tolist()])


@dataclass(frozen=True)
class _Kept(Reference):
    """A reader of rows that reads each data set once, however many rankings ask for it."""

    kept: dict[str, Tensor] = field(default_factory=dict)

    def features(self, rows: Rows, chunk: int = 1024) -> Tensor:
        """The features of all rows, (N, D)."""
        key = of_rows(rows)
        if key not in self.kept:
            self.kept[key] = super().features(rows, chunk)
        return self.kept[key]


def ready(table: RankTable) -> None:
    """Refuse what is wrong with a table's data, rankers or trainings; nothing is trained.

    Raises:
        RequestError: what is wrong, and where.
    """
    for key, method in table.methods.items():
        if method.strategy["name"] not in (*_RANKERS, *_BOUNDS):
            raise RequestError(
                f"table {table.name}, methods.{key}: no ranker {method.strategy['name']!r}; choose "
                f"{', '.join((*_RANKERS, *_BOUNDS))}"
            )
    for name, collection in table.settings.items():
        with within(f"table {table.name}, setting {name}"):
            feasible_transfer(recipe_of(table, collection, True, 0, name), keep=False)
            for one in (*collection.sources.values(), *collection.targets.values()):
                halves(one, 0)


def run(table: RankTable, name: str, seed: int, tell: Tell) -> Cell:
    """All sources and targets under one seed: halves, shots, first weights and the order of rows follow from it.

    Args:
        table: the table.
        name: the setting.
        seed: of everything random.
        tell: told of the share that is done, 0 to 1, and what is under way.

    Raises:
        RequestError: the table asks for something that is not there.
        WorkError: the work failed.
    """
    began, collection = time.monotonic(), table.settings[name]
    goals = measured(table, collection, seed, name, tell)
    scores = dict[str, Score]()
    for key, method in table.methods.items():
        start = time.monotonic()
        with within(f"method {key}"):
            found = [estimated(method.strategy, goal, seed) for goal in goals.values()]
        scores[key] = merits(method.strategy["name"], found, list(goals.values()), time.monotonic() - start)
    tests = tuple(goals)
    return Cell(
        setting=name,
        seed=seed,
        labels=len(tests),
        rows={one: len(goal.rows) for one, goal in goals.items()},
        scores=scores,
        notes=tuple(told(goals)),
        seconds=round(time.monotonic() - began, 3),
        names=tests,
        test=fingerprint("rankings", [of_rows(goal.rows) for goal in goals.values()]),
    )


def told(goals: dict[str, Goal]) -> list[str]:
    """What the sources brought to each target, for the reader."""
    lines = []
    for name, goal in goals.items():
        best = sorted(zip(goal.accuracy.tolist(), goal.candidates, strict=True), key=lambda one: -one[0])
        told = ", ".join(f"{one.name} {accuracy:.3f}" for accuracy, one in best[:3])
        lines.append(f"{name}: {goal.alone:.3f} alone; {told}, …, {best[-1][1].name} {best[-1][0]:.3f}")
    return lines


def measured(table: RankTable, collection: Collection, seed: int, where: str, tell: Tell) -> dict[str, Goal]:
    """Every target, with every source measured as its own."""
    sources = dict[str, tuple[Source, Student, Seat]]()
    for place, (name, one) in enumerate(collection.sources.items()):
        tell(_OF_SOURCES * place / len(collection.sources), f"source {name}")
        source = annotated({name: halves(one, seed)[0]})
        recipe = recipe_of(table, collection, True, seed, where)
        network, _ = learned(
            source, recipe.student, table.epochs, pretraining_of(recipe), seed,
            accelerator=processes(), progress=Silent(), where=where,
        )  # fmt: skip
        seat = seat_of(network, place, processes(), trust=False, progress=Silent())
        sources[name] = source, network, Seat(name, seat.teacher, seat.fingerprint)
    goals = dict[str, Goal]()
    for number, (name, one) in enumerate(collection.targets.items()):
        parts = split(halves(one, seed)[1], {"learn": 1 - collection.test, "test": collection.test}, seed)
        rows, kept = few_of_each(parts["learn"], collection.shots, seed), list[Candidate]()
        found = list[float]()
        for place, (source_name, (source, _, seat)) in enumerate(sources.items()):
            if source_name == name:
                continue
            share = (number + place / len(sources)) / len(collection.targets)
            tell(_OF_SOURCES + (1 - _OF_SOURCES) * share, f"{name} from {source_name}")
            found.append(transferred(table, collection, rows, parts["test"], source_name, source, seed, where))
            kept.append(Candidate(source_name, source.rows, seat))
        alone = transferred(table, collection, rows, parts["test"], "", None, seed, where)
        reader = plain(rows)
        goals[name] = Goal(rows, tuple(kept), np.array(found), alone, _Kept(reader.name, reader.see, reader.size))
    return goals


def transferred(
    table: RankTable,
    collection: Collection,
    rows: Rows,
    test: Rows,
    name: str,
    source: Source | None,
    seed: int,
    where: str,
) -> float:
    """P(M(t, s)): the accuracy on the target's test rows of a student that begins with a source's network, or none."""
    recipe = recipe_of(table, collection, source is not None, seed, where)
    given = None if source is None else {name: plainly(source.rows)}
    _, report = transferring.distill(recipe, rows=rows, held_out=test, sources=given, keep=False)
    assert report.evaluation is not None
    return report.evaluation.student.measures.accuracy


def plainly(rows: Rows) -> Rows:
    """A source's rows with their own names of classes again."""
    return replace(rows, labels=tuple(map(class_of, rows.labels)))


def recipe_of(table: RankTable, collection: Collection, source: bool, seed: int, where: str) -> TransferRecipe:
    """The run that measures a transfer."""
    content: dict[str, Any] = {
        "name": table.name,
        "strategy": {"name": "fine_tuning", "pretraining": table.epochs if source else 0},
        "data": {"source": IN_MEMORY, "labelled": 1.0},
        "sources": [{"source": IN_MEMORY}] if source else [],
        "pretraining": table.pretraining,
        "student": table.student_of(collection),
        "training": {**table.training, **collection.training},
        "seed": seed,
        "export": False,
    }
    return parse(TransferRecipe, content, f"table {table.name}, setting {where}")


@lru_cache(maxsize=64)
def _read(spec: str, options: str) -> Rows:
    return datasets.load(spec, DataOptions.model_validate_json(options)).rows


def halves(one: Joined, seed: int) -> tuple[Rows, Rows]:
    """The rows of a data set as a source, and as a target; parts of one data set are divided alike.

    Raises:
        RequestError: no such data, or rows that are not of one class each.
    """
    whole = _read(one.source, one.options.model_copy(update={"only": ()}).model_dump_json())
    parts = split(whole, {"source": 0.5, "target": 0.5}, seed)
    found = [narrowed(Loaded(part, ()), one.options.only or part.labels, one.source).rows for part in parts.values()]
    if any(rows.annotated is None or not bool((rows.annotated.sum(1) == 1).all()) for rows in found):
        raise RequestError(f"{one.source} has rows that are not of one class each; name some with the option `only`")
    return found[0], found[1]


def estimated(strategy: dict[str, Any], goal: Goal, seed: int) -> Numbers:
    """What a way to choose says of each candidate (M,), greater for a better one."""
    name = strategy["name"]
    if name == "best":
        return goal.accuracy
    if name in _BOUNDS:
        return np.full(len(goal.candidates), math.nan)
    settings = {key: value for key, value in strategy.items() if key != "name"}
    found = rank(goal.rows, goal.candidates, by=name, reference=goal.reference, times=2, seed=seed, **settings)
    said = {one.name: math.nan if one.estimate is None else one.estimate for one in found.entries}
    sign = -1.0 if name == "least_divergent" else 1.0
    return np.array([sign * said[one.name] for one in goal.candidates])


def merits(name: str, found: Sequence[Numbers], goals: Sequence[Goal], seconds: float) -> Score:
    """ρ of each target, and what picking by the estimate would have brought."""
    rhos, accuracies, bests, needed = list[float](), list[float](), list[float](), list[float]()
    for said, goal in zip(found, goals, strict=True):
        many = len(goal.candidates)
        if name in ("random", "alone"):
            rhos.append(0.0 if name == "random" else math.nan)
            accuracies.append(float(goal.accuracy.mean()) if name == "random" else goal.alone)
            bests.append(1 / many if name == "random" else math.nan)
            needed.append((many + 1) / 2 if name == "random" else math.nan)
            continue
        rhos.append(p2l.spearman(said, goal.gains))
        accuracies.append(float(goal.accuracy[int(said.argmax())]))
        needed.append(float(p2l.picks(said, goal.gains)))
        bests.append(float(needed[-1] == 1))
    facts = {
        "accuracy of the first pick": float(np.mean(accuracies)),
        "first pick is the best": float(np.mean(bests)),
        "picks until the best": float(np.mean(needed)),
        "most picks until the best": float(np.max(needed)),
    }
    return Score(Merits(tuple(rhos)), len(rhos), facts, 0, round(seconds, 3))


def cost(table: RankTable, name: str) -> float:
    """The work of a cell, beside others of the table: its transfers."""
    collection = table.settings[name]
    return float(len(collection.sources) * len(collection.targets))
