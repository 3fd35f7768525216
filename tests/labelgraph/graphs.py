"""What the tests of label graphs share: graphs, and the message of what is refused."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from amalgam.errors import RequestError
from amalgam.labelgraph.graph import LabelGraph
from tests.conftest import SHARED_DATA

TAXONOMIES = SHARED_DATA / "taxonomies"
needs_taxonomies = pytest.mark.skipif(
    not TAXONOMIES.is_dir(), reason="the taxonomies are not on this machine; set AMALGAM_DATA to their folder"
)


def pets() -> LabelGraph:
    """Two species, one breed of each, hair and colour between; a label of two sources; an edge that passes a layer."""
    return LabelGraph(
        name="small",
        root="animal",
        edges=(
            ("animal", "cat"), ("animal", "dog"), ("cat", "short"), ("cat", "long"), ("cat", "tabby"), ("cat", "solid"),
            ("short", "bengal"), ("tabby", "bengal"), ("tabby", "british"), ("solid", "british"), ("short", "british"),
            ("long", "angora, turkish"), ("cat", "angora, turkish"), ("dog", "pug"),
        ),
        groups={
            "species": ("cat", "dog"), "hair": ("short", "long"), "colour": ("tabby", "solid"),
            "breed": ("british", "bengal", "angora, turkish", "pug"),
        },
        labels={
            "kinds": ("cat", "dog"), "breeds": ("british", "bengal", "angora, turkish", "pug"),
            "home": ("pug", "british"),
        },
    )  # fmt: skip


def chain(*nodes: str, name: str = "chain") -> LabelGraph:
    """Nodes below each other, of which the last is the label of `it`."""
    return LabelGraph(name=name, root=nodes[0], edges=tuple(pairwise(nodes)), labels={"it": nodes[-1:]})


def refused(call: Callable[[], object], folder: Path | None = None) -> str:
    """The message of a call that is refused, without the test's folder."""
    with pytest.raises(RequestError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    return message if folder is None else message.replace(f"{folder}/", "")
