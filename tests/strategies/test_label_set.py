"""Label sets against a slow transcription: what a row has and has not, node by node."""

from __future__ import annotations

import pytest
import torch

from amalgam.labelgraph.graph import LabelGraph
from amalgam.strategies.label_set import LabelSet
from tests.labelgraph.drawn import BRITISH, drawn
from tests.reference import label_graph as slow
from tests.strategies.test_label_graph import annotated, asked


def sets(graph: LabelGraph, label: str) -> tuple[set[str], set[str]]:
    """What a row of a label has and has not, by trying every path."""
    paths = slow.all_paths(graph.root, graph.edges, label)
    sure = [path for path in paths if slow.is_deterministic(path, paths, graph.groups)]
    has = {label}.union(*map(set, sure))
    has_not = {node for node in graph.outputs if any(slow.competing(node, one, graph.groups) for one in has)} - has
    every = {node: slow.all_paths(graph.root, graph.edges, node) for node in graph.outputs}
    below = {node for node, ways in every.items() if all(set(way) & has_not for way in ways)}
    return has, has_not | (below - has)


@pytest.mark.parametrize("graph", [BRITISH, *map(drawn, range(12))], ids=lambda graph: graph.name)
def test_targets_equal_slow(graph: LabelGraph) -> None:
    said = [*graph.label_nodes, None]
    found = asked(LabelSet(graph), annotated(graph, said))
    assert found.spans == ()
    for row, label in enumerate(said):
        has, has_not = sets(graph, label) if label is not None else (set(), set())
        for column, node in enumerate(graph.outputs):
            assert bool(found.weights[row, column]) == (node in has | has_not), (label, node)
            assert bool(found.probabilities[row, column]) == (node in has), (label, node)


def test_the_example_of_the_text() -> None:
    """A British Shorthair has short hair and no long one; of what colour it is, nobody says anything."""
    found = asked(LabelSet(BRITISH), annotated(BRITISH, ["British-Shorthair"]))
    told = {
        node: float(found.probabilities[0, column])
        for column, node in enumerate(BRITISH.outputs)
        if found.weights[0, column]
    }
    assert told == {
        "Cat": 1.0, "Shorthair": 1.0, "British-Shorthair": 1.0,
        "Dog": 0.0, "Longhair": 0.0, "Abyssinian": 0.0, "Maine-Coon": 0.0,
    }  # fmt: skip
    strategy = LabelSet(BRITISH)
    assert strategy.tasks(None) == BRITISH.tasks  # type: ignore[arg-type]
    assert torch.equal(strategy._sets[0].diagonal(), torch.ones(len(BRITISH.outputs)))
