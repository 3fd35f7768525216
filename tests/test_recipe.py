"""Recipes: read, overridden, dumped; every misspelt key is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from amalgam import recipe, shelf, strategies, wordtests
from amalgam.datasets import DataOptions
from amalgam.embeddings import specs
from amalgam.errors import RequestError
from amalgam.feasibility import feasible_transfer
from amalgam.labels import told_tasks
from amalgam.registry import find_card
from amalgam.strategies.kd import KD
from amalgam.transfer.method import Beside


@pytest.mark.parametrize("name", shelf.names("recipes"))
def test_every_built_in_recipe_is_sound(name: str) -> None:
    wanted = recipe.read_any(name)
    assert wanted.description
    if isinstance(wanted, recipe.WordRecipe):
        strategies.build_embedding(wanted.strategy, name)
        assert all(specs.file_of(teacher).is_file() for teacher in wanted.teachers)
        assert all(wordtests.find(test).is_here for test in wanted.measured)
        return
    if isinstance(wanted, recipe.TransferRecipe):
        assert feasible_transfer(wanted, keep=True)
        return
    strategies.build(wanted.strategy, name)
    for teacher in wanted.teachers:
        card, _ = find_card(teacher)
        if card.schooling is not None:  # of the recipe's own split, so that no test row leaks
            told, data = card.schooling, wanted.data
            assert (told.data, told.parts, told.split_seed) == (data.source, data.parts, data.split_seed)
            assert DataOptions(**told.options) == data.options


@pytest.mark.parametrize("name", shelf.names("teachers"))
def test_every_built_in_card_is_sound(name: str) -> None:
    card, _ = find_card(name)
    assert card.name == name
    assert card.description
    assert told_tasks(card.tasks, card.exclusive, card.labels, name).keys() == (
        {"class"} if card.exclusive else card.tasks.keys()
    )


def test_a_dumped_recipe_reads_the_same(tmp_path: Path) -> None:
    wanted = recipe.read("ant", {"student.hidden": 7}, ["training.epochs=3", "labels.aliases={even: [gerade]}"])
    assert wanted.student == {"name": "label_chain", "hidden": 7}
    assert wanted.training.epochs == 3
    assert wanted.labels.aliases == {"even": ("gerade",)}
    (tmp_path / "recipe.yaml").write_text(recipe.dump(wanted))
    assert recipe.read(str(tmp_path / "recipe.yaml")) == wanted
    assert recipe.read(str(tmp_path)) == wanted  # a run directory


def test_the_paper_and_the_recommended_recipe_differ_in_the_strategy_alone() -> None:
    ours, papers = recipe.read("ant").model_dump(), recipe.read("ant-paper").model_dump()
    assert {key for key in ours if ours[key] != papers[key]} == {"name", "description", "strategy"}


def test_a_name_is_short_for_a_mapping(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("name: r\nstrategy: ant\nstudent: mlp\ndata: {source: digits}\n")
    wanted = recipe.read(str(path), assignments=["strategy.rounds=1"])
    assert wanted.strategy == {"name": "ant", "rounds": 1}
    assert wanted.student == {"name": "mlp"}


def test_paths_are_relative_to_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "resnet18").mkdir()  # of the same name as a network, which is no path
    for name in ("rows.csv", "card.yaml", "model.onnx", "weights.pt"):
        (folder / name).touch()
    content = {
        "name": "r",
        "strategy": "ant",
        "teachers": ["card.yaml", "onnx:model.onnx@a,b", "digits-shape", "timm:resnet18@a?source=weights.pt"],
        "data": {"source": "rows.csv"},
        "student": {"name": "timm", "model": "resnet18", "source": "weights.pt"},
    }
    (folder / "r.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.chdir(tmp_path)
    wanted = recipe.read("there/r.yaml")
    assert wanted.teachers == (
        f"{folder}/card.yaml",
        f"onnx:{folder}/model.onnx@a,b",
        "digits-shape",
        f"timm:resnet18@a?source={folder}/weights.pt",
    )
    assert wanted.data.source == f"{folder}/rows.csv"
    assert wanted.student["source"] == f"{folder}/weights.pt"
    encoder = {"name": "path_decoder", "encoder": {"name": "timm", "model": "resnet18", "source": "weights.pt"}}
    (folder / "r.yaml").write_text(yaml.safe_dump({**content, "student": encoder}))
    assert recipe.read("there/r.yaml").student["encoder"]["source"] == f"{folder}/weights.pt"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "ant", "clamped": True}, "recipe r: unknown key 'strategy.clamped'; did you mean 'clamp'? "
         "(known: indicator, revision, clamp, rounds, contradiction, prevalence, temperature, supervise)"),
        ({"name": "ant", "clamp": "yes"}, "recipe r: strategy.clamp is 'yes', expected a valid boolean"),
        ({"name": "ant", "indicator": "negative"},
         "recipe r: strategy.indicator is 'negative', expected 'positive', 'confidence', 'calibrated', 'surprise', "
         "'familiarity' or 'agreement'"),
        ({"name": "ant", "revision": "teachers"},
         "recipe r: strategy.revision is 'teachers', expected 'teacher' or 'dependence'"),
        ({"name": "ant", "temperature": -1},
         "recipe r: strategy.temperature is -1, expected greater than or equal to 0"),
        ({"name": "ant", "temperature": float("inf")},
         "recipe r: strategy.temperature is inf, expected a finite number"),
        ({"name": "ant", "temperature": "warm"},
         "recipe r: strategy.temperature is 'warm', expected a valid number"),
        ({"name": "aunt"}, "unknown strategy 'aunt'; did you mean 'ant'? "
         f"(known: {', '.join(strategies.names())})"),
    ],
)  # fmt: skip
def test_a_wrong_hyperparameter_is_refused_by_name(spec: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError) as raised:
        strategies.build(spec, "recipe r")
    assert str(raised.value) == message


def test_rates_are_written_as_papers_write_them(tmp_path: Path) -> None:
    """YAML 1.1 takes 1e-4 for a text, for there is no point in it."""
    told = ("strategy.policy_rate=1e-4", "strategy.beta=.5e0", "strategy.gamma=5E-2")
    method = strategies.build_transfer(recipe.read("l2tl", {}, told).strategy, "recipe r")
    assert isinstance(method, Beside)
    assert (method.policy_rate, method.beta, method.gamma) == (1e-4, 0.5, 0.05)
    (tmp_path / "mine.yaml").write_text("name: mine\nstrategy: {name: kd, temperature: 3e0}\ndata: {source: digits}\n")
    built = strategies.build(recipe.read(str(tmp_path / "mine.yaml")).strategy, "recipe r")
    assert built == KD(temperature=3.0)
    with pytest.raises(RequestError, match=r"strategy\.actions is '1e1', expected a valid integer"):
        strategies.build_transfer({"name": "l2tl", "actions": "1e1"}, "recipe r")
