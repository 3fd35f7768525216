"""The registry: from what a user names to a teacher."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from accelerate import Accelerator

from amalgam import registry
from amalgam.errors import RequestError
from amalgam.progress import Silent
from amalgam.student import build
from amalgam.teacher import ConditionalScorer

CPU = Accelerator(cpu=True)


def test_a_spec_spells_a_card(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("cat\ndog\n\n")
    card, folder = registry.find_card(
        f"onnx:{tmp_path}/m.onnx@{tmp_path}/names.txt?scores=probabilities&exclusive=true"
    )
    assert (card.name, card.adapter, card.source, folder) == ("m", "onnx", "m.onnx", tmp_path)
    assert (card.labels, card.scores, card.exclusive) == (("cat", "dog"), "probabilities", True)
    assert registry.find_card("sklearn:m.skops@a, b")[0].labels == ("a", "b")
    assert registry.find_card("custom:module:function@a")[0].source == "module:function"


def test_a_card_of_a_saved_student_need_not_list_its_labels(tmp_path: Path) -> None:
    folder = tmp_path / "cards"
    for run in (folder / "run", tmp_path / "outside"):
        build({"name": "mlp"}, (3,), ("b", "a"), "test").save(run / "student")
    (folder / "card.yaml").write_text("{name: mine, adapter: torch, source: run}")
    for spec in (folder / "card.yaml", folder / "run", folder / "run" / "student", f"torch:{folder / 'run'}"):
        assert registry.find_card(str(spec))[0].labels == ("b", "a")
    (folder / "run" / "student" / "config.json").write_text("{}")
    assert registry.find_card(str(folder / "card.yaml"))[0].labels == ()
    (folder / "card.yaml").write_text("{name: mine, adapter: torch, source: ../outside}")
    with pytest.raises(RequestError, match=r"names '\.\./outside', which leads out of"):
        registry.find_card(str(folder / "card.yaml"))


def test_a_saved_student_is_a_conditional_teacher(tmp_path: Path) -> None:
    torch.manual_seed(0)
    student = build({"name": "label_chain", "hidden": 4}, (3,), ("a", "b"), "test")
    student.save(tmp_path / "chain")
    seat = registry.load(str(tmp_path / "chain"), CPU)
    assert seat.name == "chain"
    assert tuple(seat.teacher.labels) == ("a", "b")
    assert isinstance(seat.teacher, ConditionalScorer)
    inputs = torch.randn(5, 3)
    torch.testing.assert_close(seat.teacher.score(inputs), student.logits(inputs))
    again = registry.load(str(tmp_path / "chain"), CPU)
    assert seat.fingerprint is not None
    assert seat.fingerprint == again.fingerprint
    student.start.bias.data.add_(1)
    student.save(tmp_path / "other" / "chain")
    assert registry.load(str(tmp_path / "other" / "chain"), CPU).fingerprint != seat.fingerprint


def test_a_seat_tells_where_its_teacher_came_from(tmp_path: Path) -> None:
    torch.manual_seed(0)
    folder = build({"name": "mlp"}, (3,), ("a", "b"), "test").save(tmp_path / "mlp")
    (tmp_path / "card.yaml").write_text(
        "{name: mine, description: of ours, license: ours, adapter: torch, source: mlp}"
    )

    def told(spec: str) -> tuple[str, str | None, str]:
        seat = registry.load(spec, CPU)
        return seat.source, seat.licence, seat.description

    assert told(str(tmp_path / "card.yaml")) == ("card.yaml", "ours", "of ours")
    assert told(str(folder)) == ("mlp", None, "")
    assert told(f"torch:{folder}?license=CC-BY-4.0") == ("torch:mlp?license=CC-BY-4.0", "CC-BY-4.0", "")
    (folder / "README.md").write_text("---\nlicense: gpl-3.0\n---\n")
    assert told(str(folder))[1] == "gpl-3.0"
    assert told(str(tmp_path / "card.yaml"))[1] == "ours"

    class Own:
        labels, license = ("a",), "mine"

        def score(self, inputs: torch.Tensor) -> torch.Tensor:
            return inputs[:, :1]

    seat = registry.seat_of(Own(), 1, CPU, trust=False, progress=Silent())
    assert (seat.source, seat.licence) == ("", "mine")


def test_a_built_in_teacher_is_trained_once(home: Path, tmp_path: Path) -> None:
    """A copy of a card with one epoch: the second time the weights come from the store; other settings train anew."""
    card, _ = registry.find_card("digits-shape")
    assert card.schooling is not None
    content = card.model_dump(mode="json", exclude_none=True)
    content["schooling"]["training"]["epochs"] = 1
    path = tmp_path / "quick.yaml"
    path.write_text(yaml.safe_dump(content))

    class Count(Silent):
        trained = 0

        def step(self, name, total, unit="rows"):  # type: ignore[no-untyped-def]
            Count.trained += 1
            return super().step(name, total, unit)

    first = registry.load(str(path), CPU, progress=Count())
    second = registry.load(str(path), CPU, progress=Count())
    assert Count.trained == 1
    assert first.fingerprint == second.fingerprint
    assert first.seen is not None
    assert second.seen is not None
    np.testing.assert_array_equal(first.seen, second.seen)
    content["schooling"]["split_seed"] = 1
    path.write_text(yaml.safe_dump(content))
    assert registry.load(str(path), CPU, progress=Count()).fingerprint != first.fingerprint
    assert Count.trained == 2


def test_what_is_no_teacher_is_refused() -> None:
    with pytest.raises(RequestError) as raised:
        registry.seat_of(object(), 2, CPU, trust=False, progress=Silent())
    assert str(raised.value) == (
        "teacher 2 is a object; expected a card's name, a path, a pair (torch module or scikit-learn estimator, "
        "labels), or an object with `labels` and `score(inputs)`"
    )
