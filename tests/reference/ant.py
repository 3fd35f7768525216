"""ANT (ch. 4, Eqs. 15-28 and 37) for one instance, in plain loops, and our own choices beside the paper's.

A hard prediction is positive when the logit is above 0, which is p > 0.5 (Sec. 4.5.1); by our own choice a teacher may
have another threshold, and then every logit here is measured from it, but for those that a teacher gives or is given.
Teachers are known by their place in the panel, 0 first. Labels come in the order in which the teachers first name them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, TypeGuard, runtime_checkable

from tests.reference import sigmoid
from tests.reference.dependence import Dependence, expected, told
from tests.reference.habit import Habit

Indicator = Literal["positive", "confidence", "calibrated", "familiarity", "agreement"]
Revision = Literal["teacher", "dependence"]
Contradiction = Literal["positive", "mean", "confident"]
Relation = tuple[int, int, str]
Logits = dict[str, float]


class InstanceTeacher(Protocol):
    """A teacher before one instance; one whose labels exclude each other says so by `exclusive`."""

    @property
    def labels(self) -> list[str]:
        """The labels it knows."""

    def logits(self) -> Logits:
        """Its logits, label → logit (Eqs. 15 and 16)."""


@runtime_checkable
class ToldTeacher(InstanceTeacher, Protocol):
    """A teacher that can be told."""

    def logits_given(self, believed: Logits, clamp: bool) -> Logits:
        """Its revised logits given beliefs, label → logit (Eq. 26)."""


class Learned(NamedTuple):
    """What is known of a teacher: how it usually answers, and how its labels depend on each other."""

    habit: Habit
    dependence: Dependence

    def measured(self, logits: Logits) -> Logits:
        """Logits that the teacher gives, from its thresholds."""
        return {label: logit - self.habit.threshold[label] for label, logit in logits.items()}

    def given(self, measured: Logits) -> Logits:
        """Logits as the teacher gives them, of those from its thresholds."""
        return {label: logit + self.habit.threshold[label] for label, logit in measured.items()}


class Transfer(NamedTuple):
    """One transfer pattern T^transferor → T^transferee of one round; rounds count from 1."""

    round: int
    transferor: int
    transferee: int
    label: str


class Amalgamation(NamedTuple):
    """What ANT makes of one instance.

    Attributes:
        original: K dictionaries of the logits at first.
        logits: K dictionaries of final logits.
        transfers: all that were made.
        received: K dictionaries of what each teacher was told, label → logit.
        integrated: label → P(y|x).
        changed: the teachers and labels whose side is another in the end though nobody told that teacher that label.
        moved: the teachers and labels whose side at first is not that of p > 0.5.
        weighed: the logits that each round saw, and how each teacher was trusted; of the last round the logits alone.
    """

    original: list[Logits]
    logits: list[Logits]
    transfers: list[Transfer]
    received: list[Logits]
    integrated: dict[str, float]
    changed: set[tuple[int, str]]
    moved: set[tuple[int, str]]
    weighed: list[tuple[list[Logits], list[Logits]]]


def label_order(teachers: Sequence[InstanceTeacher]) -> list[str]:
    """The union 𝒴 of the teachers' labels, each where it is named first."""
    return list(dict.fromkeys(label for teacher in teachers for label in teacher.labels))


def relations(teachers: Sequence[InstanceTeacher]) -> set[Relation]:
    """The relations R (Sec. 4.5.1, before Eq. 15): (T^m, T^n, y_c) with m < n, for every label both know."""
    found = set()
    for m in range(len(teachers)):
        for n in range(m + 1, len(teachers)):
            for label in teachers[m].labels:
                if label in teachers[n].labels:
                    found.add((m, n, label))
    return found


def binary(logits: Logits) -> Logits:
    """A softmax teacher's logits as one sigmoid logit a label, log p / (1 - p), where 1 - p is no less than 1e-7."""
    total = sum(math.exp(logit) for logit in logits.values())
    odds = {}
    for label, logit in logits.items():
        p = math.exp(logit) / total
        odds[label] = min(max(math.log(p) - math.log(max(1 - p, 1e-7)), -30.0), 30.0)
    return odds


