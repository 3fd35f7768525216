"""Every strategy keeps every law, as its paper has it and with each of its choices turned."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from amalgam import strategies
from amalgam.labelgraph.graph import LabelGraph
from amalgam.strategies import strategy_class
from amalgam.strategies.single import Single
from amalgam.strategies.sup import Sup
from tests.class_laws import CLASS_LAWS
from tests.laws import LAWS


def variants(name: str) -> Iterator[Any]:
    """A strategy by default, and with each single choice (a Literal or a bool) turned.

    Those that have a label graph have laws of their own, in `strategies/test_label_graph.py`.
    """
    kind = strategy_class(name)
    hints = get_type_hints(kind)
    if hints.get("graph") is LabelGraph:
        return
    yield kind()
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        options = get_args(hint) if get_origin(hint) is Literal else (True, False) if hint is bool else ()
        for option in options:
            if option != field.default:
                yield kind(**{field.name: option})


OWN_WAY = (Single, Sup)  # which ask one teacher alone, or none
EVERY = [one for name in strategies.of_rows() for one in variants(name)]
LABELS = [pytest.param(one, id=str(one)) for one in EVERY if not one.exclusive and not isinstance(one, OWN_WAY)]
CLASSES = [pytest.param(one, id=str(one)) for one in EVERY if one.exclusive is not False]


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
@pytest.mark.parametrize("strategy", LABELS)
def test_law(strategy: Any, law: Any) -> None:
    law(strategy)


@pytest.mark.parametrize("law", CLASS_LAWS.values(), ids=CLASS_LAWS)
@pytest.mark.parametrize("strategy", CLASSES)
def test_law_of_classes(strategy: Any, law: Any) -> None:
    law(strategy)
