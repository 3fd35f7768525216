"""Tables of transfers: what a cell holds, what its numbers follow from, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from amalgam.bench import origin, transfer_cell
from amalgam.bench.tables import read_table
from amalgam.bench.transfer_table import TransferTable
from amalgam.errors import RequestError
from tests.conftest import SHARED_DATA, Cli

SHORT = {"epochs": 2, "batch_size": 16, "threads": 1}
DIGITS: dict[str, Any] = {
    "data": "digits-numerals",
    "options": {"only": ["six", "seven", "eight"]},
    "shots": 4,
    "sources": [{"source": "digits-numerals", "options": {"only": ["zero", "one"]}}],
}


def small(**changes: Any) -> TransferTable:
    content: dict[str, Any] = {
        "name": "small", "title": "Digits", "protocol": "As it is.", "headline": "l2tl",
        "student": {"name": "mlp", "hidden": [8]}, "training": SHORT,
        "methods": {
            "l2tl": {"strategy": {"name": "l2tl", "pretraining": 2, "validation": 0.5}},
            "tuned": {"strategy": {"name": "fine_tuning", "pretraining": 2}, "training": {"epochs": 3}},
            "alone": {"strategy": {"name": "fine_tuning", "pretraining": 0}, "role": "bound"},
        },
        "settings": {"digits": DIGITS},
    }  # fmt: skip
    return TransferTable.model_validate(content | changes)


def test_a_cell_has_every_way_on_the_target_s_test_rows() -> None:
    table = small()
    transfer_cell.ready(table)
    said = list[tuple[float, str]]()
    cell = transfer_cell.run(table, "digits", 0, lambda share, note: said.append((share, note)))
    assert list(cell.scores) == ["l2tl", "tuned", "alone"]
    assert cell.names == ("six", "seven", "eight")
    assert cell.rows == {"source": 360, "students": 12, "test": cell.rows["test"]}
    assert [note for _, note in said] == ["l2tl", "tuned", "alone"]
    assert cell.scores["l2tl"].facts["labelled rows"] == 12
    assert 0 < cell.scores["l2tl"].facts["α"] < 0.5
    assert "α" not in cell.scores["tuned"].facts
    assert cell.scores["tuned"].epochs == 3
    again = transfer_cell.run(table, "digits", 0, lambda share, note: None)
    assert {key: one.measures for key, one in again.scores.items()} == {
        key: one.measures for key, one in cell.scores.items()
    }
    other = transfer_cell.run(table, "digits", 1, lambda share, note: None)
    assert other.test != cell.test


def test_what_was_learned_before_is_told_though_the_store_has_it() -> None:
    ways = {
        "l2tl": {"strategy": {"name": "l2tl", "pretraining": 2, "validation": 0.5}},
        "datl": {"strategy": {"name": "datl", "pretraining": 2}},
        "unlearned": {"strategy": {"name": "joint", "pretraining": 0, "validation": 0.5}},
        "alone": {"strategy": {"name": "fine_tuning", "pretraining": 0}, "role": "bound"},
    }
    found, again = (transfer_cell.run(small(methods=ways), "digits", 5, lambda share, note: None) for _ in range(2))
    took = {key: one.before for key, one in found.scores.items()}
    assert took == {key: one.before for key, one in again.scores.items()}
    assert took["l2tl"]["source"] == took["datl"]["source"] > 0
    assert (took["l2tl"]["redrawn"], took["datl"]["redrawn"] > 0) == (0, True)
    assert took["unlearned"] == took["alone"] == {"source": 0, "redrawn": 0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": {"digits": DIGITS | {"data": "digits"}}}, "has no label|no test rows of one class each"),
        ({"settings": {"digits": DIGITS | {"options": {}}}}, "no test rows of one class each"),
        ({"headline": "x", "methods": {"x": "kd"}}, "method x: .*'kd' takes no source"),
        ({"student": {"name": "label_chain"}}, "label_chain has no last layer"),
    ],
)
def test_what_is_wrong_is_refused_before_any_cell(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        transfer_cell.ready(small(**changes))


def test_cells_follow_from_their_files_and_settings(tmp_path: Path) -> None:
    def written(name: str, seed: int) -> str:
        chance = np.random.default_rng(seed)
        labels = np.eye(3, dtype=np.float32)[chance.integers(3, size=30)]
        inputs = chance.random((30, 4), dtype=np.float32)
        np.savez(tmp_path / name, inputs=inputs, annotated=labels, labels=np.array(list("abc")))
        return str(tmp_path / name)

    own = {"data": written("t.npz", 0), "shots": 2, "sources": [{"source": written("s.npz", 1)}]}
    before = origin.origins(small(settings={"x": own}))["x"]
    assert origin.origins(small(settings={"x": own}))["x"] == before
    assert origin.origins(small(settings={"x": own | {"shots": 3}}))["x"].table != before.table
    written("s.npz", 2)
    after = origin.origins(small(settings={"x": own}))["x"]
    assert after.data != before.data
    assert after.table == before.table


def test_the_shipped_table_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMALGAM_DATA", str(SHARED_DATA))
    table = read_table("l2tl-table2")
    assert isinstance(table, TransferTable)
    assert {key for key, one in table.methods.items() if one.role == "compared"} == {
        "l2tl", "fine_tuning", "joint", "random_search", "datl"
    }  # fmt: skip
    here = {key: one for key, one in table.settings.items() if key.startswith("digits") or SHARED_DATA.is_dir()}
    transfer_cell.ready(table.model_copy(update={"settings": here}))
    assert table.methods["l2tl-paper"].strategy == {"name": "l2tl", "pretraining": 20}


def test_the_numbers_of_actions_differ_in_nothing_else() -> None:
    table = read_table("l2tl-fig5")
    assert [one.strategy.pop("actions") for one in table.methods.values()] == [6, 11, 21, 101]
    first, *others = [one.strategy for one in table.methods.values()]
    assert all(one == first for one in others)
    assert isinstance(table, TransferTable)
    transfer_cell.ready(table.quickly())


def test_a_bench_by_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    """With the curves of a target with several shots, which one setting has none of."""
    monkeypatch.chdir(tmp_path)
    for settings, curves in (({"digits-4": DIGITS}, 0), ({"digits-4": DIGITS, "digits-2": DIGITS | {"shots": 2}}, 1)):
        table = small(settings=settings)
        Path("t.yaml").write_text(yaml.safe_dump(table.model_dump(mode="json")))
        status, said, err = cli("bench", "t.yaml", "--seeds", "1", "--jobs", "1", "--out", f"b{curves}")
        assert status == 0, err
        assert "accuracy" in said
        page = (tmp_path / f"b{curves}" / "table.html").read_text()
        assert page.count("labelled rows of a class") == curves
        assert page.count("How each does with more labelled rows") == curves
        assert page.count("What it costs") == 1
