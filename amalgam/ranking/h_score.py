"""H-score: "An Information-Theoretic Approach to Transferability in Task Transfer Learning" (Bao and others, 2019).

How far a class's mean features lie from each other, in units of how far all features do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def h_score(features: NDArray[np.float64], classes: NDArray[np.int64]) -> float:
    """tr(cov(f)⁺ cov(E[f | y])); higher is better.

    Args:
        features: f, (n, D).
        classes: y, (n,), from 0.
    """
    centred = features - features.mean(0)
    spread = centred.T @ centred / len(centred)
    count = np.bincount(classes)
    means = np.zeros((len(count), features.shape[1]))
    np.add.at(means, classes, centred)
    there = count > 0
    means = means[there] / count[there, None]
    between = (means.T * count[there]) @ means / len(centred)
    return float(np.trace(np.linalg.pinv(spread, rcond=1e-10, hermitian=True) @ between))
