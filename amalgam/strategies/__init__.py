"""Strategies: one file per method, named as the strategy; there is no list to keep."""

from __future__ import annotations

import ast
import dataclasses
import re
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from amalgam.embeddings.method import MetaEmbedding
from amalgam.errors import RequestError, nearest
from amalgam.labelgraph.graph import LabelGraph
from amalgam.labelgraph.specs import find
from amalgam.strategy import Strategy
from amalgam.transfer.method import Transfer


def names() -> list[str]:
    """The strategies that exist."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


Method: TypeAlias = Strategy[Any] | MetaEmbedding | Transfer
"""What a file of this folder holds: a way from votes to targets, from embeddings to one, from a source to a target."""


def method_class(name: str) -> type[Method]:
    """The strategy of a name, of either kind; RequestError for an unknown one."""
    if name not in names():
        raise RequestError(f"unknown strategy {name!r}{nearest(name, names())} (known: {', '.join(names())})")
    module = import_module(f"amalgam.strategies.{name}")
    classes = [one for one in vars(module).values() if isinstance(one, type) and one.__module__ == module.__name__]
    return next(one for one in classes if issubclass(one, Strategy | MetaEmbedding | Transfer))


def of_rows() -> list[str]:
    """The strategies that make targets of votes."""
    return [name for name in names() if issubclass(method_class(name), Strategy)]


def of_teachers() -> list[str]:
    """Those of them whose labels are the teachers', and not a label graph's."""
    return [name for name in of_rows() if get_type_hints(method_class(name)).get("graph") is not LabelGraph]


def strategy_class(name: str) -> type[Strategy[Any]]:
    """The strategy of a name; RequestError for an unknown one, and for one whose teachers are embeddings."""
    found = method_class(name)
    if issubclass(found, Strategy):
        return found
    if issubclass(found, Transfer):
        raise RequestError(f"strategy {name!r} transfers from a source to a target; name one with --source")
    raise RequestError(
        f"strategy {name!r} makes one embedding of several; its recipe has a `vocabulary`, and no `data`"
    )


def transfer_class(name: str) -> type[Transfer]:
    """The way of a name to transfer from a source to a target; RequestError for any other strategy."""
    found = method_class(name)
    if issubclass(found, Transfer):
        return found
    ways = ", ".join(one for one in names() if issubclass(method_class(one), Transfer))
    raise RequestError(f"strategy {name!r} takes no source; leave --source out, or choose one that does ({ways})")


def embedding_class(name: str) -> type[MetaEmbedding]:
    """The way of a name to make one embedding of several; RequestError for any other strategy."""
    found = method_class(name)
    if issubclass(found, MetaEmbedding):
        return found
    raise RequestError(f"strategy {name!r} learns from rows, not from embeddings; its recipe has `data`")


def build_transfer(spec: dict[str, Any], where: str) -> Transfer:
    """The way to transfer `{"name": ..., **hyperparameters}`; raises what `checked` does."""
    kind = transfer_class(str(spec["name"]))
    return kind(**checked(kind, spec, where))


def build(spec: dict[str, Any], where: str) -> Strategy[Any]:
    """The strategy `{"name": ..., **hyperparameters}`; raises what `checked` does."""
    kind = strategy_class(str(spec["name"]))
    return kind(**checked(kind, spec, where))


def build_embedding(spec: dict[str, Any], where: str) -> MetaEmbedding:
    """The way to make one embedding of several `{"name": ..., **hyperparameters}`; raises what `checked` does."""
    kind = embedding_class(str(spec["name"]))
    return kind(**checked(kind, spec, where))


def checked(kind: type[Method], spec: dict[str, Any], where: str) -> dict[str, Any]:
    """The hyperparameters that a spec gives a strategy.

    Args:
        kind: the strategy.
        spec: its name and hyperparameters.
        where: who asks, for messages ("recipe ant").

    Raises:
        RequestError: an unknown name, a misspelt hyperparameter, or a value of the wrong kind.
    """
    known = [field.name for field in dataclasses.fields(kind)]
    given = {key: value for key, value in spec.items() if key != "name"}
    for key in given:
        if key not in known:
            raise RequestError(
                f"{where}: unknown key 'strategy.{key}'{nearest(key, known)} (known: {', '.join(known)})"
            )
    for field in dataclasses.fields(kind):
        if field.default is dataclasses.MISSING and field.name not in given:
            raise RequestError(
                f"{where}: strategy.{field.name} is missing; name a label graph, a file or one that is built in "
                "(`amalgam graph show digits`)"
            )
    hints = get_type_hints(kind, include_extras=True)
    graphs = [key for key in given if hints[key] is LabelGraph]
    given |= {key: find(given[key], f"{where}, strategy.{key}") for key in graphs}
    paths = [key for key in given if Path in (hints[key], *get_args(hints[key])) and isinstance(given[key], str)]
    given |= {key: Path(given[key]) for key in paths}
    given |= {key: tuple(value) for key, value in given.items() if isinstance(value, list) and _several(hints[key])}
    given |= {key: float(given[key]) for key in given if _EXPONENT.fullmatch(str(given[key])) and _real(hints[key])}
    for key, value in given.items():
        try:
            TypeAdapter(hints[key]).validate_python(value, strict=True)
        except ValidationError as error:
            said = error.errors()[0]["msg"].removeprefix("Input should be ").replace("a valid tuple", "a list")
            raise RequestError(f"{where}: strategy.{key} is {value!r}, expected {said}") from None
    return given


_EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")
"""What YAML 1.1 takes for a text, but where there is a point and a sign: 1e-4, the paper's way to write a rate."""


def _real(hint: Any) -> bool:
    """Whether values of a type are real numbers, or may be."""
    return hint is float or any(map(_real, get_args(hint)))


def _several(hint: Any) -> bool:
    """Whether values of a type are tuples, which YAML writes as lists."""
    return get_origin(hint) is tuple


@dataclasses.dataclass(frozen=True)
class Equation:
    """A function that implements an equation.

    Attributes:
        number: as its docstring gives it ("Eqs. (27), (28)").
        function: its name.
        where: file and line.
        says: the rest of the docstring's first line.
    """

    number: str
    function: str
    where: str
    says: str


def equations(strategy: type[Method]) -> list[Equation]:
    """The functions of a strategy's files whose docstrings open with an equation's number, by number.

    Where a docstring says whose its equation is ("Eq. (14) of TC"), the file is shared: it counts for those papers that
    list one of its numbers.
    """
    if strategy.paper is None:
        return []
    package, own = Path(__file__).parents[1], set(strategy.paper.equations)
    found = []
    for name in strategy.paper.files:
        for node in ast.walk(ast.parse((package / name).read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef):
                continue
            opening = _OPENING.match((ast.get_docstring(node) or "").split("\n")[0])
            if opening and (opening[2] is None or own & {int(one) for one in re.findall(r"\d+", opening[1])}):
                found.append(Equation(opening[1], node.name, f"amalgam/{name}:{node.lineno}", opening[3]))
    return sorted(found, key=lambda equation: int(re.findall(r"\d+", equation.number)[0]))


_OPENING = re.compile(r"(Eqs?\. \(\d+\)(?:(?:, |–)\(\d+\))*)(?: of (\w+))?: (.*)")
