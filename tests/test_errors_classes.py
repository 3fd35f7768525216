"""Bad input to classifiers that are joined from a few labels: what is refused, what is noted, what is left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

import amalgam
from amalgam.errors import RequestError
from tests.class_laws import STEPS, Chooses

SMALL = {"name": "convolutional", "channels": 4, "kernels": [3]}
RECOMMENDED = {
    "name": "tc", "evidence": "rocket", "judged": "classes", "normalise": "none", "shared": "mean", "mix": 0.5,
    "features": 84,
}  # fmt: skip
PAPER = {"name": "tc", "epochs": 2}
TEACHERS = (Chooses(("a", "b"), 0), Chooses(("b", "c"), 1))


def series(rows: int = 60) -> torch.Tensor:
    return torch.randn(rows, STEPS, 1, generator=torch.Generator().manual_seed(3))


def few(classes: Sequence[str], labels: Sequence[str], rows: int = 60) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """Series of which the first are labelled, one class after the other."""
    annotated = torch.full((rows, len(labels)), torch.nan)
    for row, name in enumerate(classes):
        annotated[row] = torch.tensor([float(one == name) for one in labels])
    return series(rows), annotated, list(labels)


def distil(data: Any, strategy: Any, teachers: Sequence[Any] = TEACHERS) -> amalgam.Student:
    return amalgam.distill(teachers, data, strategy, student=SMALL, training={"epochs": 2})


def notes(student: amalgam.Student) -> str:
    assert student.report is not None
    return "\n".join(student.report.notes)


def test_a_class_without_a_labelled_row(home: Path) -> None:
    data = few("aabb", "abc")
    with pytest.raises(RequestError) as raised:
        distil(data, RECOMMENDED)
    assert str(raised.value) == (
        "no labelled row has the class 'c', and with `judged: classes` strategy 'tc' learns each from at least one; "
        "raise data.labelled, label one, or choose `judged: teachers` without `mix`"
    )
    for strategy in (PAPER, {**RECOMMENDED, "judged": "teachers", "mix": 0}):
        assert "no labelled row has 'c': what the labels tell of other classes" in notes(distil(data, strategy))


def test_a_class_that_no_teacher_knows(home: Path) -> None:
    student = distil(few("abcabcd", "abcd"), RECOMMENDED)
    assert student.labels == ("a", "b", "c")
    assert "1 labelled rows are of 'd', which no teacher knows; not used" in notes(student)
    assert student.report is not None
    assert student.report.data["annotated, of the student's"] == 6
    with pytest.raises(
        RequestError, match="none of the labelled rows of arrays has a label among those that the teachers know"
    ):
        distil(few("dd", "abcd"), RECOMMENDED)
    with pytest.raises(RequestError, match="arrays annotates 'd', 'e' and the teachers know 'a', 'b', 'c'"):
        distil(few("de", "de"), RECOMMENDED)


def test_a_teacher_of_classes_outside_the_task(home: Path) -> None:
    """Classes that no row has: a student of all of them by the paper's rule, or, when asked, of the task's alone."""
    teachers = (Chooses(("a", "b", "y"), 0), Chooses(("b", "c", "z"), 1))
    student = distil(few("abcabc", "abc"), PAPER, teachers)
    assert student.labels == ("a", "b", "c", "y", "z")
    assert "no labelled row has 'y', 'z'" in notes(student)
    with pytest.raises(RequestError, match="no labelled row has the class 'y', 'z'"):
        distil(few("abcabc", "abc"), RECOMMENDED, teachers)


def test_a_teacher_that_cannot_read_missing_values(home: Path) -> None:
    inputs, annotated, labels = few("abcabc", "abc")
    names = np.array(["a", "b"])[np.arange(60) % 2]
    linear = LogisticRegression().fit(inputs.flatten(1).numpy(), names)
    inputs[7, 4] = torch.nan
    with pytest.raises(RequestError) as raised:
        distil((inputs, annotated, labels), RECOMMENDED, (linear, TEACHERS[1]))
    assert str(raised.value).startswith(
        "teacher 'LogisticRegression-1' could not score inputs of shape (60, 12, 1): Input X contains NaN."
    )


def test_constant_series_and_holes_are_learned_from(home: Path) -> None:
    inputs, annotated, labels = few("abcabc", "abc")
    inputs[10] = 3.0
    inputs[11, :, 0] = torch.tensor([1.0, *[torch.nan] * (STEPS - 1)])
    inputs[12, 2:5] = torch.nan

    class Reads(Chooses):
        def score(self, inputs: torch.Tensor) -> torch.Tensor:
            return super().score(inputs.nan_to_num())

    for strategy in (RECOMMENDED, PAPER):
        student = distil((inputs, annotated, labels), strategy, (Reads(("a", "b"), 0), Reads(("b", "c"), 1)))
        assert np.isfinite(student.predict_proba(inputs)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda inputs: inputs[5].fill_(torch.nan), "row 5 of the inputs has no value at all; drop such rows first"),
        (lambda inputs: inputs[5, 2].fill_(torch.inf), "row 5 of the inputs is infinite; fill or drop such rows first"),
    ],
)
def test_series_that_say_nothing_or_too_much(change: Any, message: str, home: Path) -> None:
    inputs, annotated, labels = few("abcabc", "abc")
    change(inputs)
    with pytest.raises(RequestError) as raised:
        distil((inputs, annotated, labels), RECOMMENDED)
    assert str(raised.value) == message


def test_series_without_steps(home: Path) -> None:
    with pytest.raises(RequestError) as raised:
        distil((torch.zeros(9, 0, 1), torch.zeros(9, 3), ["a", "b", "c"]), RECOMMENDED)
    assert str(raised.value) == "inputs have the shape (9, 0, 1), expected (rows, columns, …) and at least a row"
