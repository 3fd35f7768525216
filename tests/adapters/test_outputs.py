"""Estimators of scikit-learn with several outputs as teachers of tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from amalgam.adapters.sklearn import wrap
from amalgam.panel import Seat, seat
from tests.adapters.test_sklearn import INPUTS, X, Y, load, logistic, refused


@pytest.fixture(scope="module")
def rooms() -> np.ndarray:
    """Of each row: the wall (3 classes), whether it is big, and a digit (2 classes)."""
    return np.stack([Y[:, 0] + Y[:, 1], Y[:, 2], 3 + 4 * Y[:, 3]], axis=1)


@pytest.mark.parametrize("scores", ["probabilities", "votes"])
@pytest.mark.parametrize(
    "estimator",
    [RandomForestClassifier(5, random_state=0), KNeighborsClassifier(), MultiOutputClassifier(logistic())],
    ids=lambda one: type(one).__name__,
)
def test_outputs_of_several_classes_are_tasks(rooms: np.ndarray, estimator: Any, scores: Any) -> None:
    teacher = wrap(estimator.fit(X, rooms), ["wall", "big", "digit"], scores=scores)
    walls, digits = ("wall: 0", "wall: 1", "wall: 2"), ("digit: 3", "digit: 7")
    assert teacher.labels == (*walls, "big", *digits)
    assert teacher.tasks == {"wall": walls, "digit": digits}
    assert not teacher.exclusive
    said = teacher.score(INPUTS)
    wall, big, digit = said[:, :3].softmax(1).numpy(), said[:, 3].sigmoid().numpy(), said[:, 4:].softmax(1).numpy()
    if scores == "probabilities":
        expected = estimator.predict_proba(X)
        for own, truth in zip((wall, digit), (expected[0], expected[2]), strict=True):
            assert np.allclose(own, truth, atol=1e-5)
        assert np.allclose(big, expected[1][:, 1], atol=1e-5)
    else:
        hard = estimator.predict(X)
        assert np.allclose(wall, np.where(hard[:, :1] == [0, 1, 2], 0.95, 0.025), atol=1e-6)
        assert np.allclose(digit, np.where(hard[:, 2:] == [3, 7], 0.95, 0.05), atol=1e-6)
        assert np.allclose(big, np.where(hard[:, 1] == 1, 0.95, 0.05), atol=1e-6)


def test_outputs_of_named_classes(rooms: np.ndarray, tmp_path: Path) -> None:
    words = np.stack([np.array(["red", "blue", "green"])[rooms[:, 0]], np.where(rooms[:, 1] == 1, "yes", "no")], axis=1)
    several = MultiOutputClassifier(logistic()).fit(X, words)
    skops.io.dump(several, tmp_path / "m.skops")
    teacher = load(tmp_path, source="m.skops", labels=["wall", "big"], scores="votes")
    assert teacher.labels == ("wall: blue", "wall: green", "wall: red", "big: no", "big: yes")
    said = teacher.score(INPUTS)
    assert np.array_equal(np.array(["blue", "green", "red"])[said[:, :3].argmax(1)], several.predict(X)[:, 0])
    assert np.array_equal(np.array(["no", "yes"])[said[:, 3:].argmax(1)], several.predict(X)[:, 1])
    panel = seat([Seat("a", teacher), Seat("b", wrap(logistic().fit(X, Y[:, 0]), ["old"]))])
    assert panel.tasks == {"wall": teacher.labels[:3], "big": teacher.labels[3:]}
    assert refused(lambda: wrap(several, teacher.labels, "a")) == (
        "teacher 'a' lists 5 labels ('wall: blue', 'wall: green', 'wall: red', 'big: no', 'big: yes') for its "
        "estimator's 2 outputs; name each output once, in order, and none of their classes"
    )
    same = RandomForestClassifier(3).fit(X, np.stack([words[:, 0], np.full(len(X), "no")], axis=1))
    assert refused(lambda: wrap(same, ["wall", "big"], "a")) == (
        "teacher 'a': task 'big' has only the class 'big: no'; a task has at least two, and a label that is yes or no "
        "needs none"
    )
    assert refused(lambda: load(tmp_path, source="m.skops", labels=["wall", "big"], tasks={"wall": ["a", "b"]})) == (
        "teacher 'a': its card names tasks, but an estimator's outputs of several classes are tasks already; name the "
        "outputs under `labels:` and leave `tasks:` out"
    )


@pytest.mark.parametrize("base", [logistic(), LinearSVC()], ids=["probabilities", "decisions"])
def test_a_chain_of_classes_is_refused(rooms: np.ndarray, base: Any) -> None:
    """scikit-learn's lists its outputs' classes in the order of the chain, and answers for the second of two alone."""
    two = rooms[:, [2, 1]]
    for estimator in (ClassifierChain(base, order=[1, 0]), make_pipeline(StandardScaler(), ClassifierChain(base))):
        message = refused(lambda one=estimator: wrap(one.fit(X, two), ["digit", "big"], "a"))
        assert message.startswith("teacher 'a' is a ")
        assert message.endswith(
            " of other classes than 0 and 1, which answers for one class of two alone; fit a MultiOutputClassifier"
        )


def test_several_outputs_without_probabilities_vote(rooms: np.ndarray) -> None:
    several = MultiOutputClassifier(LinearSVC()).fit(X, rooms / 1)
    teacher = wrap(several, ["wall", "big", "digit"])
    assert teacher.kind == "votes"
    said, hard = teacher.score(INPUTS), several.predict(X)
    assert np.array_equal(said[:, :3].argmax(1), hard[:, 0])
    assert np.array_equal(said[:, 3] > 0, hard[:, 1] == 1)
    assert np.array_equal(3 + 4 * said[:, 4:].argmax(1), hard[:, 2])


@pytest.mark.parametrize("there", [("0", "1"), ("False", "True"), ("0.0", "1.0")])
def test_yes_or_no_beside_words_is_said_in_words(rooms: np.ndarray, there: tuple[str, str]) -> None:
    """scikit-learn reads numbers beside words as words."""
    words = np.stack([np.array(["red", "blue ", "green"])[rooms[:, 0]], np.array(there)[rooms[:, 1]]], axis=1)
    several = KNeighborsClassifier().fit(X, words)
    teacher = wrap(several, ["wall", "big"])
    assert teacher.labels == ("wall: blue", "wall: green", "wall: red", "big")
    said = teacher.score(INPUTS)[:, 3].sigmoid().numpy()
    assert np.allclose(said, several.predict_proba(X)[1][:, 1], atol=1e-5)


def test_whole_numbers_are_the_same_classes_as_floats(rooms: np.ndarray) -> None:
    whole, floats = (wrap(KNeighborsClassifier().fit(X, kind), ["wall", "big", "digit"]) for kind in (rooms, rooms / 1))
    assert whole.labels == floats.labels
    assert torch.equal(whole.score(INPUTS), floats.score(INPUTS))
    rooms = rooms.astype(str)
    rooms[rooms[:, 0] == "1", 0] = " "
    assert refused(lambda: wrap(KNeighborsClassifier().fit(X, rooms), ["wall", "big", "digit"], "a")) == (
        "teacher 'a': its output 'wall' has a class without a name; fit it with names"
    )
