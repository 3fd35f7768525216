"""ANT: the batched code equals the slow transcription of the paper, on panels that hypothesis makes up."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from amalgam.habit import Habit
from amalgam.losses import cross_entropy
from amalgam.panel import Ballots, Panel
from amalgam.signals import ProbabilityTargets, StudentOutput, TensorRows
from amalgam.strategies.ant import ANT, Learned, integrate, trust
from tests.laws import untaught
from tests.reference import ant as slow
from tests.reference import dependence, habit
from tests.reference.panels import DrawnPanel, PlainTeacher, TableTeacher
from tests.reference.panels import panels as drawn_panels
from tests.strategies.seated import prepared, seated, table

EVERY = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
INDICATORS = get_args(slow.Indicator)
NOTHING = Learned({}, {})


def targets_of(strategy: ANT, panel: Panel, rows: TensorRows, ballots: Ballots) -> ProbabilityTargets:
    everything = slice(0, len(rows))
    return strategy.targets(panel, rows, ballots.at(everything), strategy.prepare(panel, rows, ballots, untaught))


@EVERY
@given(drawn_panels())
def test_fast_equals_slow(drawn: DrawnPanel) -> None:
    panel, rows, ballots = seated(drawn)
    strategy = ANT(indicator=drawn.indicator, clamp=drawn.clamp, rounds=drawn.rounds, contradiction=drawn.contradiction)
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


PAIR = table("ab", (2, 1), (-2, -1), (4, -3), (-4, 3)), table("bc", (-6, 1), (6, 1), (6, 7), (-6, -7))


def test_trust_by_hand_is_unknown_where_a_label_is() -> None:
    """The first teacher says ±2, ±4 of a, ±1, ±3 of b: variances 10 and 5, covariance (2 + 2 - 12 - 12) / 4 = -5.

    Shrunk by 2 / 6 that is -10/3. The second: b ±6, variance 36; c 1, 1, 7, -7, mean .5, variance 25 - .25; covariance
    (-6 + 6 + 42 + 42) / 4 = 21, shrunk 14. With 1 added, the first teacher's sizes are usually 7 / 3 and 5 / 3 on both
    sides, the second's of b 13 / 3, of c 10 / 4 where it affirms.
    """
    agreed = {"a": -10 / 3 / 5, "b": -10 / 3 / 10, "b too": 14 / 24.75, "c": 14 / 36}
    wanted: dict[str, list[tuple[float, ...]]] = {
        "positive": [(2.0, 1.0), (-6.0, 1.0)],
        "confidence": [(2.0, 1.0), (6.0, 1.0)],
        "calibrated": [(6 / 7, 3 / 5), (18 / 13, 4 / 10)],
        "familiarity": [((2.5 / 7.5) ** 0.5,) * 2, ((18.5 / 30.5) ** 0.5,) * 2],
        "agreement": [(agreed["a"] * 1, agreed["b"] * 2), (-agreed["b too"] * 0.5, 0.5 - agreed["c"] * 6)],
    }
    assert wanted.keys() == set(INDICATORS)
    for indicator in INDICATORS:
        for teacher, by_hand in zip(PAIR, wanted[indicator], strict=True):
            said = [teacher.at(row).logits() for row in range(4)]
            learned = slow.Learned(habit.learn(said, 0.0), dependence.learn(said))
            truth = slow.trust(said[0], indicator, learned)
            assert list(truth.values()) == pytest.approx(list(by_hand))
        panel, _, ballots, state = prepared(ANT(indicator=indicator), *PAIR)
        for rows in (slice(0, 4), slice(0, 1)):
            votes = ballots.at(rows)
            trusted = trust(panel, votes.scores, torch.zeros(2, 1, 3), indicator, state)
            assert torch.equal(trusted.isnan(), ~votes.known[:, None].expand_as(trusted))
            first = [panel.space.own(k, trusted[k, 0]) for k in range(2)]
            torch.testing.assert_close(torch.stack(first), torch.tensor(wanted[indicator]), rtol=1e-4, atol=1e-5)


def test_agreement_turns_with_the_claims_side_and_zero_is_the_negative_side() -> None:
    panel, _, ballots, state = prepared(ANT(indicator="agreement"), *PAIR)
    scores = ballots.at(slice(0, 1)).scores.clone()
    trusted = []
    for claim in (3.0, 1e-3, 0.0, -0.0, -5.0):
        scores[0, 0, 0] = claim
        trusted.append(float(trust(panel, scores, torch.zeros(2, 1, 3), "agreement", state)[0, 0, 0]))
    assert trusted == [trusted[0]] * 2 + [-trusted[0]] * 3
    assert trusted[0] != 0


def test_a_teacher_of_one_label_expects_its_mean() -> None:
    varied, constant = table("a", (1,), (-2,), (4,)), table("a", (9,), (9,), (9,))
    panel, _, ballots, state = prepared(ANT(indicator="agreement"), varied, constant)
    trusted = trust(panel, ballots.at(slice(0, 3)).scores, torch.zeros(2, 1, 1), "agreement", state)
    torch.testing.assert_close(trusted[:, :, 0], torch.tensor([[1.0, -1.0, 1.0], [9.0, 9.0, 9.0]]))


THRESHOLDS = torch.tensor([[[-3.0, 2.0, torch.nan]], [[torch.nan, -1.0, 5.0]]])


@pytest.mark.parametrize("indicator", INDICATORS)
def test_trust_is_of_the_side_of_the_threshold_that_a_claim_is_on(indicator: Any) -> None:
    """Of what is usual only how large a row's logits are, and how labels depend, is the same whatever the threshold."""
    panel, _, ballots, state = prepared(ANT(indicator=indicator), *PAIR)
    votes = ballots.at(slice(0, 4))
    habits = [
        Habit(panel.space.own(k, THRESHOLDS[k, 0]), torch.tensor([[2.0, 3.0], [5.0, 7.0]]) / (k + 1)) for k in range(2)
    ]
    learned = Learned(dict(enumerate(habits)), state.dependences)
    assert torch.equal(learned.thresholds(panel, votes.scores), THRESHOLDS.nan_to_num(0.0))
    trusted = trust(panel, votes.scores - THRESHOLDS, THRESHOLDS.nan_to_num(0.0), indicator, learned)
    for k, teacher in enumerate(PAIR):
        said = [teacher.at(row).logits() for row in range(4)]
        threshold, denied, affirmed = (
            dict(zip(teacher.labels, each.tolist(), strict=True)) for each in (habits[k].threshold, *habits[k].usual)
        )
        known = slow.Learned(habit.Habit(threshold, denied, affirmed), dependence.learn(said))
        wanted = [list(slow.trust(known.measured(one), indicator, known).values()) for one in said]
        torch.testing.assert_close(panel.space.own(k, trusted[k]), torch.tensor(wanted), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("indicator", INDICATORS)
@pytest.mark.parametrize("prevalence", [0.0, 0.25])
def test_habits_and_dependences_are_learned_of_whom_they_are_needed(indicator: Any, prevalence: float) -> None:
    told, untold = table("ab", (2, 1), (-2, 1), told=True), table("ab", (-2, 1), (1, 1))
    softmax = TableTeacher(["a", "b"], untold.base, [[0.0, 0.0], [0.0, 0.0]], exclusive=True)
    cases: list[tuple[Any, set[int]]] = [("teacher", {1, 2}), ("dependence", {0, 1, 2})]
    for revision, needed in cases:
        strategy = ANT(indicator=indicator, revision=revision, prevalence=prevalence)
        _, _, _, state = prepared(strategy, told, untold, softmax)
        assert state.dependences.keys() == ({0, 1, 2} if indicator in ("familiarity", "agreement") else needed)
        assert state.habits.keys() == ({0, 1, 2} if indicator == "calibrated" or prevalence else set())
        strategy = ANT(indicator=indicator, revision=revision, prevalence=prevalence, rounds=0)
        panel, rows, ballots, state = prepared(strategy, told, untold)
        assert state.dependences == {}
        assert state.habits.keys() == ({0, 1} if prevalence else set())
        made = strategy.targets(panel, rows, ballots.at(slice(0, 2)), state)
        assert made.counts["transfers"].sum() == made.counts["changed"].sum() == 0
        if not prevalence:
            assert made.probabilities.logit()[:, 0].tolist() == pytest.approx([2, 1])  # Eq. (28) alone


def test_what_is_usual_is_learned_of_every_row() -> None:
    """More rows than are read at once, the last of another kind; of a softmax teacher the log odds, ±4 and ±2 here."""
    base = [[2.0, -2.0]] * 4096 + [[-1.0, 1.0]] * 4
    teacher = PlainTeacher(["a", "b"], base, exclusive=True)
    _, _, _, state = prepared(ANT(indicator="familiarity"), teacher)
    mean = (4096 * 4 - 4 * 2) / 4100
    size = ((4096 * 4**2 + 4 * 2**2) / 4100) ** 0.5
    torch.testing.assert_close(state.dependences[0].mean, torch.tensor([mean, -mean]), rtol=1e-5, atol=0)
    torch.testing.assert_close(state.dependences[0].size, torch.tensor([size, size]), rtol=1e-5, atol=0)
    _, _, _, state = prepared(ANT(indicator="calibrated"), teacher)
    often, seldom = (4096 * 4 + 1) / 4097, (4 * 2 + 1) / 5
    assert state.habits[0].threshold.tolist() == [0, 0]
    torch.testing.assert_close(
        state.habits[0].usual, torch.tensor([[seldom, often], [often, seldom]]), rtol=1e-5, atol=0
    )


def test_prevalence_moves_decisions_towards_as_many_as_the_probabilities_add_up_to() -> None:
    """The probabilities .44, .27, .18, .32 add up to 1.21, so one row is affirmed, that above -9/32."""
    teacher = table("a", (-0.25,), (-1,), (-1.5,), (-0.75,))
    for prevalence, threshold, side in ((0.0, 0.0, 0), (0.25, -9 / 128, 0), (0.5, -9 / 64, 0), (1.0, -9 / 32, 1)):
        for temperature in (1.0, 0.0):
            strategy = ANT(prevalence=prevalence, temperature=temperature)
            panel, rows, ballots, state = prepared(strategy, teacher)
            made = strategy.targets(panel, rows, ballots.at(slice(0, 4)), state)
            logits = torch.tensor(teacher.base) - threshold
            assert torch.equal(made.probabilities, logits.sigmoid() if temperature else (logits > 0).float())
            assert made.counts["moved"].tolist() == [[side]]
            facts = strategy.facts(panel, made.counts)
            assert facts.get("decisions moved by prevalence") == (side if prevalence else None)


class Listener(TableTeacher):
    """A teacher that says what it was told."""

    def score_given(self, inputs: torch.Tensor, believed: torch.Tensor, clamp: bool) -> torch.Tensor:
        return believed.nan_to_num(-9.0)


@pytest.mark.parametrize("clamp", [True, False])
def test_what_a_teacher_is_told_is_as_far_from_its_own_threshold(clamp: bool) -> None:
    """4 is 3 above the speaker's threshold; 3 above the listener's is 1. Its answers are measured from there too."""
    listener, speaker = Listener(["a", "b"], [[-2.5, 1.0]], []), table("a", (4,))
    strategy = ANT(clamp=clamp)
    panel, rows, ballots, _ = prepared(strategy, listener, speaker)
    learned = Learned(
        {0: Habit(torch.tensor([-2.0, 0.5]), torch.ones(2, 2)), 1: Habit(torch.ones(1), torch.ones(2, 1))}, {}
    )
    exchange = strategy.exchange(panel, rows, ballots.at(slice(0, 1)), learned)
    assert exchange.original[:, 0].nan_to_num(99).tolist() == [[-0.5, 0.5], [3, 99]]
    assert exchange.believed[:, 0].nan_to_num(99).tolist() == [[3, 99], [99, 99]]
    assert exchange.scores[:, 0].nan_to_num(99).tolist() == [[3, -9.5], [3, 99]]
    assert exchange.changed.nonzero().tolist() == [[0, 0, 1]]


def test_by_dependence_no_teacher_is_asked() -> None:
    """Told a is 6 where it said -2, b follows by the covariance, clamped; asked, it would say as its table has it."""
    listener, speaker = table("ab", (-2, -1), (2, 1), told=True), table("a", (6,), (6,))
    said = {}
    for revision in get_args(slow.Revision):
        strategy = ANT(revision=revision, clamp=True)
        panel, rows, ballots, state = prepared(strategy, listener, speaker)
        said[revision] = strategy.exchange(panel, rows, ballots.at(slice(0, 2)), state).scores[0, 0].tolist()
    assert said["teacher"] == [6, 1]  # -1 + 2 tanh 8
    assert said["dependence"] == pytest.approx([6, -1 + 8 * (2 / 4) * 0.5], abs=1e-4)  # Σ_ab / Σ_aa, shrunk by one half


class Deaf(TableTeacher):
    """A teacher that can be told and does not listen."""

    def score_given(self, inputs: torch.Tensor, believed: torch.Tensor, clamp: bool) -> torch.Tensor:
        return self.score(inputs)


def test_clamped_a_told_label_is_fixed_whatever_the_teacher_answers() -> None:
    deaf, speaker = Deaf(["a", "b"], [[-2.0, -1.0]], []), table("a", (6,))
    for clamp, said in ((True, [6.0, -1.0]), (False, [-2.0, -1.0])):
        strategy = ANT(clamp=clamp)
        panel, rows, ballots, state = prepared(strategy, deaf, speaker)
        assert strategy.exchange(panel, rows, ballots.at(slice(0, 1)), state).scores[0, 0].tolist() == said


def test_temperature_divides_the_logits_and_zero_decides() -> None:
    one = table("ab", (2, -1), (-3, 0), (0.5, -0.001))
    targets = {}
    for temperature in (1.0, 4.0, 0.5, 0, 0.0):
        strategy = ANT(temperature=temperature)
        panel, rows, ballots, state = prepared(strategy, one)
        targets[temperature] = strategy.targets(panel, rows, ballots.at(slice(0, 3)), state).probabilities
    assert targets[0].dtype == targets[1.0].dtype
    assert targets[0].tolist() == [[1, 0], [0, 0], [1, 0]]  # one half is no positive label
    for temperature in (1.0, 4.0, 0.5):
        logits = torch.tensor(one.base) / temperature
        torch.testing.assert_close(targets[temperature].logit(), logits, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("clamp", [True, False])
@pytest.mark.parametrize("contradiction", ["positive", "mean", "confident"])
def test_one_row_says_nothing_of_dependence(clamp: bool, contradiction: Any) -> None:
    """Then the size of every teacher's logits is as usual, so that the earliest tells; labels are expected as they are.

    Beside its own size and 1, the larger of two logits is still the surer.
    """

    teachers = table("ab", (1, 2)), table("ba", (-3, -1)), table("bc", (4, 5))

    def transfers(indicator: Any) -> Any:
        strategy = ANT(indicator=indicator, revision="dependence", clamp=clamp, contradiction=contradiction)
        panel, rows, ballots, state = prepared(strategy, *teachers)
        made = strategy.targets(panel, rows, ballots.at(slice(0, 1)), state)
        assert made.counts["changed"].sum() == 0
        assert made.probabilities[0, 2] == torch.tensor(5.0).sigmoid()
        return made.counts["transfers"].nonzero().tolist()

    assert transfers("agreement") == transfers("confidence") == transfers("calibrated") == [[0, 1, 0], [2, 1, 1]]
    assert transfers("familiarity") == [[0, 1, 0], [0, 1, 1]]


def test_its_choices_are_given_by_name() -> None:
    with pytest.raises(TypeError, match="takes 1 positional argument but 2 were given"):
        ANT("confidence")  # type: ignore[call-arg]


@EVERY
@given(drawn_panels())
def test_a_row_gets_the_same_targets_in_any_chunk(drawn: DrawnPanel) -> None:
    panel, rows, ballots = seated(drawn)
    strategy = ANT(indicator=drawn.indicator, clamp=drawn.clamp, rounds=drawn.rounds, contradiction=drawn.contradiction)
    together = targets_of(strategy, panel, rows, ballots).probabilities
    for row in range(drawn.rows):
        one = rows.take(torch.tensor([row]))
        alone = strategy.targets(panel, one, ballots.at(slice(row, row + 1)), NOTHING)
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
    assert ANT(supervise="steps").learns_stepwise
    assert not ANT(supervise="final").learns_stepwise
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
