"""Tables of rankings: every source is measured as that of every target, and rankers are held against it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from amalgam.bench import origin, rank_cell
from amalgam.bench.rank_table import RankTable
from amalgam.bench.scores import Merits
from amalgam.bench.tables import read_table
from amalgam.errors import RequestError
from amalgam.ranking.entries import Candidate
from amalgam.ranking.reference import plain
from amalgam.recipe import Joined
from amalgam.signals import TensorRows
from tests.conftest import SHARED_DATA

SHORT = {"epochs": 2, "batch_size": 16, "threads": 1}


def numerals(*only: str) -> dict[str, Any]:
    return {"source": "digits-numerals", "options": {"only": list(only)}}


COLLECTION: dict[str, Any] = {
    "sources": {
        "low": numerals("zero", "one"), "high": numerals("six", "seven", "eight"), "odd": numerals("one", "three"),
    },
    "targets": {"low": numerals("zero", "one"), "top": numerals("eight", "nine")},
    "shots": 5,
}  # fmt: skip


def small(**changes: Any) -> RankTable:
    content: dict[str, Any] = {
        "name": "small", "title": "Digits", "protocol": "As it is.", "headline": "p2l",
        "student": {"name": "mlp", "hidden": [8]}, "training": SHORT, "epochs": 2,
        "methods": {
            "p2l": {"strategy": {"name": "p2l"}},
            "largest": {"strategy": {"name": "largest"}},
            "near": {"strategy": {"name": "least_divergent", "divergence": "js"}},
            "log_me": {"strategy": {"name": "log_me"}},
            "random": {"strategy": {"name": "random"}, "role": "bound"},
            "best": {"strategy": {"name": "best"}, "role": "bound"},
        },
        "settings": {"digits": COLLECTION},
    }  # fmt: skip
    return RankTable.model_validate(content | changes)


def test_a_cell_has_every_ranker_and_target() -> None:
    table = small()
    rank_cell.ready(table)
    cell = rank_cell.run(table, "digits", 0, lambda share, note: None)
    assert cell.names == ("low", "top")
    assert list(cell.scores) == list(table.methods)
    best, random, largest = (cell.scores[key] for key in ("best", "random", "largest"))
    assert isinstance(best.measures, Merits)
    assert best.measures.score_per_task == pytest.approx((1.0, 1.0), abs=0.2)  # ties are no order
    assert best.facts["first pick is the best"] == 1.0
    assert random.facts["picks until the best"] == pytest.approx((1.5 + 2) / 2)
    assert 0 < largest.facts["accuracy of the first pick"] <= best.facts["accuracy of the first pick"]
    assert len(cell.notes) == 2
    assert cell.notes[0].startswith("low: ")


def test_parts_of_one_data_set_are_divided_alike() -> None:
    """So that no row that a source has is a target's."""
    one, other = (Joined.model_validate(numerals(*only)) for only in (("zero", "one"), ("one", "two")))
    source, _ = rank_cell.halves(one, 3)
    _, target = rank_cell.halves(other, 3)
    assert set(source.ids.tolist()).isdisjoint(target.ids.tolist())
    assert source.labels == ("zero", "one")


def test_a_target_s_own_source_is_no_candidate() -> None:
    table = small()
    goals = rank_cell.measured(table, table.settings["digits"], 0, "digits", lambda share, note: None)
    assert [one.name for one in goals["low"].candidates] == ["high", "odd"]
    assert [one.name for one in goals["top"].candidates] == ["low", "high", "odd"]
    assert goals["top"].gains == pytest.approx(goals["top"].accuracy - goals["top"].alone)


def goal(accuracy: list[float]) -> rank_cell.Goal:
    rows = TensorRows(values=np.zeros((2, 1)))  # type: ignore[arg-type]
    candidates = tuple(Candidate(str(place)) for place in range(len(accuracy)))
    return rank_cell.Goal(rows, candidates, np.array(accuracy), 0.1, plain)  # type: ignore[arg-type]


def test_merits_by_hand() -> None:
    goals = [goal([0.5, 0.9, 0.7]), goal([0.4, 0.3, 0.2])]
    found = rank_cell.merits("p2l", [np.array([3.0, 1.0, 2.0]), np.array([3.0, 2.0, 1.0])], goals, 0.0)
    assert found.measures == Merits((-1.0, 1.0))
    assert found.facts == {
        "accuracy of the first pick": pytest.approx(0.45),
        "first pick is the best": 0.5,
        "picks until the best": 2.0,
        "most picks until the best": 3.0,
    }
    random = rank_cell.merits("random", [np.full(3, math.nan)] * 2, goals, 0.0)
    assert random.facts["accuracy of the first pick"] == pytest.approx((0.7 + 0.3) / 2)
    assert random.facts["first pick is the best"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"headline": "x", "methods": {"x": {"strategy": {"name": "p2"}}}}, "methods.x: no ranker 'p2'; choose p2l, "),
        (
            {"settings": {"digits": COLLECTION | {"targets": {"all": {"source": "digits-numerals"}}}}},
            "name some with the",
        ),
        ({"settings": {"digits": COLLECTION | {"targets": {"x": {"source": "nowhere.csv"}}}}}, "nowhere"),
    ],
)
def test_what_is_wrong_is_refused_before_any_cell(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        rank_cell.ready(small(**changes))


def test_cells_follow_from_their_settings() -> None:
    before = origin.origins(small())["digits"]
    assert origin.origins(small())["digits"] == before
    assert origin.origins(small(epochs=3))["digits"].table != before.table
    assert origin.origins(small(settings={"digits": COLLECTION | {"shots": 6}}))["digits"].table != before.table


def test_the_shipped_table_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMALGAM_DATA", str(SHARED_DATA))
    table = read_table("p2l-table1")
    assert isinstance(table, RankTable)
    here = {key: one for key, one in table.settings.items() if key == "digits" or SHARED_DATA.is_dir()}
    rank_cell.ready(table.model_copy(update={"settings": here}))
    assert {"p2l", "largest", "least_divergent", "log_me", "leep", "nce", "h_score", "trans_rate"} <= set(
        table.compared
    )
