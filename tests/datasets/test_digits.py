"""The built-in digits against scikit-learn's classes."""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits

from amalgam import datasets

MEANING = {
    "even": lambda digit: digit % 2 == 0,
    "prime": lambda digit: digit > 1 and all(digit % smaller for smaller in range(2, digit)),
    "at_least_five": lambda digit: digit >= 5,
    "closed_loop": lambda digit: str(digit) in "0689",
    "straight_strokes": lambda digit: str(digit) in "147",
    "square": lambda digit: round(digit**0.5) ** 2 == digit,
    "multiple_of_three": lambda digit: digit % 3 == 0,
    "power_of_two": lambda digit: digit in [2**exponent for exponent in range(4)],
}


def test_every_label_is_what_it_says() -> None:
    loaded = datasets.load("digits")
    rows, digits = loaded.rows, load_digits()
    assert rows.labels == tuple(MEANING)
    for column, holds in enumerate(MEANING.values()):
        assert rows.annotated[:, column].tolist() == [float(holds(int(digit))) for digit in digits.target]


def test_inputs_are_the_pixels() -> None:
    loaded = datasets.load("digits")
    assert loaded.rows.resident.dtype == torch.float32
    assert loaded.rows.resident.tolist() == load_digits().data.tolist()
    assert (loaded.rows.resident.min(), loaded.rows.resident.max()) == (0, 16)
    assert loaded.features[:2] == ("pixel_0_0", "pixel_0_1")
    assert loaded.rows.name == "digits"
    assert loaded.notes == ()
