"""Where the built-in cards and recipes lie: inside the wheel, or beside the package in a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from amalgam.errors import RequestError, nearest


def shelf(kind: Literal["teachers", "recipes"]) -> Path:
    """The folder of the built-in cards or recipes."""
    package = Path(__file__).parent
    packed = package / "_shelf" / kind
    checkout = package.parent
    if not packed.is_dir() and (checkout / "pyproject.toml").is_file():
        return checkout / kind
    return packed


def names(kind: Literal["teachers", "recipes"]) -> list[str]:
    """The names on a shelf: `ant`, `papers/…`, without `.yaml`."""
    folder = shelf(kind)
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml"))


def find_recipe(name: str) -> Path:
    """The file of a recipe: a path, a run directory, or a name on the shelf; RequestError for none of them."""
    path = Path(name)
    if path.is_file():
        return path
    if (path / "recipe.yaml").is_file():
        return path / "recipe.yaml"
    known = names("recipes")
    if name in known:
        return shelf("recipes") / f"{name}.yaml"
    raise RequestError(f"no recipe {name!r}{nearest(name, known)} (built in: {', '.join(known)}; or a path to a file)")
