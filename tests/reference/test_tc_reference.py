"""The slow TC, and the slow methods it is compared with, against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest

from tests.reference import tc

LN2, LN3 = math.log(2), math.log(3)
ONE = {"a": LN3, "b": 0.0}  # softmax 3/4, 1/4
TWO = {"b": 0.0, "c": LN2}  # softmax 1/3, 2/3
FAR = {"c": LN2, "d": 0.0}  # softmax 2/3, 1/3: no class of ONE


def near(wanted: object) -> object:
    return pytest.approx(wanted, abs=1e-12)


# ---------------------------------------------------------------- the trust learner


def test_expertise_by_hand() -> None:
    # With h = (2, 1): 1·2 − 2·1 + ln 3 = ln 3 → 3/4, and 0·2 + 1·1 − 1 = 0 → 1/2.
    assert tc.expertise([[1, -2], [0, 1]], [2, 1], [LN3, -1]) == near([0.75, 0.5])


@pytest.mark.parametrize(
    ("form", "wanted"),
    [
        ("softmax", [1 / (1 + math.exp(-0.25)), 1 / (1 + math.exp(0.25))]),  # of e = 3/4, 1/2
        ("share", [0.6, 0.4]),
        ("logits", [0.75, 0.25]),  # exp(ln 3) : exp(0)
    ],
)
def test_relative_trust_by_hand(form: tc.Relative, wanted: list[float]) -> None:
    assert tc.relative_trust([LN3, 0.0], form) == near(wanted)


def test_trust_as_printed_of_two_teachers_is_never_beyond_27_to_73_percent() -> None:
    assert tc.relative_trust([800.0, -800.0]) == near([math.e / (1 + math.e), 1 / (1 + math.e)])
    assert tc.relative_trust([800.0, -800.0], "share") == near([1, 0])
    assert tc.relative_trust([800.0, -800.0], "logits") == near([1, 0])


def test_trust_loss_by_hand() -> None:
    assert tc.trust_loss([0.75, 0.5, 0.25], [True, True, False]) == near(-math.log(0.75 * 0.5 * 0.75))
    # As printed both would be −log(3/4 · 1/2): the class would not matter.
    assert tc.trust_loss([0.75, 0.5], [True, False]) == near(-math.log(0.75 * 0.5))
    assert tc.trust_loss([0.75, 0.5], [False, True]) == near(-math.log(0.25 * 0.5))


def test_class_trust_by_hand() -> None:
    assert tc.class_trust({"a": 0.5, "b": 0.3, "c": 0.2}, [ONE, TWO]) == near([0.8, 0.5])


# ---------------------------------------------------------------- the amalgamator


def test_a_teachers_posterior_by_hand() -> None:
    assert tc.teacher_posterior(ONE) == near({"a": 0.75, "b": 0.25})
    root = math.sqrt(3)
    assert tc.teacher_posterior(ONE, 2.0) == near({"a": root / (root + 1), "b": 1 / (root + 1)})
    assert tc.teacher_posterior({"a": 1000.0, "b": 0.0}) == near({"a": 1, "b": 0})


def test_disjoint_teachers_are_weighed_by_trust() -> None:
    wanted = {"a": 0.6, "b": 0.2, "c": 0.2 * 2 / 3, "d": 0.2 / 3}
    for shared in ("sum", "mean"):
        assert tc.amalgamated([ONE, FAR], [0.8, 0.2], shared) == near(wanted)


def test_a_shared_class_is_summed_or_averaged() -> None:
    # a: 3/4 · 4/5 = 36/60. b: 1/4 · 4/5 = 12/60 and 1/3 · 1/5 = 4/60. c: 2/3 · 1/5 = 8/60.
    assert tc.amalgamated([ONE, TWO], [0.8, 0.2]) == near({"a": 36 / 60, "b": 16 / 60, "c": 8 / 60})
    # The mean of b is 8/60: of 52/60 in all.
    assert tc.amalgamated([ONE, TWO], [0.8, 0.2], "mean") == near({"a": 36 / 52, "b": 8 / 52, "c": 8 / 52})


def test_trust_that_does_not_sum_to_one_is_relative() -> None:
    once = tc.amalgamated([ONE, TWO], [0.8, 0.2])
    assert tc.amalgamated([ONE, TWO], [1.6, 0.4]) == near(once)
    assert tc.amalgamated([ONE, TWO], [0.0, 0.0]) == near({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})


def test_temperatures_are_of_each_teacher() -> None:
    # At 2, {c: 2 ln 2, d: 0} is 2/3, 1/3 again; at 1 it would be 4/5, 1/5.
    sharp = {"c": 2 * LN2, "d": 0.0}
    wanted = {"a": 0.375, "b": 0.125, "c": 1 / 3, "d": 1 / 6}
    assert tc.amalgamated([ONE, sharp], [0.5, 0.5], temperatures=[1.0, 2.0]) == near(wanted)


def test_three_teachers_share_a_class() -> None:
    # b: 1/4 + 1/3 + 1 = 19/12, or 19/36; a 3/4, c 2/3: all of trust 1.
    sure = {"b": 5.0}
    wanted = {"a": 9 / 12, "b": 19 / 12, "c": 8 / 12}
    assert tc.amalgamated([ONE, TWO, sure], [1, 1, 1]) == near({k: v / 3 for k, v in wanted.items()})
    assert tc.amalgamated([ONE, TWO, sure], [1, 1, 1], "mean") == near({"a": 27 / 70, "b": 19 / 70, "c": 24 / 70})


def test_mixing_by_hand() -> None:
    P, q = {"a": 0.8, "b": 0.2}, {"a": 0.2, "b": 0.8}
    assert tc.mixed(P, q, 0.25) == near({"a": 0.65, "b": 0.35})
    assert tc.mixed(P, q, 0.5, "geometric") == near({"a": 0.5, "b": 0.5})
    # 0.8^¾ 0.2^¼ : 0.2^¾ 0.8^¼ = 4^½ = 2.
    assert tc.mixed(P, q, 0.25, "geometric") == near({"a": 2 / 3, "b": 1 / 3})
    for how in ("arithmetic", "geometric"):
        assert tc.mixed(P, q, 0.0, how) == near(P)
        assert tc.mixed(P, q, 1.0, how) == near(q)


def test_labelled_and_hard_targets() -> None:
    P = {"a": 0.3, "b": 0.4, "c": 0.3}
    assert tc.known_truth(P, None) == P
    assert tc.known_truth(P, "c") == {"a": 0.0, "b": 0.0, "c": 1.0}
    assert tc.hardened(P) == {"a": 0.0, "b": 1.0, "c": 0.0}
    assert tc.hardened({"a": 0.5, "b": 0.5}) == {"a": 1.0, "b": 0.0}


# ---------------------------------------------------------------- the student and the compared methods


def test_the_student_by_hand() -> None:
    # W h + b with h = (1, 2): 1·1 + 1·2 − 3 = 0, and 0·1 + 0·2 + ln 3.
    said = tc.student_posterior(["a", "b"], [[1, 1], [0, 0]], [1, 2], [-3, LN3])
    assert said == near({"a": 0.25, "b": 0.75})
    assert tc.student_loss({"a": 0.5, "b": 0.5}, said) == near(-0.5 * math.log(0.25) - 0.5 * math.log(0.75))
    assert tc.student_loss({"a": 0.0, "b": 1.0}, {"a": 0.0, "b": 1.0}) == 0


def test_kd_by_hand() -> None:
    # From their means ONE is ±(ln 3) / 2 and TWO ∓(ln 2) / 2, so b is −(ln 6) / 4: exp is √3 : 6^(−1/4) : √2.
    powers = {"a": 3**0.5, "b": 6**-0.25, "c": 2**0.5}
    assert tc.kd_target([ONE, TWO]) == near({name: power / sum(powers.values()) for name, power in powers.items()})
    # FAR is ±(ln 2) / 2: √3 : 1/√3 : √2 : 1/√2.
    powers = {"a": 3**0.5, "b": 3**-0.5, "c": 2**0.5, "d": 2**-0.5}
    assert tc.kd_target([ONE, FAR]) == near({name: power / sum(powers.values()) for name, power in powers.items()})
    # A constant more for all that one says changes nothing.
    assert tc.kd_target([{"a": LN3 + 9, "b": 9.0}, TWO]) == near(tc.kd_target([ONE, TWO]))
    four = {"a": 2 * LN3, "b": 0.0}
    assert tc.kd_target([four], 2.0) == near({"a": 0.75, "b": 0.25})
    # The student's 2 ln 2 is 2/3 at T = 2, and T² = 4.
    wanted = 4 * -(0.75 * math.log(2 / 3) + 0.25 * math.log(1 / 3))
    assert tc.kd_loss({"a": 2 * LN2, "b": 0.0}, [four], 2.0) == near(wanted)


def test_uhc_by_hand() -> None:
    # The student is 1/2, 1/2 on {a, b} and 1/4, 3/4 on {b, c}.
    student = {"a": 0.0, "b": 0.0, "c": LN3}
    of_one = -(0.75 * math.log(0.5) + 0.25 * math.log(0.5))
    of_two = -(1 / 3 * math.log(0.25) + 2 / 3 * math.log(0.75))
    assert tc.uhc_loss(student, [ONE, TWO]) == near(of_one + of_two)
    # Blind to how two teachers' classes compare: all of one's moved together change nothing.
    moved = {"a": 5.0, "b": 5.0, "c": 0.0, "d": 0.0}
    still = {"a": 0.0, "b": 0.0, "c": 0.0, "d": 0.0}
    assert tc.uhc_loss(moved, [ONE, FAR]) == near(tc.uhc_loss(still, [ONE, FAR]))


def test_labels_are_added_by_hand() -> None:
    student = {"a": LN3, "b": 0.0}
    assert tc.supervised_loss(student, "b") == near(math.log(4))
    assert tc.with_labels(1.0, student, "b", 0.5) == near(1 + 0.5 * math.log(4))
    assert tc.with_labels(1.0, student, None, 0.5) == 1.0


def test_self_training_by_hand() -> None:
    """Series are numbers; a model's belief in "low" falls from 1 at the greatest known low to 0 at the least high."""

    def train(known: list[tuple[float, str]]):
        low = max(x for x, name in known if name == "low")
        high = min(x for x, name in known if name == "high")

        def model(x: float) -> tc.Distribution:
            p = min(max((high - x) / (high - low), 0.0), 1.0)
            return {"low": p, "high": 1 - p}

        return model

    labelled = [(0.0, "low"), (10.0, "high")]
    others = [1.0, 8.5, 3.0, 5.0]
    # 0 to 10: 1 is low with 9/10, 8.5 is high with 8.5/10. At .8 both get labels; 3 with 7/10, 5 with 1/2 do not.
    # 1 to 8.5: 3 is low with 5.5/7.5 = .73. So there is a second round with nothing.
    model, history = tc.self_train(labelled, others, train, threshold=0.8, rounds=5)
    assert history == [{0: "low", 1: "high"}]
    assert model(3.0) == near({"low": 5.5 / 7.5, "high": 2 / 7.5})
    # At .72 3 follows in the second round, and 5 (3 to 8.5: 3.5/5.5 = .64) never does.
    _, history = tc.self_train(labelled, others, train, threshold=0.72, rounds=5)
    assert history == [{0: "low", 1: "high"}, {2: "low"}]
    _, history = tc.self_train(labelled, others, train, threshold=0.72, rounds=1)
    assert history == [{0: "low", 1: "high"}]
    # A probability at the threshold is not above it.
    _, history = tc.self_train(labelled, others, train, threshold=0.9, rounds=5)
    assert history == []
