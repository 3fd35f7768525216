"""Word embeddings: files of many forms as sources of words and vectors, aligned on one vocabulary."""

from __future__ import annotations

from amalgam.embeddings.lexicon import Lexicon, Vocabulary, align
from amalgam.embeddings.source import Source, from_arrays, read

__all__ = ["Lexicon", "Source", "Vocabulary", "align", "from_arrays", "read"]