def trust(logits: Logits, indicator: Indicator, learned: Learned | None) -> Logits:
    """How much a teacher is trusted on each label of one instance.

    Args:
        logits: its present logits.
        indicator: "positive": the logit; "confidence": how far it is from 0; "calibrated": the same, beside how far the
            teacher's logits of the label usually are on that side; "familiarity": the root mean square of all logits
            that it gives for the instance, beside that of all it ever gives; "agreement": how far on its side of 0 the
            label is expected to be by the teacher's other labels.
        learned: what is known of the teacher, for the last three.
    """
    trusted = {}
    for label, logit in logits.items():
        if indicator == "positive":
            trusted[label] = logit
        elif indicator == "confidence":
            trusted[label] = abs(logit)
        else:
            assert learned is not None
            habit, dependence, given = learned.habit, learned.dependence, learned.given(logits)
            if indicator == "calibrated":
                trusted[label] = abs(logit) / (habit.affirmed if logit > 0 else habit.denied)[label]
            elif indicator == "familiarity":
                here = sum(one**2 for one in given.values()) / len(given)
                usually = sum(dependence.square.values()) / len(given)
                trusted[label] = math.sqrt(here) / math.sqrt(usually)
            else:
                assert indicator == "agreement"
                away = expected(dependence, given, label) - habit.threshold[label]
                trusted[label] = away if logit > 0 else -away
    return trusted


def transfers(
    related: set[Relation],
    logits: Sequence[Logits],
    received: Sequence[Mapping[str, float]],
    *,
    indicator: Indicator,
    round: int = 1,
    trusted: Sequence[Logits] | None = None,
) -> list[Transfer]:
    """The Transfer Indicator on the present predictions, Eqs. 15 and 16 (or 26), for one round.

    Args:
        related: R.
        logits: each teacher's present logits.
        received: each teacher's beliefs so far; a label in it is neither revised again nor passed on.
        indicator: "positive": the transferor is the highest positive, the transferees are those who say negative;
            any other: the transferor is the most trusted, the transferees are those who contradict it.
            The earliest of equal teachers is the transferor.
        round: which round this is.
        trusted: each teacher's `trust`, for the indicators that need to know more of it.

    Returns:
        The transfers, in the order of the labels' names, then of the transferees.
    """
    trusted = trusted or [trust(one, indicator, None) for one in logits]
    found = []
    for label in sorted({label for _, _, label in related}):
        knowing = sorted({teacher for m, n, shared in related if shared == label for teacher in (m, n)})
        untold = [teacher for teacher in knowing if label not in received[teacher]]
        transferor = None
        for m in untold:
            if indicator == "positive" and logits[m][label] <= 0:
                continue
            if transferor is None or trusted[m][label] > trusted[transferor][label]:
                transferor = m
        if transferor is None:
            continue
        for n in untold:
            if (logits[n][label] > 0) != (logits[transferor][label] > 0):
                found.append(Transfer(round, transferor, n, label))
    return found


