"""Concat: side by side, word by word."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from amalgam.embeddings import Lexicon, align, from_arrays
from amalgam.errors import RequestError
from amalgam.strategies.concat import Concat
from tests.strategies.lexicons import cosines, never, rotated


@pytest.fixture
def lexicon() -> Lexicon:
    a = from_arrays("a", ["x", "y", "UNK"], np.array([[3, 4], [0, 2], [1, 0]], dtype=np.float32))
    b = from_arrays("b", ["y", "z"], np.array([[0, 0, 5], [0, 3, 4]], dtype=np.float32))
    return align([a, b])


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, {"x": [0.6, 0.8, 0, 0.31623, 0.94868], "y": [0, 1, 0, 0, 1], "z": [1, 0, 0, 0.6, 0.8]}),
        ({"unknown": "zero"}, {"x": [0.6, 0.8, 0, 0, 0], "y": [0, 1, 0, 0, 1], "z": [0, 0, 0, 0.6, 0.8]}),
        ({"unknown": "zero", "at_length_one": False}, {"x": [3, 4, 0, 0, 0], "z": [0, 0, 0, 3, 4]}),
        ({"unknown": "zero", "weights": (2.0, 0.5)}, {"y": [0, 2, 0, 0, 0.5]}),
    ],
)
def test_side_by_side(given: dict[str, object], wanted: dict[str, list[float]], lexicon: Lexicon) -> None:
    found = Concat(**given).vectors(lexicon, 99, never)  # type: ignore[arg-type]
    for word, row in wanted.items():
        assert found[lexicon.words.index(word)].tolist() == pytest.approx(row, abs=1e-4)


def test_its_cosine_is_the_weighted_mean_of_the_sources() -> None:
    lexicon = rotated(30, 4, 0.5)
    both = [place for place, known in enumerate(lexicon.known.all(0)) if known]
    found = cosines(Concat(weights=(1.0, 3.0)).vectors(lexicon, 99, never)[both])
    first, second = (
        cosines(torch.from_numpy(source.vectors[rows[both]]))
        for source, rows in zip(lexicon.sources, lexicon.rows, strict=True)
    )
    assert torch.allclose(found, (first + 9 * second) / 10, atol=1e-5)


def test_weights_of_other_sources_are_refused(lexicon: Lexicon) -> None:
    with pytest.raises(RequestError, match=r"strategy\.weights has 3 numbers for 2 sources"):
        Concat(weights=(1.0, 2.0, 3.0)).vectors(lexicon, 99, never)
