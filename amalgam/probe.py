"""A linear classifier on given features, learned from a few labelled rows, as a map in torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from amalgam.errors import RequestError, listed

STRENGTHS = (10.0, 100.0, 1000.0, 10000.0)
_UNTRIED = 1000.0  # where a class has one row alone, so that no strength can be tried on held-out rows
_FOLDS = 5


def linear_probe(
    features: Tensor, classes: Tensor, names: Sequence[str], strengths: Sequence[float] = STRENGTHS
) -> nn.Linear:
    """Logistic regression: a map from features (B, F) to logits (B, c) whose softmax is each class's probability.

    Args:
        features: of n labelled rows, (n, F), of a mean square of about 1 in sum, as `Rocket` gives them.
        classes: which class each row has, (n,), from 0 on.
        names: of the c classes.
        strengths: the inverse of the penalty on weights (scikit-learn's C): the one with the best likelihood on
            held-out labelled rows is taken; 1000 where a class has one row alone.

    Raises:
        RequestError: fewer than two classes, or a class without a labelled row.
    """
    counts = torch.bincount(classes.cpu(), minlength=len(names)).numpy()
    if len(names) < 2:
        raise RequestError(
            f"a classifier needs two classes, and the task has {len(names)} ({listed(names)}); name one more"
        )
    if not counts.all():
        without = [name for name, count in zip(names, counts, strict=True) if not count]
        raise RequestError(f"no labelled row has the class {listed(without)}; label one row of each class at least")
    # The best weights are sums of rows: in a basis of their span the problem is the same, of n columns in place of F.
    left, singular, basis = torch.linalg.svd(features.detach().cpu().double(), full_matrices=False)
    rows, truth = (left * singular).numpy(), classes.cpu().numpy()
    strength = strengths[0] if len(strengths) == 1 else _best(rows, truth, counts, strengths)
    weight, bias = _fitted(rows, truth, strength)
    probe = nn.Linear(features.shape[1], len(names)).requires_grad_(False)
    probe.weight.copy_(torch.from_numpy(weight) @ basis)
    probe.bias.copy_(torch.from_numpy(bias))
    return probe.to(features.device)


def _best(
    rows: NDArray[np.float64], truth: NDArray[np.int64], counts: NDArray[np.int64], strengths: Sequence[float]
) -> float:
    """The strength with the greatest likelihood of held-out rows, the weakest of equals."""
    from sklearn.model_selection import StratifiedKFold

    folds = min(_FOLDS, int(counts.min()))
    if folds < 2:
        return _UNTRIED
    parts = list(StratifiedKFold(folds, shuffle=True, random_state=0).split(rows, truth))

    def likelihood(strength: float) -> float:
        total = 0.0
        for kept, held in parts:
            weight, bias = _fitted(rows[kept], truth[kept], strength)
            logits = torch.from_numpy(rows[held] @ weight.T + bias)
            total -= float(nn.functional.cross_entropy(logits, torch.from_numpy(truth[held]), reduction="sum"))
        return total

    return max(sorted(strengths), key=likelihood)


def _fitted(
    rows: NDArray[np.float64], truth: NDArray[np.int64], strength: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights (c, n) and biases (c,) of the logistic regression."""
    from sklearn.linear_model import LogisticRegression

    # At its own tolerance scikit-learn stops well before the minimum where the penalty is weak.
    found = LogisticRegression(C=strength, tol=1e-8, max_iter=5000).fit(rows, truth)
    weight, bias = found.coef_, found.intercept_
    if len(weight) == 1:  # of two classes, scikit-learn keeps the second one's logit alone
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight, bias
