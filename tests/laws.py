"""Laws that every strategy keeps; `test_laws.py` holds each strategy to each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from amalgam.panel import Ballots, Panel, Seat, seat
from amalgam.signals import FeatureTargets, Loss, ProbabilityTargets, StudentOutput, Targets, TensorRows
from amalgam.strategies.bl import BL
from amalgam.strategies.must import MuST
from amalgam.strategy import Learn, Strategy

LABELS = {"one": ("a", "b", "c"), "two": ("b", "c", "d"), "three": ("c", "d", "e")}

HARD = (BL,)
"""Strategies whose targets are sides, 0 or 1, not probabilities."""

SHARES = (MuST,)
"""And those whose targets are shares of teachers."""


class Linear:
    """A teacher whose logits are a random linear function of the inputs: no two teachers are ever equally sure.

    Its features are another random function, of a width of the teacher's own; its head makes the logits of them.
    """

    def __init__(self, labels: Sequence[str], seed: int) -> None:
        self.labels = tuple(labels)
        random = torch.Generator().manual_seed(seed)
        self.weight = torch.randn(4, len(labels), generator=random)
        self.projection = torch.randn(4, 5 + seed, generator=random)

    def score(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs @ self.weight

    def score_and_features(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.score(inputs), inputs @ self.projection

    def head(self, features: torch.Tensor) -> torch.Tensor:
        return features @ torch.linalg.pinv(self.projection) @ self.weight


def untaught(make: Callable[[], Any], targets: Targets, loss: Callable[[Any, Any], Loss], name: str) -> Any:
    """A strategy's own network as it was made: for laws about the targets, not about training."""
    torch.manual_seed(0)
    return make().eval()


def taught(rows: TensorRows) -> Learn:
    """Trains a strategy's own network on rows, all of them at every step."""

    def learn(make: Callable[[], Any], targets: Targets, loss: Callable[[Any, Any], Loss], name: str) -> Any:
        torch.manual_seed(0)
        network = make()
        optimizer = torch.optim.Adam(network.parameters(), lr=0.03)
        everything = torch.arange(len(rows))
        for _ in range(300):
            told = loss(network(rows.values), targets.at(everything))
            (told.sum / told.count).backward()
            optimizer.step()
            optimizer.zero_grad()
        return network.eval()

    return learn


def rows_of(number: int = 40) -> TensorRows:
    return TensorRows(values=torch.randn(number, 4, generator=torch.Generator().manual_seed(9)))


def seats(labels: dict[str, tuple[str, ...]] | None = None) -> list[Seat]:
    given = labels or LABELS
    return [Seat(name, Linear(own, seed)) for seed, (name, own) in enumerate(given.items())]


def ballots_of(strategy: Strategy, panel: Panel, rows: TensorRows) -> Ballots:
    """What the panel says of all rows, with features where the strategy needs them."""
    shows = hasattr(strategy.needs, "score_and_features")
    said = [panel.vote(k, rows.values, shows) for k in range(len(panel.seats))]
    # Cloned, as votes that were stored and read again: inference tensors cannot be learned from.
    features = tuple(one["features"].clone() for one in said) if shows else ()
    return Ballots(panel, len(rows), tuple(one["scores"].clone() for one in said), features)


def targets_of(
    strategy: Strategy, seated: Sequence[Seat], rows: TensorRows, chunk: int = 1000, learn: Learn = untaught
) -> ProbabilityTargets:
    """The targets of all rows, made in chunks, columns in the label space's order."""
    panel: Panel = seat(seated)
    ballots = ballots_of(strategy, panel, rows)
    state = strategy.prepare(panel, rows, ballots, learn)
    parts = [
        strategy.targets(panel, rows.take(torch.arange(where.start, where.stop)), votes, state).arrays()
        for where, votes in ballots.chunks(chunk)
    ]
    made = strategy.form.of({name: torch.cat([one[name] for one in parts]) for name in parts[0]})
    assert isinstance(made, ProbabilityTargets)
    return made


def are_probabilities(strategy: Strategy) -> None:
    made = targets_of(strategy, seats(), rows_of())
    assert made.probabilities.shape == made.weights.shape == (40, 5)
    assert all(len(array) == 40 and torch.isfinite(array).all() for array in made.arrays().values())
    assert ((made.probabilities >= 0) & (made.probabilities <= 1)).all()
    assert (made.weights >= 0).all()


