"""ANT: the batched code equals the slow transcription of the paper, on panels that hypothesis makes up."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from amalgam import panel as panels
from amalgam.panel import Ballots, Panel, Seat
from amalgam.signals import ProbabilityTargets, StudentOutput, TensorRows, cross_entropy
from amalgam.strategies.ant import ANT, Exchange, Indicator, integrate, trust
from tests.laws import untaught
from tests.reference import ant as slow
from tests.reference import dependence
from tests.reference.panels import DrawnPanel, PlainTeacher, TableTeacher, mixed_panel
from tests.reference.panels import panels as drawn_panels

EVERY = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PANELS = 40  # enough of every kind
INDICATORS = get_args(slow.Indicator)  # those that have a slow truth
UNWEIGHED = ("positive", "confidence")


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


def is_settled(truth: slow.Amalgamation, contradiction: str) -> bool:
    """Whether nothing hung on the last digits of a number: then float32 decides as the truth does."""
    margins = [float("inf")]
    for round, (logits, trusted) in enumerate(truth.weighed, start=1):
        told = {(one.transferee, one.label) for one in truth.transfers if one.round < round}
        margins += [abs(one) for each in logits for one in each.values()]
        for m, n, label in shared(trusted):
            if not told & {(m, label), (n, label)}:
                margins.append(abs(trusted[m][label] - trusted[n][label]))
    for label in truth.integrated:
        candidates = [each[label] for each in truth.logits if label in each]
        if contradiction == "mean":
            margins.append(abs(sum(candidates) / len(candidates)))
        elif contradiction == "confident":
            margins += [abs(one + other) for one in candidates for other in candidates]
    return min(margins) > 2e-3


def shared(logits: Sequence[slow.Logits]) -> list[tuple[int, int, str]]:
    """Every two teachers, the earlier first, with every label that both know."""
    return [(m, n, label) for n, one in enumerate(logits) for m in range(n) for label in one if label in logits[m]]


def spread(panel: Panel, said: Sequence[Sequence[slow.Logits]]) -> torch.Tensor:
    """What the truth says of rows, row by row and teacher by teacher, as (K, B, L), NaN where it says nothing."""
    names = panel.space.names
    rows = [[[each.get(label, torch.nan) for label in names] for each in row] for row in said]
    return torch.tensor(rows).transpose(0, 1)


@pytest.mark.parametrize("revision", get_args(slow.Revision))
@pytest.mark.parametrize("indicator", INDICATORS)
def test_every_choice_equals_slow_for_any_rows_in_any_order(indicator: Any, revision: Any) -> None:
    """Teachers of all kinds; the rows whose decisions are clear, in any order, cut into two chunks."""
    seen: Counter[tuple[bool, str]] = Counter()
    for seed in range(PANELS):
        drawn, chance = mixed_panel(seed, indicator, revision), random.Random(seed)
        choices: dict[str, Any] = {
            "indicator": indicator,
            "revision": revision,
            "clamp": drawn.clamp,
            "rounds": drawn.rounds,
            "contradiction": drawn.contradiction,
            "temperature": drawn.temperature,
        }
        said = [[slow.first(teacher) for teacher in drawn.at(row)] for row in range(drawn.rows)]
        habits = [dependence.learn(one) for one in zip(*said, strict=True)]
        truths = [slow.amalgamate(drawn.at(row), habits=habits, **choices) for row in range(drawn.rows)]
        order = [row for row, truth in enumerate(truths) if is_settled(truth, drawn.contradiction)]
        if not order:
            continue
        chance.shuffle(order)
        cut = chance.randint(0, len(order))
        said, truths = [said[row] for row in order], [truths[row] for row in order]
        seen.update((drawn.clamp, what) for truth in truths for what in happened(truth))

        strategy = ANT(**choices)
        panel, rows, ballots = seated(drawn)
        state = strategy.prepare(panel, rows, ballots, untaught)
        chunks = [torch.tensor(one, dtype=torch.long) for one in (order[:cut], order[cut:])]
        parts = [(panel, rows.take(one), votes_on(ballots, one), state) for one in chunks if len(one)]
        assert_told(panel, [strategy.exchange(*part) for part in parts], said, truths)
        made = [strategy.targets(*part) for part in parts]
        got = torch.cat([one.probabilities for one in made])
        wanted = torch.tensor([[truth.integrated[label] for label in panel.space.names] for truth in truths])
        torch.testing.assert_close(got, wanted, rtol=0, atol=0.0 if drawn.temperature == 0 else 1e-4)
        assert all(bool(one.weights.eq(1).all()) for one in made)
        assert_counted(panel, [one.counts for one in made], said, truths)

    for clamp in (False, True):
        assert seen[clamp, "transfer"] > 0.3 * seen[clamp, "clear"] > 30, seen
        assert min(seen[clamp, what] for what in ("again", "changed")) > 10, seen


def happened(truth: slow.Amalgamation) -> list[str]:
    """What the truth of a row is an example of."""
    last = max((one.round for one in truth.transfers), default=0)
    examples = {"clear": True, "transfer": last > 0, "again": last > 1, "changed": bool(truth.changed)}
    return [what for what, does in examples.items() if does]


def assert_told(
    panel: Panel, made: Sequence[Exchange], said: Sequence[Sequence[slow.Logits]], truths: Sequence[slow.Amalgamation]
) -> None:
    """Exchanges, one after the other, are the truth of their rows, which said this at first."""

    def all_of(name: str) -> torch.Tensor:
        return torch.cat([getattr(one, name) for one in made], dim=1)

    believed = spread(panel, [truth.received for truth in truths])
    for name, wanted in {
        "original": spread(panel, said),
        "scores": spread(panel, [truth.logits for truth in truths]),
        "believed": believed,
    }.items():
        torch.testing.assert_close(all_of(name), wanted, rtol=1e-4, atol=1e-3, equal_nan=True)
    assert torch.equal(all_of("received"), ~believed.isnan())
    changed = {(k, row, label) for row, truth in enumerate(truths) for k, label in truth.changed}
    assert counted(panel, all_of("changed").long()).keys() == changed
    transfers = Counter((one.transferor, one.transferee, one.label) for truth in truths for one in truth.transfers)
    assert counted(panel, torch.stack([one.transfers for one in made]).sum(0)) == transfers


def assert_counted(
    panel: Panel,
    made: Sequence[Mapping[str, torch.Tensor]],
    said: Sequence[Sequence[slow.Logits]],
    truths: Sequence[slow.Amalgamation],
) -> None:
    """The counts of chunks, which add up, and their facts, are those of the truth."""
    counts = {name: torch.stack([one[name] for one in made]).sum(0) for name in made[0]}
    transfers = Counter((one.transferor, one.transferee, one.label) for truth in truths for one in truth.transfers)
    changed = Counter(pair for truth in truths for pair in truth.changed)
    contradicted: Counter[tuple[str]] = Counter()
    for row in said:
        contradicted.update({(label,) for m, n, label in shared(row) if (row[m][label] > 0) != (row[n][label] > 0)})
    assert counts.keys() == {"contradictions", "transfers", "changed", "rows"}
    assert counted(panel, counts["transfers"]) == transfers
    assert counted(panel, counts["changed"]) == changed
    assert counted(panel, counts["contradictions"]) == contradicted
    assert int(counts["rows"]) == len(truths)
    among = Counter((m, n) for m, n, _ in transfers.elements())
    assert ANT().facts(panel, counts) == {
        "contradicted labels": contradicted.total(),
        "transfers": transfers.total(),
        **{f"transfers t{m} → t{n}": times for (m, n), times in among.items()},
        "other labels changed by transfers": changed.total(),
    }


def counted(panel: Panel, counts: torch.Tensor) -> dict[tuple[Any, ...], int]:
    """Counts (…, L) that are not 0: their place, with the label in words, → how many."""
    return {(*place[:-1], panel.space.names[place[-1]]): int(counts[*place]) for place in counts.nonzero().tolist()}


def votes_on(ballots: Ballots, rows: torch.Tensor) -> Any:
    """The votes on some rows, in their order."""
    return Ballots(ballots.panel, len(rows), tuple(one[rows] for one in ballots.scores)).at(slice(0, len(rows)))


def table(labels: str, *base: Sequence[float], told: bool = False) -> PlainTeacher | TableTeacher:
    """A teacher that says this of the rows, row by row; one that nobody may tell unless it is `told`."""
    names, numbers = list(labels), [list(map(float, row)) for row in base]
    return TableTeacher(names, numbers, [[2.0] * len(names)] * len(names)) if told else PlainTeacher(names, numbers)


def prepared(strategy: ANT, *teachers: Any) -> tuple[Panel, TensorRows, Ballots, Any]:
    panel, rows, ballots = seated(DrawnPanel(teachers, len(teachers[0].base), "positive", False, None, "positive"))
    return panel, rows, ballots, strategy.prepare(panel, rows, ballots, untaught)


PAIR = table("ab", (2, 1), (-2, -1), (4, -3), (-4, 3)), table("bc", (-6, 1), (6, 1), (6, 7), (-6, -7))


def test_every_indicator_has_a_slow_truth() -> None:
    assert get_args(Indicator) == INDICATORS


def test_trust_by_hand_is_unknown_where_a_label_is() -> None:
    """The first teacher says ±2, ±4 of a, ±1, ±3 of b: variances 10 and 5, covariance (2 + 2 - 12 - 12) / 4 = -5.

    Shrunk by 2 / 6 that is -10/3. The second: b ±6, variance 36; c 1, 1, 7, -7, mean .5, variance 25 - .25; covariance
    (-6 + 6 + 42 + 42) / 4 = 21, shrunk 14.
    """
    agreed = {"a": -10 / 3 / 5, "b": -10 / 3 / 10, "b too": 14 / 24.75, "c": 14 / 36}
    wanted: dict[str, list[tuple[float, ...]]] = {
        "positive": [(2.0, 1.0), (-6.0, 1.0)],
        "confidence": [(2.0, 1.0), (6.0, 1.0)],
        "calibrated": [(2 / 10**0.5, 1 / 5**0.5), (1, 1 / 5)],
        "familiarity": [((2.5 / 7.5) ** 0.5,) * 2, ((18.5 / 30.5) ** 0.5,) * 2],
        "agreement": [(agreed["a"] * 1, agreed["b"] * 2), (-agreed["b too"] * 0.5, 0.5 - agreed["c"] * 6)],
    }
    assert wanted.keys() == set(INDICATORS)
    for indicator in INDICATORS:
        for teacher, by_hand in zip(PAIR, wanted[indicator], strict=True):
            habit = dependence.learn([teacher.at(row).logits() for row in range(4)])
            truth = slow.trust(teacher.at(0).logits(), indicator, habit)
            assert list(truth.values()) == pytest.approx(list(by_hand))
        panel, _, ballots, state = prepared(ANT(indicator=indicator), *PAIR)
        for rows in (slice(0, 4), slice(0, 1)):
            votes = ballots.at(rows)
            trusted = trust(panel, votes.scores, indicator, state)
            assert torch.equal(trusted.isnan(), ~votes.known[:, None].expand_as(trusted))
            first = [panel.space.own(k, trusted[k, 0]) for k in range(2)]
            torch.testing.assert_close(torch.stack(first), torch.tensor(wanted[indicator]), rtol=1e-4, atol=1e-5)


def test_agreement_turns_with_the_claims_side_and_zero_is_the_negative_side() -> None:
    panel, _, ballots, state = prepared(ANT(indicator="agreement"), *PAIR)
    scores = ballots.at(slice(0, 1)).scores.clone()
    trusted = []
    for claim in (3.0, 1e-3, 0.0, -0.0, -5.0):
        scores[0, 0, 0] = claim
        trusted.append(float(trust(panel, scores, "agreement", state)[0, 0, 0]))
    assert trusted == [trusted[0]] * 2 + [-trusted[0]] * 3
    assert trusted[0] != 0


def test_a_teacher_of_one_label_expects_its_mean() -> None:
    varied, constant = table("a", (1,), (-2,), (4,)), table("a", (9,), (9,), (9,))
    panel, _, ballots, state = prepared(ANT(indicator="agreement"), varied, constant)
    trusted = trust(panel, ballots.at(slice(0, 3)).scores, "agreement", state)
    torch.testing.assert_close(trusted[:, :, 0], torch.tensor([[1.0, -1.0, 1.0], [9.0, 9.0, 9.0]]))


@pytest.mark.parametrize("indicator", INDICATORS)
def test_dependences_are_learned_of_whom_they_are_needed(indicator: Any) -> None:
    told, untold = table("ab", (2, 1), (-2, 1), told=True), table("ab", (-2, 1), (1, 1))
    softmax = TableTeacher(["a", "b"], untold.base, [[0.0, 0.0], [0.0, 0.0]], exclusive=True)
    cases: list[tuple[Any, set[int]]] = [("teacher", {1, 2}), ("dependence", {0, 1, 2})]
    for revision, needed in cases:
        strategy = ANT(indicator=indicator, revision=revision)
        _, _, _, state = prepared(strategy, told, untold, softmax)
        assert state.keys() == (needed if indicator in UNWEIGHED else {0, 1, 2})
        panel, rows, ballots, nothing = prepared(ANT(indicator=indicator, revision=revision, rounds=0), told, untold)
        assert nothing == {}
        made = ANT(indicator=indicator, revision=revision, rounds=0).targets(panel, rows, ballots.at(slice(0, 2)), {})
        assert made.probabilities.logit()[:, 0].tolist() == pytest.approx([2, 1])  # Eq. (28) alone
        assert made.counts["transfers"].sum() == made.counts["changed"].sum() == 0


def test_what_is_usual_is_learned_of_every_row() -> None:
    """More rows than are read at once, the last of another kind; of a softmax teacher the log odds, ±4 and ±2 here."""
    base = [[2.0, -2.0]] * 4096 + [[-1.0, 1.0]] * 4
    _, _, _, state = prepared(ANT(indicator="calibrated"), PlainTeacher(["a", "b"], base, exclusive=True))
    mean = (4096 * 4 - 4 * 2) / 4100
    size = ((4096 * 4**2 + 4 * 2**2) / 4100) ** 0.5
    torch.testing.assert_close(state[0].mean, torch.tensor([mean, -mean]), rtol=1e-5, atol=0)
    torch.testing.assert_close(state[0].size, torch.tensor([size, size]), rtol=1e-5, atol=0)


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
    """Then every teacher is as usual, so that the earliest tells; and its labels are expected as they are."""

    teachers = table("ab", (1, 2)), table("ba", (-3, -1)), table("bc", (4, 5))

    def transfers(indicator: Any) -> Any:
        strategy = ANT(indicator=indicator, revision="dependence", clamp=clamp, contradiction=contradiction)
        panel, rows, ballots, state = prepared(strategy, *teachers)
        made = strategy.targets(panel, rows, ballots.at(slice(0, 1)), state)
        assert made.counts["changed"].sum() == 0
        assert made.probabilities[0, 2] == torch.tensor(5.0).sigmoid()
        return made.counts["transfers"].nonzero().tolist()

    assert transfers("agreement") == transfers("confidence") == [[0, 1, 0], [2, 1, 1]]
    assert transfers("calibrated") == transfers("familiarity") == [[0, 1, 0], [0, 1, 1]]


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
