"""The teacher registry: from what a user names (a card, a file, a model in memory) to a teacher in the panel."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import torch
from accelerate import Accelerator

from amalgam import adapters, shelf
from amalgam.errors import RequestError, nearest
from amalgam.panel import Seat
from amalgam.progress import Progress, Silent
from amalgam.schema import parse
from amalgam.schooling import school, seen_by
from amalgam.teacher import Card, Scorer, read_card


def find_card(spec: str) -> tuple[Card, Path]:
    """The card that a SPEC names or spells out, and the folder its paths are relative to.

    Args:
        spec: a built-in card's name, a path to a card, a saved student or a run directory, or
            `adapter:source[@labels][?key=value&…]`, where labels are `a,b,c` or a text file with one a line, and keys
            are a card's (`scores=probabilities`).

    Raises:
        RequestError: nothing of that name.
    """
    path = Path(spec)
    if path.suffix in {".yaml", ".yml"}:
        return read_card(path), path.parent
    for folder in (path, path / "student"):
        if (folder / "config.json").is_file():
            name = path.resolve().name
            return Card(name=name, adapter="torch", source=folder.name), folder.resolve().parent
    adapter, colon, source = spec.partition(":")
    if colon and adapter in adapters.names():
        return _spelt(adapter, source, spec)
    known = shelf.names("teachers")
    if spec in known:
        return read_card(shelf.shelf("teachers") / f"{spec}.yaml"), shelf.shelf("teachers")
    close = nearest(adapter if colon else spec, [*known, *adapters.names()])
    raise RequestError(
        f"no teacher {spec!r}{close} (built in: {', '.join(known)}; "
        f"or a card's path, or adapter:source@labels with an adapter of {', '.join(adapters.names())})"
    )


def load(spec: str, accelerator: Accelerator, *, trust: bool = False, progress: Progress | None = None) -> Seat:
    """The teacher of a SPEC; a built-in one whose weights are absent is trained first, once.

    Args:
        spec: see `find_card`.
        accelerator: where torch teachers live, and built-in ones are trained.
        trust: the user's word that code which a card names may run.
        progress: who shows the training.
    """
    card, folder = find_card(spec)
    seen = None
    if card.schooling is not None and card.source is None:
        trained = school(card, accelerator, progress or Silent())
        seen = seen_by(trained)
        card, folder = card.model_copy(update={"source": trained.name, "constructor": None}), trained.parent
    teacher = adapters.load(card, folder, device=accelerator.device, trust=trust)
    return Seat(card.name, teacher, getattr(teacher, "fingerprint", None), seen)


def seat_of(given: Any, number: int, accelerator: Accelerator, *, trust: bool, progress: Progress) -> Seat:
    """A seat for what the Python API was given.

    Args:
        given: a SPEC or path; a Seat; an object with `labels` and `score(inputs)`; a Student; or a pair of a torch
            module or scikit-learn estimator and its labels.
        number: its place among the teachers, for a name if it has none.

    Raises:
        RequestError: none of these.
    """
    if isinstance(given, Seat):
        return given
    if isinstance(given, str | Path):
        return load(str(given), accelerator, trust=trust, progress=progress)
    model, labels = given if isinstance(given, tuple) and len(given) == 2 else (given, getattr(given, "labels", None))
    name = str(getattr(given, "name", None) or f"{type(model).__name__}-{number}")
    if isinstance(model, torch.nn.Module) and labels is not None:
        from amalgam.adapters.torch import wrap as wrap_torch

        teacher: Scorer = wrap_torch(model.to(accelerator.device), tuple(labels), name)
    elif hasattr(model, "predict") and not hasattr(model, "score_given") and hasattr(model, "get_params"):
        from amalgam.adapters.sklearn import wrap as wrap_sklearn

        teacher = wrap_sklearn(model, labels)
    elif isinstance(given, Scorer):
        from amalgam.adapters.custom import wrap as wrap_custom

        teacher = wrap_custom(given)
    else:
        raise RequestError(
            f"teacher {number} is a {type(given).__name__}; expected a card's name, a path, a pair (torch module or "
            "scikit-learn estimator, labels), or an object with `labels` and `score(inputs)`"
        )
    return Seat(name, teacher, getattr(teacher, "fingerprint", None))


def _spelt(adapter: str, source: str, spec: str) -> tuple[Card, Path]:
    """The card that `adapter:source[@labels][?key=value&…]` amounts to, and the source's folder."""
    source, _, query = source.partition("?")
    source, at, labels = source.partition("@")
    if not source:
        raise RequestError(f"--teacher {spec!r} names no source after {adapter + ':'!r}")
    names: list[str] = []
    if at:
        listed = Path(labels)
        text = listed.read_text(encoding="utf-8").split("\n") if listed.is_file() else labels.split(",")
        names = [name.strip() for name in text if name.strip()]
    named = dict(parse_qsl(query, keep_blank_values=True))
    path = Path(source)
    folder = Path() if adapter == "custom" else path.parent  # the user may name any file; a card only those beside it
    content: dict[str, object] = {"name": Path(source.partition(":")[0]).stem, "labels": names, **named}
    content |= {"adapter": adapter, "source": source if adapter == "custom" else path.name}
    if named.get("exclusive") in {"true", "false"}:
        content["exclusive"] = named["exclusive"] == "true"
    return parse(Card, content, f"--teacher {spec!r}"), folder
