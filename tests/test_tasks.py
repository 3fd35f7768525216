"""Tasks of several classes beside labels that are yes or no: one label space, one panel, one student."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch.nn import functional as F

import amalgam
from amalgam import adapters
from amalgam.adapters import to_logits
from amalgam.adapters.custom import wrap
from amalgam.annotations import annotated_for
from amalgam.classes import Spans, by_task, decided, pieces, probabilities, task_columns
from amalgam.errors import RequestError
from amalgam.evaluation import evaluate
from amalgam.losses import cross_entropy
from amalgam.metrics import TASK_MEASURES, measures_of
from amalgam.panel import Seat, choices, majority, mean_logit, seat
from amalgam.results import tasks
from amalgam.schooling import lesson
from amalgam.signals import ProbabilityTargets, TensorRows
from amalgam.strategies.ant import ANT
from amalgam.strategies.kd import KD
from amalgam.strategies.tc import TC
from amalgam.students.mlp import MLP
from amalgam.teacher import Card
from tests.tasked import COLOURS, NAMES, SPANS, TASKS, ballots_of, consensus, logits, panel_of, rows_of


def refused(call: Any, *arguments: Any, **named: Any) -> str:
    with pytest.raises(RequestError) as caught:
        call(*arguments, **named)
    return str(caught.value)


@pytest.mark.parametrize(
    ("spans", "wanted", "columns"),
    [
        ((), [(0, 4, False)], [(0, 1), (1, 2), (2, 3), (3, 4)]),
        (((0, 4),), [(0, 4, True)], [(0, 4)]),
        (((1, 3),), [(0, 1, False), (1, 3, True), (3, 4, False)], [(0, 1), (1, 3), (3, 4)]),
        (((0, 2), (2, 4)), [(0, 2, True), (2, 4, True)], [(0, 2), (2, 4)]),
    ],
)
def test_every_column_is_of_one_task(
    spans: Spans, wanted: list[tuple[int, int, bool]], columns: list[tuple[int, int]]
) -> None:
    assert pieces(spans, 4) == wanted
    assert task_columns(spans, 4) == columns
    values = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(by_task(values, spans, lambda some: some, lambda some: some), values)
    found, chosen = probabilities(values, spans), decided(values, spans)
    for first, last in columns:
        own = values[..., first:last]
        one_task = (first, last) in spans
        torch.testing.assert_close(found[..., first:last], own.softmax(-1) if one_task else own.sigmoid())
        if one_task:
            assert chosen[..., first:last].sum(-1).eq(1).all()
            assert chosen[..., first:last].int().argmax(-1).equal(own.argmax(-1))
        else:
            assert chosen[..., first:last].equal(own > 0)


def test_the_panel_has_the_teachers_tasks() -> None:
    panel = panel_of()
    assert panel.space.names == NAMES
    assert panel.tasks == TASKS
    assert panel.spans == (SPANS, SPANS, ())
    assert [one.spans for one in panel.seats] == [((1, 3),), ((0, 2),), ()]
    assert [one.exclusive for one in panel.seats] == [False, True, False]


def test_where_somebody_knows_a_class_as_yes_or_no_so_does_the_student() -> None:
    class Plain:
        labels = ("red", "square")

        def score(self, inputs: torch.Tensor) -> torch.Tensor:
            return inputs[:, :2]

    panel = seat([*panel_of().seats, Seat("plain", Plain())])
    assert panel.tasks == {}
    assert panel.spans == (SPANS, SPANS, (), ())
    values = rows_of().values
    votes = panel.ask(values)
    one = panel.seats[0].teacher.score(values)[:, 1:].softmax(1)
    torch.testing.assert_close(votes.read()[0, :, 2].sigmoid(), one[:, 0], atol=1e-5, rtol=1e-4)
    assert torch.equal(votes.read()[3, :, 2], values[:, 0])


def test_votes_are_read_as_the_student_decides() -> None:
    panel, rows = panel_of(), rows_of()
    votes = panel.ask(rows.values)
    assert torch.equal(votes.read(SPANS).nan_to_num(), votes.scores.nan_to_num())
    odds = votes.read()
    assert odds[:, :, 3:].nan_to_num().equal(votes.scores[:, :, 3:].nan_to_num())
    p = panel.seats[1].teacher.score(rows.values).softmax(1)
    torch.testing.assert_close(odds[1][:, [0, 2]].sigmoid(), p, atol=1e-5, rtol=1e-4)
    assert odds[1][:, 1].isnan().all()
    torch.testing.assert_close(torch.cat(list(ballots_of(panel, rows).own(0, 7)))[:, 1], odds[0, :, 2])


def test_the_majority_of_a_task_is_one_of_its_classes() -> None:
    panel, rows = panel_of(), rows_of()
    votes = panel.ask(rows.values)
    hard, most, mean = choices(votes, SPANS), majority(votes, SPANS), mean_logit(votes)
    for row in range(len(rows)):
        said = logits(panel, rows.values[row])
        chosen = [max((one for one in own if one in COLOURS), key=own.__getitem__) for own in said[:2]]
        for k, label in enumerate(chosen):
            assert [NAMES[place] for place in hard[k, row, :3].nonzero().ravel()] == [label]
        shares = {"blue": chosen.count("blue"), "green": chosen.count("green"), "red": chosen.count("red") / 2}
        settled = {
            label: share + 1e-3 / (1 + math.exp(-float(mean[row, place])))
            for place, (label, share) in enumerate(shares.items())
        }
        wanted = max(settled, key=settled.__getitem__)
        assert [NAMES[place] for place in most[row, :3].nonzero().ravel()] == [wanted]
        affirmed = sum(own["dotted"] > 0 for own in (said[0], said[2]))
        assert bool(most[row, 3]) == (affirmed >= 1)
        assert bool(hard[2, row, 4]) == bool(most[row, 4]) == (said[2]["round"] > 0)
    assert not hard[2, :, :3].any()


def test_the_loss_adds_up_over_tasks() -> None:
    chance = torch.Generator().manual_seed(0)
    said = torch.randn(2, 6, 5, generator=chance)
    wanted = probabilities(torch.randn(6, 5, generator=chance), SPANS)
    weights = torch.ones(6, 5)
    weights[2, :3], weights[4, 3] = 0, 0
    loss = cross_entropy(said, ProbabilityTargets(wanted, weights, spans=SPANS))
    total = 0.0
    for step in range(2):
        for row in range(6):
            total += float(weights[row, 0] * F.cross_entropy(said[step, row, :3], wanted[row, :3]))
            each = F.binary_cross_entropy_with_logits(said[step, row, 3:], wanted[row, 3:], reduction="none")
            total += float((each * weights[row, 3:]).sum())
    assert float(loss.sum) == pytest.approx(total, rel=1e-5)
    assert float(loss.count) == 6


def test_strategies_follow_the_teachers_or_decide_in_their_own_way() -> None:
    panel = panel_of()
    assert (KD().tasks(panel), KD().spans(panel)) == (TASKS, SPANS)
    assert (ANT().tasks(panel), ANT().spans(panel)) == ({}, ())
    assert "and teacher 'one' has the task 'colour' beside other labels; choose a strategy that learns such" in refused(
        panel.require, TC.needs, "tc", TC.exclusive
    )


def test_one_class_a_row_needs_one_task() -> None:
    first = wrap(type("T", (), {"labels": ("a", "b"), "score": len, "tasks": {"letter": ("a", "b")}})(), "first")
    other = wrap(type("T", (), {"labels": ("c", "d"), "score": len, "exclusive": True})(), "other")
    panel = seat([Seat("first", first), Seat("other", other)])
    assert panel.tasks == {"letter": ("a", "b"), "class": ("c", "d")}
    assert refused(panel.require, TC.needs, "tc", True) == (
        "strategy 'tc' chooses one class for a row, so all teachers must have one task; that of 'first' is 'letter', "
        "that of 'other' is 'class'. Name it alike under `tasks:` in both cards if it is one, or choose another "
        "strategy"
    )


def test_a_lesson_is_of_the_rows_of_its_own_classes() -> None:
    rows = rows_of(10, annotated=True)
    own = lesson(rows, ("dotted", "green", "red"), {"colour": ("green", "red")})
    assert own.labels == ("dotted", "green", "red")
    assert rows.annotated is not None
    assert own.annotated is not None
    assert len(own) == 10  # each says at least whether it is dotted
    known = rows.annotated[:, 1:3].eq(1).any(1)
    assert own.annotated[:, 1:].isnan().all(1).equal(~known)
    assert own.annotated[known, 1:].equal(rows.annotated[known, 1:3])
    alone = lesson(rows, ("green", "red"), {"colour": ("green", "red")})
    assert len(alone) == int(known.sum())
    nobody = TensorRows(values=rows.values, annotated=torch.zeros(10, 5), labels=NAMES)
    assert refused(lesson, nobody, ("green", "red"), {"colour": ("green", "red")}) == (
        "no row of data is annotated with 'green', 'red', which a teacher should learn"
    )


def test_few_annotations_are_known_task_by_task() -> None:
    nan = torch.nan
    annotated = torch.tensor([[1.0, 0, 0, 1, 0], [0, 0, 0, 0, nan], [nan, nan, nan, 1, 1], [nan] * 5])
    rows = TensorRows(values=torch.zeros(4, 4), annotated=annotated, labels=("red", "blue", "pink", "dotted", "round"))
    found, notes = annotated_for(rows, panel_of().space.names, SPANS)
    wanted = torch.tensor([[0.0, 0, 1, 1, 0], [nan, nan, nan, 0, nan], [nan, nan, nan, 1, 1], [nan] * 5])
    assert found.annotated is not None
    torch.testing.assert_close(found.annotated, wanted, equal_nan=True)
    assert notes == ["no labelled row has 'blue', 'green': what the labels tell of other classes is all that is known"]


def test_evaluation_measures_each_task() -> None:
    panel, rows = panel_of(), rows_of(60, annotated=True)
    student = MLP((4,), NAMES, MLP.Settings(hidden=()))
    student.tasks = TASKS
    found = evaluate(student.eval(), panel, rows, ballots_of(panel, rows), seconds=0.0)
    assert found.measured == TASK_MEASURES == measures_of(False, True)
    assert (found.tasks, found.exclusive) == (TASKS, False)
    truth = rows.annotated
    assert truth is not None
    said = student.logits(rows.values)
    known = ~truth[:, 0].isnan()
    colour = float((said[known, :3].argmax(1) == truth[known, :3].argmax(1)).float().mean())
    rest = ((said[:, 3:] > 0) == (truth[:, 3:] > 0)).float().mean(0).tolist()
    right = [1 - one for one in found.student.measures.loss_per_task]
    assert right == pytest.approx([colour, *rest])
    assert found.student.measures.task_accuracy == pytest.approx((colour + sum(rest)) / 3)
    one = found.teachers[0]
    assert one.teacher.labels == ("dotted", "red", "green")
    own = known & (truth[:, 1:3] == 1).any(1)  # a teacher is asked of the rows whose colour it knows
    scores = panel.seats[0].teacher.score(rows.values)
    dotted = float(((scores[:, 0] > 0) == (truth[:, 3] > 0)).float().mean())
    of_two = float((scores[own, 1:].argmax(1) == truth[own][:, [2, 1]].argmax(1)).float().mean())
    assert [1 - loss for loss in one.teacher.measures.loss_per_task] == pytest.approx([dotted, of_two])
    assert found.teachers[2].teacher.labels == ("dotted", "round")
    assert len(found.teachers[2].teacher.measures.loss_per_task) == 2
    beside = float((said[own, :3].argmax(1) == truth[own, :3].argmax(1)).float().mean())
    assert 1 - one.student.measures.loss_per_task[1] == pytest.approx(beside)


@pytest.mark.parametrize(("gone", "shown"), [((), "colour"), (("blue",), "colour"), (("blue", "green"), "red")])
def test_a_task_has_all_its_classes_though_rows_show_some(gone: tuple[str, ...], shown: str) -> None:
    """What is told of a task whose classes are not all annotated: it still has three."""
    panel, rows = panel_of(), rows_of(60, annotated=True)
    student = MLP((4,), NAMES, MLP.Settings(hidden=()))
    student.tasks = TASKS
    assert rows.annotated is not None
    kept = [column for column, name in enumerate(NAMES) if name not in gone]
    rows = replace(rows, annotated=rows.annotated[:, kept], labels=tuple(NAMES[column] for column in kept))
    found = tasks(evaluate(student.eval(), panel, rows, ballots_of(panel, rows), seconds=0.0))
    assert [(name, entries[0].text) for name, entries in found] == [
        (shown, "3"), ("dotted", "yes or no"), ("round", "yes or no")
    ]  # fmt: skip


class Paints:
    """A teacher of colours and of one label that is yes or no, which it reads off its inputs."""

    fingerprint = "paints-1"

    def __init__(self, labels: tuple[str, ...], columns: tuple[int, ...]) -> None:
        self.labels, self.columns = labels, list(columns)
        self.tasks = {"colour": tuple(label for label in labels if label in COLOURS)}

    def score(self, inputs: torch.Tensor) -> torch.Tensor:
        return 3 * inputs[:, self.columns]


def painted(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (N, 5), a column for each of `NAMES` and noise, and annotations (N, 5)."""
    chance = torch.Generator().manual_seed(7)
    truth = torch.cat(
        [
            torch.eye(3)[torch.randint(0, 3, (rows,), generator=chance)],
            torch.randint(0, 2, (rows, 2), generator=chance).float(),
        ],
        dim=1,
    )
    return (2 * truth - 1 + 0.3 * torch.randn(rows, 5, generator=chance)).numpy(), truth.numpy()


