"""How embeddings are trained where a recipe says nothing of it, and what is told of a training that came to nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from amalgam import lexical, strategies
from amalgam.embeddings import Lexicon, align, from_arrays
from amalgam.embeddings.relations import units
from amalgam.recipe import WordRecipe, read_any
from amalgam.wordmeasures import alike, doubts
from tests.conftest import Cli

TRAINED = ["simme", "simme-paper", "aaeme", "caeme", "daeme"]
BEGUN = {"loss": 1.0, "validation": 2.0}


def written(folder: Path, strategy: str | dict[str, Any], **more: Any) -> Path:
    """A recipe of a user's own, without a word about the training."""
    rng = np.random.default_rng(0)
    for name, first in (("one", 0), ("two", 20)):
        lines = (
            f"w{number} {' '.join(map(str, rng.normal(size=6).round(3)))}\n" for number in range(first, first + 40)
        )
        (folder / f"{name}.txt").write_text("".join(lines))
    content = {
        "name": "mine", "strategy": strategy, "teachers": ["one.txt", "two.txt"], "vocabulary": {},
        "student": {"width": 6}, "export": False,
    }  # fmt: skip
    (folder / "mine.yaml").write_text(yaml.safe_dump(content | more))
    return folder / "mine.yaml"


def given(name: str) -> tuple[WordRecipe, dict[str, Any]]:
    """A recipe that ships, and what it says of its training."""
    recipe = read_any(name)
    assert isinstance(recipe, WordRecipe)
    return recipe, recipe.training.model_dump(exclude_unset=True)


@pytest.mark.parametrize("name", TRAINED)
def test_what_is_usual_is_what_the_recipes_that_ship_say(name: str) -> None:
    """So that one without a training is trained as they are."""
    recipe, said = given(name)
    assert said
    method = strategies.build_embedding(recipe.strategy, name)
    silent = recipe.model_copy(update={"training": type(recipe.training)()})
    assert lexical.completed(silent, method).training == recipe.training


def test_what_a_recipe_says_goes_before_what_is_usual() -> None:
    recipe, _ = given("simme")
    method = strategies.build_embedding(recipe.strategy, "simme")
    training = type(recipe.training)(epochs=3, patience=20)
    found = lexical.completed(recipe.model_copy(update={"training": training}), method).training
    assert (found.epochs, found.patience, found.optimizer, found.learning_rate) == (3, 20, "sgd", 0.5)


@pytest.mark.parametrize("strategy", ["simme", {"name": "simme", "step": "least_squares"}, "caeme"])
def test_a_recipe_need_not_say_how_it_is_trained(strategy: str | dict[str, Any], cli: Cli, tmp_path: Path) -> None:
    code, out, err = cli("distill", written(tmp_path, strategy), "--out", tmp_path / "run")
    assert code == 0, err
    assert "60 words of 6 numbers" in out
    kept = yaml.safe_load((tmp_path / "run" / "recipe.yaml").read_text())["training"]
    method = strategies.build_embedding({"name": strategy} if isinstance(strategy, str) else strategy, "")
    assert {key: kept[key] for key in method.usual} == dict(method.usual)


@pytest.mark.parametrize(
    ("training", "told"),
    [
        ({"learning_rate": 1e-12, "epochs": 3}, "the loss did not fall: "),
        ({"learning_rate": 100, "epochs": 20}, "the vectors have become alike: their squared cosines are "),
    ],
)
def test_a_training_that_came_to_nothing_is_told(training: dict[str, Any], told: str, cli: Cli, tmp_path: Path) -> None:
    code, out, err = cli("distill", written(tmp_path, "simme", training=training), "--out", tmp_path / "run")
    assert code == 0, err
    assert told in " ".join(out.split())
    assert told in (tmp_path / "run" / "report.json").read_text()


def test_of_a_training_that_went_well_nothing_is_told(cli: Cli, tmp_path: Path) -> None:
    code, out, err = cli("distill", written(tmp_path, "simme", training={"epochs": 20}), "--out", tmp_path / "run")
    assert code == 0, err
    assert "did not fall" not in out
    assert "alike" not in out


@pytest.fixture
def lexicon() -> Lexicon:
    """Words that point everywhere."""
    rng = np.random.default_rng(0)
    words = [f"w{number}" for number in range(300)]
    return align([from_arrays(name, words, rng.normal(size=(300, 8)).astype(np.float32)) for name in "ab"])


@pytest.mark.parametrize(
    ("loss", "validation", "told"),
    [
        (1.0, 2.0, True), (1.5, 2.5, True), (0.98, 2.0, True),  # what is learned may differ by chance
        (0.9, 2.0, False),  # what is held out was as good after the first epoch
        (0.98, 1.9, False),
        (1.3, 1.0, True),  # whatever is held out, by chance
        (0.1, 0.2, False),
    ],
)  # fmt: skip
def test_a_loss_that_did_not_fall(loss: float, validation: float, told: bool, lexicon: Lexicon) -> None:
    vectors = torch.from_numpy(np.array(lexicon.sources[0].vectors))
    notes = list(doubts(lexicon, vectors, [BEGUN, {"loss": loss, "validation": validation}], 0.5))
    assert [
        note.startswith(f"the loss did not fall: 1 in the first epoch, {loss:g} in the last") for note in notes
    ] == ([True] if told else [])
    assert list(doubts(lexicon, vectors, [BEGUN], 0.5)) == []  # of one epoch nothing can be told


def test_vectors_that_point_one_way_or_the_other_or_nowhere(lexicon: Lexicon) -> None:
    rng = np.random.default_rng(1)
    fell = [BEGUN, {"loss": 0.1, "validation": 0.2}]
    one_line = torch.from_numpy(rng.choice([-1.0, 1.0], (300, 1)) * np.ones((1, 5)) + 0.05 * rng.normal(size=(300, 5)))
    (note,) = doubts(lexicon, one_line.float(), fell, 0.5)
    assert note.startswith("the vectors have become alike: their squared cosines are 0.9")
    assert "the sources' 0.12" in note
    everywhere = torch.from_numpy(rng.normal(size=(300, 5))).float()
    assert list(doubts(lexicon, everywhere, fell, 0.5)) == []
    everywhere[:7] = 0
    assert list(doubts(lexicon, everywhere, fell, 0.5)) == [
        "7 of 300 words ended with a vector of zeros, which is like no other"
    ]


def test_alike_is_the_mean_squared_cosine_of_all_pairs() -> None:
    vectors = units(torch.randn(50, 4, generator=torch.Generator().manual_seed(0)))
    slow = np.mean([float(one @ other) ** 2 for one in vectors for other in vectors])
    assert alike(vectors) == pytest.approx(slow, rel=1e-5)
