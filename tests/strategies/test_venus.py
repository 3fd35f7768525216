"""VENUS: consensus, adaptors and both losses against a slow transcription; what is scaled; what stays behind."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from amalgam.errors import RequestError
from amalgam.signals import FeatureTargets, Loss, StudentOutput
from amalgam.strategies import build
from amalgam.strategies.venus import VENUS, Consolidator, feature_distance
from tests import tasked
from tests.strategies.featured import LABELS, ballots_of, companion_stays_behind, panel_of, rows_of


def no_network(make: Callable[[], Any] | None, targets: Any, loss: Callable[[Any, Any], Loss], name: str) -> Any:
    raise AssertionError("VENUS trains nothing but the student")


def made(strategy: VENUS) -> FeatureTargets:
    panel, rows = panel_of(), rows_of()
    ballots = ballots_of(panel, rows)
    state = strategy.prepare(panel, rows, ballots, no_network)  # type: ignore[arg-type]
    return strategy.targets(panel, rows, ballots.at(slice(0, len(rows))), state)


def student_output(rows: int, steps: int | None = None) -> StudentOutput:
    torch.manual_seed(4)
    every = torch.randn(steps or 1, rows, 4)
    return StudentOutput(every[-1], torch.randn(rows, 6, requires_grad=True), None if steps is None else every)


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def slow_logits(row: int) -> dict[str, list[float]]:
    """L_k: for each task the logits of the teachers that know it; a softmax's as log p / (1 − p)."""
    found: dict[str, list[float]] = {}
    for seated in panel_of().seats:
        own = seated.teacher.score(rows_of().values[row]).tolist()
        if seated.exclusive:
            p = [math.exp(one) / sum(map(math.exp, own)) for one in own]
            own = [math.log(one / (1 - one)) for one in p]
        for label, logit in zip(seated.teacher.labels, own, strict=True):
            found.setdefault(label, []).append(logit)
    return found


@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_the_consensus_is_equation_50(temperature: float) -> None:
    targets = made(VENUS(temperature=temperature))
    assert targets.weights.eq(1).all()
    for row in range(24):
        for column, (_, logits) in enumerate(sorted(slow_logits(row).items())):
            wanted = sigmoid(sum(logits) / len(logits) / temperature)
            assert float(targets.probabilities[row, column]) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("steps", [None, 3])
def test_the_tasks_losses_are_equation_51_and_their_mean_is_in_52(half: bool, steps: int | None) -> None:
    strategy = VENUS(half=half)
    targets, index = made(strategy), torch.tensor([7, 2, 2, 19])
    output = student_output(4, steps)
    total = 0.0
    for logits in output.logits[None] if output.steps is None else output.steps:
        for place, row in enumerate(index.tolist()):
            each = []
            for task in range(4):
                p, q = float(targets.probabilities[row, task]), sigmoid(float(logits[place, task]))
                each.append(-p * math.log(q) - (0 if half else (1 - p) * math.log(1 - q)))
            total += sum(each) / 4
    loss = strategy.loss(output, targets.at(index))
    assert loss.sum.item() == pytest.approx(total, rel=1e-5)
    assert loss.count.item() == 4


@pytest.mark.parametrize("adaptors", ["teachers", "tasks"])
@pytest.mark.parametrize("activation", ["relu", "none"])
def test_the_consolidator_is_equations_45_and_46(adaptors: Any, activation: Any) -> None:
    strategy = VENUS(adaptors=adaptors, activation=activation, feature_weight=0.5)
    targets, index = made(strategy), torch.tensor([7, 2, 19])
    torch.manual_seed(3)
    companion, output = strategy.companion(panel_of(), targets, 6), student_output(3)
    total = 0.0
    for place, row in enumerate(index.tolist()):
        shown = output.features[place].tolist()
        for k, (width, tasks) in enumerate([(3, 3), (4, 1), (5, 2)]):
            number = tasks if adaptors == "tasks" else 1
            weight, bias = companion.adaptors[k].weight.tolist(), companion.adaptors[k].bias.tolist()
            assert len(weight) == number * width
            apart = []
            for copy in range(number):
                for unit in range(width):
                    at = copy * width + unit
                    mapped = sum(w * f for w, f in zip(weight[at], shown, strict=True)) + bias[at]
                    mapped = max(0.0, mapped) if activation == "relu" else mapped
                    apart.append((mapped - float(targets.features[k][row, unit])) ** 2)
            total += sum(apart) / len(apart) / 3
    loss = companion(output, targets.at(index))
    assert loss.sum.item() == pytest.approx(0.5 * total, rel=1e-5)
    assert loss.count.item() == 3


def test_features_that_are_met_leave_nothing_to_learn() -> None:
    features = [torch.rand(5, 3), torch.rand(5, 7)]
    assert float(feature_distance([one[:, None] for one in features], features)) == 0
    assert float(feature_distance([one[:, None] + 1 for one in features], features)) == pytest.approx(5)


def test_scaled_features_count_alike_and_others_stay_as_they_are() -> None:
    plain, scaled = made(VENUS()), made(VENUS(scaled=True))
    for one, other in zip(plain.features, scaled.features, strict=True):
        size = math.sqrt(sum(value**2 for row in one.tolist() for value in row) / one.numel())
        torch.testing.assert_close(other, one / size)
        assert float(other.square().mean()) == pytest.approx(1, rel=1e-5)
    assert torch.equal(plain.features[0], ballots_of(panel_of(), rows_of()).features[0])


