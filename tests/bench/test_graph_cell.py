"""Tables of label graphs: what a cell holds, what its numbers follow from, and what is refused."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from amalgam import recipe
from amalgam.bench import graph_cell, origin
from amalgam.bench.graph_table import GraphTable
from amalgam.bench.tables import read_table
from amalgam.errors import RequestError
from amalgam.labelgraph import files, specs
from amalgam.labelgraph.graph import LabelGraph
from amalgam.parts import apportion
from amalgam.strategies import build
from amalgam.strategies.label_graph import LabelGraphJoining
from tests.conftest import SHARED_DATA

SHORT = {"epochs": 2, "batch_size": 32, "learning_rate": 0.003, "validation": 0, "threads": 1}


def small(**changes: Any) -> GraphTable:
    content: dict[str, Any] = {
        "name": "small",
        "title": "Digits",
        "protocol": "As it is.",
        "headline": "graph",
        "student": {"name": "mlp", "hidden": [16]},
        "training": SHORT,
        "methods": {
            "graph": {"strategy": "label_graph", "student": {"walks": None}},
            "alone": {"strategy": "label_graph", "alone": True, "role": "variant"},
            "ffn": "ffn",
        },
        "settings": {
            "digits": {
                "data": "digits-numerals",
                "parts": {"named": 0.1, "counted": 0.3, "test": 0.2},
                "shows": {"named": "numerals", "counted": "loops"},
                "graph": "digits",
            }
        },
    }
    return GraphTable.model_validate(content | changes)


def pair(**changes: Any) -> dict[str, Any]:
    return {"settings": {"digits": small().settings["digits"].model_dump() | changes}}


def test_a_cell_has_every_method_on_the_target_s_test_rows() -> None:
    table = small()
    graph_cell.ready(table)
    told = list[tuple[float, str]]()
    cell = graph_cell.run(table, "digits", 3, lambda share, note: told.append((share, note)))
    assert cell.scores.keys() == {"graph", "alone", "ffn"}
    assert (cell.labels, cell.names) == (10, specs.find("digits").labels["numerals"])
    learned = {key: one.facts["rows learned from"] for key, one in cell.scores.items()}
    assert learned["graph"] > 3 * learned["ffn"]
    assert learned["alone"] == learned["ffn"]
    assert cell.rows["test"] == 361 or 355 <= cell.rows["test"] <= 365
    assert all(0 < one.measures.accuracy <= 1 for one in cell.scores.values())  # type: ignore[union-attr]
    assert [note for _, note in told] == ["graph", "alone", "ffn"]
    again = graph_cell.run(table, "digits", 3, lambda share, note: None)
    assert {key: one.measures for key, one in again.scores.items()} == {
        key: one.measures for key, one in cell.scores.items()
    }
    assert again.test == cell.test
    assert graph_cell.run(table, "digits", 4, lambda share, note: None).test != cell.test


def test_a_coarser_source_can_be_measured() -> None:
    table = small(**pair(target="loops"))
    graph = specs.find("digits")
    recipe = graph_cell.recipe_of(table, table.settings["digits"], "alone", 0, "here")
    assert recipe.data.shows == {"counted": "loops"}
    test, truth = graph_cell.measured(recipe, graph, graph.labels["loops"])
    assert truth.shape == (len(test), 3)
    assert torch.equal(truth.sum(1), torch.ones(len(test)))
    every = apportion(recipe, own=build(recipe.strategy, "test").labels()).test
    assert every is not None
    assert len(test) == len(every)


def test_students_walk_where_their_strategy_has_them_do_so() -> None:
    table = small()
    made = {key: graph_cell.recipe_of(table, table.settings["digits"], key, 0, "here").student for key in table.methods}
    assert made["ffn"] == {"name": "mlp", "hidden": [16]}
    assert made["graph"] == {"name": "path_decoder", "encoder": {"name": "mlp", "hidden": [16]}, "walks": None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (pair(target="digits"), "target is 'digits', which is no source of its label graph"),
        (pair(graph="digitz"), "no label graph 'digitz'; did you mean 'digits'?"),
        (pair(data="digits"), "digits is annotated with none of 'zero', 'one'"),
        (pair(shows={"named": "numbers"}), "data.shows.named is 'numbers'"),
        (
            {"methods": {**{key: one.model_dump() for key, one in small().methods.items()},
                         "graph": {"strategy": {"name": "label_graph", "pool": "sum"}}}},
            "unknown key 'strategy.pool'",
        ),
    ],
    ids=["target", "graph", "data", "source", "strategy"],
)  # fmt: skip
def test_what_is_wrong_is_refused_before_any_cell(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        graph_cell.ready(small(**changes))
    assert message in str(caught.value)
    assert "table small, setting digits" in str(caught.value)


def test_a_method_may_have_a_smaller_graph() -> None:
    table = small(
        methods={
            "graph": "label_graph",
            "less": {"strategy": "label_graph", "without": ["even", "odd"], "role": "variant"},
        }
    )
    whole, less = (graph_cell.recipe_of(table, table.settings["digits"], key, 0, "test") for key in table.methods)
    strategies = [build(one.strategy, "test") for one in (whole, less)]
    nodes = [set(one.graph.nodes) for one in strategies if isinstance(one, LabelGraphJoining)]
    assert nodes[0] - nodes[1] == {"even", "odd"}
    with pytest.raises(RequestError, match=r"method graph.*: 'evn' is no augmented node"):
        graph_cell.ready(small(methods={"graph": {"strategy": "label_graph", "without": ["evn"]}}))


def test_cells_follow_from_the_graph_itself(tmp_path: Path) -> None:
    graph = specs.find("digits")

    files.write(graph, tmp_path / "g.yaml")
    table = small(**pair(graph=str(tmp_path / "g.yaml")))
    before = origin.origins(table)["digits"]
    assert origin.origins(table)["digits"] == before
    files.write(graph.without(["even"]), tmp_path / "g.yaml")
    after = origin.origins(table)["digits"]
    assert after.table != before.table
    assert (after.code, after.data) == (before.code, before.data)
    other = origin.origins(
        small(**pair(graph=str(tmp_path / "g.yaml"), parts={"named": 0.1, "counted": 0.3, "test": 0.3}))
    )
    assert other["digits"].table != after.table


def test_the_table_that_ships_asks_for_what_the_recipes_say() -> None:
    table = read_table("label-graph-table3")
    assert isinstance(table, GraphTable)
    graph_cell.ready(table)
    strategy = table.methods["label_graph-paper"].strategy
    assert LabelGraphJoining(specs.find("digits")) == LabelGraphJoining(
        specs.find("digits"), **{key: value for key, value in strategy.items() if key != "name"}
    )


PAPER = SHARED_DATA.parent / "papers" / "dataset-joining.txt"


def published() -> dict[str, list[str]]:
    """Table 3 of the paper: method → its four cells, read from the text."""
    if not PAPER.is_file():
        pytest.skip("the text of the paper is not on this machine")
    lines = PAPER.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("MODEL\t<i>Oxford-IIIT Pet"))
    rows = [re.sub(r"<[^>]*>", "", line).split("\t") for line in lines[start + 1 : start + 5]]
    return {re.sub(r".*\+ ", "", name): cells for name, *cells in rows}


def test_the_pairs_of_the_paper_have_its_numbers() -> None:
    table = read_table("label-graph-pairs")
    assert isinstance(table, GraphTable)
    found: dict[str, list[str]] = {}
    for name, alone, joined in (
        ("FFN", "ffn-alone", "ffn"),
        ("Label Set (Deng et al., 2014)", "label_set-alone", "label_set"),
        ("Pseudo Labels", "", "pseudo_label"),
        ("label-aug (ours)", "label_graph-paper-alone", "label_graph-paper"),
    ):
        for pair in table.settings.values():
            for method in (alone, joined):
                numbers = pair.expected.get(method)
                found.setdefault(name, []).append("" if numbers is None else f"{100 * numbers[0][0]:.2f}")
    wanted = {
        name: [cell if cell[0].isdecimal() else "" for cell in cells]
        for name, cells in published().items()
    }  # fmt: skip
    assert found == wanted


@pytest.mark.parametrize("name", ["pets", "flowers"])
def test_the_pairs_of_the_paper_ask_for_what_the_recipes_say(name: str) -> None:
    """But for the baselines' plain heads, and names of folders that the table's data has."""
    table = read_table("label-graph-pairs")
    assert isinstance(table, GraphTable)
    wanted, pair = recipe.read(f"label_graph-{name}"), table.settings[name]
    asked = {key: graph_cell.recipe_of(table, pair, key, 0, "here") for key in table.methods}
    own = asked["label_graph"]
    assert own.strategy == wanted.strategy
    assert own.student == {**wanted.student, "encoder": {**wanted.student["encoder"], "task_units": None}}
    assert own.training == wanted.training
    held_out = own.data.model_copy(update={"held_out_options": own.data.options})
    assert held_out == wanted.data
    assert {key: set(others) <= set(wanted.labels.aliases[key]) for key, others in own.labels.aliases.items()} == (
        dict.fromkeys(own.labels.aliases, True)
    )
    assert [key for key, one in asked.items() if not one.data.join] == [
        "ffn-alone", "label_set-alone", "label_graph-paper-alone",
    ]  # fmt: skip


def test_the_pairs_of_the_paper_say_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMALGAM_DATA", str(tmp_path))
    table = read_table("label-graph-pairs")
    assert isinstance(table, GraphTable)
    with pytest.raises(RequestError, match="table label-graph-pairs, setting pets: data 'dogs-vs-cats' is not there"):
        origin.origins(table)


def test_cells_of_texts_follow_from_their_files(tmp_path: Path) -> None:
    lines = "".join(f"{name} it is {name} indeed {row}\n" for row in range(20) for name in ("one", "two", "three"))
    for name in ("train.txt", "test.txt"):
        (tmp_path / name).write_text(lines)
    graph = LabelGraph.model_validate(
        {"name": "g", "root": "r", "edges": {"r": ["odd", "even"], "odd": ["one", "three"], "even": ["two"]},
         "groups": {"parity": ["odd", "even"], "kind": ["one", "two", "three"]},
         "labels": {"fine": ["one", "two", "three"], "coarse": ["odd", "even"]}}
    )  # fmt: skip
    files.write(graph, tmp_path / "g.yaml")
    texts = {
        "data": str(tmp_path / "train.txt"),
        "options": {"text": "lines"},
        "parts": {"named": 0.5, "grouped": 0.5},
        "shows": {"named": "fine", "grouped": "coarse"},
        "held_out": str(tmp_path / "test.txt"),
        "graph": str(tmp_path / "g.yaml"),
    }
    table = small(settings={"texts": texts}, student={"name": "text", "vectors": 50, "embedding": 4, "hidden": 4})
    (tmp_path / "test.txt").write_text("one that is one more\ntwo so is two\n")  # not all labels, and other rows
    graph_cell.ready(table)
    cell = graph_cell.run(table, "texts", 0, lambda share, note: None)
    assert (cell.labels, cell.rows["test"]) == (3, 2)
    before = origin.origins(table)["texts"]
    (tmp_path / "test.txt").write_text("one that is one more\ntwo so is two too\n")
    assert origin.origins(table)["texts"].data != before.data
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(tmp_path / "train.txt", "a.txt")
        archive.write(tmp_path / "train.txt", "b.txt")
    joins = [
        {"source": f"{tmp_path / 'x.zip'}/{member}", "options": {"text": "lines"}, "labelled": labelled}
        for member, labelled in (("a.txt", 1.0), ("b.txt", 1.0), ("a.txt", 0.5))
    ]
    found = [origin.origins(small(settings={"texts": {**texts, "join": [one]}})) for one in joins]
    assert len({one["texts"].table for one in found}) == 3
