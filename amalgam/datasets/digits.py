"""The built-in data: scikit-learn's 1797 handwritten digits, with eight labels that depend on each other.

As `digits` they are rows of 64 numbers, as `digits-images` pictures of 8 × 8, as `digits-numerals` rows that are
labelled with what they show.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from amalgam.datasets.loaded import Table, as_float32

LABELS: dict[str, set[int]] = {
    "even": {0, 2, 4, 6, 8},
    "prime": {2, 3, 5, 7},
    "at_least_five": {5, 6, 7, 8, 9},
    "closed_loop": {0, 6, 8, 9},
    "straight_strokes": {1, 4, 7},
    "square": {0, 1, 4, 9},
    "multiple_of_three": {0, 3, 6, 9},
    "power_of_two": {1, 2, 4, 8},
}
"""Label → the digits that have it."""


NUMERALS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
KINDS: dict[str, dict[str, set[int]]] = {
    "parity": {"even": {0, 2, 4, 6, 8}, "odd": {1, 3, 5, 7, 9}},
    "loops": {"no loop": {1, 2, 3, 4, 5, 7}, "one loop": {0, 6, 9}, "two loops": {8}},
}
"""What kind of numeral it is: question → answer → the numerals it is true of. A four is written open here."""
WEIGHTS = ("top-heavy", "bottom-heavy")
"""In which half of the picture most of the ink is: nines' in the upper, sixes' in the lower, others' in either."""


def read_numerals() -> Table:
    """The digits by name, and of what kind each is: the labels of the label graph `digits`."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    target, top = digits.target, digits.images[:, :4].sum((1, 2)) > digits.images[:, 4:].sum((1, 2))
    having = [{number} for number in range(10)] + [own for kinds in KINDS.values() for own in kinds.values()]
    annotated = np.stack([*(np.isin(target, list(own)) for own in having), top, ~top], axis=1)
    labels = (*NUMERALS, *(answer for kinds in KINDS.values() for answer in kinds), *WEIGHTS)
    return replace(read(), name="digits-numerals", labels=labels, annotated=annotated.astype(np.float32))


def read() -> Table:
    """The digits: 1797 rows of 64 pixel values from 0 to 16, and eight labels.

    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998,
    of which scikit-learn carries the test part.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    annotated = np.stack([np.isin(digits.target, list(having)) for having in LABELS.values()], axis=1)
    return Table(
        name="digits",
        inputs=as_float32(digits.data),
        features=tuple(digits.feature_names),
        labels=tuple(LABELS),
        annotated=annotated.astype(np.float32),
        where=lambda row: f"digits row {row}",
    )


def read_images() -> Table:
    """The digits as grey images: (1797, 1, 8, 8) from 0 to 1."""
    plain = read()
    return replace(plain, name="digits-images", inputs=plain.inputs.reshape(-1, 1, 8, 8) / 16, features=())
