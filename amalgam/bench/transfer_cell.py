"""A cell of a table of transfers: of one target with some shots under one seed, every way's run."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from amalgam import transferring
from amalgam.bench.ground import within
from amalgam.bench.scores import Cell, Score, Tell
from amalgam.bench.transfer_table import Crossing, TransferTable
from amalgam.classes import one_hot
from amalgam.errors import RequestError
from amalgam.feasibility import feasible_transfer
from amalgam.fingerprint import fingerprint, of_array, of_rows
from amalgam.metrics import measures
from amalgam.parts import apportion
from amalgam.recipe import TransferRecipe
from amalgam.schema import parse
from amalgam.signals import Rows


def ready(table: TransferTable) -> None:
    """Refuse what is wrong with a table's data, methods or trainings; nothing is trained.

    Raises:
        RequestError: what is wrong, and where.
    """
    for name, crossing in table.settings.items():
        here = f"table {table.name}, setting {name}"
        for key in table.methods:
            with within(f"{here}, method {key}"):
                feasible_transfer(recipe_of(table, crossing, key, 0, here), keep=False)
        with within(here):
            test_of(recipe_of(table, crossing, table.headline, 0, here))


def run(table: TransferTable, name: str, seed: int, tell: Tell) -> Cell:
    """One target under one seed: the split, the shots, the first weights and the order of rows follow from it.

    Args:
        table: the table.
        name: the setting.
        seed: of everything random.
        tell: told of the share that is done, 0 to 1, and what is under way.

    Raises:
        RequestError: the table asks for something that is not there.
        WorkError: the work failed.
    """
    began, crossing, where = time.monotonic(), table.settings[name], f"table {table.name}, setting {name}"
    test = test_of(recipe_of(table, crossing, table.headline, seed, where))
    assert test.annotated is not None
    scores, rows, notes = dict[str, Score](), dict[str, int](), dict[str, None]()
    for number, key in enumerate(table.methods):
        tell(number / len(table.methods), table.shown(key))
        with within(f"method {key}"):
            student, report = transferring.distill(recipe_of(table, crossing, key, seed, where), keep=False)
            said = student.logits(test.inputs(slice(None))).log_softmax(1)
            facts = {"labelled rows": float(report.data["learnt from"]), **_weights(report)}
            scores[key] = Score(
                measures(one_hot(said), test.annotated, said), len(student.labels), facts, len(report.history),
                round(report.seconds["training"], 3),
                {} if report.transfer is None else asdict(report.transfer.pretraining),
            )  # fmt: skip
            rows = {"source": report.data.get("source", 0), "students": report.data["learnt from"], "test": len(test)}
            notes |= dict.fromkeys(report.notes)
    return Cell(
        setting=name,
        seed=seed,
        labels=len(test.labels),
        rows=rows,
        scores=scores,
        notes=tuple(notes),
        seconds=round(time.monotonic() - began, 3),
        names=test.labels,
        test=fingerprint(of_rows(test), of_array(test.annotated.numpy())),
    )


def _weights(report: Any) -> dict[str, float]:
    """What a policy made of the source."""
    found = report.transfer
    if found is None or found.alpha != found.alpha:
        return {}
    weights = [one.weight for one in found.classes]
    return {"α": found.alpha, "greatest weight": max(weights), "least weight": min(weights)}


def recipe_of(table: TransferTable, crossing: Crossing, key: str, seed: int, where: str) -> TransferRecipe:
    """A method's run on a target.

    Raises:
        RequestError: no such strategy, or a setting that is wrong.
    """
    method = table.methods[key]
    content: dict[str, Any] = {
        "name": key,
        "strategy": {**method.strategy, **crossing.methods.get(key, {})},
        "data": {
            "source": crossing.data,
            "options": crossing.options.model_dump(),
            "parts": {"unlabelled": 1 - crossing.test, "test": crossing.test},
            "shots": crossing.shots,
            "split_seed": seed,
        },
        "sources": [one.model_dump() for one in crossing.sources],
        "pretraining": table.pretraining,
        "student": table.student_of(crossing),
        "training": {**table.training, **method.training, **crossing.training},
        "seed": seed,
        "export": False,
    }
    return parse(TransferRecipe, content, f"{where}, method {key}")


def test_of(recipe: TransferRecipe) -> Rows:
    """The target's test rows.

    Raises:
        RequestError: no such data, or rows of several labels.
    """
    test = apportion(recipe).test
    if test is None or test.annotated is None or not bool((test.annotated.sum(1) == 1).all()):
        raise RequestError(f"{recipe.data.source} has no test rows of one class each to measure on")
    return test


def cost(table: TransferTable, name: str) -> float:
    """The work of a cell, beside others of the table: its steps."""
    return float(table.settings[name].shots)
