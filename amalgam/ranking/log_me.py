"""LogME: "Practical Assessment of Pre-trained Models for Transfer Learning" (You, Liu, Wang, Long, ICML 2021).

The evidence of a Bayesian linear model from a teacher's features to the target's labels, at its most likely precisions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_STEPS = 1000
_SAME = 1e-12  # relative change at which the fixed point is reached
_FAR = 1e12  # how far α / β may go beyond the squares of singular values, at both ends


def log_me(features: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """The greatest log evidence a row, (max log p(y | F, α, β)) / n, the mean over labels; higher is better.

    All that the paper's updates of α and β need of these is their ratio t: γ = Σ s / (s + t), of the squares s of F's
    singular values, and then α = γ / mᵀm and β = (n − γ) / ‖Fm − y‖². There the evidence is
    −n/2 (log(2π q / n) + 1) − ½ Σ log(1 + s / t), where q = yᵀ(I + FFᵀ / t)⁻¹y. Where features say nothing of a label t
    grows without end: it is held at 10¹² times the greatest s. Where they explain it wholly it may vanish, and then the
    evidence grows without end: it is held at 10⁻¹² of the smallest.

    Args:
        features: F, (n, D).
        labels: y, (n, L), each label's column 0 or 1; a label that no row has is left out.
    """
    n, labels = len(features), labels[:, labels.any(0)]
    left, singular, _ = np.linalg.svd(features, full_matrices=False)
    there = singular > singular[0] * max(features.shape) * np.finfo(np.float64).eps
    left, s = left[:, there], np.square(singular[there])[:, None]  # (n, r), (r, 1)
    projected = left.T @ labels
    along = np.square(projected)  # (uᵀy)², (r, L)
    beyond = np.square(labels - left @ projected).sum(0)  # of y outside the span of F
    least, most = (s.min() / _FAR, s.max() * _FAR) if len(s) else (1.0, 1.0)
    t = np.ones(labels.shape[1])
    for _ in range(_STEPS):
        gamma = (s / (s + t)).sum(0)
        missed = (along * np.square(t / (s + t))).sum(0) + beyond
        undecided = n - len(s) + (t / (s + t)).sum(0)  # n − γ, without its rounding
        square = (along * s / np.square(s + t)).sum(0)  # mᵀm
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.nan_to_num(gamma * missed / (undecided * square), nan=most, posinf=most)
        before, t = t, np.clip(found, least, most)
        if np.allclose(t, before, rtol=_SAME, atol=0.0):
            break
    q = (along * t / (s + t)).sum(0) + beyond
    evidence = -n / 2 * (np.log(2 * np.pi * q / n) + 1) - np.log1p(s / t).sum(0) / 2
    return float(evidence.mean() / n)
