"""TC (ch. 3, Eqs. 7-11, 13 and 14) and the methods it is compared with, for one instance, in plain loops.

Teachers are known by their place in the panel, 0 first; what a teacher says is class → logit, over its own classes. A
distribution is class → probability, over all classes 𝒴 in the order in which the teachers first name them. The networks
of Eqs. 6 and 12 are not here: their last hidden state is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeVar

from tests.reference import sigmoid

Relative = Literal["softmax", "share", "logits"]
Shared = Literal["sum", "mean"]
Mixing = Literal["arithmetic", "geometric"]
Logits = Mapping[str, float]
Distribution = dict[str, float]
Series = TypeVar("Series")


def all_classes(teachers: Sequence[Logits]) -> list[str]:
    """𝒴, the union of the teachers' classes 𝒴_k (Sec. 3.3)."""
    return list(dict.fromkeys(name for teacher in teachers for name in teacher))


def softmax(scores: Sequence[float]) -> list[float]:
    """exp(s_i) / Σ_j exp(s_j), without overflow."""
    highest = max(scores)
    parts = [math.exp(score - highest) for score in scores]
    return [part / sum(parts) for part in parts]


def softmax_of(logits: Logits) -> Distribution:
    """The softmax of class → logit."""
    return dict(zip(logits, softmax(list(logits.values())), strict=True))


def renormalised(weights: Mapping[str, float]) -> Distribution:
    """Weights that are not negative, made to sum to 1; equal shares if all are 0."""
    total = sum(weights.values())
    return {name: weight / total if total > 0 else 1 / len(weights) for name, weight in weights.items()}


# ---------------------------------------------------------------- the trust learner


def linear(W: Sequence[Sequence[float]], h: Sequence[float], b: Sequence[float]) -> list[float]:
    """W · h + b."""
    scores = []
    for row, bias in zip(W, b, strict=True):
        scores.append(sum(weight * unit for weight, unit in zip(row, h, strict=True)) + bias)
    return scores


def expertise(W_a: Sequence[Sequence[float]], h_a: Sequence[float], b_a: Sequence[float]) -> list[float]:
    """Eq. (7): e = σ(W_a · h_a + b_a), how likely each teacher is an expert on the instance's class."""
    return [sigmoid(score) for score in linear(W_a, h_a, b_a)]


def relative_trust(logits: Sequence[float], form: Relative = "softmax") -> list[float]:
    """Eq. (8): P(y_j ∈ 𝒴_k | X) = softmax(e), where e = σ(logits).

    Two teachers' shares then lie within [.27, .73]. Our own choices beside it: "share" is e_k / Σ e; "logits" is the
    softmax of W_a · h_a + b_a itself.
    """
    e = [sigmoid(logit) for logit in logits]
    if form == "softmax":
        return softmax(e)
    if form == "share":
        return [one / sum(e) for one in e]
    assert form == "logits"
    return softmax(logits)


def trust_loss(e: Sequence[float], knows: Sequence[bool]) -> float:
    """Eq. (9): J(θ_TTL) = −Σ_k (1_k log e_k + (1 − 1_k) log(1 − e_k)), where 1_k is whether y_j ∈ 𝒴_k.

    Printed is log e_k in the second term as well, by which the indicator would cancel out and every teacher be trusted
    on everything; it is the binary cross-entropy that is meant.
    """
    total = 0.0
    for one, known in zip(e, knows, strict=True):
        total -= math.log(one) if known else math.log(1 - one)
    return total


def class_trust(q: Distribution, teachers: Sequence[Logits]) -> list[float]:
    """P(y_j ∈ 𝒴_k | X) from class posteriors q: Σ q_j over y_j ∈ 𝒴_k. Our own choice in place of Eqs. 7 and 8.

    Classes that several teachers know count for each of them, so these need not sum to 1.
    """
    trusts = []
    for teacher in teachers:
        trusts.append(sum(q[name] for name in teacher))
    return trusts


# ---------------------------------------------------------------- the amalgamator


def teacher_posterior(logits: Logits, temperature: float = 1.0) -> Distribution:
    """Eq. (10): P(y_j | y_j ∈ 𝒴_k, X), teacher k's softmax over its own classes.

    The temperature divides its logits (our own choice, against overconfident teachers); 1 is the paper.
    """
    return softmax_of({name: logit / temperature for name, logit in logits.items()})


def amalgamated(
    teachers: Sequence[Logits],
    trust: Sequence[float],
    shared: Shared = "sum",
    temperatures: Sequence[float] | None = None,
) -> Distribution:
    """Eq. (11): P(y_j | X) = P(y_j | y_j ∈ 𝒴_k, X) · P(y_j ∈ 𝒴_k | X), over all classes.

    Eq. 11 is written for one teacher; the paper is silent on a class that several know. "sum" adds the products of the
    teachers that know it, "mean" divides by their number, so that a shared class is not counted twice. The result is
    made to sum to 1, on which the paper is silent, too.
    """
    if temperatures is None:
        temperatures = [1.0] * len(teachers)
    posteriors = [teacher_posterior(logits, T) for logits, T in zip(teachers, temperatures, strict=True)]
    target = {}
    for name in all_classes(teachers):
        products = [posteriors[k][name] * trust[k] for k in range(len(teachers)) if name in teachers[k]]
        target[name] = sum(products) / (len(products) if shared == "mean" else 1)
    return renormalised(target)


