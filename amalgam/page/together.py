"""How labels go together: in what the student itself says of some rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from amalgam.page.exported import Exported

Floats = NDArray[np.float32]

FEWEST_ROWS = 30
"""Rows below which nothing is said: a correlation of fewer says little."""
MOST_LABELS = 16
"""Labels that a small picture has room for: those that go together most."""


def together(student: Exported, rows: Floats) -> dict[str, Any] | None:
    """The correlations of the probabilities that a student gives its yes-or-no labels, over rows (N, *shape).

    They are those of the exported file, so they say what it has learned of how labels depend on each other, not what
    is true of the rows.

    Returns:
        `labels`, `correlations` (a row each, None where a probability never changes), how many `rows`, and how many
        labels were left out (`further`); None for too few rows, or fewer than two such labels.
    """
    own = [place for one in student.groups if not one.classes for place in range(one.first, one.last)]
    if len(own) < 2 or len(rows) < FEWEST_ROWS:
        return None
    chances = 1 / (1 + np.exp(-student.logits(rows)[:, own].astype(np.float64)))
    found = correlations(chances)
    strength = np.nan_to_num(np.abs(found - np.eye(len(own)))).max(0)
    kept = np.sort(np.argsort(-strength, kind="stable")[:MOST_LABELS])
    return {
        "labels": [student.labels[own[place]] for place in kept],
        "correlations": [[None if np.isnan(found[a, b]) else round(float(found[a, b]), 3) for b in kept] for a in kept],
        "rows": len(rows),
        "further": len(own) - len(kept),
    }


def correlations(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson's correlations (L, L) of the columns of values (N, L); NaN for a column that never changes."""
    centred = values - values.mean(0)
    spread = np.sqrt((centred**2).sum(0))
    spread[spread < 1e-9 * np.sqrt(len(values))] = np.nan
    scaled = centred / spread
    found: NDArray[np.float64] = np.clip(scaled.T @ scaled, -1, 1)
    return found
