"""LogME: "Practical Assessment of Pre-trained Models for Transfer Learning" (You, Liu, Wang, Long, ICML 2021).

The evidence of a Bayesian linear model from a teacher's features to the target's labels, at its most likely precisions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_STEPS = 500
_SAME = 1e-10  # relative change at which the fixed point is reached
_LEAST = 1e-12


def log_me(features: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """The greatest log evidence a row, (max log p(y | F, α, β)) / n, the mean over labels; higher is better.

    Args:
        features: F, (n, D).
        labels: y, (n, L), each label's column 0 or 1.
    """
    n, width = features.shape
    left, singular, _ = np.linalg.svd(features, full_matrices=False)
    squares = np.square(singular)[:, None]  # s², (k, 1)
    along = np.square(left.T @ labels)  # (uᵀy)², (k, L)
    beyond = np.maximum(np.square(labels).sum(0) - along.sum(0), 0.0)  # of y outside the span of F
    alpha, beta = np.ones(labels.shape[1]), np.ones(labels.shape[1])
    for _ in range(_STEPS):
        ratio = alpha / beta
        known = (squares / (squares + ratio)).sum(0)  # γ: how many directions the rows decide
        weights = (squares * along / np.square(squares + ratio)).sum(0)  # mᵀm
        missed = (along / np.square(1 + squares / ratio)).sum(0) + beyond  # ‖Fm − y‖²
        before = alpha, beta
        alpha, beta = known / np.maximum(weights, _LEAST), (n - known) / np.maximum(missed, _LEAST)
        if np.allclose(alpha, before[0], rtol=_SAME) and np.allclose(beta, before[1], rtol=_SAME):
            break
    ratio = alpha / beta
    weights = (squares * along / np.square(squares + ratio)).sum(0)
    missed = (along / np.square(1 + squares / ratio)).sum(0) + beyond
    determinant = np.log(alpha + beta * squares).sum(0) + (width - len(singular)) * np.log(alpha)
    evidence = (
        n / 2 * np.log(beta) + width / 2 * np.log(alpha) - n / 2 * np.log(2 * np.pi)
        - beta / 2 * missed - alpha / 2 * weights - determinant / 2
    )  # fmt: skip
    return float(evidence.mean() / n)
