"""The slow truth against cases worked out by hand, and what the generated panels contain."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amalgam.teacher import ConditionalScorer
from tests.reference import sigmoid
from tests.reference.ant import amalgamate, cross_entropy, integrate, relations, transfers
from tests.reference.chain import ChainWeights, chain, lstm_cell
from tests.reference.panels import DrawnPanel, TableTeacher, panels

FIXED = settings(
    derandomize=True, database=None, deadline=None, max_examples=100, suppress_health_check=list(HealthCheck)
)


# ---------------------------------------------------------------- the chain

B = (1.0, 0.5, -1.0)
ALONG = [[0, 0, 0], [-2, 0, 1.75], [3, 0, 0]]  # label 0 speaks against 1 and for 2, label 2 for 1
AGAINST = [[0, 0, 0], [-2, 0, 0.75], [3, 0, 0]]  # the same, but label 2 does not save label 1
MILD = [[0, 0, 0], [-2, 0, 1.75], [1.25, 0, 0]]


def by_hand(y_weights, sign_weights=None, W=(0.0, 0.0, 0.0), b=(1.0, 1.0, 1.0)) -> ChainWeights:
    """A chain of three labels with L_k = B + y_weights y_{k-1} + sign_weights sign(L_{k-1}), within 1e-12.

    Gates i and o stand open and f shut (±1000), so h = tanh(tanh(g)). Units 0-2 have g = 1000 y, units 3-5 have
    g = 1000 L: each is 0 or ±tanh(1), which W_out divides away.
    """
    g = 18  # the first row of the block of g, after i, f, o of six units each
    W_l, W_y = np.zeros((24, 3)), np.zeros((24, 3))
    W_y[g : g + 3] = 1000 * np.eye(3)
    W_l[g + 3 : g + 6] = 1000 * np.eye(3)
    bias = np.repeat([1000.0, -1000.0, 1000.0, 0.0], 6)
    W_out = np.hstack([np.array(y_weights, float), np.zeros((3, 3)) if sign_weights is None else sign_weights])
    return ChainWeights(
        W=np.array(W)[:, None], b=np.array(b), W_x=np.zeros((24, 1)), W_l=W_l, W_y=W_y, W_h=np.zeros((24, 6)),
        bias=bias, W_out=W_out / math.tanh(1), b_out=np.array(B),
    )  # fmt: skip


# Step 1 sees no label: (1, .5, -1), so label 0 is the candidate, p = .731.
# Step 2 sees {0}:
#   ALONG, AGAINST (1, -1.5, 2): label 2, p = .881, joint .731·.881 = .644.
#   MILD (1, -1.5, .25): label 2, p = .562, joint .731·.562 = .411: not under "joint".
# Step 3 sees {0, 2}: ALONG (1, .25, 2): label 1, p = .562, joint .644·.562 = .362: not under "joint".
#   AGAINST (1, -.75, 2): label 1, p = .321: only under "always".
#   MILD (1, .25, .25) under "own"; under "joint" it sees {0}, again (1, -1.5, .25).
@pytest.mark.parametrize(
    ("weights", "accept", "unchosen", "final"),
    [
        (ALONG, "always", "first", (1, 0.25, 2)),
        (ALONG, "own", "first", (1, 0.25, 2)),
        (ALONG, "joint", "first", (1, 0.5, 2)),
        (ALONG, "joint", "last", (1, 0.25, 2)),
        (AGAINST, "always", "first", (1, -0.75, 2)),
        (AGAINST, "own", "first", (1, 0.5, 2)),
        (AGAINST, "own", "last", (1, -0.75, 2)),
        (MILD, "own", "first", (1, 0.25, 0.25)),
        (MILD, "joint", "first", (1, 0.5, -1)),
        (MILD, "joint", "last", (1, -1.5, 0.25)),
    ],
)
def test_chain_by_hand(weights, accept, unchosen, final) -> None:
    logits, _ = chain([0.0], by_hand(weights), accept=accept, unchosen=unchosen)
    np.testing.assert_allclose(logits, final, atol=1e-12)


def test_steps_by_hand() -> None:
    _, steps = chain([0.0], by_hand(AGAINST), accept="own", unchosen="first")
    np.testing.assert_allclose(steps, [(1, 0.5, -1), (1, -1.5, 2), (1, -0.75, 2)], atol=1e-12)


def test_a_candidate_that_is_refused_can_be_added_at_a_later_step() -> None:
    # Labels 0 and 1 hear of the last logit of label 2: L_k = (1 - 1.5 s, .5 - s, -1), s its sign, 1 at first.
    # Step 1 has (-.5, -.5, -1): label 0 is refused. Steps 2 and 3 have (2.5, 1.5, -1): label 0 is added, then label 1.
    weights = by_hand(np.zeros((3, 3)), [[0, 0, -1.5], [0, 0, -1], [0, 0, 0]])
    logits, steps = chain([0.0], weights, accept="own", unchosen="first")
    np.testing.assert_allclose(steps, [(-0.5, -0.5, -1), (2.5, 1.5, -1), (2.5, 1.5, -1)], atol=1e-12)
    np.testing.assert_allclose(logits, [2.5, 1.5, -1], atol=1e-12)
    # Under "always" label 0 is added at once and carries the logit of that step.
    logits, _ = chain([0.0], weights, accept="always", unchosen="first")
    np.testing.assert_allclose(logits, [-0.5, 1.5, -1], atol=1e-12)


def test_equal_candidates_are_taken_in_the_labels_order() -> None:
    # Labels 0 and 1 both have 1 at step 1. Label 0 is taken and lowers label 1 by 3; the other way round nothing falls.
    weights = replace(by_hand([[0, 0, 0], [-3, 0, 0], [0, 0, 0]]), b_out=np.array([1.0, 1.0, -1.0]))
    logits, _ = chain([0.0], weights, accept="own", unchosen="last")
    np.testing.assert_allclose(logits, [1, -2, -1], atol=1e-12)


def test_the_start_logits_are_linear_in_x() -> None:
    # L_0 = W x + b = (-1, 1, 1) for x = 2, seen through the signs it is taken with at step 1.
    weights = by_hand(np.zeros((3, 3)), np.eye(3), W=(-1.5, 0.5, 0.0), b=(2.0, 0.0, 1.0))
    _, steps = chain([2.0], weights, accept="own", unchosen="first")
    np.testing.assert_allclose(steps[0], [1 - 1, 0.5 + 1, -1 + 1], atol=1e-12)


def test_a_belief_replaces_only_the_start_logit() -> None:
    # L_k = B + sign(L_{k-1}) + nothing of y; label 2 starts at 1, believed at -4.
    weights = by_hand(np.zeros((3, 3)), np.eye(3))
    _, told = chain([0.0], weights, accept="own", unchosen="first", believed={2: -4.0})
    np.testing.assert_allclose(told, [(2, 1.5, -2), (2, 1.5, -2), (2, 1.5, -2)], atol=1e-12)
    # Believed at 4 without clamp, label 2 is in no hard prediction: it adds nothing for label 1 at step 1.
    _, told = chain([0.0], by_hand(ALONG), accept="own", unchosen="first", believed={2: 4.0})
    np.testing.assert_allclose(told[0], B, atol=1e-12)


def test_a_clamped_belief_is_held() -> None:
    # Label 0 told positive: y = (1, 0, 0) from the start, so step 1 is (3, -1.5, 2). Label 2 is the candidate, though
    # label 0 is higher. Step 2 sees {0, 2}: (3, .25, 2): label 1, p = .562. The product of what the chain has added is
    # .881 · .562 = .495, so "joint" refuses it; "own" takes it.
    logits, steps = chain([0.0], by_hand(ALONG), accept="own", unchosen="first", believed={0: 3.0}, clamp=True)
    np.testing.assert_allclose(steps, [(3, -1.5, 2), (3, 0.25, 2), (3, 0.25, 2)], atol=1e-12)
    np.testing.assert_allclose(logits, [3, 0.25, 2], atol=1e-12)
    logits, _ = chain([0.0], by_hand(ALONG), accept="joint", unchosen="first", believed={0: 3.0}, clamp=True)
    np.testing.assert_allclose(logits, [3, -1.5, 2], atol=1e-12)

    # Label 0 told negative: never added, even under "always"; nothing speaks against label 1. The held logit of every
    # step feeds the next: unclamped it would be 1 + ... > 0 and its sign +1.
    weights = by_hand(ALONG, [[0, 0, 0], [0, 0, 0], [0.5, 0, 0]])
    logits, steps = chain([0.0], weights, accept="always", unchosen="last", believed={0: -2.0}, clamp=True)
    np.testing.assert_allclose(steps, [(-2, 0.5, -1.5), (-2, 0.5, -1.5), (-2, 2.25, -1.5)], atol=1e-12)
    np.testing.assert_allclose(logits, [-2, 0.5, -1.5], atol=1e-12)


def test_the_joint_product_leaves_told_labels_out() -> None:
    # Label 0 is told at .2, p = .550. Label 2 comes next with p = .881 and is added whether or not that counts
    # (.484 if it did): the told label is not one that the chain has chosen.
    logits, _ = chain([0.0], by_hand(ALONG), accept="joint", unchosen="first", believed={0: 0.2}, clamp=True)
    np.testing.assert_allclose(logits, [0.2, -1.5, 2], atol=1e-12)
    _, steps = chain([0.0], by_hand(ALONG), accept="joint", unchosen="first", believed={0: 0.2}, clamp=True)
    np.testing.assert_allclose(steps[2, 1], 0.25, atol=1e-12)


def test_the_cell_is_an_lstm() -> None:
    features, labels, units = 3, 4, 5
    torch.manual_seed(0)
    cell = torch.nn.LSTMCell(features + 2 * labels, units, dtype=torch.float64)
    order = [0, 1, 3, 2]  # torch's i, f, g, o to i, f, o, g
    w = cell.weight_ih.detach().reshape(4, units, -1)[order].reshape(4 * units, -1).numpy()
    weights = ChainWeights(
        W=np.zeros((labels, features)), b=np.zeros(labels),
        W_x=w[:, :features], W_l=w[:, features : features + labels], W_y=w[:, features + labels :],
        W_h=cell.weight_hh.detach().reshape(4, units, -1)[order].reshape(4 * units, -1).numpy(),
        bias=(cell.bias_ih + cell.bias_hh).detach().reshape(4, units)[order].flatten().numpy(),
        W_out=np.zeros((labels, units)), b_out=np.zeros(labels),
    )  # fmt: skip
    x, logits, hard = torch.randn(features), torch.randn(labels), torch.tensor([0.0, 1.0, 1.0, 0.0])
    h, c = torch.randn(units).double(), torch.randn(units).double()
    expected = cell(torch.cat([x, logits, hard]).double()[None], (h[None], c[None]))
    slow = lstm_cell(x.tolist(), logits.tolist(), hard.tolist(), h.tolist(), c.tolist(), weights)
    for ours, theirs in zip(slow, expected, strict=True):
        np.testing.assert_allclose(ours, theirs[0].detach().numpy(), atol=1e-12)


def test_the_hidden_state_is_carried_from_step_to_step() -> None:
    # One unit that hears only itself: i = f = o = σ(0) = .5, g = tanh(1 + h). Nothing else changes between the steps.
    weights = ChainWeights(
        W=np.zeros((2, 1)), b=np.zeros(2), W_x=np.zeros((4, 1)), W_l=np.zeros((4, 2)), W_y=np.zeros((4, 2)),
        W_h=np.array([[0.0], [0.0], [0.0], [1.0]]), bias=np.array([0.0, 0.0, 0.0, 1.0]),
        W_out=np.array([[1.0], [2.0]]), b_out=np.zeros(2),
    )  # fmt: skip
    c1 = 0.5 * math.tanh(1)
    h1 = 0.5 * math.tanh(c1)
    c2 = 0.5 * c1 + 0.5 * math.tanh(1 + h1)
    h2 = 0.5 * math.tanh(c2)
    _, steps = chain([0.0], weights, accept="own", unchosen="first")
    np.testing.assert_allclose(steps, [(h1, 2 * h1), (h2, 2 * h2)], atol=1e-12)


# ---------------------------------------------------------------- ANT


@dataclass
class Scripted:
    """A teacher by script: what it says at first and given which labels; it records what it is told."""

    first: dict[str, float]
    given: dict[frozenset[str], dict[str, float]] = field(default_factory=dict)
    asked: list[dict[str, float]] = field(default_factory=list)

    @property
    def labels(self) -> list[str]:
        return list(self.first)

    def logits(self) -> dict[str, float]:
        return dict(self.first)

    def logits_given(self, believed: dict[str, float], clamp: bool) -> dict[str, float]:
        self.asked.append(dict(believed))
        return {**self.first, **self.given.get(frozenset(believed), {})}


def ask(*teachers, indicator="positive", clamp=False, rounds=None, contradiction="positive"):
    return amalgamate(teachers, indicator=indicator, clamp=clamp, rounds=rounds, contradiction=contradiction)


def test_relations_are_unordered_pairs_with_a_label_of_both() -> None:
    teachers = [Scripted({"a": 1, "b": 1}), Scripted({"b": 1, "c": 1}), Scripted({"c": 1, "b": 1}), Scripted({"d": 1})]
    assert relations(teachers) == {(0, 1, "b"), (0, 2, "b"), (1, 2, "b"), (1, 2, "c")}


def test_one_contradiction() -> None:
    # Figure 7: both know b, teacher 0 says yes. Teacher 1 revises c from -1 to 1.5; b it does not come to accept.
    second = Scripted({"b": -1, "c": -1}, {frozenset("b"): {"b": -0.5, "c": 1.5}})
    made = ask(Scripted({"a": 0.5, "b": 2}), second)
    assert made.transfers == [(1, 0, 1, "b")]
    assert made.logits == [{"a": 0.5, "b": 2}, {"b": -0.5, "c": 1.5}]
    assert second.asked == [{"b": 2}]
    assert made.integrated == {"a": sigmoid(0.5), "b": sigmoid(2), "c": sigmoid(1.5)}


def test_clamped_labels_end_as_believed() -> None:
    second = Scripted({"b": -1, "c": -1}, {frozenset("b"): {"b": -0.5, "c": 1.5}})
    assert ask(Scripted({"b": 2}), second, clamp=True).logits[1] == {"b": 2, "c": 1.5}


def test_a_recursion_over_three_teachers() -> None:
    # Round 1: a is contradicted (0: +2, 1: -1); of b all say no. 0 → 1 on a, and 1's b turns from -1 to +3.
    # Round 2: b is contradicted now (1: +3, 2: -2). 1 → 2 on b, and 2's c turns from -1 to +1.
    # Round 3: a stands contradicted (0: +2, 1: -.5), but 1 has received it. Nothing to transfer.
    def panel():
        return (
            Scripted({"a": 2}),
            Scripted({"a": -1, "b": -1}, {frozenset("a"): {"a": -0.5, "b": 3}}),
            Scripted({"b": -2, "c": -1}, {frozenset("b"): {"b": 1, "c": 1}}),
        )

    made = ask(*panel())
    assert made.transfers == [(1, 0, 1, "a"), (2, 1, 2, "b")]
    assert made.logits == [{"a": 2}, {"a": -0.5, "b": 3}, {"b": 1, "c": 1}]
    assert made.integrated == {"a": sigmoid(2), "b": sigmoid(3), "c": sigmoid(1)}

    stopped = ask(*panel(), rounds=1)
    assert stopped.transfers == [(1, 0, 1, "a")]
    assert stopped.integrated == {"a": sigmoid(2), "b": sigmoid(3), "c": sigmoid(-1)}
    untouched = ask(*panel(), rounds=0)
    assert untouched.transfers == []
    assert untouched.logits[1] == {"a": -1, "b": -1}
    assert untouched.integrated == {"a": sigmoid(2), "b": sigmoid(-2), "c": sigmoid(-1)}


def test_beliefs_add_up_and_stay_what_they_were_when_told() -> None:
    # Round 1: a 0 → 1 at 2; e 2 → 0 at 3, after which 0's a is 5; f 0 → 2 at 1, after which 2's d is 4.
    # Round 2: d 2 → 1 at 4. Teacher 1 is asked with both beliefs, a still at 2.
    zero = Scripted({"a": 2, "e": -1, "f": 1}, {frozenset("e"): {"a": 5, "e": 3}})
    one = Scripted({"a": -1, "d": -2}, {frozenset("a"): {"a": 2}, frozenset("ad"): {"a": 2, "d": 4}})
    two = Scripted({"d": -1, "e": 3, "f": -1}, {frozenset("f"): {"d": 4, "f": 1}})
    made = ask(zero, one, two)
    assert made.transfers == [(1, 0, 1, "a"), (1, 2, 0, "e"), (1, 0, 2, "f"), (2, 2, 1, "d")]
    assert one.asked == [{"a": 2}, {"a": 2, "d": 4}]
    assert zero.asked == [{"e": 3}]


def test_a_round_is_computed_on_the_predictions_before_it() -> None:
    # a 0 → 1 and b 1 → 0 in one round, though being told a would turn 1's b to -1, and being told b 0's a.
    zero = Scripted({"a": 2, "b": -1}, {frozenset("b"): {"a": -2, "b": 3}})
    one = Scripted({"a": -1, "b": 3}, {frozenset("a"): {"a": 2, "b": -1}})
    assert ask(zero, one).transfers == [(1, 0, 1, "a"), (1, 1, 0, "b")]
    assert (zero.asked, one.asked) == ([{"b": 3}], [{"a": 2}])


def test_a_received_label_is_neither_passed_on_nor_revised_again() -> None:
    # Round 1: a 0 → 1 at 3, b 1 → 0, after which 0's a is -2. Round 2: 1 says yes to a, 0 says no, but 1 has a from 0:
    # it does not tell it back; nor is 1 told the other way by confidence.
    for indicator in ("positive", "confidence"):
        zero = Scripted({"a": 3, "b": -1}, {frozenset("b"): {"a": -2, "b": 2}})
        one = Scripted({"a": -1, "b": 2}, {frozenset("a"): {"a": 3}})
        made = ask(zero, one, indicator=indicator, contradiction="mean")
        assert made.transfers == [(1, 0, 1, "a"), (1, 1, 0, "b")]
        assert made.integrated == {"a": sigmoid(0.5), "b": sigmoid(2)}  # of -2 and 3 the mean is .5


@pytest.mark.parametrize(
    ("indicator", "logits", "told"),
    [
        ("positive", (1, -3, 2, -1), [(2, 1), (2, 3)]),  # the highest tells every negative one, however sure
        ("positive", (2, 2, -1), [(0, 2)]),  # of equals the earliest
        ("positive", (-1, -2), []),
        ("positive", (1, 2), []),
        ("confidence", (1, -3, 2, -1), [(1, 0), (1, 2)]),  # a negative prediction is transferred, too
        ("confidence", (2, -2, -1), [(0, 1), (0, 2)]),
        ("confidence", (-2, 2), [(0, 1)]),
        ("confidence", (-1, -2), []),
    ],
)
def test_the_indicator(indicator, logits, told) -> None:
    teachers = [Scripted({"a": logit}) for logit in logits]
    found = transfers(relations(teachers), [t.first for t in teachers], [{} for _ in teachers], indicator=indicator)
    assert [(one.transferor, one.transferee) for one in found] == told


@pytest.mark.parametrize(
    ("logits", "contradiction", "expected"),
    [
        ((-1, -3, -2), "positive", -3),  # all negative: the smallest
        ((1, 3, 2), "positive", 3),  # all positive: the highest
        ((1, -3), "positive", 1),  # contradicting: the highest
        ((-1, -3), "mean", -3),
        ((1, 3), "mean", 3),
        ((1, -3, -1), "mean", -1),
        ((-1, -3), "confident", -3),
        ((1, 3), "confident", 3),
        ((1, -3, 2), "confident", -3),
        ((-2, 2), "confident", -2),
        ((2, -2), "confident", 2),
        ((-0.5,), "mean", -0.5),
        ((0, -1), "positive", -1),  # one half is no positive prediction
    ],
)
def test_equation_28(logits, contradiction, expected) -> None:
    assert integrate(logits, contradiction) == sigmoid(expected)


def test_equation_37() -> None:
    # -(1 ln .5 + 0 ln .5) - (.25 ln .2 + .75 ln .8) = .693147 + (.402359 + .167358)
    assert cross_entropy([1, 0.25], [0.5, 0.2]) == pytest.approx(1.262864, abs=1e-6)


@given(st.data(), st.sampled_from(["positive", "confidence"]), st.booleans())
@FIXED
def test_it_ends_however_teachers_change_their_minds(data, indicator, clamp) -> None:
    @dataclass
    class Fickle:
        labels: list[str]

        def logits(self):
            return {label: data.draw(st.sampled_from([-2, -1, 1, 2])) for label in self.labels}

        def logits_given(self, believed, clamp):
            return self.logits()

    teachers = [Fickle(["a", "b", "c"]), Fickle(["b", "c", "d"]), Fickle(["d", "c", "a"])]
    made = ask(*teachers, indicator=indicator, clamp=clamp)
    told = [(one.transferee, one.label) for one in made.transfers]
    assert len(set(told)) == len(told) <= 9
    for one in made.transfers:  # nobody passes on what it received in an earlier round
        assert not any(
            (other.transferee, other.label) == (one.transferor, one.label) and other.round < one.round
            for other in made.transfers
        )


# ---------------------------------------------------------------- the generated panels


@given(panels(), st.data())
@FIXED
def test_both_forms_of_a_table_teacher_agree(panel: DrawnPanel, data: st.DataObject) -> None:
    for teacher in panel.teachers:
        assert isinstance(teacher, ConditionalScorer)
        believed = torch.full((panel.rows, len(teacher.labels)), torch.nan)
        for row in range(panel.rows):
            for j in range(len(teacher.labels)):
                if data.draw(st.booleans()):
                    believed[row, j] = data.draw(st.integers(1, 64)) / 8 * data.draw(st.sampled_from([-1, 1]))
        for clamp in (False, True):
            scores, revised = teacher.score(panel.inputs()), teacher.score_given(panel.inputs(), believed, clamp)
            assert scores.dtype == revised.dtype == torch.float32
            for row in range(panel.rows):
                slow = teacher.at(row)
                told = {one: b for one, b in zip(teacher.labels, believed[row].tolist(), strict=True) if b == b}
                assert dict(zip(teacher.labels, scores[row].tolist(), strict=True)) == slow.logits()
                assert dict(zip(teacher.labels, revised[row].tolist(), strict=True)) == slow.logits_given(told, clamp)
                assert not told or not clamp or told.items() <= slow.logits_given(told, clamp).items()
                assert slow.logits_given({}, clamp) == slow.logits()
                assert all(abs(logit) >= 1 / 8 for logit in slow.logits_given(told, clamp).values())


def test_a_table_teacher_by_hand() -> None:
    # Told a = 2 where it says -1: tanh(3) = .995; b moves by 4 · .995 = 3.98, from -1 to 2.98, on the grid 3.
    teacher = TableTeacher(["a", "b"], [[-1.0, -1.0], [-1.0, -1.0]], [[0.0, 0.0], [4.0, 0.0]])
    believed = torch.tensor([[2.0, torch.nan], [torch.nan, torch.nan]])
    assert teacher.score_given(torch.tensor([[0.0], [1.0]]), believed, False).tolist() == [[0.5, 3.0], [-1.0, -1.0]]
    assert teacher.score_given(torch.tensor([[0.0], [1.0]]), believed, True).tolist() == [[2.0, 3.0], [-1.0, -1.0]]


def test_what_the_panels_contain() -> None:
    """Of the drawn instances many contradict, recur, and change what nobody transferred; overlaps are of every kind."""
    seen: dict[str, int] = dict.fromkeys(
        ("panels", "disjoint", "identical", "partial", "rows", "contradicted", "second", "third", "tied", "flipped"), 0
    )

    @given(panels())
    @FIXED
    def count(panel: DrawnPanel) -> None:
        sets = [frozenset(teacher.labels) for teacher in panel.teachers]
        assert 2 <= len(sets) <= 5
        assert 2 <= len(frozenset.union(*sets)) <= 6
        assert 1 <= panel.rows <= 7
        shared = relations(panel.at(0))
        seen["panels"] += 1
        seen["disjoint"] += not shared
        seen["identical"] += len(set(sets)) == 1
        seen["partial"] += bool(shared) and len(set(sets)) > 1
        for row in range(panel.rows):
            teachers = panel.at(row)
            made = ask(*teachers, indicator=panel.indicator, clamp=panel.clamp)
            last = max((one.round for one in made.transfers), default=0)
            seen["rows"] += 1
            seen["contradicted"] += last >= 1
            seen["second"] += last >= 2
            seen["third"] += last >= 3
            seen["tied"] += any(
                abs(teachers[m].logits()[label]) == abs(teachers[n].logits()[label]) for m, n, label in shared
            )
            seen["flipped"] += any(
                (before > 0) != (made.logits[t][label] > 0) and (t, label) not in {one[2:] for one in made.transfers}
                for t, teacher in enumerate(teachers)
                for label, before in teacher.logits().items()
            )

    count()
    assert all(seen[kind] >= 0.1 * seen["panels"] for kind in ("disjoint", "identical", "partial")), seen
    assert seen["contradicted"] >= 0.3 * seen["rows"], seen
    assert all(seen[kind] >= 0.05 * seen["rows"] for kind in ("second", "tied", "flipped")), seen
    assert seen["third"] > 0, seen
