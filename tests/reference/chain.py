"""The order-free classifier chain (ch. 4, Eqs. 29-36) for one instance, in float64 loops."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tests.reference import sigmoid

Array = NDArray[np.float64]
Accept = Literal["always", "own", "joint"]
Unchosen = Literal["first", "last"]


@dataclass(frozen=True)
class ChainWeights:
    """The chain's parameters: D features, L labels, H hidden units.

    The rows of W_x, W_l, W_y, W_h and bias are four blocks of H, the gates in the order i, f, o, g (g is the tanh
    candidate). torch's own order is i, f, g, o, and its two biases are one here, their sum.
    """

    W: Array  # (L, D), the start layer
    b: Array  # (L,)
    W_x: Array  # (4H, D)
    W_l: Array  # (4H, L), of the logits of the step before
    W_y: Array  # (4H, L), of the hard predictions of the step before
    W_h: Array  # (4H, H)
    bias: Array  # (4H,)
    W_out: Array  # (L, H)
    b_out: Array  # (L,)


def dot(row: Array, vector: Sequence[float] | Array) -> float:
    """Σ row_j vector_j, added from the left."""
    total = 0.0
    for weight, value in zip(row, vector, strict=True):
        total += float(weight) * float(value)
    return total


def lstm_cell(
    x: Sequence[float] | Array,
    logits: Sequence[float],
    hard: Sequence[float],
    hidden: Sequence[float],
    cell: Sequence[float],
    weights: ChainWeights,
) -> tuple[list[float], list[float]]:
    """One step of an LSTM on the input [x, L_{k-1}, y_{k-1}] (Eq. 31): the next (h, c), each (H,)."""
    units = len(hidden)
    next_hidden, next_cell = [], []
    for unit in range(units):
        i, f, o, g = (
            dot(weights.W_x[row], x)
            + dot(weights.W_l[row], logits)
            + dot(weights.W_y[row], hard)
            + dot(weights.W_h[row], hidden)
            + float(weights.bias[row])
            for row in (unit, units + unit, 2 * units + unit, 3 * units + unit)
        )
        c = sigmoid(f) * cell[unit] + sigmoid(i) * math.tanh(g)
        next_cell.append(c)
        next_hidden.append(sigmoid(o) * math.tanh(c))
    return next_hidden, next_cell


def chain(
    x: Sequence[float] | Array,
    weights: ChainWeights,
    *,
    accept: Accept,
    unchosen: Unchosen,
    believed: Mapping[int, float] | None = None,
    clamp: bool = False,
) -> tuple[Array, Array]:
    """Final logits (L,) (Eq. 34) and every step's logits (L, L), steps × labels (Eq. 32), of one instance.

    Args:
        x: (D,), already scaled.
        weights: the parameters.
        accept: when a step's candidate is added: "always"; "own": its probability is above 0.5; "joint": and so is
            its product with the probabilities of all labels the chain has added (Eq. 33). A believed label is none
            that the chain has added, so it does not enter the product.
        unchosen: the final logit of a label never added: the "first" or the "last" step's.
        believed: label → logit in place of L_0's (Eq. 26).
        clamp: hold the believed labels: hard prediction by the sign of the believed logit from the start, never a
            candidate, their logit in every L_k and in the end the believed one.
    """
    believed = dict(believed or {})
    held = believed if clamp else {}
    labels = len(weights.b)

    # Eq. 29
    logits = [dot(weights.W[j], x) + float(weights.b[j]) for j in range(labels)]
    hard = [0.0] * labels
    for j, logit in believed.items():
        logits[j] = logit
    for j, logit in held.items():
        hard[j] = 1.0 if logit > 0 else 0.0

    hidden = [0.0] * weights.W_h.shape[1]
    cell = list(hidden)
    joint = 1.0
    chosen: dict[int, float] = {}
    steps: list[list[float]] = []
    for _ in range(labels):
        # Eqs. 31 and 32
        hidden, cell = lstm_cell(x, logits, hard, hidden, cell, weights)
        logits = [dot(weights.W_out[j], hidden) + float(weights.b_out[j]) for j in range(labels)]
        for j, logit in held.items():
            logits[j] = logit
        steps.append(list(logits))

        candidate = None
        for j in range(labels):
            if j in chosen or j in held:
                continue
            if candidate is None or logits[j] > logits[candidate]:
                candidate = j
        if candidate is None:
            continue
        probability = sigmoid(logits[candidate])
        if accept == "always":
            added = True
        elif accept == "own":
            added = probability > 0.5
        else:
            added = probability > 0.5 and joint * probability > 0.5
        if added:
            chosen[candidate] = logits[candidate]
            joint *= probability
            hard[candidate] = 1.0

    # Eq. 34
    final = list(steps[0] if unchosen == "first" else steps[-1])
    for j, logit in chosen.items():
        final[j] = logit
    for j, logit in held.items():
        final[j] = logit
    return np.array(final), np.array(steps)
