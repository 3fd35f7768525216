"""What is wrong with a label graph is found, each by its kind, with the nodes named."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from amalgam.labelgraph.check import Finding, findings, refuse
from amalgam.labelgraph.graph import LabelGraph

from .graphs import pets, refused

EDGES = (("top", "a"), ("top", "b"), ("a", "x"), ("a", "y"), ("b", "z"))


def graph(**changed: Any) -> LabelGraph:
    """A graph with nothing to find, but for what is changed."""
    told: dict[str, Any] = {
        "root": "top",
        "edges": EDGES,
        "groups": {"upper": ("a", "b"), "lower": ("x", "y", "z")},
        "labels": {"coarse": ("a", "b"), "fine": ("x", "y", "z")},
    }
    return LabelGraph(**{**told, **changed})


def found(**changed: Any) -> dict[str, Finding]:
    """Kind → finding, of which there is one of each."""
    listed = list(findings(graph(**changed)))
    assert len({one.kind for one in listed}) == len(listed), listed
    return {one.kind: one for one in listed}


def test_a_graph_without_faults_has_no_findings() -> None:
    assert found() == {}
    assert list(findings(pets())) == []


@pytest.mark.parametrize(
    ("changed", "kind", "says"),
    [
        ({"edges": (*EDGES, ("z", "b"))}, "cycle", ["b → z → b", "take one out"]),
        ({"edges": (*EDGES, ("y", "y"))}, "cycle", ["y → y"]),
        ({"edges": (*EDGES, ("q", "top"))}, "root", ["'top' stands below 'q'"]),
        ({"labels": {"coarse": ("top",), "fine": ("x", "y", "z")}}, "root", ["'top' is a label of 'coarse'"]),
        (
            {"groups": {"upper": ("a", "b"), "lower": ("x", "y", "z"), "other": ("y", "x")}},
            "two groups",
            ["'x' is in the groups 'lower', 'other'"],
        ),
        ({"groups": {"upper": ("a", "b"), "none": ()}}, "empty group", ["groups.none is empty"]),
        (
            {"labels": {"coarse": ("a", "b"), "fine": ("x", "y", "Z")}},
            "unreachable label",
            ["from 'top' to 'Z' of 'fine'"],
        ),
        (
            {"labels": {"fine": ("x", "tabbi", "z")}, "edges": (*EDGES, ("a", "tabby"))},
            "unreachable label",
            ["to 'tabbi' of 'fine'", "did you mean 'tabby'?"],
        ),
        ({"labels": {}}, "no labels", ["under `labels:`"]),
        ({"labels": {"coarse": ("a", "b"), "fine": ()}}, "no labels", ["labels.fine is empty"]),
        (
            {"labels": {"all": ("a", "x", "z", "y")}},
            "label above label",
            ["'x', 'y' below 'a'", "labels of 'all'", "'a (other)'"],
        ),
        ({"edges": (*EDGES, ("a", " "))}, "no name", ["a node has an empty name"]),
    ],
)  # fmt: skip
def test_fatal(changed: Mapping[str, Any], kind: str, says: list[str]) -> None:
    one = next(one for one in findings(graph(**changed)) if one.kind == kind)
    assert one.fatal
    assert all(part in one.says for part in says), one.says
    assert refused(lambda: refuse(graph(**changed))).startswith("the label graph graph: ")


@pytest.mark.parametrize(
    ("changed", "kind", "says"),
    [
        ({"edges": (*EDGES, ("a", "q"))}, "dead end", ["'q' is a dead end"]),
        (
            {"groups": {"upper": ("a", "b"), "lower": ("x", "y", "z", "zz")}},
            "unreachable node",
            ["no path leads to 'zz'", "add an edge"],
        ),
        (
            {"edges": (*EDGES, ("top", "m"), ("m", "n")), "labels": {"coarse": ("a", "b"), "other": ("n",)}, "groups": {
                "upper": ("a", "b", "m"), "lower": ("x", "y", "z")}},
            "isolated source",
            ["the labels of 'coarse'"],
        ),
        ({"groups": {"lower": ("x", "y", "z")}}, "no group", ["the children 'a', 'b' of 'top'"]),
        ({"groups": {"upper": ("a", "b"), "lower": ("x", "y"), "one": ("z",)}}, "group of one", ["only 'z'"]),
        (
            {"groups": {"upper": ("a", "b", "z"), "lower": ("x", "y")}},
            "group above itself",
            ["'z' below 'b'", "group 'upper'"],
        ),
    ],
)  # fmt: skip
def test_doubtful(changed: Mapping[str, Any], kind: str, says: list[str]) -> None:
    listed = list(findings(graph(**changed)))
    one = next(one for one in listed if one.kind == kind)
    assert not any(one.fatal for one in listed)
    assert all(part in one.says for part in says), one.says
    refuse(graph(**changed))


def test_every_knot_of_edges_has_its_cycle() -> None:
    edges = (*EDGES, ("z", "b"), ("x", "w"), ("w", "x"))
    said = [one.says for one in findings(graph(edges=edges)) if one.kind == "cycle"]
    assert len(said) == 2
    assert "b → z → b" in said[0]
    assert "x → w → x" in said[1]


def test_what_leads_to_dead_ends_alone_is_a_dead_end() -> None:
    said = [one for one in findings(graph(edges=(*EDGES, ("a", "q"), ("q", "r")))) if one.kind == "dead end"]
    assert [one.says.split()[0] for one in said] == ["'q'", "'r'"]


def test_sources_that_share_an_augmented_node_are_not_isolated() -> None:
    edges = (("top", "cat"), ("cat", "x"), ("cat", "y"))
    assert not list(
        findings(LabelGraph(root="top", edges=edges, groups={"g": ("x", "y")}, labels={"p": ("x",), "q": ("y",)}))
    )


def test_a_thousand_labels_are_checked_in_seconds() -> None:
    inner, leaves = [f"i{n}" for n in range(100)], [f"l{n}" for n in range(1000)]
    edges = [*(("top", one) for one in inner), *((f"i{n % 100}", one) for n, one in enumerate(leaves))]
    large = LabelGraph(
        root="top", edges=tuple(edges), groups={"i": tuple(inner), "l": tuple(leaves)}, labels={"l": tuple(leaves)}
    )
    start = time.process_time()
    assert list(findings(large)) == []
    assert time.process_time() - start < 5
