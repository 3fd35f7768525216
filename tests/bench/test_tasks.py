"""Tables that are ranked by task: a label is a setting of its own, with its own numbers, ranks and published ones."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError
from rich.console import Console

from amalgam.bench.checks import ready
from amalgam.bench.pages import latex, markdown, page, statistics_csv
from amalgam.bench.row_table import RowTable
from amalgam.bench.scores import Cell, Score
from amalgam.bench.standing import Standing, standing
from amalgam.bench.tasks import by_task
from amalgam.bench.terminal import rendered
from amalgam.bench.verdict import verdict
from amalgam.errors import RequestError, listed
from amalgam.metrics import Measures

from . import small
from .made_up import table

NAMES = ("blue", "round")
METHODS: dict[str, Any] = {
    "kd": {"strategy": "kd", "shown": "KD"},
    "must": {"strategy": "must", "shown": "MuST"},
    "venus": {"strategy": "venus", "shown": "VENUS"},
    "venus-paper": {"strategy": "venus", "shown": "VENUS (paper)", "role": "variant"},
}
PUBLISHED = {"round": {"venus-paper": [[0.7, 0.01], [0.8, 0.02]]}}


def tasked(**changes: Any) -> RowTable:
    setting = {"data": "rooms", "teachers": [{"labels": [0, 1]}], "expected_by_task": PUBLISHED}
    content: dict[str, Any] = {
        "measures": ["accuracy", "auc"],
        "by_task": True,
        "headline": "venus",
        "methods": METHODS,
        "settings": {"rooms": setting},
    }
    return RowTable.model_validate({**table().model_dump(), **content, **changes})


def score(accuracies: tuple[float, ...], areas: tuple[float, ...], **more: Any) -> Score:
    lost = tuple(1 - one for one in accuracies)
    mean = sum(lost) / len(lost)
    return Score(Measures(0.9, mean, 0.5, 0.5, (0.5,) * len(lost), 100, lost, areas), len(lost), **more)


def cell(seed: int = 0, **changes: Any) -> Cell:
    scores = {
        "kd": score((0.8, 0.6), (0.9, 0.6)),
        "must": score((0.7, 0.7), (0.7, math.nan)),
        "venus": score((0.9, 0.5), (0.9, 0.8), facts={"targets wrong": 0.25}, epochs=7, seconds=3.0),
        "venus-paper": score((0.6, 0.8), (0.6, 0.9)),
        "teacher 0": score((0.65,), (0.75,), names=("round",)),
    }
    return replace(
        Cell("rooms", seed, 2, {"students": 80, "test": 20}, scores, ("some note",), 60.0, NAMES, "rows"), **changes
    )


def stood(*cells: Cell) -> Standing:
    return standing(tasked(), cells)


def test_every_task_has_its_own_numbers() -> None:
    found = by_task(tasked(), [cell()])
    assert list(found.table.settings) == ["rooms: blue", "rooms: round"]
    assert found.places == {"rooms: blue": ("rooms", "blue"), "rooms: round": ("rooms", "round")}
    blue, round_ = found.cells
    assert (blue.setting, blue.names, blue.labels) == ("rooms: blue", ("blue",), 1)
    venus = round_.scores["venus"].measures
    assert (venus.accuracy, venus.subset_loss, venus.hamming_loss, venus.auc) == (0.5, 0.5, 0.5, 0.8)
    assert math.isnan(round_.scores["must"].measures.auc)
    assert "teacher 0" not in blue.scores
    assert round_.scores["teacher 0"].measures.accuracy == pytest.approx(0.65)


def test_ranks_are_over_tasks_and_measures_that_everybody_has() -> None:
    found = stood(cell())
    assert found.overall.blocks == (("rooms: blue", "accuracy"), ("rooms: blue", "auc"), ("rooms: round", "accuracy"))
    assert found.overall.left_out == (("rooms: round", "auc"),)
    assert found.by_measure["accuracy"].average == {"kd": 2.0, "must": 2.0, "venus": 2.0}
    assert found.by_measure["auc"].average == {"kd": 1.5, "must": 3.0, "venus": 1.5}
    assert found.ranks["rooms: round", "venus", "auc"] == 1.0
    assert not found.partial("teacher 0")


def test_means_are_over_seeds_and_published_numbers_stand_beside_their_task() -> None:
    other = cell(1, scores={**cell().scores, "venus-paper": score((0.6, 0.6), (0.6, 0.7))})
    found = stood(cell(), other)
    assert found.numbers["rooms: round", "venus-paper", "accuracy"].mean == pytest.approx(0.7)
    assert found.published["rooms: round", "venus-paper", "auc"][:2] == (0.8, 0.02)
    assert found.published["rooms: round", "venus-paper", "auc"].difference == pytest.approx(0.0)
    assert not any(key[0] == "rooms: blue" for key in found.published)


def test_what_is_of_a_whole_cell_is_told_once() -> None:
    found = standing(tasked(), [cell()], seeds=(0, 1))
    assert found.missing == (("rooms", 1),)
    assert found.facts == {("rooms", "venus"): {"targets wrong": 0.25}}
    text = markdown(found)
    assert text.count("some note") == 1
    assert "- rooms: some note" in text
    assert "Missing: 1 of 2 cells: rooms (seed 1)." in text
    assert "| rooms | 2 | 80 | 20 | 1 |" in text


def test_tasks_are_the_rows_of_what_is_shown() -> None:
    text = markdown(stood(cell()))
    assert "### rooms, accuracy ↑\n\n| task | KD | MuST | VENUS | VENUS (paper) | teacher 0 |" in text
    assert "| blue | .8000 | .7000 | **.9000** | .6000 | – |" in text
    assert "| round | .6000 | **.7000** | .5000 | .8000 | .6500 |" in text
    assert "| average rank ↓ | 2.00 | 2.00 | 2.00 |  |  |" in text
    assert (
        "| task | VENUS (paper) |\n|---|---:|\n| blue | .6000 |\n| round | .8000 (.7000 ± .0100; .1000 better) |"
        in text
    )
    assert "a block being a task and a measure" in text
    assert "Tasks of one data set depend on each other" in text
    assert "rooms: blue,kd,compared,accuracy,0.8,,1," in statistics_csv(stood(cell()))
    assert "a block being a task and a measure" in page(stood(cell()))
    assert r"rooms, accuracy $\uparrow$" in latex(stood(cell()))


def test_a_terminal_shows_tasks_in_rows() -> None:
    to = Console(width=100, file=io.StringIO(), force_terminal=False)
    to.print(*rendered(stood(cell())), sep="\n")
    shown = to.file.getvalue()  # type: ignore[attr-defined]
    assert "rooms, AUC ↑" in shown
    assert any(line.split()[:4] == ["blue", ".800", ".700", ".900"] for line in shown.splitlines())


def test_the_verdict_speaks_of_tasks() -> None:
    said = " ".join(verdict(stood(cell())))
    assert "first in 1 of 2 tasks (rooms: blue), last in 1 of 2 tasks (rooms: round)" in said
    assert "setting" not in said


def test_many_tasks_are_counted_not_named() -> None:
    names = tuple("abcdefghi")
    good, bad = score((0.9,) * 8 + (0.1,), (0.9,) * 9), score((0.5,) * 9, (0.5,) * 9)
    one = cell(names=names, labels=9, scores={"kd": bad, "must": bad, "venus": good})
    assert (
        "Accuracy: first of 3 methods by average rank (1.22); first in 8 of 9 tasks, last in 1 of 9 tasks"
        in " ".join(verdict(stood(one)))
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"exclusive": True}, "by_task without exclusive: a task is a label that is yes or no by itself"),
        (
            {"by_task": False},
            "settings.rooms.expected instead of expected_by_task, for the table is not ranked by task",
        ),
        (
            {"settings": {"a": {"data": "d", "teachers": [{"labels": [0]}], "expected": {"kd": [[0, 0], [0, 0]]}}}},
            "settings.a.expected_by_task instead of expected, for the table is ranked by task",
        ),
        (
            {"settings": {"a": {"data": "d", "teachers": [{"labels": [0]}],
                                "expected_by_task": {"blue": {"kd": [[0, 0]]}}}}},
            "settings.a.expected_by_task.blue.kd with a pair [mean, sd] for each of the measures (accuracy, auc), "
            "not 1",
        ),
        (
            {"settings": {"a": {"data": "d", "teachers": [{"labels": [0]}], "expected_by_task": {"blue": {"x": []}}}}},
            "settings.a.expected_by_task.blue for methods of the table, not 'x'",
        ),
    ],
)  # fmt: skip
def test_a_wrong_table_of_tasks_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        tasked(**changes)
    assert says in str(refusal.value)


def test_published_numbers_of_a_task_that_the_data_lacks_are_refused() -> None:
    setting = {"expected_by_task": {"evn": {"bl": [[0.5, 0.1]]}}}
    wrong = small.table("bl kd", by_task=True, measures=["accuracy"], setting=setting)
    with pytest.raises(RequestError) as refusal:
        ready(wrong)
    assert str(refusal.value) == (
        "table small, setting one: expected_by_task names 'evn', which is no label of digits; did you mean 'even'? "
        "(its labels: " + listed(small.NAMES) + ")"
    )


def test_a_small_table_of_tasks_is_computed() -> None:
    wanted = small.table("bl kd", by_task=True, measures=["accuracy", "auc"])
    ready(wanted)
    computed = small.run(wanted)
    found = standing(wanted, [computed])
    assert {setting for setting, _ in found.overall.blocks} == {f"one: {name}" for name in computed.names}
    for name in computed.names:
        assert 0.4 < found.numbers[f"one: {name}", "kd", "auc"].mean <= 1
    accuracies = [found.numbers[f"one: {name}", "bl", "accuracy"].mean for name in computed.names]
    assert sum(accuracies) / len(accuracies) == pytest.approx(1 - computed.scores["bl"].measures.hamming_loss)
    own = {
        name for setting, name in found.tasks.values() if (f"{setting}: {name}", "teacher 0", "auc") in found.numbers
    }
    assert own == {"square", "even", small.NAMES[1]}
