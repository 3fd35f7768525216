"""What is refused before any cell is begun, so that nobody waits an hour to be told of a misspelt key."""

from __future__ import annotations

from typing import Any

from amalgam import strategies
from amalgam.adapters.torch import wrap
from amalgam.bench.ground import Extent, built, extent, lessons, within
from amalgam.bench.row_table import RowTable, Setting
from amalgam.bench.table import SUPERVISED
from amalgam.errors import RequestError, listed, nearest
from amalgam.panel import Panel, Seat, seat
from amalgam.processes import processes
from amalgam.schema import parse
from amalgam.strategy import Strategy
from amalgam.training.settings import Training


def ready(table: RowTable) -> None:
    """Refuse what is wrong with a table's methods, data, labels, teachers, students or trainings.

    The data of every setting is read for it; nothing is trained.

    Raises:
        RequestError: what is wrong, and where.
    """
    where = f"table {table.name}"
    if table.test + table.apart >= 1:
        raise RequestError(
            f"{where}: test {table.test:g} and apart {table.apart:g} leave no rows for the teachers; lower one of them"
        )
    for name, setting in table.settings.items():
        here = f"{where}, setting {name}"
        methods = methods_of(table, setting, here if setting.methods else where)
        for kind, common in (("teacher_training", table.teacher_training), ("training", table.training)):
            wanted = parse(Training, {**common, **setting.training}, f"{here}, {kind}")
            with within(f"{here}, {kind}"):
                processes(wanted)
        data = extent(setting, here)
        for task in setting.expected_by_task:
            if task not in data.labels:
                raise RequestError(
                    f"{here}: expected_by_task names {task!r}, which is no label of {setting.data}"
                    f"{nearest(task, data.labels)} (its labels: {listed(data.labels)})"
                )
        panel = untaught(table, setting, data, here)
        built(table.student_of(setting), data.shape, panel.space.names, f"{here}, student")
        for key, method in methods.items():
            if method is not None:
                if method.sees_labels and setting.labelled is None:
                    raise RequestError(
                        f"{here}: method {key} learns from a few labelled rows; say which share: `labelled: 0.02`"
                    )
                with within(f"{here}, method {key}"):
                    panel.require(method.needs, type(method).__name__, method.exclusive)


def methods_of(table: RowTable, setting: Setting, where: str) -> dict[str, Strategy[Any] | None]:
    """Every method's strategy in a setting, None for the supervised bound.

    Raises:
        RequestError: no such strategy, or a hyperparameter that is wrong.
    """
    known = [*strategies.of_teachers(), SUPERVISED]
    made = dict[str, Strategy[Any] | None]()
    for key, method in table.methods.items():
        here, spec = f"{where}, method {key}", {**method.strategy, **setting.methods.get(key, {})}
        if spec["name"] not in known:
            raise RequestError(
                f"{here}: unknown strategy {spec['name']!r}{nearest(spec['name'], known)} (known: {', '.join(known)})"
            )
        if spec["name"] == SUPERVISED:
            for idle in spec.keys() - {"name"}:
                raise RequestError(f"{here}: unknown key 'strategy.{idle}'; {SUPERVISED} has no hyperparameters")
        made[key] = None if spec["name"] == SUPERVISED else strategies.build(spec, here)
    return made


def untaught(table: RowTable, setting: Setting, data: Extent, where: str) -> Panel:
    """A setting's panel before its teachers have learned anything: what it knows and what it can be asked.

    Raises:
        RequestError: the table asks for a teacher that there cannot be.
    """
    seats = []
    for number, teacher in enumerate(lessons(setting, data.labels, 0, where)):
        name = f"teacher {number}"
        labels = tuple(map(str, teacher.labels))
        model = built({**table.teacher, **teacher.student}, data.shape, labels, f"{where}, {name}")
        seats.append(Seat(name, wrap(model, labels, name, exclusive=table.exclusive)))
    return seat(seats)