def test_a_student_of_tasks_from_teachers_to_the_edge(home: Path, tmp_path: Path) -> None:
    inputs, truth = painted(400)
    student = amalgam.distill(
        [Paints(("red", "green", "dotted"), (2, 1, 3)), Paints(("blue", "red", "round"), (0, 2, 4))],
        inputs[:300],
        "kd",
        student={"name": "mlp", "hidden": [8]},
        training={"epochs": 60, "learning_rate": 0.01, "patience": None},
        test=(inputs[300:], truth[300:], NAMES),
        out=tmp_path / "run",
    )
    assert (student.tasks, student.labels) == (TASKS, NAMES)
    p = student.predict_proba(inputs)
    assert p[:, :3].sum(1) == pytest.approx(np.ones(400), abs=1e-5)
    assert student.predict(inputs)[:, :3].sum(1).tolist() == [1] * 400
    report = student.report
    assert report is not None
    assert report.evaluation is not None
    assert report.student.tasks == report.evaluation.tasks == TASKS
    assert report.evaluation.student.measures.task_accuracy > 0.95
    assert report.from_dict(report.to_dict()).student == report.student
    loaded = amalgam.load(tmp_path / "run")
    assert loaded.tasks == TASKS
    assert np.array_equal(loaded.predict_proba(inputs), p)
    card = (tmp_path / "run" / "README.md").read_text()
    assert "| `colour` | `blue`, `green`, `red` |" in card
    assert "| accuracy in the task | classes | student | majority vote | mean logit |" in card
    assert "<td>colour</td><td>3</td>" in (tmp_path / "run" / "report.html").read_text()


