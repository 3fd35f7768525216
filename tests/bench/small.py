"""A small table on the built-in digits, for the tests of cells."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from amalgam.bench import cell
from amalgam.bench.ground import Ground, prepared
from amalgam.bench.row_table import RowTable
from amalgam.bench.scores import Cell, Score
from amalgam.datasets.digits import LABELS
from amalgam.journal import Journal
from amalgam.progress import Silent

METHODS: dict[str, Any] = {
    "ant": {"strategy": {"name": "ant", "indicator": "confidence", "clamp": True, "contradiction": "mean"}},
    "ant-final": {"strategy": {"name": "ant", "supervise": "final"}},
    "bl": "bl",
    "kd": "kd",
    "cfl": "cfl",
    "fka": "fka",
    "supervised": {"strategy": "supervised", "role": "bound"},
}
TABLE: dict[str, Any] = {
    "name": "small",
    "title": "a small table",
    "protocol": "as it comes",
    "headline": "ant",
    "teacher": {"name": "label_chain", "hidden": 6},
    "teacher_training": {"epochs": 3, "batch_size": 64, "learning_rate": 0.01, "threads": 1},
    "student": {"name": "label_chain", "hidden": 5},
    "training": {"epochs": 3, "batch_size": 64, "learning_rate": 0.01, "threads": 1},
    "methods": METHODS,
    "settings": {
        "one": {
            "data": "digits",
            "teachers": [
                {"labels": ["square", "even", 1], "student": {"hidden": 7}},
                {"labels": ["prime", 4, "square"]},
            ],
        }
    },
}
NAMES = tuple(LABELS)


def table(methods: str = "ant", **changes: Any) -> RowTable:
    """The small table with some of its methods; what is changed in its one setting is given as `setting`."""
    setting = {**TABLE["settings"]["one"], **changes.pop("setting", {})}
    chosen = {key: METHODS[key] for key in methods.split()} | changes.pop("METHODS", {})
    return RowTable.model_validate(
        {**TABLE, "headline": methods.split()[0], "methods": chosen, "settings": {"one": setting}, **changes}
    )


def run(of: RowTable, seed: int = 0) -> Cell:
    return cell.run(of, "one", seed, lambda share, note: None)


def ground_of(of: RowTable, seed: int = 0, features: bool = False) -> Ground:
    journal = Journal(Silent(), "once", ExitStack())
    return prepared(of, of.settings["one"], seed, "a test", journal, features, lambda share, note: None)


def timeless(one: Cell) -> str:
    """Everything of a cell but its clock, to the last digit."""
    scores = {key: replace(score, seconds=0.0) for key, score in one.scores.items()}
    return repr(replace(one, scores=scores, seconds=0.0))


def slow_f1(predicted: list[bool], truth: list[float]) -> float:
    pairs = list(zip(predicted, truth, strict=True))
    hits = sum(said and true == 1 for said, true in pairs)
    wrong = sum(said != (true == 1) for said, true in pairs)
    return 2 * hits / (2 * hits + wrong) if hits + wrong else 0.0


def check(score: Score, predicted: list[list[bool]], truth: list[list[float]]) -> list[float]:
    """A score against its measures in plain loops; the F1 of each label."""
    rows, labels = len(predicted), len(predicted[0])
    each = [slow_f1([row[j] for row in predicted], [row[j] for row in truth]) for j in range(labels)]
    differ = [
        [said != (true == 1) for said, true in zip(*pair, strict=True)] for pair in zip(predicted, truth, strict=True)
    ]
    flat = slow_f1([one for row in predicted for one in row], [one for row in truth for one in row])
    found = score.measures
    assert (score.labels, found.rows) == (labels, rows)
    assert found.subset_loss == pytest.approx(sum(any(row) for row in differ) / rows, abs=1e-6)
    assert found.hamming_loss == pytest.approx(sum(map(sum, differ)) / rows / labels, abs=1e-6)
    assert found.f1_micro == pytest.approx(flat, abs=1e-6)
    assert found.f1_macro == pytest.approx(sum(each) / labels, abs=1e-6)
    assert list(found.f1_per_label) == pytest.approx(each, abs=1e-6)
    return each
