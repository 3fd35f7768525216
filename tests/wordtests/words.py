"""What the tests of word tests share: a few words, and plain Python for what the library does with matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from amalgam.wordtests import WordVectors


def embedding(words: str | Sequence[str], dimensions: int = 5, seed: int = 0, **rest: object) -> WordVectors:
    """Words, which may be given with blanks between, with vectors drawn at random."""
    own = words.split() if isinstance(words, str) else words
    vectors = np.random.default_rng(seed).normal(size=(len(own), dimensions)).astype(np.float32)
    return WordVectors.of(own, vectors, **rest)  # type: ignore[arg-type]


def vector(asked: WordVectors, word: str) -> list[float]:
    return [float(number) for number in asked.vectors[asked.places[word]]]


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    return dot / math.sqrt(sum(a * a for a in one) * sum(b * b for b in other))


def written(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
