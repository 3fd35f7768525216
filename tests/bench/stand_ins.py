"""Cells that take no time to compute, for processes that import them by name; and a small table of them."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from pathlib import Path

import torch
import yaml

from amalgam.bench.row_table import RowTable
from amalgam.bench.scores import Cell, Score, Tell
from amalgam.errors import RequestError
from amalgam.metrics import Measures

TABLE = {
    "name": "small",
    "title": "a small table",
    "protocol": "none",
    "headline": "ant",
    "teacher": {"name": "mlp"},
    "student": {"name": "mlp"},
    "methods": {"ant": "ant", "bl": "bl"},
    "settings": {
        name: {"data": "digits", "teachers": [{"labels": [0, 1]}, {"labels": [1, 2]}]} for name in ("a", "b", "c.(d)")
    },
    "quick": {"settings": ["b", "c.(d)"], "seeds": 1, "training": {"epochs": 2}},
}
TALLY = Path(os.environ.get("TALLY", os.devnull))
"""Where cells note that they were begun: a line `setting seed process` each."""


def table(**changes: object) -> RowTable:
    return RowTable.model_validate({**TABLE, **changes})


def table_file(folder: Path, **changes: object) -> Path:
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump({**TABLE, **changes}), encoding="utf-8")
    return path


def cost(table: RowTable, setting: str) -> float:
    return {"a": 1.0, "b": 3.0}.get(setting, 2.0)


def cell(setting: str, seed: int, threads: int = 1) -> Cell:
    """Numbers that are hard to write down, and how many threads the process may use."""
    measures = Measures(1 / 3, 0.1 + 0.2, math.pi * (seed + 1), math.nan, (1e-300, math.nan, -0.0), 7)
    facts = {"transfers": 2 / 3, "share that is right": math.nan}
    scores = {"bl": Score(measures, 3), "ant": Score(measures, 3, facts, 4, 0.1), "a teacher": Score(measures, 2)}
    return Cell(setting, seed, 3, {"train": 10, "threads": threads}, scores, ("a note",), 0.2, ("x", "y", "z"), "rows")


def _begin(setting: str, seed: int, tell: Tell) -> None:
    with TALLY.open("a", encoding="utf-8") as tally:
        tally.write(f"{setting} {seed} {os.getpid()}\n")
    tell(0.0, "begins")


def quick(table: RowTable, setting: str, seed: int, tell: Tell) -> Cell:
    _begin(setting, seed, tell)
    tell(0.5, "half")
    return cell(setting, seed, torch.get_num_threads())


def slow(table: RowTable, setting: str, seed: int, tell: Tell) -> Cell:
    _begin(setting, seed, tell)
    for step in range(4):
        time.sleep(0.05)
        tell(step / 4, f"step {step}")
    return cell(setting, seed)


def endless(table: RowTable, setting: str, seed: int, tell: Tell) -> Cell:
    _begin(setting, seed, tell)
    while True:
        time.sleep(0.01)


def endless_but_one(table: RowTable, setting: str, seed: int, tell: Tell) -> Cell:
    """Only cell (b, 1) ends."""
    return (quick if (setting, seed) == ("b", 1) else endless)(table, setting, seed, tell)


def killed(table: RowTable, setting: str, seed: int, tell: Tell) -> Cell:
    """Cell (a, 1) is killed by the system, the others are quick."""
    if (setting, seed) == ("a", 1):
        os.kill(os.getpid(), signal.SIGKILL)
    return quick(table, setting, seed, tell)


def leaving(table: RowTable, setting: str, seed: int, tell: Tell) -> Cell:
    sys.exit(3)


def refusing(table: RowTable, setting: str, seed: int, tell: Tell) -> Cell:
    """Cell (a, 1) finds the request wrong."""
    return (refusing_all if (setting, seed) == ("a", 1) else quick)(table, setting, seed, tell)


def refusing_all(table: RowTable, setting: str, seed: int, tell: Tell) -> Cell:
    raise Picky("label 'x'", "is unknown")


def refusing_or_endless(table: RowTable, setting: str, seed: int, tell: Tell) -> Cell:
    """Cell (b, 1) finds the request wrong once another is under way, which never ends."""
    if seed == 0:
        return endless(table, setting, seed, tell)
    while not TALLY.is_file():
        time.sleep(0.01)
    raise Picky("label 'x'", "is unknown")


def broken(table: RowTable, setting: str, seed: int, tell: Tell) -> Cell:
    raise KeyError("nobody foresaw this")


class Picky(RequestError):
    """An error that no pickle can carry: it takes two arguments and keeps one."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what} {why}")
