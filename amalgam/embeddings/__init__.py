"""Word embeddings: files of many forms as sources of words and vectors, aligned on one vocabulary.

Names are loaded when they are first used: who asks a finished embedding for neighbours reads no sources.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from amalgam.embeddings.lexicon import Lexicon, Vocabulary, align
    from amalgam.embeddings.source import Source, from_arrays, read

_HOME = {
    "Lexicon": "lexicon", "Vocabulary": "lexicon", "align": "lexicon",
    "Source": "source", "from_arrays": "source", "read": "source",
}  # fmt: skip

__all__ = ["Lexicon", "Source", "Vocabulary", "align", "from_arrays", "read"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'amalgam.embeddings' has no attribute {name!r}")
    return getattr(import_module(f"amalgam.embeddings.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
