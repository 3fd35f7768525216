"""ANT (ch. 4, Eqs. 15-28 and 37) for one instance, in plain loops.

A hard prediction is positive when the logit is above 0, which is p > 0.5 (Sec. 4.5.1). Teachers are known by their
place in the panel, 0 first. Labels come in the order in which the teachers first name them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from tests.reference import sigmoid

Indicator = Literal["positive", "confidence"]
Contradiction = Literal["positive", "mean", "confident"]
Relation = tuple[int, int, str]
Logits = dict[str, float]


class InstanceTeacher(Protocol):
    """A teacher before one instance."""

    labels: list[str]

    def logits(self) -> Logits:
        """Its logits, label → logit (Eqs. 15 and 16)."""

    def logits_given(self, believed: Logits, clamp: bool) -> Logits:
        """Its revised logits given beliefs, label → logit (Eq. 26)."""


class Transfer(NamedTuple):
    """One transfer pattern T^transferor → T^transferee of one round; rounds count from 1."""

    round: int
    transferor: int
    transferee: int
    label: str


class Amalgamation(NamedTuple):
    """What ANT makes of one instance: K dictionaries of final logits, the transfers, label → P(y|x)."""

    logits: list[Logits]
    transfers: list[Transfer]
    integrated: dict[str, float]


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


def transfers(
    related: set[Relation],
    logits: Sequence[Logits],
    received: Sequence[Mapping[str, float]],
    *,
    indicator: Indicator,
    round: int = 1,
) -> list[Transfer]:
    """The Transfer Indicator on the present predictions, Eqs. 15 and 16 (or 26), for one round.

    Args:
        related: R.
        logits: each teacher's present logits.
        received: each teacher's beliefs so far; a label in it is neither revised again nor passed on.
        indicator: "positive": the transferor is the highest positive, the transferees are those who say negative;
            "confidence": the transferor is the one furthest from 0, the transferees are those who contradict it.
            The earliest of equal teachers is the transferor.
        round: which round this is.

    Returns:
        The transfers, in the order of the labels' names, then of the transferees.
    """
    found = []
    for label in sorted({label for _, _, label in related}):
        knowing = sorted({teacher for m, n, shared in related if shared == label for teacher in (m, n)})
        untold = [teacher for teacher in knowing if label not in received[teacher]]
        transferor = None
        for m in untold:
            logit = logits[m][label]
            if indicator == "positive":
                if logit > 0 and (transferor is None or logit > logits[transferor][label]):
                    transferor = m
            elif transferor is None or abs(logit) > abs(logits[transferor][label]):
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
    """
    related = relations(teachers)
    logits = [dict(teacher.logits()) for teacher in teachers]
    received: list[Logits] = [{} for _ in teachers]
    made: list[Transfer] = []
    pairs = {(teacher, label) for m, n, label in related for teacher in (m, n)}

    done = 0
    while rounds is None or done < rounds:
        new = transfers(related, logits, received, indicator=indicator, round=done + 1)
        if not new:
            break
        done += 1
        assert done <= len(pairs), "every round tells some teacher a shared label for the first time"
        for transfer in new:
            assert transfer.label not in received[transfer.transferee]
            received[transfer.transferee][transfer.label] = logits[transfer.transferor][transfer.label]
        for n in sorted({transfer.transferee for transfer in new}):
            logits[n] = dict(teachers[n].logits_given(dict(received[n]), clamp))  # Eq. 26
            if clamp:
                logits[n].update(received[n])
        made += new

    integrated = {}
    for label in label_order(teachers):
        candidates = [logits[t][label] for t in range(len(teachers)) if label in teachers[t].labels]
        integrated[label] = integrate(candidates, contradiction)
    return Amalgamation(logits, made, integrated)


def integrate(logits: Sequence[float], contradiction: Contradiction) -> float:
    """P(y_j|x) of one label (Eq. 28) from the logits of the teachers that know it, whose σ are C_j (Eq. 27).

    "positive" is the equation as printed. For predictions that contradict each other "mean" takes σ of the mean logit
    instead, "confident" the probability furthest from 0.5, of equal ones the earliest teacher's.
    """
    candidates = [sigmoid(logit) for logit in logits]
    if all(p <= 0.5 for p in candidates):
        return min(candidates)
    if contradiction == "positive" or all(p > 0.5 for p in candidates):
        return max(candidates)
    if contradiction == "mean":
        return sigmoid(sum(logits) / len(logits))
    furthest = 0
    for t in range(len(logits)):
        if abs(logits[t]) > abs(logits[furthest]):
            furthest = t
    return candidates[furthest]


def cross_entropy(P: Sequence[float], Q: Sequence[float]) -> float:
    """J of one instance (Eq. 37): the targets P(y_j|x) against the student's Q(y_j|x), summed over labels."""
    total = 0.0
    for p, q in zip(P, Q, strict=True):
        total += p * math.log(q) + (1 - p) * math.log(1 - q)
    return -total
