"""YAML files as checked models: a misspelt key or a wrong value is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from amalgam.errors import RequestError, nearest

Model = TypeVar("Model", bound=BaseModel)


def read_yaml(path: Path, what: str) -> dict[str, Any]:
    """The mapping in a YAML file.

    Args:
        path: the file.
        what: what it should be, for messages ("card", "recipe").

    Raises:
        RequestError: no such file, no YAML, or no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RequestError(f"{what} {path}: no such file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RequestError(f"{what} {path} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise RequestError(f"{what} {path} should be a mapping of keys to values, not {type(content).__name__}")
    return content


def parse(model: type[Model], content: dict[str, Any], where: str) -> Model:
    """A mapping as a model.

    Args:
        model: the pydantic model.
        content: the mapping.
        where: where it comes from, for messages ("recipe ant.yaml").

    Raises:
        RequestError: the first key that is missing, misspelt or of the wrong kind.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        path = [str(step) for step in first["loc"]]
        key = ".".join(path)
        if first["type"] == "extra_forbidden":
            known = _keys(model, path[:-1])
            raise RequestError(
                f"{where}: unknown key {key!r}{nearest(path[-1], known)} (known: {', '.join(known)})"
            ) from None
        if first["type"] == "missing":
            raise RequestError(f"{where}: the key {key!r} is missing") from None
        said = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        if first["type"] in {"model_type", "dict_type"}:
            said = "a mapping of keys to values"
        raise RequestError(f"{where}: {key or 'it'} is {first['input']!r}, expected {said}") from None


def _keys(model: type[BaseModel], path: list[str]) -> list[str]:
    """The keys that a model knows at a path of nested models."""
    for step in path:
        inner = model.model_fields[step].annotation if step in model.model_fields else None
        candidates = [inner, *getattr(inner, "__args__", ())]
        models = [one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel)]
        if not models:
            return []
        model = models[0]
    return sorted(model.model_fields)
