"""What comparing runs and comparing benches share: their directories, and settings that are not the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from amalgam import run
from amalgam.bench.scope import TABLE
from amalgam.errors import RequestError

ABSENT = "–"


Kind: TypeAlias = Literal["run", "run of words", "bench"]


def kind(folder: Path) -> Kind:
    """What a directory holds; RequestError when it is neither a run nor a bench."""
    if (folder / TABLE).is_file():
        return "bench"
    if run.is_of_words(folder):
        return "run of words"
    if (folder / run.RECIPE).is_file() or run.finished(folder):
        return "run"
    what = "holds neither" if folder.is_dir() else "is not there" if not folder.exists() else "is a file"
    if what == "holds neither":
        what += f" a run ({run.RECIPE}) nor a bench ({TABLE})"
    raise RequestError(f"{folder} {what}; name the directory of a run, such as runs/ant-1, or --out of `amalgam bench`")


def names(folders: Sequence[Path]) -> list[str]:
    """What directories are called beside each other: their last part if that tells them apart.

    Raises:
        RequestError: one is named twice.
    """
    places = [folder.resolve() for folder in folders]
    for folder, place in zip(folders, places, strict=True):
        if places.count(place) > 1:
            raise RequestError(f"{folder} is named twice; name each run or bench once")
    short = [place.name for place in places]
    return short if len(set(short)) == len(short) else [str(folder) for folder in folders]


def flat(content: Any, path: str = "") -> dict[str, Any]:
    """Nested mappings as one: `{"a": {"b": 1}}` → `{"a.b": 1}`; lists stay whole, an empty mapping has no keys."""
    if not isinstance(content, dict):
        return {path: content}
    return {
        key: value
        for name, below in content.items()
        for key, value in flat(below, f"{path}.{name}".lstrip(".")).items()
    }


def differences(every: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """The keys whose values are not the same everywhere, with the value of each; absent is `–`.

    The settings of another strategy or student are no difference of their own: its name tells them.
    """
    keys = dict.fromkeys(key for one in every for key in one)
    found = {key: [one.get(key, ABSENT) for one in every] for key in keys}
    otherwise = {key: values for key, values in found.items() if any(value != values[0] for value in values)}
    for part in ("strategy", "student"):
        if f"{part}.name" in otherwise:
            otherwise = {
                key: values
                for key, values in otherwise.items()
                if not key.startswith(f"{part}.") or all(key in one for one in every)
            }
    return otherwise


def told(key: str, values: Sequence[object]) -> str:
    """A setting that is not the same everywhere, as its reader sees it: `strategy.clamp: true → false`."""
    return f"{key}: {' → '.join(v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in values)}"
