"""The slow truth: the papers' equations for one instance, in plain loops, written from the papers alone."""

from __future__ import annotations

import math


def sigmoid(logit: float) -> float:
    """σ(logit), without overflow at either end."""
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))
