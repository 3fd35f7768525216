"""Every strategy keeps every law, as its paper has it and with each of its choices turned."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from amalgam import strategies
from amalgam.strategies import strategy_class
from tests.laws import LAWS


def variants(name: str) -> Iterator[Any]:
    """A strategy by default, and with each single choice (a Literal or a bool) turned."""
    kind = strategy_class(name)
    hints = get_type_hints(kind)
    yield kind()
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        options = get_args(hint) if get_origin(hint) is Literal else (True, False) if hint is bool else ()
        yield from (kind(**{field.name: option}) for option in options if option != field.default)


EVERY = [pytest.param(one, id=str(one)) for name in strategies.names() for one in variants(name)]


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
@pytest.mark.parametrize("strategy", EVERY)
def test_law(strategy: Any, law: Any) -> None:
    law(strategy)
