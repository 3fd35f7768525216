"""NCE: "Transferability and Hardness of Supervised Classification Tasks" (Tran, Nguyen, Hassner, ICCV 2019).

What a teacher's own classes leave unknown of the target's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def nce(said: NDArray[np.int64], classes: NDArray[np.int64]) -> float:
    """−H(Y | Z) of rows' classes Y and the teacher's likeliest Z, (n,) each from 0, in nats; higher is better."""
    joint = np.zeros((int(said.max()) + 1, int(classes.max()) + 1))
    np.add.at(joint, (said, classes), 1.0 / len(classes))
    together = joint[joint > 0]
    given = (joint / np.maximum(joint.sum(1, keepdims=True), 1e-300))[joint > 0]
    return float((together * np.log(given)).sum())
