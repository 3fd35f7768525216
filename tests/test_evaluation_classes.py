"""The evaluation of classes: every model chooses one, a teacher alone among its own, where it could be right."""

from __future__ import annotations

import math

import pytest
import torch

from amalgam.evaluation import Evaluation, evaluate
from amalgam.labels import ONE
from amalgam.metrics import CLASS_MEASURES
from amalgam.panel import Ballots, Panel, Seat, seat
from amalgam.results import blocks, headings, verdict
from amalgam.signals import TensorRows
from amalgam.students.mlp import MLP


class Columns:
    """A teacher of classes whose logits are some columns of the inputs."""

    exclusive = True

    def __init__(self, labels: str, first: int) -> None:
        self.labels, self.columns = tuple(labels), slice(first, first + len(labels))

    def score(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs[:, self.columns]


def measured(truth: list[int]) -> tuple[Evaluation, TensorRows, Panel]:
    """A student of a, b, c, d (columns 5 to 8) beside teachers of a, b (0, 1) and b, c, d (2 to 4); −1 is no class."""
    values = torch.randn(len(truth), 9, generator=torch.Generator().manual_seed(2))
    annotated = torch.full((len(truth), 5), torch.nan)
    for row, label in enumerate(truth):
        if label >= 0:
            annotated[row] = torch.eye(5)[label]
    rows = TensorRows(values=values, annotated=annotated, labels=("a", "b", "c", "d", "strange"))
    panel = seat([Seat("one", Columns("ab", 0)), Seat("two", Columns("bcd", 2))])
    student = MLP((9,), tuple("abcd"), MLP.Settings(hidden=()))
    student.tasks = {ONE: student.labels}
    with torch.no_grad():
        student.head.weight.copy_(torch.eye(9)[5:])
        student.head.bias.zero_()
    ballots = Ballots(panel, len(rows), tuple(one.teacher.score(values) for one in panel.seats))
    return evaluate(student.eval(), panel, rows, ballots, seconds=0.0), rows, panel


def accuracy(chosen: list[str], truth: list[int], own: str) -> float:
    asked = [row for row, label in enumerate(truth) if label >= 0 and "abcd?"[label] in own]
    return sum(chosen[row] == "abcd?"[truth[row]] for row in asked) / len(asked)


def test_each_model_chooses_one_class() -> None:
    chance = torch.Generator().manual_seed(3)
    truth = torch.randint(-1, 5, (200,), generator=chance).tolist()
    found, rows, _ = measured(truth)
    x = rows.values
    one = ["ab"[row] for row in x[:, :2].argmax(1)]
    two = ["bcd"[row] for row in x[:, 2:5].argmax(1)]
    student = ["abcd"[row] for row in x[:, 5:].argmax(1)]
    assert found.exclusive
    assert found.measured == CLASS_MEASURES
    assert found.student.measures.accuracy == pytest.approx(accuracy(student, truth, "abcd"), abs=1e-6)
    assert found.teachers[0].teacher.measures.accuracy == pytest.approx(accuracy(one, truth, "ab"), abs=1e-6)
    assert found.teachers[1].teacher.measures.accuracy == pytest.approx(accuracy(two, truth, "bcd"), abs=1e-6)
    assert found.teachers[1].student.measures.accuracy == pytest.approx(accuracy(student, truth, "bcd"), abs=1e-6)
    assert any("no teacher knows it: 'strange'" in note for note in found.notes)


def test_the_ensembles_choose_one_class_too() -> None:
    truth = torch.randint(0, 4, (300,), generator=torch.Generator().manual_seed(4)).tolist()
    found, rows, _ = measured(truth)
    majority, mean = list[str](), list[str]()
    for row in rows.values.tolist():
        p, q = torch.tensor(row[:2]).softmax(0).tolist(), torch.tensor(row[2:5]).softmax(0).tolist()
        odds = {"a": [p[0]], "b": [p[1], q[0]], "c": [q[1]], "d": [q[2]]}
        logit = {label: sum(math.log(one / (1 - one)) for one in each) / len(each) for label, each in odds.items()}
        first, second = "ab"[p.index(max(p))], "bcd"[q.index(max(q))]
        share = {
            label: ((label == first) * (label in "ab") + (label == second) * (label in "bcd")) / len(each)
            for label, each in odds.items()
        }
        majority.append(max(share, key=lambda label: (share[label], logit[label])))
        mean.append(max(logit, key=lambda label: logit[label]))
    assert found.majority.measures.accuracy == pytest.approx(accuracy(majority, truth, "abcd"), abs=1e-6)
    assert found.mean.measures.accuracy == pytest.approx(accuracy(mean, truth, "abcd"), abs=1e-6)


def test_a_class_is_claimed_with_the_probability_of_the_likeliest_one_that_is_known() -> None:
    truth = torch.randint(-1, 5, (200,), generator=torch.Generator().manual_seed(6)).tolist()
    found, rows, _ = measured(truth)

    def error(own: str, first: int, measured_on: str) -> float:
        """By hand, over the rows whose class is among those that are measured on."""
        bins: dict[int, list[tuple[float, bool]]] = {}
        for row, label in enumerate(truth):
            if label >= 0 and "abcd?"[label] in measured_on:
                said = rows.values[row, first : first + len(own)].softmax(0).tolist()
                right = own[said.index(max(said))] == "abcd?"[label]
                bins.setdefault(int(max(said) * 15), []).append((max(said), right))
        gaps = [abs(sum(said for said, _ in one) - sum(right for _, right in one)) for one in bins.values()]
        return sum(gaps) / sum(len(one) for one in bins.values())

    one, two = found.teachers
    for line, by_hand in (
        (found.student, error("abcd", 5, "abcd")),
        (one.teacher, error("ab", 0, "ab")),
        (two.teacher, error("bcd", 2, "bcd")),
        (two.student, error("abcd", 5, "bcd")),
    ):
        assert line.calibration is not None
        assert line.calibration.error == pytest.approx(by_hand, abs=1e-5)


def test_readers_see_the_measures_of_classes() -> None:
    found, _, _ = measured([0, 1, 2, 3] * 10)
    assert headings(found)[2:4] == ["accuracy ↑", "F1 macro ↑"]
    assert all(len(entries) == len(headings(found)) - 1 for block in blocks(found) for _, entries in block)
    assert "of 2 measures" in verdict(found)
