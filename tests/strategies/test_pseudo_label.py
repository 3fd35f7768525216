"""Pseudo labels against a slow transcription: a guess counts where the coarse label may be that of the guess."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from amalgam.labelgraph.graph import LabelGraph
from amalgam.panel import Ballots
from amalgam.signals import StudentOutput, TensorRows
from amalgam.strategies.pseudo_label import PseudoLabel
from tests.labelgraph.drawn import BRITISH
from tests.reference import label_graph as slow
from tests.strategies.test_label_graph import annotated, panel_of

GRAPH = LabelGraph.model_validate(
    {
        "root": "r",
        "edges": {"r": ["a", "b", "c"], "a": ["1", "2"], "b": ["2", "3"], "c": []},
        "groups": {"coarse": ["a", "b", "c"], "fine": ["1", "2", "3"]},
        "labels": {"fine": ["1", "2", "3"], "coarse": ["a", "b", "c"]},
    }
)


class Guess(torch.nn.Module):
    """Says the class of the largest of the inputs' first columns, the surer the larger it is."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(3 * torch.eye(classes))

    def forward(self, inputs: torch.Tensor) -> StudentOutput:
        return StudentOutput(inputs[:, : len(self.weight)] @ self.weight, inputs)


@pytest.mark.parametrize("confidence", [0.0, 0.8])
@pytest.mark.parametrize("graph", [GRAPH, BRITISH], ids=["small", "pets"])
def test_targets_equal_slow(graph: LabelGraph, confidence: float) -> None:
    strategy = PseudoLabel(graph, confidence=confidence)
    fine, coarse = graph.labels.values()
    said = [*fine, *[label for label in coarse for _ in range(12)], *[None] * 6]
    rows, panel, seen = annotated(graph, said), panel_of(strategy), list[Any]()
    ballots = Ballots(panel, len(rows), ())

    def learn(make: Any, targets: Any, loss: Any, name: str, *, rows: TensorRows) -> Any:
        seen.append((len(rows), targets.probabilities.argmax(1).tolist()))
        return Guess(len(fine))

    state = strategy.prepare(panel, rows, ballots, learn)
    assert seen == [(len(fine), list(range(len(fine))))]
    found = strategy.targets(panel, rows, ballots.at(slice(None)), state)
    kept = dropped = 0
    for row, label in enumerate(said):
        chances = (3 * rows.values[row, : len(fine)]).softmax(0)
        guess = fine[int(chances.argmax())]
        ways = slow.all_paths(graph.root, graph.edges, guess)
        may = label is None or label in fine or any(label in way for way in ways)
        wanted = label if label in fine else guess if may and float(chances.max()) > confidence else None
        kept += label not in fine and wanted is not None
        dropped += wanted is None
        assert found.probabilities[row].tolist() == [float(one == wanted) for one in fine]
        assert found.weights[row].tolist() == [float(wanted is not None)] * len(fine)
    assert {name: int(count) for name, count in found.counts.items()} == {
        "pseudo labels": kept,
        "rows left out, which cannot be so": dropped,
    }
    assert kept
    assert dropped