def test_a_teacher_that_shows_nothing_is_divided_by_nothing() -> None:
    panel, rows = panel_of(), rows_of()
    ballots = ballots_of(panel, rows)
    silent = type(ballots)(panel, len(rows), ballots.scores, (torch.zeros(24, 3), *ballots.features[1:]))
    state = VENUS(scaled=True).prepare(panel, rows, silent, no_network)  # type: ignore[arg-type]
    targets = VENUS(scaled=True).targets(panel, rows, silent.at(slice(0, 24)), state)
    assert targets.features[0].eq(0).all()


def test_the_companion_stays_behind(tmp_path: Path) -> None:
    companion_stays_behind(VENUS(), made(VENUS()), tmp_path)


def test_gradients_reach_the_student_and_the_adaptors_alone() -> None:
    companion, output = VENUS().companion(panel_of(), made(VENUS()), 6), student_output(24)
    companion(output, made(VENUS())).sum.backward()
    assert output.features.grad is not None
    assert output.features.grad.ne(0).any()
    assert {name.split(".")[0] for name, _ in companion.named_parameters()} == {"adaptors"}
    assert isinstance(companion, Consolidator)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"temperature": 0}, "strategy.temperature is 0, expected greater than 0"),
        ({"adaptors": "each"}, "strategy.adaptors is 'each', expected 'teachers' or 'tasks'"),
        ({"feature_weight": -1.0}, "strategy.feature_weight is -1.0, expected greater than or equal to 0"),
    ],
)
def test_wrong_hyperparameters_are_refused(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        build({"name": "venus", **spec}, "recipe r")
    assert message in str(caught.value)


def test_classes_are_one_task_with_a_softmax() -> None:
    """Where every teacher's labels exclude each other, so do the student's: Eqs. (50), (51) over classes."""
    panel, rows = panel_of(exclusive=LABELS), rows_of()
    ballots = ballots_of(panel, rows)
    strategy = VENUS(temperature=0.5)
    state = strategy.prepare(panel, rows, ballots, no_network)  # type: ignore[arg-type]
    targets = strategy.targets(panel, rows, ballots.at(slice(0, 24)), state)
    assert targets.exclusive
    output, total = student_output(24), 0.0
    for row in range(24):
        said = dict[str, list[float]]()
        for seated in panel.seats:
            scores = seated.teacher.score(rows.values[row]).tolist()
            for label, logit in zip(seated.teacher.labels, scores, strict=True):
                said.setdefault(label, []).append(logit - sum(scores) / len(scores))
        powers = {label: math.exp(sum(logits) / len(logits) / 0.5) for label, logits in said.items()}
        q = output.logits[row].exp() / output.logits[row].exp().sum()
        for column, label in enumerate("abcd"):
            wanted = powers[label] / sum(powers.values())
            assert float(targets.probabilities[row, column]) == pytest.approx(wanted, abs=1e-5)
            total -= wanted * math.log(float(q[column]))
    assert strategy.loss(output, targets).sum.item() == pytest.approx(total, rel=1e-4)


def test_pinned() -> None:
    targets = made(VENUS(temperature=0.1))
    assert float(targets.probabilities.mean()) == pytest.approx(0.412183, abs=1e-5)


@pytest.mark.parametrize("half", [False, True])
def test_tasks_of_classes_stand_beside_those_that_are_yes_or_no(half: bool) -> None:
    """Eqs. (50) to (52): the mean over three tasks, of which one has three classes; its loss has no other half."""
    panel, rows = tasked.panel_of(), tasked.rows_of()
    ballots = tasked.ballots_of(panel, rows)
    strategy = VENUS(temperature=0.5, half=half, adaptors="tasks")
    state = strategy.prepare(panel, rows, ballots, no_network)  # type: ignore[arg-type]
    targets = strategy.targets(panel, rows, ballots.at(slice(0, 24)), state)
    assert targets.spans == tasked.SPANS
    output, total = student_output(24), 0.0
    said = torch.cat([output.logits, -output.logits[:, :1]], 1)
    for row in range(24):
        wanted = tasked.consensus(tasked.logits(panel, rows.values[row]), 0.5)
        assert targets.probabilities[row].tolist() == pytest.approx([wanted[one] for one in tasked.NAMES], abs=1e-5)
        own = dict(zip(tasked.NAMES, said[row].tolist(), strict=True))
        q = tasked.softmax({one: own[one] for one in tasked.COLOURS})
        losses = [-sum(wanted[one] * math.log(q[one]) for one in tasked.COLOURS)]
        for one in tasked.NAMES[3:]:
            positive = -wanted[one] * math.log(sigmoid(own[one]))
            losses.append(positive - (0 if half else (1 - wanted[one]) * math.log(1 - sigmoid(own[one]))))
        total += sum(losses) / 3
    loss = strategy.loss(StudentOutput(said, output.features), targets)
    assert loss.sum.item() == pytest.approx(total, rel=1e-4)
    assert loss.count.item() == 24
    # One adaptor for each task of a teacher: colour and dotted, colour, dotted and round.
    assert strategy.companion(panel, targets, 6).copies == (2, 1, 2)
