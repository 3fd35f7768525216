"""TransRate: "Frustratingly Easy Transferability Estimation" (Huang, Huang, Rong, Yang, Wei, ICML 2022).

How much shorter the features' code becomes when the classes are known.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

EPSILON = 1e-4
"""ε, the precision of the code."""


def trans_rate(features: NDArray[np.float64], classes: NDArray[np.int64], epsilon: float = EPSILON) -> float:
    """R(Z, ε) − Σ_c (n_c / n) R(Z_c, ε) of centred features; higher is better.

    Args:
        features: Z, (n, D).
        classes: y, (n,), from 0.
        epsilon: ε.
    """
    centred = features - features.mean(0)
    parts = [centred[classes == one] for one in np.unique(classes)]
    return rate(centred, epsilon) - sum(len(part) / len(centred) * rate(part, epsilon) for part in parts)


def rate(features: NDArray[np.float64], epsilon: float) -> float:
    """R(Z, ε) = ½ log det(I + ZᵀZ / (n ε)), in nats, of (n, D)."""
    squares = np.square(np.linalg.svd(features, compute_uv=False))
    return float(np.log1p(squares / (len(features) * epsilon)).sum() / 2)
