"""Laws that every strategy keeps; `test_laws.py` holds each strategy to each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from amalgam.panel import Ballots, Panel, Seat, seat
from amalgam.signals import Loss, ProbabilityTargets, Targets, TensorRows
from amalgam.strategy import Strategy

LABELS = {"one": ("a", "b", "c"), "two": ("b", "c", "d"), "three": ("c", "d", "e")}


class Linear:
    """A teacher whose logits are a random linear function of the inputs: no two teachers are ever equally sure."""

    def __init__(self, labels: Sequence[str], seed: int) -> None:
        self.labels = tuple(labels)
        self.weight = torch.randn(4, len(labels), generator=torch.Generator().manual_seed(seed))

    def score(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs @ self.weight


def untaught(make: Callable[[], Any], targets: Targets, loss: Callable[[Any, Any], Loss], name: str) -> Any:
    """A strategy's own network as it was made: the laws are about the targets, not about training."""
    torch.manual_seed(0)
    return make().eval()


def rows_of(number: int = 40) -> TensorRows:
    return TensorRows(values=torch.randn(number, 4, generator=torch.Generator().manual_seed(9)))


def seats(labels: dict[str, tuple[str, ...]] | None = None) -> list[Seat]:
    given = labels or LABELS
    return [Seat(name, Linear(own, seed)) for seed, (name, own) in enumerate(given.items())]


def targets_of(strategy: Strategy, seated: Sequence[Seat], rows: TensorRows, chunk: int = 1000) -> ProbabilityTargets:
    """The targets of all rows, made in chunks, columns in the label space's order."""
    panel: Panel = seat(seated)
    scores = tuple(panel.vote(k, rows.values)["scores"] for k in range(len(panel.seats)))
    ballots = Ballots(panel, len(rows), scores)
    state = strategy.prepare(panel, rows, ballots, untaught)
    parts = [
        strategy.targets(panel, rows.take(torch.arange(where.start, where.stop)), votes, state)
        for where, votes in ballots.chunks(chunk)
    ]
    return ProbabilityTargets(
        torch.cat([one.probabilities for one in parts]), torch.cat([one.weights for one in parts])
    )


def are_probabilities(strategy: Strategy) -> None:
    made = targets_of(strategy, seats(), rows_of())
    assert made.probabilities.shape == (40, 5)
    assert torch.isfinite(made.probabilities).all()
    assert ((made.probabilities >= 0) & (made.probabilities <= 1)).all()
    assert torch.isfinite(made.weights).all()
    assert (made.weights >= 0).all()


def are_blind_to_the_order_of_teachers(strategy: Strategy) -> None:
    ahead, turned = targets_of(strategy, seats(), rows_of()), targets_of(strategy, seats()[::-1], rows_of())
    torch.testing.assert_close(ahead.probabilities, turned.probabilities, rtol=1e-4, atol=1e-5)


def do_not_depend_on_chunks(strategy: Strategy) -> None:
    whole, cut = targets_of(strategy, seats(), rows_of()), targets_of(strategy, seats(), rows_of(), chunk=7)
    torch.testing.assert_close(whole.probabilities, cut.probabilities)


def say_what_a_lone_teacher_says(strategy: Strategy) -> None:
    alone = seats({"one": ("a", "b")})
    made = targets_of(strategy, alone, rows_of())
    torch.testing.assert_close(made.probabilities, alone[0].teacher.score(rows_of().values).sigmoid())


def take_the_side_that_all_take(strategy: Strategy) -> None:
    """Where all teachers that know a label agree and nobody contradicts anybody on the row, the target agrees."""
    panel, rows = seat(seats()), rows_of(4000)
    spread = torch.stack([panel.space.spread(k, panel.vote(k, rows.values)["scores"]) for k in range(3)])
    known = panel.space.known[:, None]
    affirmed = ((spread > 0) | ~known).all(0)
    denied = ((spread <= 0) | ~known).all(0)
    harmonious = (affirmed | denied).all(1)
    assert harmonious.sum() > 10
    made = targets_of(strategy, seats(), rows)
    assert torch.equal((made.probabilities > 0.5)[harmonious], affirmed[harmonious])


LAWS: dict[str, Callable[[Strategy], None]] = {
    law.__name__: law
    for law in (
        are_probabilities,
        are_blind_to_the_order_of_teachers,
        do_not_depend_on_chunks,
        say_what_a_lone_teacher_says,
        take_the_side_that_all_take,
    )
}
