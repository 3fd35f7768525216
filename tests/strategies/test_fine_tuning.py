"""Fine-tuning: the student begins with the source's network, all but its last layer."""

from __future__ import annotations

import pytest
import torch
from accelerate import Accelerator

from amalgam import recipe, transferring
from amalgam.errors import RequestError
from amalgam.progress import Silent
from amalgam.student import build
from amalgam.training.settings import Training
from amalgam.transfer.begin import adopt, last_of, learned
from tests.transfer.test_source import rows
from tests.transfer.test_transferring import digits


def test_the_student_adopts_all_but_the_last_layer() -> None:
    one, other = (build({"name": "mlp", "hidden": [8]}, (4,), ("a", "b"), "here") for _ in range(2))
    other.scaling.mean.fill_(3.0)
    before = last_of(one).weight.clone()  # type: ignore[operator, union-attr]
    adopt(one, other)
    assert torch.equal(one.body[0].weight, other.body[0].weight)  # type: ignore[index, union-attr]
    assert torch.equal(one.scaling.mean, other.scaling.mean)
    assert torch.equal(last_of(one).weight, before)  # type: ignore[arg-type]
    wide = build({"name": "mlp", "hidden": [9]}, (4,), ("a", "b"), "here")
    with pytest.raises(RequestError, match="bring both data sets to one shape"):
        adopt(one, wide)


def test_a_student_of_texts_adopts_one_of_longer_texts() -> None:
    one, other = (build({"name": "text"}, (words, 1), ("a", "b"), "here") for words in (5, 9))
    adopt(one, other)
    assert torch.equal(one.table.weight, other.table.weight)  # type: ignore[union-attr]
    assert one.scaling.mean.shape == (5, 1)
    assert one.shape == (5, 1)


def test_without_pretraining_a_network_is_new_and_scaled_by_the_source() -> None:
    from amalgam.transfer.source import annotated

    source = annotated({"s": rows([0, 1, 1, 0])})
    found, seconds = learned(
        source, {"name": "mlp"}, 0, Training(), 1, accelerator=Accelerator(), progress=Silent(), where="here"
    )
    assert float(found.scaling.mean) == pytest.approx(1.5)
    assert found.labels == ("s: a", "s: b")
    assert seconds == 0


def test_a_run_begins_with_the_source_s_network() -> None:
    """Five rows of each of four numerals, after the six others, or after nothing."""
    given = recipe.read("fine_tuning", {}, ("data.shots=5", "export=false", "training.epochs=40"))
    assert isinstance(given, recipe.TransferRecipe)
    target, held = digits(range(6, 10)).take(torch.arange(300)), digits(range(6, 10)).take(torch.arange(300, 700))
    accuracy = []
    for epochs in (0, 30):
        one = given.model_copy(update={"strategy": {"name": "fine_tuning", "pretraining": epochs}, "seed": 3})
        _, report = transferring.distill(one, rows=target, held_out=held, sources={"s": digits(range(6))}, keep=False)
        assert report.evaluation is not None
        accuracy.append(report.evaluation.student.measures.accuracy)
    assert min(accuracy) > 0.6
    assert accuracy[0] != accuracy[1]
