"""Benches of several tables as one: which settings and methods they share, and that the numbers are of all of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amalgam.bench.standing import Standing
from amalgam.compare.cells import read_bench
from amalgam.compare.joined import command, join
from amalgam.errors import RequestError

from ..erring import Cli
from .test_benches import saved, settings

METHODS = {"ant": "ant", "bl": "bl", "kd": "kd"}


def joined(*folders: Path) -> Standing:
    return join([read_bench(folder.name, folder) for folder in folders])


def other(folder: Path, **changes: Any) -> Path:
    """A bench of settings `b` and `c`, on other data than those of `saved`, where BL is better than ANT."""
    better = {"ant": 0.0, "bl": -0.01, "kd": 0.02}
    return saved(
        folder,
        lambda setting, seed, method: better.get(method, 0.0),
        **{"settings": settings("b", "c", data="trace"), "name": "other", "title": "another table", **changes},
    )


def test_the_methods_are_ranked_over_all_settings(tmp_path: Path) -> None:
    """ANT is better on `a` and `b` of the one table, BL on `b` and `c` of the other; in F1, greater is better."""
    first = saved(tmp_path / "first", lambda setting, seed, method: 0.01 * (method == "bl"))
    found = joined(first, other(tmp_path / "second", seeds=2))
    assert found.settings == ("a", "first b", "second b", "c")
    assert found.overall.average == {"ant": pytest.approx(1.5), "bl": pytest.approx(1.5)}
    assert {block[0] for block in found.overall.blocks} == set(found.settings)
    hamming = {setting: found.numbers[setting, "bl", "hamming_loss"] for setting in found.settings}
    assert hamming["first b"].mean == pytest.approx(0.1 + 0.1 + 0.01 + 0.01)
    assert hamming["second b"].mean == pytest.approx(0.1 + 0.1 + 0.005 - 0.01)
    assert (hamming["a"].seeds, hamming["c"].seeds) == (3, 2)
    assert found.missing == (("second b", 2), ("c", 2))
    assert "first (a small table); second (another table)" in found.table.protocol
    assert found.table.title == "a small table; another table"
    assert found.table.quick is None
    assert joined(tmp_path / "second", tmp_path / "first").seeds == (0, 1, 2)


def test_a_setting_that_is_in_both_counts_once(tmp_path: Path) -> None:
    same, own = settings("a", "b")["a"], settings("b", "c", data="trace")
    published = {"ant": [[0.1, 0.2]] * 4}  # by the one table, in print; the other has none
    alike = {"again b": {**same, "expected": published}, "too": own["b"]}
    second = saved(tmp_path / "second", settings={**alike, "c": {**own["c"], "labelled": 0.1}}, name="other")
    found = joined(saved(tmp_path / "first", settings={"a": same, "b": own["b"]}), second)
    assert found.settings == ("a", "b", "c")
    assert "counts once, as the first has it: again b of second is a, too of second is b." in found.table.protocol
    assert len(found.cells) == 9


@pytest.mark.parametrize(
    "change",
    [
        {"data": "trace"},
        {"labelled": 0.5},
        {"student": {"hidden": 3}},
        {"training": {"epochs": 3}},
        {"methods": {"bl": {}, "ant": {"rounds": 1}}},
        {"teachers": [{"labels": [0, 1]}, {"labels": [0, 2]}]},
    ],
)
def test_a_setting_that_is_otherwise_is_another(change: dict[str, Any], tmp_path: Path) -> None:
    first = saved(tmp_path / "first", settings=settings("a"))
    second = saved(tmp_path / "second", settings={"b": {**settings("a")["a"], **change}})
    assert joined(first, second).settings == ("a", "b")


@pytest.mark.parametrize(
    "change",
    [
        {"test": 0.3},
        {"apart": 0.3},
        {"teacher": {"name": "mlp", "hidden": 3}},
        {"student": {"name": "mlp", "hidden": 3}},
        {"training": {"epochs": 3}},
        {"teacher_training": {"epochs": 3}},
    ],
)
def test_settings_of_tables_that_train_otherwise_are_others(change: dict[str, Any], tmp_path: Path) -> None:
    first, second = saved(tmp_path / "first"), saved(tmp_path / "second", **change)
    assert joined(first, second).settings == ("first a", "first b", "second a", "second b")


def test_what_a_setting_adds_is_as_good_as_what_the_table_says(tmp_path: Path) -> None:
    alike = {"a": {**settings("a")["a"], "student": {"hidden": 3}, "training": {"epochs": 3}}}
    whole = {"student": {"name": "mlp", "hidden": 3}, "training": {"epochs": 3}, "teacher_training": {"epochs": 3}}
    first = saved(tmp_path / "first", settings=settings("a"), **whole)
    assert joined(first, saved(tmp_path / "second", settings=alike)).settings == ("a",)


def test_methodsthat_are_not_in_both_alike_are_left_out(tmp_path: Path) -> None:
    """Also their scores, or they would be taken for bounds that the bench adds."""
    first = saved(
        tmp_path / "first",
        scored=("ant", "bl", "kd", "tc", "oracle"),
        methods={**METHODS, "tc": {"shown": "TC", "strategy": "tc_mean"}},
    )
    second = other(tmp_path / "second", methods={**METHODS, "kd": {"strategy": "kd", "role": "variant"}})
    found = joined(first, second)
    assert found.methods == ("ant", "bl", "oracle")
    assert found.compared == ("ant", "bl")
    assert "Left out, since not every table has them with the same settings: kd and TC." in found.table.protocol


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"headline": "bl"},
            "tables that are joined have the same headline, not 'ant' in first and 'bl' in second",
        ),
        (
            {"measures": ["f1_micro", "hamming_loss"]},
            "tables that are joined have the same measures, not subset_loss, hamming_loss, f1_micro, f1_macro in first "
            "and f1_micro, hamming_loss in second",
        ),
        (
            {"exclusive": True},
            "tables that are joined have the same exclusive, not False in first and True in second",
        ),
        (
            {"methods": {**METHODS, "ant": {"strategy": {"name": "ant", "clamp": True}}}},
            "tables that are joined have the same headline, but 'ant' is not the same in first and second: clamp: – → "
            "true",
        ),
        (
            {"methods": {"ant": "ant", "kd": "kd"}, "scored": ("ant", "kd")},
            "the tables have nothing in common to compare 'ant' with",
        ),
    ],
)
def test_what_cannot_be_joined_is_refused(change: dict[str, Any], says: str, tmp_path: Path) -> None:
    first = saved(tmp_path / "first")
    second = other(tmp_path / "second", **change)
    with pytest.raises(RequestError) as error:
        joined(first, second)
    assert str(error.value) == says


def test_the_command_shows_writes_and_tells_programs(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saved(Path("first"), lambda setting, seed, method: 0.01 * (method == "bl"))
    other(Path("second"))
    found = joined(Path("first"), Path("second"))
    code, out, err = cli("report", "--joined", "first", "second", "--out", "both.md")
    assert (code, err) == (0, "")
    assert "over 12 blocks (4 settings × 3 measures)" in " ".join(out.split())
    again = "amalgam report --joined first second"
    assert command([read_bench(name, Path(name)) for name in ("first", "second")]) == again
    assert Path("both.md").read_text(encoding="utf-8").endswith(f"- Run it again: `{again}`\n")
    content = json.loads(cli("report", "--joined", "first", "second", "--json")[1])
    assert len(content["numbers"]) == len(found.numbers)
    assert content["numbers"][0]["setting"] == "a"


@pytest.mark.parametrize("folders", [("first",), ("first", "first"), ("first", "run")])
def test_the_command_needs_two_benches(
    folders: tuple[str, ...], cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saved(Path("first"))
    Path("run").mkdir()
    Path("run/recipe.yaml").write_text("name: x\n", encoding="utf-8")
    code, _, err = cli("report", "--joined", *folders)
    assert code == 2
    assert ("named twice" if folders == ("first", "first") else "--joined" if len(folders) == 1 else "a run") in err


def test_benches_of_other_tables_hear_of_it(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saved(Path("first"), settings=settings("a"))
    saved(Path("second"), settings=settings("c"))
    code, _, err = cli("report", "first", "second")
    assert code == 2
    assert "to rank methods over the settings of all of them, use --joined" in " ".join(err.split())
