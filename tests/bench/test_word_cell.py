"""Tables of words: a cell is what its methods and tests say one by one, and a bench of them is whole."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from amalgam import wordtests
from amalgam.bench.origin import origins
from amalgam.bench.standing import standing
from amalgam.bench.tables import read_table
from amalgam.bench.word_cell import ready, run, sources
from amalgam.bench.word_table import WordTable
from amalgam.embeddings.words import WordVectors
from amalgam.errors import RequestError
from amalgam.strategies.average import Average
from tests.conftest import Cli
from tests.strategies.lexicons import never

TESTS = ("wordsim353", "simlex999")
CONTENT: dict[str, Any] = {
    "name": "little",
    "title": "Two small embeddings",
    "protocol": "One. Two.",
    "headline": "simme",
    "student": {"name": "embedding", "width": 12},
    "training": {
        "optimizer": "sgd", "momentum": 0, "clip_norm": None, "learning_rate": 0.5, "epochs": 1, "batch_size": 256,
        "patience": None, "keep": "last", "threads": 1,
    },
    "methods": {
        "source-3": {"role": "variant", "least": 3, "strategy": {"name": "single_source", "number": 3}},
        "source-1": {"strategy": {"name": "single_source"}},
        "average": "average",
        "caeme": {"strategy": "caeme", "training": {"optimizer": "adam", "learning_rate": 0.01, "epochs": 2}},
        "simme": {"shown": "SimME", "strategy": {"name": "simme", "step": "least_squares"}},
        "simme-paper": {"role": "variant", "strategy": "simme"},
    },
    "settings": {
        "small": {
            "sources": {"news": "gensim:lee_fasttext.vec", "films": "gensim:pang_lee_polarity_fasttext.vec"},
            "vocabulary": {"fold": True},
            "tests": list(TESTS),
            "expected_by_task": {"wordsim353": {"simme-paper": [[0.3, 0.1]], "average": [[0.2, 0.1]]}},
        }
    },
    "quick": {"settings": ["small"], "seeds": 1},
}  # fmt: skip


def table(**changes: Any) -> WordTable:
    return WordTable.model_validate(copy.deepcopy({**CONTENT, **changes}))


def quiet(share: float, note: str) -> None:
    """Nobody listens."""


def test_a_cell_is_what_each_method_and_test_says() -> None:
    of = table()
    told = list[float]()
    cell = run(of, "small", 3, lambda share, _: told.append(share))
    assert (cell.setting, cell.seed, cell.labels, cell.names) == ("small", 3, 2, TESTS)
    assert list(cell.scores) == list(of.methods)[1:]  # there is no third source
    assert told == sorted(told)
    lexicon = sources(of.settings["small"])
    assert cell.rows == {"words": len(lexicon.words)}
    assert any("words are others in lower case" in note for note in cell.notes)
    asked = [wordtests.measure(test, WordVectors(lexicon.words, np.eye(len(lexicon.words), 1)), 0) for test in TESTS]
    told_of = ", ".join(f"{one.asked} of {one.items} of {test}" for one, test in zip(asked, TESTS, strict=True))
    assert f"small asks {told_of}" in cell.notes
    mean = WordVectors(lexicon.words, Average().vectors(lexicon, 12, never).numpy())
    wanted = [wordtests.measure(test, mean, 3, among=lexicon.words).main[1] for test in TESTS]
    assert list(cell.scores["average"].measures.score_per_task) == wanted  # type: ignore[union-attr]
    assert cell.scores["simme"].facts["numbers a word"] == 12
    assert [cell.scores[key].epochs for key in ("average", "caeme", "simme")] == [0, 2, 1]


def test_a_test_of_few_items_says_nothing() -> None:
    """And a third source is asked where there is one."""
    of = table(settings={"small": {
        **CONTENT["settings"]["small"],
        "sources": {**CONTENT["settings"]["small"]["sources"], "again": "gensim:lee_fasttext.vec"},
        "vocabulary": {"fold": True, "minimum": 3},
        "expected_by_task": {},
    }})  # fmt: skip
    cell = run(of, "small", 0, quiet)
    assert list(cell.scores) == list(of.methods)
    (note,) = (note for note in cell.notes if note.startswith("small asks"))
    few = [int(said.split(" of ")[0]) < 20 for said in note.removeprefix("small asks ").split(", ")]
    assert True in few
    for score in cell.scores.values():
        assert np.isnan(score.measures.score_per_task).tolist() == few  # type: ignore[union-attr]


def test_a_cell_is_the_same_to_the_last_digit_and_seeds_differ() -> None:
    of = table()
    first, again, other = (run(of, "small", seed, quiet) for seed in (0, 0, 1))

    def digits(cell: Any) -> str:
        return repr({key: (score.measures, score.facts) for key, score in cell.scores.items()})

    assert digits(first) == digits(again) != digits(other)


def test_every_test_is_ranked_on_its_own() -> None:
    of = table()
    found = standing(of, [run(of, "small", seed, quiet) for seed in (0, 1)])
    assert found.settings == ("small: wordsim353", "small: simlex999")
    assert found.compared == ("source-1", "average", "caeme", "simme")
    assert len(found.overall.blocks) == 2
    ranks = [found.ranks["small: simlex999", key, "score"] for key in found.compared]
    values = [found.numbers["small: simlex999", key, "score"].mean for key in found.compared]
    assert np.argsort(ranks).tolist() == np.argsort([-value for value in values]).tolist()
    assert found.published["small: wordsim353", "average", "score"].mean == 0.2


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tests": ["wordsim"]}, "wordsim353"),
        ({"tests": ["simlex999"]}, "expected_by_task names 'wordsim353', none of its tests"),
        ({"sources": {"a": "gensim:lee_fasttext.vec", "b": "b.vec"}}, "embeddings b.vec: no such file"),
        ({"student": {"breadth": 3}}, "unknown key 'breadth'"),
        ({"methods": {"simme": {"steps": 1}}}, "unknown key 'strategy.steps'; did you mean 'step'?"),
        ({"training": {"epochs": 0}}, "epochs is 0, expected greater than 0"),
    ],
)
def test_what_is_wrong_is_refused_before_any_work(changes: dict[str, Any], says: str) -> None:
    settings = {"small": {**CONTENT["settings"]["small"], **changes}}
    with pytest.raises(RequestError) as error:
        ready(table(settings=settings))
    assert says in str(error.value)
    assert "table little, setting small" in str(error.value)


def test_cells_go_by_what_is_asked_and_by_the_sources(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.vec").write_text("king 1 0\nqueen 0 1\n")
    panel = {
        **CONTENT["settings"]["small"], "expected_by_task": {},
        "sources": {name: str(tmp_path / f"{name}.vec") for name in "ab"},
    }  # fmt: skip

    def of(**changes: Any) -> Any:
        return origins(table(settings={"small": {**panel, **changes}}))["small"]

    pairs = tmp_path / "pairs.txt"
    pairs.write_text("king queen")
    listed = {"simme-paper": {"pairs": "list", "list": str(pairs)}}
    with_pairs = of(methods=listed)
    pairs.write_text("queen king")
    assert (of(methods=listed).table, of(methods=listed).data == with_pairs.data) == (with_pairs.table, False)
    before = of()
    assert of() == before
    assert of(tests=["simlex999"]).table != before.table
    assert of(student={"width": 3}).table != before.table
    assert of(methods={"simme": {"common": 1}}).table != before.table
    (tmp_path / "b.vec").write_text("king 1 0\nqueen 0 2\n")
    assert (of().table, of().data == before.data) == (before.table, False)


def test_the_bench_of_a_file(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = {**CONTENT, "methods": {key: CONTENT["methods"][key] for key in ("average", "simme", "simme-paper")}}
    Path("little.yaml").write_text(yaml.safe_dump(content))
    code, out, err = cli("bench", "little.yaml", "--seeds", 1, "--jobs", 1, "--out", "b")
    assert code == 0, err
    assert "simlex999" in out
    assert {"table.html", "table.md", "table.csv", "cells.csv", "table.tex"} <= {
        path.name for path in Path("b").iterdir()
    }
    assert "| setting | tests | words | seeds |" in Path("b/table.md").read_text()
    code, out, err = cli("bench", "--resume", "--out", "b")
    assert (code, "1 cells, all there already" in err) == (0, True)
    code, out, err = cli("report", "b", "--json")
    assert code == 0, err
    assert json.loads(out)
    assert isinstance(read_table("b/table.yaml"), WordTable)
