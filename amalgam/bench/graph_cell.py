"""A cell of a table of label graphs: of one pair of data sets under one seed, every method's run."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from amalgam import pipeline
from amalgam.bench.graph_table import GraphTable, Pair
from amalgam.bench.ground import within
from amalgam.bench.scores import Cell, Score, Tell
from amalgam.classes import one_hot
from amalgam.errors import RequestError, listed
from amalgam.feasibility import feasible
from amalgam.fingerprint import fingerprint, of_array, of_rows
from amalgam.labelgraph import specs
from amalgam.labelgraph.graph import LabelGraph
from amalgam.metrics import measures
from amalgam.parts import apportion
from amalgam.recipe import Recipe
from amalgam.schema import parse
from amalgam.signals import Rows
from amalgam.strategies import build, strategy_class
from amalgam.strategy import Strategy
from amalgam.student import Student

_WALKER = "path_decoder"


def ready(table: GraphTable) -> None:
    """Refuse what is wrong with a table's graphs, methods, data or trainings; nothing is trained.

    Raises:
        RequestError: what is wrong, and where.
    """
    for name, pair in table.settings.items():
        here = f"table {table.name}, setting {name}"
        with within(here):
            graph = specs.find(pair.graph)
            wanted = labels_of(pair, graph)
        for key in table.methods:
            with within(f"{here}, method {key}"):
                feasible(recipe_of(table, pair, key, 0, here), keep=False)
        recipe = recipe_of(table, pair, table.headline, 0, here)
        with within(here):
            measured(recipe, graph, wanted)


def run(table: GraphTable, name: str, seed: int, tell: Tell) -> Cell:
    """One pair of data sets under one seed: the split, the first weights and the order of rows follow from it.

    Args:
        table: the table.
        name: the setting.
        seed: of everything random.
        tell: told of the share that is done, 0 to 1, and what is under way.

    Raises:
        RequestError: the table asks for something that is not there.
        WorkError: the work failed.
    """
    began, pair, where = time.monotonic(), table.settings[name], f"table {table.name}, setting {name}"
    graph = specs.find(pair.graph)
    wanted = labels_of(pair, graph)
    scores, rows, notes = dict[str, Score](), dict[str, int](), dict[str, None]()
    test, truth = measured(recipe_of(table, pair, table.headline, seed, where), graph, wanted)
    for number, key in enumerate(table.methods):
        tell(number / len(table.methods), table.shown(key))
        with within(f"method {key}"):
            recipe = recipe_of(table, pair, key, seed, where)
            student, report = pipeline.distill(recipe, keep=False)
            took = report.seconds["targets"] + report.seconds["training"]
            facts = {fact: float(value) for fact, value in report.counts.items() if value is not None}
            facts["rows learned from"] = float(report.data["learnt from"])
            said = chances(student, test, wanted)
            scores[key] = Score(
                measures(one_hot(said), truth, said), len(wanted), facts, len(report.history), round(took, 3)
            )
            rows = {"students": max(rows.get("students", 0), report.data["learnt from"]), "test": len(test)}
            notes |= dict.fromkeys(report.notes)
    return Cell(
        setting=name,
        seed=seed,
        labels=len(wanted),
        rows=rows,
        scores=scores,
        notes=tuple(notes),
        seconds=round(time.monotonic() - began, 3),
        names=wanted,
        test=fingerprint(of_rows(test), of_array(truth.numpy())),
    )


def recipe_of(table: GraphTable, pair: Pair, key: str, seed: int, where: str) -> Recipe:
    """A method's run on a pair.

    Raises:
        RequestError: no such strategy, or a setting that is wrong.
    """
    method = table.methods[key]
    graph = specs.find(pair.graph)
    own: Any = graph.without(method.without).model_dump(mode="json") if method.without else pair.graph
    strategy = {**method.strategy, **pair.methods.get(key, {}), "graph": own}
    encoder = table.student_of(pair)
    walks = strategy_class(str(strategy["name"])).equips is not Strategy.equips
    target = target_of(pair, graph)
    shows = {part: source for part, source in pair.shows.items() if source == target or not method.alone}
    content: dict[str, Any] = {
        "name": key,
        "strategy": strategy,
        "data": {
            "source": pair.data,
            "options": pair.options.model_dump(),
            "parts": pair.parts,
            "shows": shows,
            "join": [] if method.alone else [one.model_dump() for one in pair.join],
            "held_out": pair.held_out,
            "labelled": 1.0,
            "split_seed": seed,
        },
        "labels": {"aliases": pair.aliases},
        "student": {"name": _WALKER, "encoder": encoder, **method.student} if walks else encoder,
        "training": {**table.training, **method.training, **pair.training},
        "seed": seed,
        "export": False,
    }
    return parse(Recipe, content, f"{where}, method {key}")


def target_of(pair: Pair, graph: LabelGraph) -> str:
    """The source that is measured; RequestError where the graph has none of that name."""
    target = next(iter(graph.labels)) if pair.target is None else pair.target
    if target not in graph.labels:
        raise RequestError(f"target is {target!r}, which is no source of its label graph ({', '.join(graph.labels)})")
    return target


def labels_of(pair: Pair, graph: LabelGraph) -> tuple[str, ...]:
    """The labels that are measured."""
    return graph.labels[target_of(pair, graph)]


def measured(recipe: Recipe, graph: LabelGraph, wanted: tuple[str, ...]) -> tuple[Rows, torch.Tensor]:
    """The test rows that are annotated with a label of the target, and their annotations (M, L).

    Raises:
        RequestError: there are none, or the data does not know a label.
    """
    test = apportion(recipe, own=build(recipe.strategy, f"recipe {recipe.name}").labels()).test
    if test is None or test.annotated is None:
        raise RequestError(f"{recipe.data.source} leaves no annotated rows to measure on; name a part `test`")
    place = {label: column for column, label in enumerate(test.labels)}
    if not set(wanted) & set(place):
        raise RequestError(f"{test.name} is not annotated with {listed(wanted)}, which are to be measured")
    truth = torch.zeros(len(test), len(wanted))  # what its rows are never annotated with, none of them has
    for column, label in enumerate(wanted):
        truth[:, column] = test.annotated[:, place[label]] if label in place else 0.0
    known = (truth == 1).any(1).nonzero()[:, 0]
    if not len(known):
        raise RequestError(f"no test row of {recipe.data.source} has a label of the target, {listed(wanted)}")
    return test.take(known), truth[known].nan_to_num()


def chances(student: Student, test: Rows, wanted: tuple[str, ...]) -> torch.Tensor:
    """The log probabilities (M, L) of the target's labels on the test rows."""
    columns = [student.labels.index(label) for label in wanted]
    logits = torch.cat([student.logits(inputs) for _, inputs in test.chunks(4096)])
    return logits[:, columns].log_softmax(1)


def cost(table: GraphTable, name: str) -> float:
    """The work of a pair's cell, beside other pairs' of the table: its graph's paths."""
    return float(np.log1p(len(specs.find(table.settings[name].graph).paths)))
