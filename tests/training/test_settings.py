"""The settings: the rates a schedule gives, as the optimiser really has them, and what is refused."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch

from amalgam.embeddings.model import Embedding
from amalgam.errors import RequestError
from amalgam.schema import parse
from amalgam.training.settings import Training
from amalgam.training.trainer import learning_rate, optimizer_of
from tests.training.toys import Slope, height, mlp, targets, train, values

TOP = 0.8


def rates(**settings: Any) -> list[float]:
    """How far plain gradient descent went in each of 5 epochs of 2 steps, where every gradient is 1."""
    slope, places = Slope(0.0), []

    def noting(output: Any, wanted: Any) -> Any:
        places.append(slope.place.item())
        return height(output, wanted)

    train(slope, values(6), targets(6), loss=noting, epochs=5, batch_size=3, validation=0, optimizer="sgd", momentum=0,
          learning_rate=TOP, clip_norm=None, patience=None, **settings)  # fmt: skip
    places.append(slope.place.item())
    return [before - after for before, after in itertools.pairwise(places)]


@pytest.mark.parametrize(
    ("settings", "shares"),
    [
        ({}, [1.0] * 10),
        ({"schedule": "linear"}, [1 - step / 10 for step in range(10)]),
        ({"schedule": "cosine"}, [(1 + math.cos(math.pi * step / 10)) / 2 for step in range(10)]),
        ({"warmup": 0.4}, [0.25, 0.5, 0.75, 1.0, *[1.0] * 6]),
        ({"warmup": 0.2, "schedule": "linear"}, [0.5, 1.0, *[1 - step / 8 for step in range(8)]]),
        ({"warmup": 0.6, "schedule": "cosine"},
         [1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1.0, *[(1 + math.cos(math.pi * step / 4)) / 2 for step in range(4)]]),
        ({"warmup": 1.0, "schedule": "cosine"}, [step / 10 for step in range(1, 11)]),
    ],
)  # fmt: skip
def test_every_step_has_the_rate_of_its_schedule(settings: dict[str, Any], shares: list[float]) -> None:
    # The gradient's weight is a quotient of single precision's least steps away from 1.
    assert rates(**settings) == pytest.approx([TOP * share for share in shares], rel=1e-6)


def test_the_history_tells_the_rate_of_the_last_step() -> None:
    fitted = train(Slope(0.0), values(4), targets(4), loss=height, epochs=2, batch_size=2, validation=0,
                   schedule="linear", learning_rate=TOP)  # fmt: skip
    assert [epoch["learning_rate"] for epoch in fitted.history] == pytest.approx([TOP * 0.75, TOP * 0.25])


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_a_rate_is_never_zero_or_above_the_top(schedule: Any) -> None:
    for steps in (1, 2, 7):
        for warmup in (0.0, 0.3, 1.0):
            given = Training(schedule=schedule, warmup=warmup, learning_rate=TOP)
            assert all(0 < learning_rate(given, step, steps) <= TOP for step in range(steps))


@pytest.mark.parametrize(
    ("settings", "kind", "held"),
    [
        ({}, torch.optim.Adam, {"lr": 1e-3, "weight_decay": 0.0, "betas": (0.9, 0.999)}),
        ({"optimizer": "adamw", "weight_decay": 0.02}, torch.optim.AdamW, {"lr": 1e-3, "weight_decay": 0.02}),
        ({"optimizer": "sgd", "momentum": 0.7, "learning_rate": 0.1, "weight_decay": 0.3}, torch.optim.SGD,
         {"lr": 0.1, "momentum": 0.7, "weight_decay": 0.3}),
    ],
)  # fmt: skip
def test_the_optimiser_that_is_named(settings: dict[str, Any], kind: type, held: dict[str, Any]) -> None:
    student = mlp()
    made = optimizer_of(student, Training(**settings))
    assert type(made) is kind
    (group,) = made.param_groups
    assert held.items() <= group.items()
    assert len(group["params"]) == len(list(student.parameters()))


@pytest.mark.parametrize(
    "wrong",
    [
        {"optimizer": "adam"}, {"momentum": 0.9}, {"weight_decay": 0.1}, {"clip_norm": 1.0}, {"accumulate": 2},
        {"precision": "bf16"},
    ],
)  # fmt: skip
def test_a_step_of_few_words_is_plain_descent(wrong: dict[str, Any]) -> None:
    right: dict[str, Any] = {"optimizer": "sgd", "momentum": 0.0, "clip_norm": None}
    assert type(optimizer_of(Embedding(4, 2), Training(**right))) is torch.optim.SGD
    (key,) = wrong
    with pytest.raises(RequestError, match=rf"training\.{key} is .*; a step changes a few words' vectors alone"):
        optimizer_of(Embedding(4, 2), Training(**{**right, **wrong}))


def test_threads_are_set_while_training_and_put_back() -> None:
    seen = []

    def noting(output: Any, wanted: Any) -> Any:
        seen.append(torch.get_num_threads())
        return height(output, wanted)

    before = torch.get_num_threads()
    train(Slope(0.0), values(4), targets(4), loss=noting, epochs=1, validation=0, threads=before + 1)
    train(Slope(0.0), values(4), targets(4), loss=noting, epochs=1, validation=0)
    assert seen == [before + 1, before]
    assert torch.get_num_threads() == before


KNOWN = ", ".join(sorted(Training.model_fields))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"epoch": 3},
            f"recipe x: unknown key 'epoch'; did you mean 'epochs'? (known: {KNOWN})",
        ),
        ({"epochs": 0}, "recipe x: epochs is 0, expected greater than 0"),
        ({"validation": 1.0}, "recipe x: validation is 1.0, expected less than 1"),
        ({"schedule": "step"}, "recipe x: schedule is 'step', expected 'constant', 'cosine' or 'linear'"),
        ({"ema": 1}, "recipe x: ema is 1, expected less than 1"),
    ],
)
def test_a_wrong_setting_is_refused(content: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse(Training, content, "recipe x")
    assert str(caught.value) == message
