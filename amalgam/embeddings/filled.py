"""Sources whose every word has a vector: what stands for a word that a source does not know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from amalgam.embeddings.entries import Floats
from amalgam.embeddings.lexicon import ABSENT, Lexicon
from amalgam.embeddings.source import Source

Unknown: TypeAlias = Literal["token", "zero"]
"""What stands for a word that a source does not know: its token for unknown words, or nothing."""

TOKENS = ("<unk>", "<UNK>", "[UNK]", "unk", "UNK", "<unknown>", "UNKNOWN")
"""What sources call their token for unknown words, as released: GloVe's is `<unk>`, others' differ."""

_ROWS = 2**16


def token(source: Source) -> Floats:
    """The vector (D,) that a source has for unknown words: that of its token, else the mean of all its vectors.

    The paper says that "original sources assign the special unknown-token embedding"; where a release has none, the
    mean is what GloVe's authors advise, and what their own token is an average of rare words for.
    """
    for name in TOKENS:
        if name in source.words:
            found: Floats = np.array(source.vectors[list(source.words).index(name)])
            return found
    total = np.zeros(source.dimensions)
    for start in range(0, len(source.vectors), _ROWS):
        total += source.vectors[start : start + _ROWS].sum(0, dtype=np.float64)
    return (total / len(source.vectors)).astype(np.float32)


def filled(lexicon: Lexicon, unknown: Unknown, at_length_one: bool) -> Iterator[Tensor]:
    """Each source's vectors (V, D_k) of all words of a lexicon, one source after the other.

    Args:
        lexicon: the sources, aligned.
        unknown: what stands for a word that a source does not know.
        at_length_one: whether every vector is brought to length one first.
    """
    for source, rows in zip(lexicon.sources, lexicon.rows, strict=True):
        vectors = torch.from_numpy(source.vectors[np.maximum(rows, 0)])
        absent = torch.from_numpy(rows == ABSENT)
        vectors[absent] = torch.from_numpy(token(source)) if unknown == "token" else 0.0
        yield torch.nn.functional.normalize(vectors, dim=1) if at_length_one else vectors
