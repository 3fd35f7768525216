"""The teacher registry: from what a user names (a card, a file, a model in memory) to a teacher in the panel."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import torch
from accelerate import Accelerator

from amalgam import adapters, shelf
from amalgam.errors import RequestError, nearest
from amalgam.files import inside, without_folders
from amalgam.modelcard import license_in
from amalgam.panel import Seat
from amalgam.progress import Progress, Silent
from amalgam.run import STUDENT
from amalgam.schema import parse
from amalgam.schooling import school
from amalgam.teacher import NETWORKS, Card, Scorer, read_card

IN_MEMORY = "in memory: "
"""How a recipe names a teacher of the Python API that no file holds."""


def name_of(given: Any, number: int) -> str:
    """What a teacher of the Python API is called: its own name, else its kind and place."""
    model = given[0] if isinstance(given, tuple) and given else given
    return str(getattr(given, "name", None) or f"{type(model).__name__}-{number}")


def find_card(spec: str) -> tuple[Card, Path]:
    """The card that a SPEC names or spells out, and the folder its paths are relative to.

    Args:
        spec: a built-in card's name, a path to a card, a saved student or a run directory, or
            `adapter:source[@labels][?key=value&…]`, where labels are `a,b,c` or a text file with one a line, and keys
            are a card's (`scores=probabilities`).

    Raises:
        RequestError: nothing of that name.
    """
    if spec.startswith(IN_MEMORY):
        raise RequestError(
            f"teacher {spec.removeprefix(IN_MEMORY)!r} was an object in memory, which no file holds; run the program "
            "that made it again"
        )
    path = Path(spec)
    if path.suffix in {".yaml", ".yml"}:
        return _told(read_card(path), path.parent)
    if saved := _saved(path):
        content = {"name": path.resolve().name, "adapter": "torch", "source": saved.name}
        return _told(parse(Card, content, f"the student in {saved}"), saved.parent)
    adapter, colon, source = spec.partition(":")
    if colon and adapter in adapters.names():
        return _told(*_spelt(adapter, source, spec))
    known = shelf.names("teachers")
    if spec in known:
        return read_card(shelf.shelf("teachers") / f"{spec}.yaml"), shelf.shelf("teachers")
    close = nearest(adapter if colon else spec, [*known, *adapters.names()])
    raise RequestError(
        f"no teacher {spec!r}{close} (built in: {', '.join(known)}; "
        f"or a card's path, or adapter:source@labels with an adapter of {', '.join(adapters.names())})"
    )


def _saved(path: Path) -> Path | None:
    """The folder of the student that is saved at a path, itself or in a run directory."""
    return next((one.resolve() for one in (path, path / "student") if (one / "config.json").is_file()), None)


def _told(card: Card, folder: Path) -> tuple[Card, Path]:
    """A card and its folder; of a saved student whose labels it does not list, with these labels and its tasks.

    None are told when the student's config is damaged, which loading it tells better.
    """
    if card.labels or card.source is None or card.adapter != "torch":
        return card, folder
    saved = _saved(inside(folder, card.source, f"teacher {card.name!r}"))
    if saved is None:
        return card, folder
    try:
        config = json.loads((saved / "config.json").read_text(encoding="utf-8"))
        known = {"labels": config["labels"]}
        if not card.tasks and not card.exclusive:
            known["tasks"] = config.get("tasks") or {}
    except (ValueError, KeyError, TypeError, AttributeError):
        return card, folder
    return parse(Card, {**card.model_dump(), **known}, f"the student in {saved}"), folder


def load(spec: str, accelerator: Accelerator, *, trust: bool = False, progress: Progress | None = None) -> Seat:
    """The teacher of a SPEC; a built-in one whose weights are absent is trained first, once.

    Args:
        spec: see `find_card`.
        accelerator: where torch teachers live, and built-in ones are trained.
        trust: the user's word that code which a card names may run.
        progress: who shows the training.
    """
    card, folder = find_card(spec)
    if card.schooling is not None and card.source is None:
        trained = school(card, accelerator, progress or Silent())
        card, folder = card.model_copy(update={"source": trained.name, "constructor": None}), trained.parent
    teacher = adapters.load(card, folder, device=accelerator.device, trust=trust)
    seat = _seated(card.name, teacher)
    licence = card.license or seat.licence or _stated(card, folder)
    return replace(seat, source=_named(spec), licence=licence, description=card.description)


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
    name = name_of(given, number)
    if isinstance(model, torch.nn.Module) and labels is not None:
        from amalgam.adapters.torch import wrap as wrap_torch

        teacher: Scorer = wrap_torch(model.to(accelerator.device), tuple(labels), name)
    elif hasattr(model, "predict") and not hasattr(model, "score_given") and hasattr(model, "get_params"):
        from amalgam.adapters.sklearn import wrap as wrap_sklearn

        teacher = wrap_sklearn(model, labels, name)
    elif isinstance(given, Scorer):
        from amalgam.adapters.custom import wrap as wrap_custom

        teacher = wrap_custom(given, name)
    else:
        raise RequestError(
            f"teacher {number} is a {type(given).__name__}; expected a card's name, a path, a pair (torch module or "
            "scikit-learn estimator, labels), or an object with `labels` and `score(inputs)`"
        )
    return _seated(name, teacher)


def _seated(name: str, teacher: Scorer) -> Seat:
    """The seat; a teacher that is one of amalgam's students knows which rows are behind it."""
    seen = getattr(getattr(teacher, "module", None), "seen", None)
    licence = getattr(teacher, "license", None)
    return Seat(name, teacher, getattr(teacher, "fingerprint", None), seen, licence=licence)


def _named(spec: str) -> str:
    """A SPEC as a report shows it."""
    return f"{spec}, built in" if spec in shelf.names("teachers") else without_folders(spec)


def _stated(card: Card, folder: Path) -> str | None:
    """The licence that the model card of a saved student states, beside it or in its run directory."""
    if card.adapter != "torch" or card.source is None or not (saved := folder / card.source).is_dir():
        return None
    return license_in(saved) or (license_in(saved.parent) if saved.name == STUDENT else None)


def _spelt(adapter: str, source: str, spec: str) -> tuple[Card, Path]:
    """The card that `adapter:source[@labels][?key=value&…]` amounts to, and the source's folder."""
    source, _, query = source.partition("?")
    source, at, labels = source.partition("@")
    if not source:
        raise RequestError(f"--teacher {spec!r} names no source after {adapter + ':'!r}")
    names: list[str] = []
    if at:
        listed = Path(labels)
        if not listed.is_file() and ("/" in labels or listed.suffix == ".txt"):
            raise RequestError(f"--teacher {spec!r}: no such file of labels: {labels}; expected one label a line")
        text = listed.read_text(encoding="utf-8").split("\n") if listed.is_file() else labels.split(",")
        names = [name.strip() for name in text if name.strip()]
    named: dict[str, object] = dict(parse_qsl(query, keep_blank_values=True))
    named |= {key: named[key] == "true" for key in ("exclusive", "pretrained") if named.get(key) in ("true", "false")}
    if adapter in NETWORKS:
        path = Path(str(named.pop("source", "")))
        told: dict[str, object] = {"name": source, "model": source, "source": path.name or None}
    else:
        path = Path(source)
        told = {"name": Path(source.partition(":")[0]).stem, "source": source if adapter == "custom" else path.name}
    # The user may name any file; a card only those beside it.
    folder = Path() if adapter == "custom" else path.parent
    content = {"labels": names, "adapter": adapter, **told, **named}
    return parse(Card, content, f"--teacher {spec!r}"), folder
