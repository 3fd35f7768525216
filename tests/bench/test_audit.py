"""The audit of targets and transfers against plain loops on random panels."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from amalgam.bench import audit as audited
from amalgam.bench.audit import audit
from amalgam.panel import Ballots, Panel, Seat, seat
from amalgam.signals import FeatureTargets, Index, ProbabilityTargets, Targets, TensorRows
from amalgam.strategies.ant import ANT
from amalgam.strategies.bl import BL
from tests.laws import untaught
from tests.reference.ant import amalgamate
from tests.reference.panels import DrawnPanel, TableTeacher, panels


def share(right: list[bool]) -> float:
    return sum(right) / len(right) if right else math.nan


def slow(drawn: DrawnPanel, names: tuple[str, ...], probabilities: Tensor, truth: Tensor) -> dict[str, float]:
    """The audit, row by row and label by label."""
    wrong, told, changed = list[bool](), list[bool](), list[bool]()
    for row in range(drawn.rows):
        true = dict(zip(names, truth[row].tolist(), strict=True))
        for label, probability in zip(names, probabilities[row].tolist(), strict=True):
            if not math.isnan(true[label]):
                wrong.append((probability > 0.5) != (true[label] == 1))
        found = amalgamate(
            drawn.at(row),
            indicator=drawn.indicator,
            clamp=drawn.clamp,
            rounds=drawn.rounds,
            contradiction=drawn.contradiction,
        )
        for received in found.received:
            for label, logit in received.items():
                if not math.isnan(true[label]):
                    told.append((logit > 0) == (true[label] == 1))
        for k, label in found.changed:
            if not math.isnan(true[label]):
                changed.append((found.logits[k][label] > 0) == (true[label] == 1))
    return {"targets wrong": share(wrong), "transfers right": share(told), "changed labels right": share(changed)}


def voted(drawn: DrawnPanel) -> tuple[Panel, TensorRows, Ballots]:
    panel = seat([Seat(f"teacher {k}", one) for k, one in enumerate(drawn.teachers)])
    scores = tuple(one.score(drawn.inputs()) for one in drawn.teachers)
    return panel, TensorRows(values=drawn.inputs()), Ballots(panel, drawn.rows, scores)


@settings(max_examples=80, deadline=None)
@given(drawn=panels(), chance=st.integers(0, 2**31), chunk=st.sampled_from([1, 2, 3, 4096]))
def test_the_audit_is_that_of_plain_loops(drawn: DrawnPanel, chance: int, chunk: int) -> None:
    panel, rows, ballots = voted(drawn)
    generator = torch.Generator().manual_seed(chance)
    shape = drawn.rows, len(panel.space.names)
    truth = (torch.rand(shape, generator=generator) > 0.5).float()
    truth[torch.rand(shape, generator=generator) > 0.8] = torch.nan
    strategy = ANT(indicator=drawn.indicator, clamp=drawn.clamp, rounds=drawn.rounds, contradiction=drawn.contradiction)
    targets = strategy.targets(
        panel, rows, ballots.at(slice(0, drawn.rows)), strategy.prepare(panel, rows, ballots, untaught)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audited, "_CHUNK", chunk)
        found = audit(strategy, panel, rows, ballots, targets, truth)
    assert found == pytest.approx(slow(drawn, panel.space.names, targets.probabilities, truth), abs=1e-9, nan_ok=True)


TWO = DrawnPanel(
    teachers=[
        TableTeacher(["a", "b"], [[4.0, -1.0], [-1.0, 2.0]], [[0.0, 0.0], [8.0, 0.0]]),
        TableTeacher(["b", "c"], [[3.0, 1.0], [1.0, -2.0]], [[0.0, 0.0], [-8.0, 0.0]]),
    ],
    rows=2,
    indicator="confidence",
    clamp=True,
    rounds=None,
    contradiction="mean",
)


def test_a_worked_example() -> None:
    """In row 0 the second teacher tells the first b = 3, which changes nothing of a; in row 1 nobody contradicts."""
    panel, rows, ballots = voted(TWO)
    strategy = ANT(indicator="confidence", clamp=True, contradiction="mean")
    targets = strategy.targets(panel, rows, ballots.at(slice(0, 2)), strategy.prepare(panel, rows, ballots, untaught))
    truth = torch.tensor([[1.0, 0.0, 1.0], [1.0, 1.0, torch.nan]])
    found = audit(strategy, panel, rows, ballots, targets, truth)
    # Wrong are b in row 0 and a in row 1, of five labels that are annotated; the one transfer told what is wrong.
    assert found == pytest.approx(
        {"targets wrong": 2 / 5, "transfers right": 0.0, "changed labels right": math.nan}, nan_ok=True
    )


def test_other_strategies_are_judged_by_their_targets_alone() -> None:
    panel, rows, ballots = voted(TWO)
    said = torch.tensor([[0.6, 0.4, 0.5], [0.2, 0.9, 0.1]])
    truth = torch.tensor([[1.0, 1.0, 1.0], [0.0, torch.nan, 0.0]])
    plain = ProbabilityTargets(said, torch.ones_like(said))
    shown = FeatureTargets(said, torch.ones_like(said), features=(torch.zeros(2, 3),))
    assert audit(BL(), panel, rows, ballots, plain, truth) == {"targets wrong": pytest.approx(2 / 5)}
    assert audit(BL(), panel, rows, ballots, shown, truth) == {"targets wrong": pytest.approx(2 / 5)}
    nothing = audit(BL(), panel, rows, ballots, plain, torch.full((2, 3), torch.nan))
    assert math.isnan(nothing["targets wrong"])


def test_what_no_student_learns_is_not_judged() -> None:
    panel, rows, ballots = voted(TWO)
    said = torch.tensor([[0.6, 0.4, 0.5], [0.2, 0.9, 0.1]])
    targets = ProbabilityTargets(said, torch.tensor([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]))
    assert audit(BL(), panel, rows, ballots, targets, torch.ones(2, 3)) == {"targets wrong": pytest.approx(2 / 3)}


def test_targets_of_the_store_are_judged_as_they_are() -> None:
    class Stored:
        def __getitem__(self, where: slice) -> Any:
            return torch.tensor([[0.6, 0.4, 0.5], [0.2, 0.9, 0.1]]).numpy()[where]

    panel, rows, ballots = voted(TWO)
    targets = ProbabilityTargets(Stored(), Stored())  # type: ignore[arg-type]
    found = audit(BL(), panel, rows, ballots, targets, torch.ones(2, 3))
    assert found == {"targets wrong": pytest.approx(4 / 6)}


def test_targets_without_probabilities_are_not_judged() -> None:
    class Other(Targets):
        @classmethod
        def of(cls, arrays: Any) -> Other:
            return cls()

        def arrays(self) -> dict[str, Tensor]:
            return {}

        def __len__(self) -> int:
            return 2

        def at(self, index: Index) -> Other:
            return self

        def to(self, device: torch.device) -> Other:
            return self

    panel, rows, ballots = voted(TWO)
    assert audit(BL(), panel, rows, ballots, Other(), torch.ones(2, 3)) == {}
