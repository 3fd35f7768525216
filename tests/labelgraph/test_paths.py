"""The paths of label graphs against a brute-force search, and what is refused."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from pydantic import ValidationError

from amalgam.errors import RequestError
from amalgam.labelgraph.graph import LabelGraph
from amalgam.labelgraph.paths import compiled
from tests.labelgraph.drawn import BRITISH, drawn
from tests.reference import label_graph as slow

GRAPHS = [pytest.param(BRITISH, id="pets"), *(pytest.param(drawn(seed), id=f"drawn {seed}") for seed in range(30))]


def told(graph: LabelGraph, label: str) -> dict[tuple[str, ...], bool]:
    """Path → whether it is deterministic, as compiled."""
    paths = graph.paths
    row = paths.nodes.index(label)
    return {
        (graph.root, *paths.names(int(prefix))): bool(sure)
        for prefix, sure in zip(paths.ending[row], paths.deterministic[row], strict=True)
        if prefix >= 0
    }


@pytest.mark.parametrize("graph", GRAPHS)
def test_paths_and_their_kinds_equal_slow(graph: LabelGraph) -> None:
    for node in graph.paths.nodes[1:]:
        paths = slow.all_paths(graph.root, graph.edges, node)
        assert told(graph, node) == {path: slow.is_deterministic(path, paths, graph.groups) for path in paths}


def test_the_example_of_the_text() -> None:
    found = told(BRITISH, "British-Shorthair")
    assert {path[2]: sure for path, sure in found.items()} == {
        "Shorthair": True,
        "Solid-Color": False,
        "Tabby-Color": False,
        "Point-Color": False,
    }


@pytest.mark.parametrize("graph", GRAPHS)
def test_tables_say_what_the_prefixes_are(graph: LabelGraph) -> None:
    paths = graph.paths
    walks = [(graph.root, *paths.names(prefix)) for prefix in range(len(paths))]
    assert len(set(walks)) == len(walks)
    assert paths.depth.tolist() == [len(walk) - 1 for walk in walks] == sorted(len(walk) - 1 for walk in walks)
    every = set(paths.nodes)
    for prefix, walk in enumerate(walks):
        longer = [one for one in walks if one[:-1] == walk]
        assert [walks[one] for one in paths.longer[prefix] if one >= 0] == longer
        assert {paths.nodes[node] for node in np.flatnonzero(paths.passes[prefix])} == set(walk)
        if not prefix:
            continue
        beside = [one for one in walks if one[:-1] == walk[:-1]]
        rivals = {one for one in beside if one == walk or slow.competing(one[-1], walk[-1], graph.groups)}
        assert {walks[one] for one in paths.alternatives[paths.choice[prefix]] if one >= 0} == rivals
        kinds = {
            frozenset([one[-1]]) | {w for w in every if slow.competing(one[-1], w, graph.groups)} for one in beside
        }
        assert paths.questions[prefix] == len(kinds)
    for row, node in enumerate(paths.nodes):
        own = [walk for walk in walks if walk[-1] == node]
        always = set.intersection(*map(set, own))
        assert {paths.nodes[one] for one in np.flatnonzero(paths.implied[row])} == always
        ends = {walk[-1] for walk in walks if node in walk and not any(one[:-1] == walk for one in walks)}
        assert {paths.nodes[one] for one in np.flatnonzero(paths.under[row])} == ends


def test_dead_ends_are_on_no_path() -> None:
    assert "Folded-Ears" not in BRITISH.paths.nodes
    assert "Folded-Ears" not in BRITISH.outputs


def test_outputs_stand_task_by_task() -> None:
    assert BRITISH.tasks == {
        "breeds": ("British-Shorthair", "Abyssinian", "Maine-Coon"),
        "dogs-vs-cats": ("Cat", "Dog"),
        "hair": ("Shorthair", "Longhair"),
        "color": ("Solid-Color", "Tabby-Color", "Point-Color"),
    }
    assert BRITISH.outputs == tuple(node for own in BRITISH.tasks.values() for node in own)
    assert BRITISH.augmented == ("Shorthair", "Longhair", "Solid-Color", "Tabby-Color", "Point-Color", "Folded-Ears")


def test_a_label_of_two_sources_is_asked_for_once() -> None:
    graph = LabelGraph(
        root="r",
        edges=(("r", "a"), ("r", "b"), ("r", "c"), ("r", "d")),
        labels={"one": ("a", "b"), "two": ("b", "c", "d"), "three": ("a",)},
    )
    assert graph.tasks == {"one": ("a", "b"), "two": ("c", "d")}
    assert graph.outputs == ("a", "b", "c", "d")
    assert graph.label_nodes == ("a", "b", "c", "d")


def test_too_many_paths_are_counted_and_not_listed() -> None:
    edges = [(f"{depth}{one}", f"{depth + 1}{other}") for depth in range(60) for one in "ab" for other in "ab"]
    graph = LabelGraph(name="wide", root="r", edges=(("r", "0a"), ("r", "0b"), *edges), labels={"x": ("60a", "60b")})
    with pytest.raises(RequestError) as caught:
        compiled(graph)
    assert str(caught.value) == (
        "the label graph wide has 4,611,686,018,427,387,903 paths, more than 20,000: most lead to '60a', '60b', '59a' "
        "(1,152,921,504,606,846,976); leave out edges that say the same twice, or augmented nodes that many labels "
        "share"
    )
    assert len(compiled(BRITISH, limit=17)) == 17
    with pytest.raises(RequestError, match="17 paths, more than 16"):
        compiled(BRITISH, limit=16)


def test_a_path_that_is_too_long_is_refused() -> None:
    def chain(steps: int) -> LabelGraph:
        names = ["r", *(f"n{one}" for one in range(1, steps + 1))]
        return LabelGraph(name="deep", root="r", edges=tuple(pairwise(names)), labels={"x": (names[-1],)})

    assert chain(64).paths.longest == 64
    with pytest.raises(RequestError, match="label graph deep has a path of 65 steps, to 'n65', more than 64; leave"):
        _ = chain(65).paths


def test_a_graph_without_paths_is_refused() -> None:
    graph = LabelGraph(name="g", root="r", edges=(("r", "a"), ("a", "b"), ("b", "a")), labels={"l": ("b",)})
    with pytest.raises(RequestError, match=r"the label graph g: .*a → b → a.*cycle"):
        graph.paths  # noqa: B018


def test_edges_by_parent_are_the_same_as_pairs() -> None:
    one = LabelGraph.model_validate({"root": "r", "edges": {"r": ["a", "b"], "a": "c", "b": None}})
    other = LabelGraph(root="r", edges=(("r", "a"), ("r", "b"), ("a", "c")))
    assert one == other


def test_augmented_nodes_can_be_taken_out() -> None:
    found = LabelGraph.model_validate(
        {
            "root": "r",
            "edges": {"r": ["tall", "short"], "tall": ["oak", "elm"], "short": ["rose", "oak"], "rose": "thorn"},
            "groups": {"height": ["tall", "short"], "kind": ["oak", "elm", "rose"]},
            "labels": {"kinds": ["oak", "elm", "rose"], "parts": ["thorn"]},
        }
    )
    less = found.without(["tall"])
    assert set(less.edges) == {("r", "short"), ("r", "elm"), ("short", "rose"), ("short", "oak"), ("rose", "thorn")}
    assert (less.groups, less.labels) == ({"height": ("short",), "kind": ("oak", "elm", "rose")}, found.labels)
    none = less.without(["short"])
    assert set(none.edges) == {("r", "elm"), ("r", "rose"), ("r", "oak"), ("rose", "thorn")}
    assert (none.groups.keys(), none.augmented) == ({"kind"}, ())
    for wrong in ("oak", "tal", "r"):
        with pytest.raises(RequestError, match=f"'{wrong}' is no augmented node of the label graph graph"):
            found.without([wrong])


@pytest.mark.parametrize("edges", [{"a": 3}, {"a": {"b": ["c"]}}])
def test_edges_of_a_wrong_shape_are_refused(edges: object) -> None:
    with pytest.raises(ValidationError, match=r"edges.a to be a list of the nodes below it"):
        LabelGraph.model_validate({"root": "a", "edges": edges})


def test_what_is_listed_twice_is_refused() -> None:
    for key, listing in (("groups", {"g": ["a", "a"]}), ("labels", {"l": ["a", "a"]})):
        with pytest.raises(ValidationError, match=rf"{key}.. to list each once, not 'a' twice"):
            LabelGraph.model_validate({"root": "r", "edges": {"r": ["a"]}, key: listing})
