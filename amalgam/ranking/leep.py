"""LEEP: "A New Measure to Evaluate Transferability of Learned Representations" (Nguyen, Hassner and others, ICML 2020).

The likelihood of the target's classes when a teacher's own classes are drawn as it says, and the target's from them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def leep(probabilities: NDArray[np.float64], classes: NDArray[np.int64]) -> float:
    """(1/n) Σ_i log Σ_z P̂(y_i | z) θ(x_i)_z, in nats; higher is better, 0 at best.

    Args:
        probabilities: θ, (n, Z), a teacher's of its own classes.
        classes: y, (n,), the target's from 0.
    """
    joint = np.zeros((int(classes.max()) + 1, probabilities.shape[1]))
    np.add.at(joint, classes, probabilities)
    given = joint / np.maximum(joint.sum(0), 1e-300)  # P̂(y | z)
    return float(np.log((given[classes] * probabilities).sum(1)).mean())
