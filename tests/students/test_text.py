"""The LSTM over words equals a slow transcription, one text at a time; what stands beyond a text is not seen."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch

from amalgam.errors import RequestError
from amalgam.signals import TensorRows
from amalgam.student import build
from amalgam.students.text import Text
from amalgam.tokens import Reading, series
from tests.students.test_recurrent import sigmoid

TEXTS = ["who was the first", "why", "what is it called in english", "where where"]


def made(**settings: object) -> Text:
    torch.manual_seed(0)
    kind = Text.Settings.model_validate({"vectors": 50, "embedding": 3, "hidden": 4, "dropout": 0.3, **settings})
    return Text((9, 1), ("a", "b", "c"), kind).eval().double()


def inputs(texts: list[str]) -> torch.Tensor:
    return torch.from_numpy(series(Reading(99).read(texts).numbers)).double()


def passed(weights: dict[str, np.ndarray], which: int, layers: int, steps: list[np.ndarray]) -> list[np.ndarray]:
    """The states of an LSTM after each of some steps, gate by gate; torch's gates are i, f, g, o."""
    for layer in range(layers):
        name = f"lstms.{which}."
        w_x, w_h = weights[f"{name}weight_ih_l{layer}"], weights[f"{name}weight_hh_l{layer}"]
        bias = weights[f"{name}bias_ih_l{layer}"] + weights[f"{name}bias_hh_l{layer}"]
        h = c = np.zeros(w_h.shape[1])
        states = []
        for x in steps:
            into, forget, new, out = np.split(bias + w_x @ x + w_h @ h, 4)
            c = np.array(
                [sigmoid(f) * old + sigmoid(i) * np.tanh(g) for f, old, i, g in zip(forget, c, into, new, strict=True)]
            )
            h = np.array([sigmoid(o) * np.tanh(one) for o, one in zip(out, c, strict=True)])
            states.append(h)
        steps = states
    return steps


def slow(student: Text, text: str) -> np.ndarray:
    """The logits of a text, in plain loops."""
    weights, own = {name: one.numpy() for name, one in student.state_dict().items()}, student.settings
    numbers = inputs([text])[0, :, 0].tolist()
    vectors = [weights["table.weight"][int(one) % own.vectors + 1] for one in numbers]
    ways = [passed(weights, 0, own.layers, vectors)] if own.layers else [vectors]
    if own.layers and own.both_ways:
        ways.append(passed(weights, 1, own.layers, vectors[::-1])[::-1])
    states = [np.concatenate(one) for one in zip(*ways, strict=True)]
    if own.pooling == "last":
        features = states[-1] if len(ways) == 1 else np.concatenate([ways[0][-1], ways[1][0]])
    else:
        features = np.mean(states, 0) if own.pooling == "mean" else np.max(states, 0)
    return weights["decide.weight"] @ features + weights["decide.bias"]


@pytest.mark.parametrize("pooling", ["mean", "max", "last"])
@pytest.mark.parametrize(("layers", "both_ways"), [(0, True), (1, False), (1, True), (2, True)])
def test_fast_equals_slow(pooling: Literal["mean", "max", "last"], layers: int, both_ways: bool) -> None:
    student = made(pooling=pooling, layers=layers, both_ways=both_ways)
    found = student.score(inputs(TEXTS)).detach().numpy()
    np.testing.assert_allclose(found, [slow(student, one) for one in TEXTS], atol=1e-12)


@pytest.mark.parametrize("pooling", ["mean", "max", "last"])
def test_what_stands_beyond_a_text_changes_nothing(pooling: str) -> None:
    student, some = made(pooling=pooling, layers=2), inputs(TEXTS)
    wide = torch.nn.functional.pad(some, (0, 0, 0, 5), value=torch.nan)
    torch.testing.assert_close(student.score(wide), student.score(some))


def test_texts_are_answered_as_they_are() -> None:
    student = made().float()
    np.testing.assert_allclose(
        student.predict_proba(TEXTS), student.logits(inputs(TEXTS).float()).sigmoid().numpy(), rtol=1e-6
    )
    assert student.predict(["a text of many more words than any that it learned from had"]).shape == (1, 3)
    with pytest.raises(RequestError, match="row 1 of the inputs has no value at all"):
        student.predict(["some", "?!"])


def test_only_texts_are_read() -> None:
    for shape in ((64,), (3, 2), (1, 8, 8)):
        with pytest.raises(RequestError, match="the student text reads texts"):
            build({"name": "text"}, shape, ("a",), "test")
    numbers = TensorRows(values=torch.zeros(2, 9, 1), name="some")
    with pytest.raises(RequestError, match="some has rows of numbers, and the student text reads texts"):
        made().refuse(numbers)
    texts = TensorRows(values=torch.zeros(2, 9, 1), name="some", texts=Reading())
    made().refuse(texts)
    with pytest.raises(
        RequestError, match=r"some has rows of texts, and the student recurrent reads numbers; choose one of texts"
    ):
        build({"name": "recurrent"}, (9, 1), ("a",), "test").refuse(texts)


def test_it_learns_which_word_a_text_has() -> None:
    torch.manual_seed(0)
    words = ["red", "blue", "of", "the", "a"]
    drawn = torch.randint(2, 5, (200, 6), generator=torch.Generator().manual_seed(1))
    label, place = torch.arange(200) % 2, torch.arange(200) % 6
    drawn[torch.arange(200), place] = label
    rows = inputs([" ".join(words[one] for one in row) for row in drawn.tolist()]).float()
    student = Text((6, 1), ("red", "blue"), Text.Settings(embedding=8, hidden=8))
    optimizer = torch.optim.Adam(student.parameters(), 0.02)
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(student(rows).logits, label).backward()
        optimizer.step()
    assert (student.eval().score(rows).argmax(1) == label).float().mean() > 0.98
