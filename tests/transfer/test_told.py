"""What a report shows of a transfer: the classes of the source by their weights, with the first of their rows."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import torch

from amalgam.report import page
from amalgam.thumbnails import Thumbnails
from amalgam.transfer.source import annotated
from amalgam.transfer.told import Transferred, told
from tests.test_report import evaluated, reported
from tests.transfer.test_source import rows


def found(alpha: float | None = 0.25) -> Transferred:
    """Three classes a, b, c of ten rows."""
    weights = None if alpha is None else torch.tensor([0.1, 0.9, 0.4])
    return told(annotated({"beasts": rows([0, 1, 2, 0, 1, 1, 1, 1, 0, 1])}), weights, alpha)


def shown(images: Thumbnails | None = None, alpha: float | None = 0.25, **more: Any) -> str:
    return page(reported(evaluated(), teachers=(), transfer=found(alpha), **more), images)


def test_classes_are_ranked_by_their_weights_and_name_the_first_of_their_rows() -> None:
    assert [(one.name, one.rows, one.examples) for one in found().classes] == [
        ("beasts: b", 6, (1, 4, 5, 6)), ("beasts: c", 1, (2,)), ("beasts: a", 3, (0, 3, 8))
    ]  # fmt: skip
    text = shown()
    assert "ant · some → one mlp student" in text
    assert "it counted 0.250 beside the target" in text
    assert '<td>beasts: b</td><td>0.900</td><td>6</td><td class="left">1, 4, 5, 6</td>' in text
    assert "of the 3 classes that count most.</" in text, "no images, and none are spoken of"


def test_rows_that_are_images_stand_beside_their_class() -> None:
    images = Thumbnails(np.array([1, 2, 8]), np.zeros((3, 4, 4, 1), np.uint8))
    text = shown(images)
    assert re.findall(r'"classes-(class-\d-\d)"', text) == ["class-0-1", "class-1-2", "class-2-8"]
    assert "of the 3 classes that count most, and the first of their rows.</" in text


def test_a_single_epoch_of_a_policy_is_seen() -> None:
    one: dict[str, float] = {"epoch": 1, "loss": 1.0, "validation": 1.0, "learning_rate": 0.1}
    rewarded = {**one, "reward": 0.5, "source_weight": 0.4, "alpha": 0.2}

    def dots(**given: Any) -> int:
        return shown(history=(one,), **given).partition('id="policy-figure_1"')[2].partition("</svg>")[0].count("<use ")

    unseen = {**one, "reward": math.nan, "source_weight": math.nan, "alpha": math.nan}
    assert dots(policy=(rewarded,)) - dots(policy=(unseen,)) >= 1


def test_without_weights_the_classes_of_most_rows_come_first() -> None:
    assert [one.rows for one in found(None).classes] == [6, 3, 1]
    assert all(math.isnan(one.weight) for one in found(None).classes)
    text = shown(alpha=None)
    assert "<td>beasts: b</td><td>–</td><td>6</td>" in text
    assert "count most" not in text


@pytest.mark.parametrize("held", [True, False])
def test_rows_held_back_are_spoken_of_where_there_are_any(held: bool) -> None:
    """A training that holds none back stops by its own loss, which is no second curve."""
    history = [{"epoch": one, "loss": 1 / one, "validation": (1 + held) / one, "learning_rate": 0.1} for one in (1, 2)]
    text = shown(history=tuple(history))
    assert ("held back for early stopping" in text) == held
    assert (">validation</text>" in text) == held
    assert ">training</text>" in text