def are_hard_only_where_they_are_called_so(strategy: Strategy) -> None:
    made = targets_of(strategy, seats(), rows_of()).probabilities
    if isinstance(strategy, SHARES):
        torch.testing.assert_close(6 * made, (6 * made).round())  # of one, two or three teachers
        return
    hard = (made == 0) | (made == 1)
    assert hard.all() if isinstance(strategy, HARD) else not hard.any()


def are_blind_to_the_order_of_teachers(strategy: Strategy) -> None:
    ahead, turned = targets_of(strategy, seats(), rows_of()), targets_of(strategy, seats()[::-1], rows_of())
    torch.testing.assert_close(ahead.probabilities, turned.probabilities, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ahead.weights, turned.weights, rtol=1e-4, atol=1e-5)


def do_not_depend_on_chunks(strategy: Strategy) -> None:
    whole, cut = targets_of(strategy, seats(), rows_of()), targets_of(strategy, seats(), rows_of(), chunk=7)
    assert whole.arrays().keys() == cut.arrays().keys()
    for name, array in whole.arrays().items():
        torch.testing.assert_close(array, cut.arrays()[name])


def say_what_a_lone_teacher_says(strategy: Strategy) -> None:
    """A student that says what a lone teacher says has nothing left to learn, and any other has.

    Of a hard strategy, or one of shares, it learns the sides; a network that was trained between takes them where the
    teacher is sure.
    """
    rows, alone = rows_of(), seats({"one": ("a", "b")})
    made = targets_of(strategy, alone, rows, learn=taught(rows))
    said = alone[0].teacher.score(rows.values)
    if strategy.trains or isinstance(strategy, (*HARD, *SHARES)):
        sure = said.abs() > (1.0 if strategy.trains else 0.0)
        assert torch.equal((made.probabilities > 0.5)[sure], (said > 0)[sure])
        return
    for shift in (-1.0, 0.0, 1.0):
        logits = (said + shift).requires_grad_()
        strategy.loss(StudentOutput(logits, torch.zeros(40, 1)), made).sum.backward()
        assert logits.grad is not None
        if getattr(strategy, "half", False):  # as printed, which a student that affirms everything minimises
            assert logits.grad.lt(0).all()
            continue
        assert torch.equal(torch.where(logits.grad.abs() < 1e-5, 0.0, logits.grad).sign(), torch.full((40, 2), shift))


def take_the_side_that_all_take(strategy: Strategy) -> None:
    """Where all teachers that know a label agree and nobody contradicts anybody on the row, the target agrees."""
    panel, rows = seat(seats()), rows_of(2000)
    spread = torch.stack([panel.space.spread(k, panel.vote(k, rows.values)["scores"]) for k in range(3)])
    known = panel.space.known[:, None]
    affirmed = ((spread > 0) | ~known).all(0)
    denied = ((spread <= 0) | ~known).all(0)
    harmonious = (affirmed | denied).all(1)
    assert harmonious.sum() > 10
    made = targets_of(strategy, seats(), rows, learn=taught(rows))
    agreed = (made.probabilities > 0.5)[harmonious] == affirmed[harmonious]
    assert agreed.float().mean() > 0.95 if strategy.trains else agreed.all()


def companions_teach_the_student(strategy: Strategy) -> None:
    """What is trained beside the student learns with every weight, reaches the student's features, counts in rows."""
    made, panel = targets_of(strategy, seats(), rows_of()), seat(seats())
    torch.manual_seed(0)
    companion = strategy.companion(panel, made, 3)
    assert (companion is not None) == isinstance(made, FeatureTargets), "features, and nobody that learns from them"
    if companion is None:
        return
    for rows in (40, 1, 0):  # a micro-batch may be empty
        features = torch.randn(rows, 3).requires_grad_()
        loss = companion(StudentOutput(torch.zeros(rows, 5), features), made.at(torch.arange(rows)))
        assert float(loss.count) == rows
        assert loss.sum.item() > 0 if rows else loss.sum.item() == 0
        loss.sum.backward()
        assert features.grad is not None
        assert torch.isfinite(features.grad).all()
        if rows == 40:
            assert all(features.grad.ne(0).any(1))
            assert all(one.grad is not None and one.grad.ne(0).any() for one in companion.parameters())


LAWS: dict[str, Callable[[Strategy], None]] = {
    law.__name__: law
    for law in (
        are_probabilities,
        are_hard_only_where_they_are_called_so,
        are_blind_to_the_order_of_teachers,
        do_not_depend_on_chunks,
        say_what_a_lone_teacher_says,
        take_the_side_that_all_take,
        companions_teach_the_student,
    )
}
