"""YAML files as checked models: a misspelt key or a wrong value is refused by name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from amalgam.errors import RequestError, nearest

Model = TypeVar("Model", bound=BaseModel)

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster: a shelf of recipes lists at once


def read_yaml(path: Path, what: str) -> dict[str, Any]:
    """The mapping in a YAML file.

    Args:
        path: the file.
        what: what it should be, for messages ("card", "recipe").

    Raises:
        RequestError: no such file, no YAML, or no mapping.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _LOADER)
    except FileNotFoundError:
        raise RequestError(f"{what} {path}: no such file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RequestError(f"{what} {path} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise RequestError(f"{what} {path} should be a mapping of keys to values, not {type(content).__name__}")
    return content


def assigned(text: str, option: str, example: str) -> tuple[str, Any]:
    """The key and the value of `key=value`, the value being YAML.

    Args:
        text: what the user wrote.
        option: after which option of the command line, for messages.
        example: one that is right.

    Raises:
        RequestError: no key, or a value that is no YAML.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise RequestError(f"{option} {text!r} should be key=value, such as {option} {example}")
    try:
        return key, yaml.safe_load(value)
    except (yaml.YAMLError, ValueError):  # ValueError: the 45th of a month
        raise RequestError(f"{option} {text!r}: the value is no YAML; quote it") from None


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
        said = said.replace("a valid tuple", "a list")
        said = re.sub(r"^[A-Z][a-z]+ should (?=have|match)", "to ", said)
        if first["type"] in {"model_type", "dict_type"}:
            said = "a mapping of keys to values"
        given = repr(first["input"])
        if len(given) > 200:  # a whole file says nothing
            raise RequestError(f"{where}: {f'{key}: ' if key else ''}expected {said}") from None
        raise RequestError(f"{where}: {key or 'it'} is {given}, expected {said}") from None


def _keys(model: type[BaseModel], path: list[str]) -> list[str]:
    """The keys that a model knows at a path of nested models."""
    models = [model]
    for step in path:
        inner = [one.model_fields[step].annotation for one in models if step in one.model_fields]
        tagged = [one for one in models if one.__name__.lower() == step]
        # A step that is neither a field nor one of several models is a mapping's key or a place in a list.
        models = tagged or ([one for annotation in inner for one in _models(annotation)] if inner else models)
    return sorted({key for one in models for key in one.model_fields})


def _models(annotation: object) -> list[type[BaseModel]]:
    """The models that an annotation speaks of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [one for argument in getattr(annotation, "__args__", ()) for one in _models(argument)]
