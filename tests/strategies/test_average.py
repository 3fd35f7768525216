"""Average: the mean of what sources have for a word, word by word."""

from __future__ import annotations

import numpy as np
import pytest

from amalgam.embeddings import Lexicon, align, from_arrays
from amalgam.strategies.average import Average
from tests.strategies.lexicons import never


@pytest.fixture
def lexicon() -> Lexicon:
    a = from_arrays("a", ["x", "y", "<unk>"], np.array([[3, 4], [0, 2], [1, 0]], dtype=np.float32))
    b = from_arrays("b", ["y", "z"], np.array([[0, 0, 5], [0, 3, 4]], dtype=np.float32))
    return align([a, b])


@pytest.mark.parametrize(
    ("unknown", "wanted"),
    [
        # b has no token for unknown words: the mean of its vectors, (0, 1.5, 4.5), at length one
        ("token", {"x": [0.3, 0.4 + 0.5 * 0.31623, 0.5 * 0.94868], "y": [0, 0.5, 0.5], "z": [0.5, 0.3, 0.4]}),
        ("zero", {"x": [0.6, 0.8, 0], "y": [0, 0.5, 0.5], "z": [0, 0.6, 0.8]}),
    ],
)
def test_means_of_vectors_at_length_one_padded_with_zeros(
    unknown: str, wanted: dict[str, list[float]], lexicon: Lexicon
) -> None:
    found = Average(unknown=unknown).vectors(lexicon, 99, never)  # type: ignore[arg-type]
    for word, row in zip(lexicon.words, found.tolist(), strict=True):
        if word in wanted:
            assert row == pytest.approx(wanted[word], abs=1e-4)


def test_vectors_may_keep_their_lengths(lexicon: Lexicon) -> None:
    found = Average(unknown="zero", at_length_one=False).vectors(lexicon, 99, never)
    assert found[lexicon.words.index("y")].tolist() == pytest.approx([0, 1, 2.5])