def test_an_exported_student_is_a_teacher_of_the_same_tasks(tmp_path: Path) -> None:
    student = MLP((4,), NAMES, MLP.Settings(hidden=(3,))).eval()
    student.tasks = TASKS
    rows = torch.randn(300, 4, generator=torch.Generator().manual_seed(0))
    graph = student.export(tmp_path / "tasks.onnx", rows)
    about = {one.key: one.value for one in onnx.load(graph).metadata_props}
    assert json.loads(about["amalgam.tasks"]) == {"colour": list(COLOURS)}
    assert about["amalgam.exclusive"] == "false"
    assert about["amalgam.threshold"] == (
        "of each task's classes the largest logit; probabilities are their softmax; of other labels logit > 0, "
        "probability > 0.5"
    )
    card = {"name": "t", "adapter": "onnx", "source": graph.name}
    teacher: Any = adapters.load(Card(**card), tmp_path, device=torch.device("cpu"), trust=False)
    assert teacher.tasks == TASKS
    told: Any = adapters.load(Card(**card, exclusive=True), tmp_path, device=torch.device("cpu"), trust=False)
    assert told.tasks == {"class": NAMES}  # the card has the last word
    saved = student.save(tmp_path / "student")
    again: Any = adapters.load(
        Card(name="t", adapter="torch", source=saved.name), tmp_path, device=torch.device("cpu"), trust=False
    )
    assert again.tasks == TASKS


