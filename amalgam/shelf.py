"""Where the built-in cards, recipes, tables and label graphs lie: in the wheel, or beside the package in a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from amalgam.errors import RequestError, nearest

Kind: TypeAlias = Literal["teachers", "recipes", "recipes/papers", "graphs"]
"""Cards, recipes, the papers' tables that `amalgam bench` runs, and label graphs."""


def shelf(kind: Kind) -> Path:
    """The folder of the built-in cards, recipes, tables or label graphs."""
    package = Path(__file__).parent
    packed = package / "_shelf" / kind
    checkout = package.parent
    if not packed.is_dir() and (checkout / "pyproject.toml").is_file():
        return checkout / kind
    return packed


def names(kind: Kind) -> list[str]:
    """The names on a shelf, without `.yaml`."""
    return sorted(path.stem for path in shelf(kind).glob("*.yaml"))


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