def amalgamate(
    teachers: Sequence[InstanceTeacher],
    *,
    indicator: Indicator,
    clamp: bool,
    rounds: int | None,
    contradiction: Contradiction,
    revision: Revision = "teacher",
    temperature: float = 1.0,
    learned: Sequence[Learned] | None = None,
) -> Amalgamation:
    """ANT: transfer round by round (Eq. 26 and the recursion after it), then integrate (Eqs. 27 and 28).

    A round computes all its transfers on the present predictions; then every teacher told something new is asked again
    with all it was ever told, each belief being the transferor's logit at the time of its transfer.

    Args:
        teachers: before this instance.
        indicator: see `transfers`.
        clamp: told labels are fixed: their logits are the believed ones afterwards.
        rounds: at most so many; None: until a round has no transfer; 0: no transfer at all.
        contradiction: see `integrate`.
        revision: "teacher": a told teacher is asked again, if it can be told; "dependence": by its labels' dependence.
        temperature: see `integrate`.
        learned: what is known of each teacher; None where nobody needs it, and every threshold is 0.
    """
    related = relations(teachers)
    given = [first(teacher) for teacher in teachers]
    original = [learned[k].measured(one) if learned else one for k, one in enumerate(given)]
    logits = list(original)
    weighed = list[tuple[list[Logits], list[Logits]]]()
    received: list[Logits] = [{} for _ in teachers]
    made: list[Transfer] = []
    pairs = {(teacher, label) for m, n, label in related for teacher in (m, n)}

    done = 0
    while rounds is None or done < rounds:
        trusted = [trust(one, indicator, learned[k] if learned else None) for k, one in enumerate(logits)]
        weighed.append((list(logits), trusted))
        new = transfers(related, logits, received, indicator=indicator, round=done + 1, trusted=trusted)
        if not new:
            break
        done += 1
        assert done <= len(pairs), "every round tells some teacher a shared label for the first time"
        for transfer in new:
            assert transfer.label not in received[transfer.transferee]
            received[transfer.transferee][transfer.label] = logits[transfer.transferor][transfer.label]
        for n in sorted({transfer.transferee for transfer in new}):
            teacher, believed = teachers[n], learned[n].given(received[n]) if learned else dict(received[n])
            if revision == "teacher" and can_be_told(teacher):
                revised = dict(teacher.logits_given(believed, clamp))  # Eq. 26
            else:
                assert learned is not None
                revised = told(learned[n].dependence, given[n], believed, clamp)
            logits[n] = learned[n].measured(revised) if learned else revised
            if clamp:
                logits[n].update(received[n])
        made += new

    integrated = {}
    for label in label_order(teachers):
        candidates = [logits[t][label] for t in range(len(teachers)) if label in teachers[t].labels]
        integrated[label] = integrate(candidates, contradiction, temperature)
    changed, moved = set(), set()
    for n in range(len(teachers)):
        for label, logit in original[n].items():
            if label not in received[n] and (logit > 0) != (logits[n][label] > 0):
                changed.add((n, label))
            if (logit > 0) != (given[n][label] > 0):
                moved.add((n, label))
    return Amalgamation(original, logits, made, received, integrated, changed, moved, [*weighed, (logits, [])])


def first(teacher: InstanceTeacher) -> Logits:
    """What a teacher says when nobody has told it anything: a logit for each label on its own."""
    return binary(teacher.logits()) if getattr(teacher, "exclusive", False) else dict(teacher.logits())


def can_be_told(teacher: InstanceTeacher) -> TypeGuard[ToldTeacher]:
    """Whether a teacher has an answer to beliefs; what a softmax teacher answers is no logit of a label on its own."""
    return isinstance(teacher, ToldTeacher) and not getattr(teacher, "exclusive", False)


def integrate(logits: Sequence[float], contradiction: Contradiction, temperature: float = 1.0) -> float:
    """P(y_j|x) of one label (Eq. 28) from the logits of the teachers that know it, whose σ are C_j (Eq. 27).

    "positive" is the equation as printed. For predictions that contradict each other "mean" takes σ of the mean logit
    instead, "confident" the probability furthest from 0.5, of equal ones the earliest teacher's. The logit of that
    probability is divided by the temperature; at 0 it is 1 for a positive label, 0 for a negative one.
    """
    chosen = integrated_logit(logits, contradiction)
    if temperature == 0:
        return 1.0 if chosen > 0 else 0.0
    return sigmoid(chosen / temperature)


def integrated_logit(logits: Sequence[float], contradiction: Contradiction) -> float:
    """The logit of P(y_j|x) (Eq. 28): σ rises, so the least and greatest probabilities are of such logits."""
    candidates = [sigmoid(logit) for logit in logits]
    if all(p <= 0.5 for p in candidates):
        return min(logits)
    if contradiction == "positive" or all(p > 0.5 for p in candidates):
        return max(logits)
    if contradiction == "mean":
        return sum(logits) / len(logits)
    furthest = 0
    for t in range(len(logits)):
        if abs(logits[t]) > abs(logits[furthest]):
            furthest = t
    return logits[furthest]


def cross_entropy(P: Sequence[float], Q: Sequence[float]) -> float:
    """J of one instance (Eq. 37): the targets P(y_j|x) against the student's Q(y_j|x), summed over labels."""
    total = 0.0
    for p, q in zip(P, Q, strict=True):
        total += p * math.log(q) + (1 - p) * math.log(1 - q)
    return -total
