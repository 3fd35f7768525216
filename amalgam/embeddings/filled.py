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

_ROWS = 2**12  # words at once


def token(source: Source) -> Floats:
    """The vector (D,) that a source has for unknown words: that of its token, else the mean of all its vectors.

    The paper says that "original sources assign the special unknown-token embedding"; where a release has none, the
    mean is what GloVe's authors advise, and what their own token is: an average of rare words.
    """
    known = {word: place for place, word in enumerate(source.words) if word in TOKENS}
    for name in TOKENS:
        if name in known:
            return np.array(source.vectors[known[name]])
    total = np.zeros(source.dimensions)
    for start in range(0, len(source.vectors), _ROWS):
        total += source.taken(slice(start, start + _ROWS)).sum(0, dtype=np.float64)
    return (total / len(source.vectors)).astype(np.float32)


def filled(lexicon: Lexicon, unknown: Unknown, at_length_one: bool) -> Iterator[list[Tensor]]:
    """Each source's vectors (n, D_k) of the words of a lexicon, so many words at once, in order.

    Args:
        lexicon: the sources, aligned.
        unknown: what stands for a word that a source does not know.
        at_length_one: whether every vector is brought to length one.
    """
    absent = [token(one) if unknown == "token" else np.zeros(one.dimensions, np.float32) for one in lexicon.sources]
    for start in range(0, len(lexicon.words), _ROWS):
        found = []
        for source, rows, stand_in in zip(lexicon.sources, lexicon.rows, absent, strict=True):
            some = rows[start : start + _ROWS]
            vectors = source.taken(np.maximum(some, 0))
            vectors[some == ABSENT] = stand_in
            own = torch.from_numpy(vectors)
            found.append(torch.nn.functional.normalize(own, dim=1) if at_length_one else own)
        yield found
