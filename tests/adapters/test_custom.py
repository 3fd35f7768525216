"""Teachers of the user's own making."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from amalgam import adapters
from amalgam.adapters.custom import wrap
from amalgam.errors import RequestError
from amalgam.teacher import Card, ConditionalScorer, FeatureScorer, Scorer

CPU = torch.device("cpu")
MODULE = """
import numpy as np

class Plain:
    def __init__(self, scale):
        self.labels = ["cat", "dog"]
        self.scale = scale
    def score(self, inputs):
        return self.scale * inputs.numpy()[:, :2]

class Able(Plain):
    exclusive = True
    fingerprint = "mine"
    def score_given(self, inputs, believed, clamp):
        return np.where(np.isnan(believed.numpy()), self.score(inputs), believed.numpy())
    def score_and_features(self, inputs):
        return self.score(inputs), inputs.numpy()

def plain(scale=1.0):
    return Plain(scale)

def able():
    return Able(1.0)

def number():
    return 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "user_teachers", raising=False)
    (tmp_path / "user_teachers.py").write_text(MODULE)
    return "user_teachers"


def load(trust: bool = True, **keys: Any) -> Scorer:
    return adapters.load(Card(**({"name": "a", "adapter": "custom"} | keys)), Path(), device=CPU, trust=trust)


def refused(**keys: Any) -> str:
    with pytest.raises(RequestError) as raised:
        load(**keys)
    return str(raised.value)


def test_an_object_with_labels_and_scores(module: str) -> None:
    inputs = torch.randn(5, 3)
    teacher = load(source=f"{module}:plain", arguments={"scale": 2})
    assert isinstance(teacher, Scorer)
    assert not isinstance(teacher, ConditionalScorer | FeatureScorer)
    assert teacher.labels == ("cat", "dog")
    assert (teacher.tasks, teacher.fingerprint) == ({}, None)  # type: ignore[attr-defined]
    assert torch.equal(teacher.score(inputs), 2 * inputs[:, :2])
    said = load(source=f"{module}:plain", scores="probabilities").score(torch.tensor([[0.5, 0.2, 0.0]]))
    assert torch.allclose(said, torch.tensor([[0.0, -1.38629]]), atol=1e-5)


def test_abilities_are_kept(module: str) -> None:
    inputs, believed = torch.randn(5, 3), torch.full((5, 2), torch.nan)
    believed[:, 1] = 4
    teacher = load(source=f"{module}:able")
    assert isinstance(teacher, ConditionalScorer)
    assert isinstance(teacher, FeatureScorer)
    assert teacher.tasks == {"class": ("cat", "dog")}  # type: ignore[attr-defined]
    assert torch.equal(teacher.score_given(inputs, believed, True)[:, 1], torch.full((5,), 4.0))
    scores, features = teacher.score_and_features(inputs)
    assert torch.equal(scores, inputs[:, :2])
    assert torch.equal(features, inputs)


def test_an_object_in_memory() -> None:
    class Mine:
        labels = ("cat", "dog")

        def score(self, inputs: torch.Tensor) -> list[list[float]]:
            return inputs[:, :2].tolist()  # type: ignore[no-any-return]

    inputs = torch.randn(5, 3)
    assert torch.equal(wrap(Mine(), "a").score(inputs), inputs[:, :2])
    assert wrap(Mine(), "a", exclusive=True).tasks == {"class": ("cat", "dog")}


def _told(told: str = "mine", labels: Sequence[str] = ("cat", "dog"), **more: Any) -> str | None:
    """The fingerprint of an object of the class Mine, with more attributes or arguments of `wrap`."""
    keys = {one: more.pop(one) for one in ("scores", "exclusive") if one in more}
    inner = {"labels": labels, "score": len, "fingerprint": told, **more}
    return wrap(type("Mine", (), inner)(), "a", **keys).fingerprint


def test_a_fingerprint_is_more_than_what_the_object_says() -> None:
    """Two classes that say the same string must not share votes."""
    first = _told()
    assert first == _told()
    others = [
        _told(told="other"),
        _told(labels=("dog", "cat")),
        _told(scores="decisions"),
        _told(exclusive=True),
        _told(__module__="elsewhere"),
        _told(__qualname__="Other"),
        _told(score_given=len),
        _told(score_and_features=len),
    ]
    assert len({first, *others}) == 9
    assert None not in (first, *others)


def test_code_runs_only_with_the_users_word(module: str) -> None:
    assert refused(trust=False, source=f"{module}:plain") == (
        "teacher 'a' names the code 'user_teachers:plain', which would run on this machine; only model classes and "
        "factories of PyTorch, torchvision, timm, scikit-learn and amalgam are built without asking: read that code "
        "and, if you trust it, say so with --trust-code (in Python: trust=True)"
    )
    assert module not in sys.modules


def test_cards(module: str) -> None:
    assert refused() == "teacher 'a' has no source; write `source: module:function` in its card"
    assert refused(source=f"{module}:plain", sha256="00") == (
        "teacher 'a' has a checksum, but its source is code; leave `sha256:` out"
    )
    assert refused(source=f"{module}:number") == (
        "teacher 'a': 'user_teachers:number' returned a int without 'labels', 'score'; a teacher has `labels` and "
        "`score(inputs)`"
    )
    assert refused(source=f"{module}:plain", labels=("dog", "cat")) == (
        "teacher 'a': its card lists the labels 'dog', 'cat', but its object has 'cat', 'dog' in this order; leave "
        "`labels:` out"
    )
    assert refused(source=f"{module}:plain", arguments={"size": 1}) == (
        "teacher 'a' calls 'user_teachers:plain' with the arguments 'size', which fails: plain() got an unexpected "
        "keyword argument 'size'; mend `arguments:`"
    )
