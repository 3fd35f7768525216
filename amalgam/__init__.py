"""amalgam distils what several pretrained models know together into one small student.

    import amalgam

    student = amalgam.distill(teachers=[...], data=rows, strategy="ant")
    student.predict(rows)

Public names are loaded when they are first used: importing amalgam does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from amalgam.api import distill, distill_words, load_words, rank
    from amalgam.embeddings.words import WordVectors
    from amalgam.errors import AmalgamError, RequestError, WorkError
    from amalgam.hub import from_pretrained
    from amalgam.strategy import Strategy
    from amalgam.student import Student, load
    from amalgam.teacher import ConditionalScorer, FeatureScorer, Scorer

__version__ = "0.1.0"

_HOME = {
    "distill": "amalgam.api",
    "distill_words": "amalgam.api",
    "from_pretrained": "amalgam.hub",
    "load": "amalgam.student",
    "load_words": "amalgam.api",
    "rank": "amalgam.api",
    "Student": "amalgam.student",
    "Strategy": "amalgam.strategy",
    "Scorer": "amalgam.teacher",
    "ConditionalScorer": "amalgam.teacher",
    "FeatureScorer": "amalgam.teacher",
    "WordVectors": "amalgam.embeddings.words",
    "AmalgamError": "amalgam.errors",
    "RequestError": "amalgam.errors",
    "WorkError": "amalgam.errors",
}

__all__ = [
    "AmalgamError",
    "ConditionalScorer",
    "FeatureScorer",
    "RequestError",
    "Scorer",
    "Strategy",
    "Student",
    "WordVectors",
    "WorkError",
    "__version__",
    "distill",
    "distill_words",
    "from_pretrained",
    "load",
    "load_words",
    "rank",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'amalgam' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
