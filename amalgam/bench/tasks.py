"""A table of tasks: every label, or word test, is ranked on its own, as a setting of its own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from amalgam.bench.scores import Cell, Merits, Score
from amalgam.bench.table import Table
from amalgam.metrics import Measures


@dataclass(frozen=True)
class Tasks:
    """A table and its cells, taken apart.

    Attributes:
        table: with a setting for every task.
        cells: with that task alone.
        places: such a setting → the setting it is of, and the task.
    """

    table: Table
    cells: tuple[Cell, ...]
    places: Mapping[str, tuple[str, str]]


def by_task(table: Table, cells: Iterable[Cell]) -> Tasks:
    """A table that is ranked by task, and its cells, as settings of one label each.

    A setting without a cell has no tasks yet, and none of the settings.
    """
    every, places = list[Cell](), dict[str, tuple[str, str]]()
    for cell in cells:
        for task in cell.names:
            name = f"{cell.setting}: {task}"
            places[name] = cell.setting, task
            scores = {method: _of_task(score, cell, task) for method, score in cell.scores.items()}
            known = {method: score for method, score in scores.items() if score is not None}
            every.append(replace(cell, setting=name, labels=1, scores=known, names=(task,)))
    settings = {
        name: table.settings[setting].model_copy(
            update={"expected": table.settings[setting].expected_by_task.get(task, {})}
        )
        for name, (setting, task) in places.items()
    }
    return Tasks(table.model_copy(update={"settings": settings}), tuple(every), places)


def _of_task(score: Score, cell: Cell, task: str) -> Score | None:
    """A method's score on one task; None for a teacher that does not know it."""
    names = score.names or cell.names
    if task not in names:
        return None
    place, whole = names.index(task), score.measures
    if isinstance(whole, Merits):
        return replace(score, measures=Merits((whole.score_per_task[place],)), labels=1, names=())
    f1, lost = whole.f1_per_label[place], whole.loss_per_label[place]
    area = whole.auc_per_label[place] if whole.auc_per_label else math.nan
    return replace(
        score, measures=Measures(lost, lost, f1, f1, (f1,), whole.rows, (lost,), (area,)), labels=1, names=()
    )
