"""What the tests of word tests share: a few words, and plain Python for what the library does with matrices."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from amalgam.embeddings.words import WordVectors
from amalgam.wordtests.asked import Asked


def embedding(words: str | Sequence[str], dimensions: int = 5, seed: int = 0) -> WordVectors:
    """Words, which may be given with blanks between, with vectors drawn at random."""
    own = words.split() if isinstance(words, str) else words
    vectors = np.random.default_rng(seed).normal(size=(len(own), dimensions)).astype(np.float32)
    return WordVectors(tuple(own), vectors)


def of(words: str, vectors: Sequence[Sequence[float]], among: str | None = None) -> Asked:
    """An embedding with these vectors, asked among words."""
    own = WordVectors(tuple(words.split()), np.array(vectors, dtype=np.float32))
    return Asked.of(own, None if among is None else among.split())


def asking(words: str | Sequence[str], dimensions: int = 5, among: Collection[str] | None = None) -> Asked:
    """What `embedding` makes, asked among words."""
    return Asked.of(embedding(words, dimensions), among)


def vector(own: WordVectors, word: str) -> list[float]:
    return [float(number) for number in own[word]]


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    return dot / math.sqrt(sum(a * a for a in one) * sum(b * b for b in other))


def written(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
