"""Adapters: one file per library, each making a teacher of the library's model.

The file's name is the adapter's name; there is no list to keep. Each has `load(card, folder, device, trust)`, returns a
`Scorer` whose scores are logits, and imports its library only then. Files that start with `_` are what they share.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from amalgam.adapters._code import construct, import_object
from amalgam.adapters._scores import Conversion, Kind, looks_like_probabilities, to_logits
from amalgam.errors import RequestError, nearest
from amalgam.files import inside
from amalgam.fingerprint import fingerprint, of_code, of_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from torch import Tensor

    from amalgam.teacher import Card, Scorer

__all__ = [
    "Conversion",
    "Kind",
    "construct",
    "identity",
    "import_object",
    "load",
    "looks_like_probabilities",
    "names",
    "source",
    "to_logits",
    "unanswered",
]


def names() -> list[str]:
    """The names of the adapters: the files of this folder."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def load(card: Card, folder: Path, *, device: torch.device, trust: bool) -> Scorer:
    """The teacher that a card describes, ready to score.

    Args:
        card: the card.
        folder: where the card lies; its files lie beside it.
        device: where the teacher should live, for libraries that have a choice.
        trust: whether code that the card names may run.

    Raises:
        RequestError: an unknown adapter, or a card whose source, labels or code the adapter refuses.
    """
    known = names()
    if card.adapter not in known:
        raise RequestError(
            f"teacher {card.name!r} asks for the adapter {card.adapter!r}, which does not exist"
            f"{nearest(card.adapter, known)} (known: {', '.join(known)})"
        )
    teacher: Scorer = import_module(f"amalgam.adapters.{card.adapter}").load(card, folder, device, trust)
    return teacher


def source(card: Card, folder: Path, expected: str) -> Path:
    """The file or folder that a card names as its source, checked against the card's checksum.

    Args:
        card: the card.
        folder: where the source must lie.
        expected: what the source should be, for messages ("a .onnx file").

    Raises:
        RequestError: no source, one outside the folder, one that is missing, or one with another checksum.
    """
    if card.source is None:
        raise RequestError(f"teacher {card.name!r} has no source; write `source:` with {expected} in its card")
    path = inside(folder, card.source, f"teacher {card.name!r}")
    if not path.exists():
        raise RequestError(f"teacher {card.name!r}: no such file: {path}; expected {expected} beside its card")
    if card.sha256 is not None:
        weights = path / "model.safetensors" if path.is_dir() else path
        found = of_file(weights) if weights.is_file() else "no file"
        if found != card.sha256.lower():
            raise RequestError(
                f"teacher {card.name!r}: {weights} is not the file its card means (sha256 {found}, expected "
                f"{card.sha256.lower()}); fetch it again, or mend `sha256:` when the file was changed on purpose"
            )
    return path


def identity(adapter: str, *parts: object, code: Sequence[str] = ()) -> str:
    """A teacher's fingerprint: of what tells it from others, and of the code that makes its answers logits.

    Args:
        adapter: whose code that is, beside the conversion of scores.
        parts: what tells the teacher from others.
        code: further modules of this package that the adapter reads answers with.
    """
    modules = (f"amalgam.adapters.{name}" for name in (adapter, "_scores", *code))
    return fingerprint(adapter, of_code(*modules), *parts)


def unanswered(name: str, inputs: Tensor, error: Exception) -> RequestError:
    """What to raise when a library could not score the inputs: the teacher, the inputs' shape and its reason."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return RequestError(
        f"teacher {name!r} could not score inputs of shape {tuple(inputs.shape)}: {lines[0][:200]}; "
        "give it data with the features it was trained on"
    )
