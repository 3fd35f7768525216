"""Laws that every strategy keeps whose student chooses a class; `test_laws.py` holds each strategy to each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from amalgam.labels import ONE
from amalgam.panel import Ballots, Seat, seat
from amalgam.signals import StudentOutput, Targets, TensorRows
from amalgam.strategies._taught import Taught
from amalgam.strategies.self_train import SelfTrain
from amalgam.strategies.single import Single
from amalgam.strategies.sup import Sup
from amalgam.strategies.uhc import SubsetTargets
from amalgam.strategy import Strategy
from tests.laws import LABELS, SHARES, Linear, ballots_of

CLASSES = ("a", "b", "c", "d", "e")
STEPS, LABELLED = 12, 15


class Chooses(Linear):
    """A teacher of classes: a linear function of a series' steps, and a softmax."""

    exclusive = True

    def __init__(self, labels: Sequence[str], seed: int) -> None:
        super().__init__(labels, seed)
        random = torch.Generator().manual_seed(seed)
        self.weight = torch.randn(STEPS, len(labels), generator=random)
        self.projection = torch.randn(STEPS, STEPS + seed, generator=random)

    def score(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs.flatten(1) @ self.weight

    def score_and_features(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.score(inputs), inputs.flatten(1) @ self.projection


def class_rows(number: int = 40, classes: Sequence[str] = CLASSES) -> TensorRows:
    """Series of one channel; the first are labelled, every class among them."""
    values = torch.randn(number, STEPS, 1, generator=torch.Generator().manual_seed(9))
    annotated = torch.full((number, len(classes)), torch.nan)
    annotated[:LABELLED] = torch.eye(len(classes))[torch.arange(LABELLED) % len(classes)]
    return TensorRows(values=values, annotated=annotated, labels=tuple(classes))


def class_seats(labels: dict[str, tuple[str, ...]] | None = None) -> list[Seat]:
    return [Seat(name, Chooses(own, seed)) for seed, (name, own) in enumerate((labels or LABELS).items())]


def begun(make: Callable[[], Any] | None, targets: Targets, loss: Any, name: str, **_: Any) -> Any:
    """A strategy's own network as it was made; in place of a student, a linear one."""
    torch.manual_seed(0)
    return (make or (lambda: _Plain(targets)))().eval()


class _Plain(torch.nn.Module):
    """Something like a student: linear in the steps."""

    def __init__(self, targets: Any) -> None:
        super().__init__()
        self.decide = torch.nn.Linear(STEPS, targets.at(torch.arange(1)).probabilities.shape[1])

    def forward(self, inputs: torch.Tensor) -> StudentOutput:
        return StudentOutput(4 * self.decide(inputs.flatten(1)), inputs.flatten(1))


def made_by(strategy: Strategy, seated: Sequence[Seat], rows: TensorRows, chunk: int = 1000) -> Targets:
    """The targets of all rows, made in chunks."""
    panel = seat(seated)
    ballots: Ballots = ballots_of(strategy, panel, rows)
    state = strategy.prepare(panel, rows, ballots, begun)
    parts = [
        strategy.targets(panel, rows.take(torch.arange(where.start, where.stop)), votes, state).arrays()
        for where, votes in ballots.chunks(chunk)
    ]
    return strategy.form.of({name: torch.cat([one[name] for one in parts]) for name in parts[0]})


def are_distributions(strategy: Strategy) -> None:
    made = made_by(strategy, class_seats(), class_rows())
    assert strategy.tasks(seat(class_seats())) == {ONE: CLASSES}
    said: Any = made.said if isinstance(made, Taught) else made
    weights = said.weights
    assert ((weights == 0) | (weights == 1)).all()
    assert (weights.any(1)[:LABELLED]).all()
    if isinstance(said, SubsetTargets):
        assert torch.equal(said.said.isnan(), ~seat(class_seats()).space.known.expand(40, -1, -1))
        torch.testing.assert_close(said.said.nansum(2), torch.ones(40, 3))
        return
    assert said.exclusive
    assert ((said.probabilities >= 0) & (said.probabilities <= 1)).all()
    some = weights.any(1)
    torch.testing.assert_close(said.probabilities.sum(1)[some], torch.ones(int(some.sum())))


def do_not_depend_on_chunks(strategy: Strategy) -> None:
    whole, cut = (made_by(strategy, class_seats(), class_rows(), chunk).arrays() for chunk in (1000, 7))
    assert whole.keys() == cut.keys()
    for name, array in whole.items():
        torch.testing.assert_close(array, cut[name], equal_nan=True)


def are_blind_to_the_order_of_teachers(strategy: Strategy) -> None:
    """But for one that is asked for by number, and for networks whose first weights belong to teachers in order."""
    if isinstance(strategy, Single) or (strategy.trains and getattr(strategy, "evidence", "lstm") == "lstm"):
        return
    ahead, turned = (made_by(strategy, seats, class_rows()) for seats in (class_seats(), class_seats()[::-1]))
    for name, array in ahead.arrays().items():
        other = turned.arrays()[name]
        if name in ("said", "said.said"):  # by teacher
            other = other.flip(1)
        if not name.startswith("features"):
            torch.testing.assert_close(array, other, rtol=1e-3, atol=1e-4, equal_nan=True)


def say_what_a_lone_teacher_says(strategy: Strategy) -> None:
    """A student that says what a lone teacher says has nothing left to learn, and any other has; of unlabelled rows."""
    if isinstance(strategy, Sup | SelfTrain):  # which ask no teacher
        return
    if getattr(strategy, "mix", 0) or getattr(strategy, "hard", False) or isinstance(strategy, SHARES):
        return
    alone, rows = class_seats({"one": ("a", "b", "c")}), class_rows(classes=("a", "b", "c"))
    made = made_by(strategy, alone, rows)
    unlabelled = slice(0, LABELLED) if isinstance(made, Taught) else slice(LABELLED, None)
    said = alone[0].teacher.score(rows.values)[unlabelled]
    for shift in (-1.0, 0.0, 1.0):
        logits = (said + shift * torch.eye(3)[0]).requires_grad_()
        some = made.at(unlabelled)
        if isinstance(some, Taught):  # the annotations pull elsewhere
            some = replace(some, truth=replace(some.truth, weights=0 * some.truth.weights))
        strategy.loss(StudentOutput(logits, torch.zeros(len(said), 1)), some).sum.backward()
        assert logits.grad is not None
        if not getattr(strategy, "calibrate", False):
            pulled = torch.where(logits.grad.abs() < 1e-5, 0.0, logits.grad)[:, 0].sign()
            assert torch.equal(pulled, torch.full((len(said),), shift))


def count_the_rows_they_weigh(strategy: Strategy) -> None:
    made = made_by(strategy, class_seats(), class_rows())
    logits = torch.randn(40, 5, generator=torch.Generator().manual_seed(1)).requires_grad_()
    loss = strategy.loss(StudentOutput(logits, torch.zeros(40, 1)), made)
    said: Any = made.said if isinstance(made, Taught) else made
    assert float(loss.count) == float(said.weights.any(1).sum())
    loss.sum.backward()
    assert logits.grad is not None
    assert torch.equal(logits.grad.abs().sum(1) > 0, said.weights.any(1))


CLASS_LAWS: dict[str, Callable[[Strategy], None]] = {
    law.__name__: law
    for law in (
        are_distributions,
        do_not_depend_on_chunks,
        are_blind_to_the_order_of_teachers,
        say_what_a_lone_teacher_says,
        count_the_rows_they_weigh,
    )
}