def mixed(P: Distribution, q: Distribution, w: float, how: Mixing = "arithmetic") -> Distribution:
    """The target P with class posteriors q: (1 − w) P + w q, or P^(1−w) q^w made to sum to 1. Our own choice."""
    if how == "arithmetic":
        return {name: (1 - w) * P[name] + w * q[name] for name in P}
    assert how == "geometric"
    return renormalised({name: P[name] ** (1 - w) * q[name] ** w for name in P})


def known_truth(P: Distribution, truth: str | None) -> Distribution:
    """The target of an instance: all on the truth where it is labelled, else P. Our own choice."""
    return P if truth is None else {name: float(name == truth) for name in P}


def hardened(P: Distribution) -> Distribution:
    """All on the likeliest class, the first of equals: what the authors' published script trains on."""
    best = max(P, key=lambda name: P[name])
    return {name: float(name == best) for name in P}


# ---------------------------------------------------------------- the student


def student_posterior(
    classes: Sequence[str], W_S: Sequence[Sequence[float]], h_S: Sequence[float], b_S: Sequence[float]
) -> Distribution:
    """Eq. (13): Q(y_j | X), the softmax of W_S · h_S + b_S over all classes."""
    return dict(zip(classes, softmax(linear(W_S, h_S, b_S)), strict=True))


def student_loss(P: Distribution, Q: Distribution) -> float:
    """Eq. (14): J(θ_SN) = −Σ_j P(y_j | X) log Q(y_j | X).

    The text calls it binary cross-entropy; printed, and meant over classes that exclude each other, is this one.
    """
    return -sum(P[name] * math.log(Q[name]) for name in P if P[name] > 0)


# ---------------------------------------------------------------- what TC is compared with


def kd_target(teachers: Sequence[Logits], temperature: float = 1.0) -> Distribution:
    """KD (Hinton, Vinyals, Dean 2015; Sec. 3.6): the softmax of the mean logits, a class's over those that know it.

    Of disjoint class sets this is the softmax of the logits side by side. A teacher's softmax tells its logits up to a
    constant, of which the text says nothing: here their mean over its own classes is 0 (our own choice).
    """
    means, apart = {}, []
    for teacher in teachers:
        middle = sum(teacher.values()) / len(teacher)
        apart.append({name: logit - middle for name, logit in teacher.items()})
    for name in all_classes(teachers):
        logits = [teacher[name] for teacher in apart if name in teacher]
        means[name] = sum(logits) / len(logits) / temperature
    return softmax_of(means)


def uhc_loss(student: Logits, teachers: Sequence[Logits]) -> float:
    """UHC (Vongkulbhisal, Vinayavekhin, Visentini-Scarzanella, CVPR 2019; Sec. 3.6), one cross-entropy a teacher.

    The student's logits of a teacher's classes, in a softmax of their own, are held against that teacher's softmax;
    summed over teachers.
    """
    total = 0.0
    for teacher in teachers:
        total += student_loss(softmax_of(teacher), softmax_of({name: student[name] for name in teacher}))
    return total


def kd_loss(student: Logits, teachers: Sequence[Logits], temperature: float = 1.0) -> float:
    """KD's loss: cross-entropy of both softmaxes at the temperature, times its square (Hinton et al., Sec. 2)."""
    at = {name: logit / temperature for name, logit in student.items()}
    return temperature**2 * student_loss(kd_target(teachers, temperature), softmax_of(at))


def supervised_loss(student: Logits, truth: str) -> float:
    """SupLSTM: −log Q(truth | X)."""
    return -math.log(softmax_of(student)[truth])


def with_labels(unsupervised: float, student: Logits, truth: str | None, weight: float) -> float:
    """SupKD and SupUHC (Sec. 3.6): the loss of KD or UHC, and `weight` times the supervised one of a labelled instance.

    The paper gives no weight. Of SupKD it says that the student sees the labelled data alone: then the caller leaves
    the others out.
    """
    return unsupervised + (0.0 if truth is None else weight * supervised_loss(student, truth))


def self_train(
    labelled: Sequence[tuple[Series, str]],
    unlabelled: Sequence[Series],
    train: Callable[[list[tuple[Series, str]]], Callable[[Series], Distribution]],
    threshold: float,
    rounds: int,
) -> tuple[Callable[[Series], Distribution], list[dict[int, str]]]:
    """SelfTrain (Sec. 3.6): each round trains on what has a label and gives the confident ones of the others theirs.

    A label once given stays. It ends after `rounds` rounds, or when none gets a label; the last model has seen all.

    Args:
        labelled: series and their classes.
        unlabelled: series without.
        train: makes a model, series → class → probability.
        threshold: a label is given where the likeliest class's probability is above it.
        rounds: how often labels are given, at most.

    Returns:
        The last model; for each round, which of the unlabelled got which label.
    """
    given: dict[int, str] = {}
    history: list[dict[int, str]] = []
    model = train(list(labelled))
    for _ in range(rounds):
        new = {}
        for i in range(len(unlabelled)):
            if i in given:
                continue
            posterior = model(unlabelled[i])
            best = max(posterior, key=lambda name: posterior[name])
            if posterior[best] > threshold:
                new[i] = best
        if not new:
            break
        given.update(new)
        history.append(new)
        model = train([*labelled, *((unlabelled[i], name) for i, name in given.items())])
    return model, history