def test_a_student_saved_before_there_were_tasks_still_chooses_one_class(tmp_path: Path) -> None:
    student = MLP((4,), NAMES, MLP.Settings(hidden=())).eval()
    config = student.save(tmp_path) / "config.json"
    old = json.loads(config.read_text())
    assert old.pop("tasks") == {}
    config.write_text(json.dumps({**old, "exclusive": True}))
    assert amalgam.load(tmp_path).tasks == {"class": NAMES}


def test_probabilities_of_tasks_become_logits_task_by_task() -> None:
    said = probabilities(torch.randn(80, 5, generator=torch.Generator().manual_seed(0)), SPANS)
    torch.testing.assert_close(probabilities(to_logits(said, "probabilities", SPANS), SPANS), said)
    votes = torch.tensor([[0.0, 1.0, 0.0, 1.0, 0.0]])
    found = probabilities(to_logits(votes, "votes", SPANS), SPANS)
    torch.testing.assert_close(found, torch.tensor([[0.025, 0.95, 0.025, 0.95, 0.05]]))
    assert "sum to" in refused(to_logits, said[:, [0, 1, 3, 4]], "probabilities", ((0, 2),))


def test_what_softmaxes_do_not_say_decides_nothing() -> None:
    """No teacher knows all classes: a constant more for all that one says of them changes nothing."""
    panel = panel_of()
    votes = ballots_of(panel, rows_of()).at(slice(0, 24))
    first, last = SPANS[0]
    known = votes.known[:, first:last].sum(1)
    assert known.tolist().count(last - first) < len(known)
    moved = votes.scores.clone()
    moved[:, :, first:last] += torch.tensor([30.0, -7.0, 4.0])[: len(moved), None, None]
    other = replace(votes, scores=moved)
    torch.testing.assert_close(mean_logit(other, SPANS), mean_logit(votes, SPANS), rtol=1e-4, atol=1e-4)


def test_the_consensus_by_hand_is_kds() -> None:
    """The slow reference of other tests' strategies, held against the one that is simplest."""
    panel, rows = panel_of(), rows_of()
    votes = ballots_of(panel, rows).at(slice(0, 24))
    made = KD(temperature=2.0).targets(panel, rows, votes, None)
    assert made.spans == SPANS
    for row in range(24):
        wanted = consensus(logits(panel, rows.values[row]), 2.0)
        assert made.probabilities[row].tolist() == pytest.approx([wanted[name] for name in NAMES], abs=1e-5)
