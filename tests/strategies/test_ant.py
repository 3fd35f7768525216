"""ANT: the batched code equals the slow transcription of the paper, on panels that hypothesis makes up."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from amalgam import panel as panels
from amalgam.panel import Ballots, Panel, Seat
from amalgam.signals import ProbabilityTargets, StudentOutput, TensorRows, cross_entropy
from amalgam.strategies.ant import ANT, integrate
from tests.laws import untaught
from tests.reference import ant as slow
from tests.reference.panels import DrawnPanel
from tests.reference.panels import panels as drawn_panels

EVERY = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def seated(drawn: DrawnPanel) -> tuple[Panel, TensorRows, Ballots]:
    seats = [Seat(f"t{number}", teacher) for number, teacher in enumerate(drawn.teachers)]
    panel = panels.seat(seats)
    rows = TensorRows(values=drawn.inputs())
    scores = tuple(panel.vote(k, rows.values)["scores"] for k in range(len(seats)))
    return panel, rows, Ballots(panel, len(rows), scores)


def targets_of(strategy: ANT, panel: Panel, rows: TensorRows, ballots: Ballots) -> ProbabilityTargets:
    everything = slice(0, len(rows))
    return strategy.targets(panel, rows, ballots.at(everything), strategy.prepare(panel, rows, ballots, untaught))


@EVERY
@given(drawn_panels())
def test_fast_equals_slow(drawn: DrawnPanel) -> None:
    panel, rows, ballots = seated(drawn)
    strategy = ANT(
        indicator=drawn.indicator, clamp=drawn.clamp, rounds=drawn.rounds, contradiction=drawn.contradiction
    )
    fast = targets_of(strategy, panel, rows, ballots)
    transfers = torch.zeros_like(fast.counts["transfers"])
    for row in range(drawn.rows):
        truth = slow.amalgamate(
            drawn.at(row),
            indicator=drawn.indicator,
            clamp=drawn.clamp,
            rounds=drawn.rounds,
            contradiction=drawn.contradiction,
        )
        for label, probability in truth.integrated.items():
            got = float(fast.probabilities[row, panel.space.names.index(label)])
            assert got == pytest.approx(probability, abs=1e-6), (row, label)
        for one in truth.transfers:
            transfers[one.transferor, one.transferee, panel.space.names.index(one.label)] += 1
    assert torch.equal(fast.counts["transfers"], transfers)


@EVERY
@given(drawn_panels())
def test_a_row_gets_the_same_targets_in_any_chunk(drawn: DrawnPanel) -> None:
    panel, rows, ballots = seated(drawn)
    strategy = ANT(
        indicator=drawn.indicator, clamp=drawn.clamp, rounds=drawn.rounds, contradiction=drawn.contradiction
    )
    together = targets_of(strategy, panel, rows, ballots).probabilities
    for row in range(drawn.rows):
        one = rows.take(torch.tensor([row]))
        alone = strategy.targets(panel, one, ballots.at(slice(row, row + 1)), {})
        torch.testing.assert_close(alone.probabilities[0], together[row], rtol=1e-6, atol=0)  # σ in other SIMD lanes


@EVERY
@given(drawn_panels())
def test_the_order_of_teachers_matters_only_where_they_are_equally_sure(drawn: DrawnPanel) -> None:
    panel, rows, ballots = seated(drawn)
    strategy = ANT(clamp=drawn.clamp, rounds=drawn.rounds)  # equals tell the same, so no tie matters
    ahead = targets_of(strategy, panel, rows, ballots).probabilities
    turned = DrawnPanel(drawn.teachers[::-1], drawn.rows, "positive", drawn.clamp, drawn.rounds, "positive")
    panel_too, rows_too, ballots_too = seated(turned)
    assert panel_too.space.names == panel.space.names
    assert torch.equal(targets_of(strategy, panel_too, rows_too, ballots_too).probabilities, ahead)


def test_integrator_is_the_papers() -> None:
    """Eq. (28) on its three cases: all deny, all affirm, contradiction."""
    scores = torch.tensor([[[-1.0, 2.0, -1.0]], [[-3.0, 1.0, 4.0]]])
    known = torch.ones(2, 3, dtype=torch.bool)
    assert integrate(scores, known).tolist() == [[-3.0, 2.0, 4.0]]
    assert integrate(scores, known, "mean").tolist() == [[-3.0, 2.0, 1.5]]
    assert integrate(scores, known, "confident").tolist() == [[-3.0, 2.0, 4.0]]


def test_loss_is_equation_37_and_sums_the_steps() -> None:
    torch.manual_seed(0)
    wanted, steps = torch.rand(5, 3), torch.randn(4, 5, 3)
    targets = ProbabilityTargets(wanted, torch.ones(5, 3))
    output = StudentOutput(steps[-1], torch.zeros(5, 1), steps)
    by_row = [
        [slow.cross_entropy(p.tolist(), q.sigmoid().tolist()) for p, q in zip(wanted, step, strict=True)]
        for step in steps
    ]
    final = ANT(supervise="final").loss(output, targets)
    assert float(final.sum / final.count) == pytest.approx(np.mean(by_row[-1]), rel=1e-5)
    summed = ANT(supervise="steps").loss(output, targets)
    assert float(summed.sum / summed.count) == pytest.approx(np.sum(by_row) / 5, rel=1e-5)
    plain = StudentOutput(steps[0], torch.zeros(5, 1))
    assert float(ANT().loss(plain, targets).sum) == float(cross_entropy(steps[0], targets).sum)


def test_a_label_nobody_weighs_is_not_learned() -> None:
    logits = torch.randn(4, 2, requires_grad=True)
    weights = torch.tensor([[1.0, 0.0]]).expand(4, 2)
    cross_entropy(logits, ProbabilityTargets(torch.rand(4, 2), weights)).sum.backward()
    assert logits.grad is not None
    assert logits.grad[:, 1].eq(0).all()
    assert logits.grad[:, 0].ne(0).all()
