"""ANT (ch. 4, Eqs. 15-28 and 37) for one instance, in plain loops, and our own choices beside the paper's.

A hard prediction is positive when the logit is above 0, which is p > 0.5 (Sec. 4.5.1). Teachers are known by their
place in the panel, 0 first. Labels come in the order in which the teachers first name them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, TypeGuard, runtime_checkable

from tests.reference import sigmoid
from tests.reference.dependence import Habit, expected, told

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


class Transfer(NamedTuple):
    """One transfer pattern T^transferor → T^transferee of one round; rounds count from 1."""

    round: int
    transferor: int
    transferee: int
    label: str


class Amalgamation(NamedTuple):
    """What ANT makes of one instance.

    Attributes:
        logits: K dictionaries of final logits.
        transfers: all that were made.
        received: K dictionaries of what each teacher was told, label → logit.
        integrated: label → P(y|x).
        changed: the teachers and labels whose side is another in the end though nobody told that teacher that label.
        weighed: the logits that each round saw, and how each teacher was trusted; of the last round the logits alone.
    """

    logits: list[Logits]
    transfers: list[Transfer]
    received: list[Logits]
    integrated: dict[str, float]
    changed: set[tuple[int, str]]
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


def trust(logits: Logits, indicator: Indicator, habit: Habit | None) -> Logits:
    """How much a teacher is trusted on each label of one instance.

    Args:
        logits: its present logits.
        indicator: "positive": the logit; "confidence": how far it is from 0; "calibrated": the same, beside the root
            mean square of the teacher's logits of the label; "familiarity": the root mean square of all its logits of
            the instance, beside that of all its logits; "agreement": how far on its side of 0 the label is expected to
            be by the teacher's other labels.
        habit: what the teacher says of all instances, for the last three.
    """
    trusted = {}
    for label, logit in logits.items():
        if indicator == "positive":
            trusted[label] = logit
        elif indicator == "confidence":
            trusted[label] = abs(logit)
        else:
            assert habit is not None
            if indicator == "calibrated":
                trusted[label] = abs(logit) / math.sqrt(habit.square[label])
            elif indicator == "familiarity":
                here = sum(one**2 for one in logits.values()) / len(logits)
                usually = sum(habit.square.values()) / len(logits)
                trusted[label] = math.sqrt(here) / math.sqrt(usually)
            else:
                assert indicator == "agreement"
                trusted[label] = expected(habit, logits, label) * (1 if logit > 0 else -1)
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
        trusted: each teacher's `trust`, for the indicators that need a habit.

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
    habits: Sequence[Habit] | None = None,
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
        revision: "teacher": a told teacher is asked again, if it can be told; "dependence": it is revised by its habit.
        temperature: see `integrate`.
        habits: what each teacher says of all instances; None where nobody needs it.
    """
    related = relations(teachers)
    logits = [first(teacher) for teacher in teachers]
    weighed = list[tuple[list[Logits], list[Logits]]]()
    received: list[Logits] = [{} for _ in teachers]
    made: list[Transfer] = []
    pairs = {(teacher, label) for m, n, label in related for teacher in (m, n)}

    done = 0
    while rounds is None or done < rounds:
        trusted = [trust(one, indicator, habits[k] if habits else None) for k, one in enumerate(logits)]
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
            teacher = teachers[n]
            if revision == "teacher" and can_be_told(teacher):
                logits[n] = dict(teacher.logits_given(dict(received[n]), clamp))  # Eq. 26
            else:
                assert habits is not None
                logits[n] = told(habits[n], first(teachers[n]), received[n], clamp)
            if clamp:
                logits[n].update(received[n])
        made += new

    integrated = {}
    for label in label_order(teachers):
        candidates = [logits[t][label] for t in range(len(teachers)) if label in teachers[t].labels]
        integrated[label] = integrate(candidates, contradiction, temperature)
    changed = set()
    for n, teacher in enumerate(teachers):
        for label, logit in first(teacher).items():
            if label not in received[n] and (logit > 0) != (logits[n][label] > 0):
                changed.add((n, label))
    return Amalgamation(logits, made, received, integrated, changed, [*weighed, (logits, [])])


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
