"""A single source: its own vectors, and one for every other word."""

from __future__ import annotations

import numpy as np
import pytest

from amalgam.embeddings import align, from_arrays
from amalgam.errors import RequestError
from amalgam.strategies.single_source import SingleSource
from tests.strategies.lexicons import never

LEXICON = align(
    [
        from_arrays("a", ["x", "y", "<unk>"], np.array([[3, 4], [0, 2], [1, 0]], dtype=np.float32)),
        from_arrays("b", ["y", "z"], np.array([[0, 0, 5], [0, 3, 4]], dtype=np.float32)),
    ]
)


@pytest.mark.parametrize(
    ("method", "wanted"),
    [
        (SingleSource(), {"x": [3, 4], "y": [0, 2], "z": [1, 0]}),
        (SingleSource(number=2), {"x": [0, 1.5, 4.5], "y": [0, 0, 5], "z": [0, 3, 4]}),
        (SingleSource(unknown="zero"), {"x": [3, 4], "y": [0, 2], "z": [0, 0]}),
    ],
)
def test_its_vectors_are_the_sources_own(method: SingleSource, wanted: dict[str, list[float]]) -> None:
    found = method.vectors(LEXICON, 99, never)
    for word, row in wanted.items():
        assert found[LEXICON.words.index(word)].tolist() == pytest.approx(row)


@pytest.mark.parametrize("number", [0, 3])
def test_a_source_that_is_not_there(number: int) -> None:
    with pytest.raises(RequestError, match=rf"strategy\.number is {number}, and there are 2 sources"):
        SingleSource(number=number).vectors(LEXICON, 99, never)
