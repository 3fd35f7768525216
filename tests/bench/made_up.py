"""Tables and cells that nobody computed, for the tests of statistics and pages."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from amalgam.bench.row_table import RowTable
from amalgam.bench.scores import Cell, Score
from amalgam.metrics import Measures

METHODS: dict[str, Any] = {
    "bl": {"strategy": "bl", "shown": "BL", "note": "majority vote"},
    "aka": {"strategy": "aka", "shown": "AKA"},
    "tc_mean": {"strategy": "tc_mean", "shown": "TC", "note": "without labelled rows"},
    "ant": {"strategy": "ant", "shown": "ANT"},
}


def table(settings: Sequence[str] = ("emotions", "scene"), **changes: Any) -> RowTable:
    """A table of made-up settings; `expected` is setting → method → pairs."""
    expected = changes.pop("expected", {})
    content = {
        "name": "made-up",
        "title": "A made-up table",
        "protocol": "Nothing was measured.",
        "headline": "ant",
        "teacher": {"name": "mlp"},
        "student": {"name": "mlp"},
        "methods": METHODS,
        "settings": {
            one: {"data": one, "teachers": [{"labels": [0, 1]}], "expected": expected.get(one, {})} for one in settings
        },
    }
    return RowTable.model_validate({**content, **changes})


def score(*numbers: float, labels: int = 6, **more: Any) -> Score:
    """A score of subset loss, Hamming loss, F1 micro and F1 macro; one number is all four, losses from above."""
    four = numbers if len(numbers) == 4 else (1 - numbers[0], 1 - numbers[0], numbers[0], numbers[0])
    return Score(Measures(*four, f1_per_label=(), rows=100), labels, **more)


def cell(setting: str, seed: int, scores: Mapping[str, Score | float], **more: Any) -> Cell:
    """A cell; a method's number is how good it is by every measure."""
    full = {method: one if isinstance(one, Score) else score(one) for method, one in scores.items()}
    rest = {"notes": (), "seconds": 0.0, "names": tuple("abcdef"), "test": "rows", **more}
    return Cell(setting, seed, 6, {"unlabelled": 800, "test": 200}, full, **rest)


SETS = {
    "emotions": (0.78, 0.24, 0.65, 0.62),
    "scene": (0.45, 0.11, 0.70, 0.71),
    "yeast": (0.86, 0.22, 0.62, 0.38),
    "birds": (0.52, 0.06, 0.38, 0.25),
    "genbase": (0.06, 0.004, 0.96, 0.70),
    "medical": (0.42, 0.015, 0.73, 0.35),
    "tmc2007": (0.74, 0.07, 0.66, 0.50),
}
SKILL = {"bl": -0.012, "aka": -0.03, "fka": -0.09, "cfl": -0.008, "tc_mean": -0.004, "kd": -0.003, "ant": 0.008}


def real_table() -> RowTable:
    """Something like the paper's Table 7."""
    published = {"bl": -0.14, "aka": -0.2, "fka": -0.25, "cfl": -0.15, "tc_mean": -0.145, "ant-paper": -0.13}
    expected = {
        one: {
            method: [
                [round(min(1.0, max(0.0, value + (-bad if place < 2 else bad))), 4), 0.0123]
                for place, value in enumerate(SETS[one])
            ]
            for method, bad in published.items()
        }
        for one in SETS
    }
    methods: dict[str, Any] = {
        "bl": {"strategy": "bl", "shown": "BL", "note": "majority vote of hard predictions; a tie is positive"},
        "aka": {"strategy": "aka", "shown": "AKA"},
        "fka": {"strategy": "fka", "shown": "FKA"},
        "cfl": {"strategy": "cfl", "shown": "CFL"},
        "tc_mean": {"strategy": "tc_mean", "shown": "TC", "note": "TC without labelled rows"},
        "kd": {"strategy": "kd", "shown": "KD", "note": "the mean logit of the teachers; not in the paper"},
        "ant": {"strategy": "ant", "shown": "ANT", "note": "as we recommend it"},
        "ant-paper": {"strategy": "ant", "shown": "ANT (paper)", "role": "variant", "note": "as the paper has it"},
        "supervised": {"strategy": "supervised", "role": "bound", "note": "a student that learns from the truth"},
    }
    return table(
        tuple(SETS),
        name="ant-table7",
        title="Two teachers with the authors' label subsets, on seven benchmark sets",
        paper="Knowledge Amalgamation, chapter 4 (ANT, AAAI 2023), Table 7",
        protocol="Of all rows, 20 % are the test rows, which nobody learns from. Splits are stratified.\n\n"
        "Training stops early on a held-out part of the learner's own rows; no test row has a say in it.",
        methods=methods,
        expected=expected,
    )


def real_cells(seeds: int = 5) -> list[Cell]:
    """Cells of `real_table` as they might come out; FKA was not run on birds."""
    chance = random.Random(7)
    skills = {**SKILL, "ant-paper": -0.006, "supervised": 0.06, "oracle": 0.03, "teacher 0": -0.02, "teacher 1": -0.01}
    cells = []
    for setting, levels in SETS.items():
        for seed in range(seeds):
            scores = {}
            for method, skill in skills.items():
                if (method, setting) == ("fka", "birds"):
                    continue
                numbers = [
                    min(1.0, max(0.0, level + (skill if place > 1 else -skill) * level + chance.gauss(0, 0.006)))
                    for place, level in enumerate(levels)
                ]
                facts = {"transfers": 120 + seed, "transfers that were right": 0.5 + 0.01 * seed}
                scores[method] = score(
                    *numbers,
                    labels=4 if method.startswith("teacher") else 6,
                    facts=facts if method.startswith("ant") else {},
                    epochs=40,
                )
            cells.append(cell(setting, seed, scores, seconds=61.5))
    return cells
