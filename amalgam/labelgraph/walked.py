"""Decoded paths in words, and what they make of a graph's augmented nodes, on rows whose truth is known in part.

Paper: dataset-joining §4.3 and Fig. 4, rows whose paths go through a node; §4.4, how often the node is true of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from amalgam.labelgraph.graph import LabelGraph
from amalgam.metrics import Number

if TYPE_CHECKING:
    from amalgam.signals import Decoded

MOST_EXAMPLES = 8
"""Rows of a node that a report shows, at most."""


def in_words(graph: LabelGraph, found: Decoded) -> list[str]:
    """Each row's path with the probability of each step: `numeral → even 0.98 → two 0.95 (deterministic)`.

    Whether the path is, Definition 3.2 says: of a nondeterministic one the steps are the decoder's own choice.
    """
    said = list[str]()
    for end, steps in zip(found.ends.tolist(), found.probabilities.tolist(), strict=True):
        walked = [f"{name} {step:.2f}" for name, step in zip(graph.paths.names(end), steps, strict=False)]
        kind = "deterministic" if graph.paths.sure[end] else "nondeterministic"
        said.append(f"{' → '.join([graph.root, *walked])} ({kind})")
    return said


@dataclass(frozen=True)
class Passing:
    """Rows whose decoded path goes through a node.

    Attributes:
        rows: how many.
        judged: of how many of them an annotation says whether the node is true.
        share: of these, the share of which it is true; NaN where nobody was asked.
    """

    rows: int
    judged: int
    share: Number


@dataclass(frozen=True)
class Example:
    """A row whose decoded path goes through a node.

    Attributes:
        row: its number in the data.
        deterministic: whether its path is (Definition 3.2).
    """

    row: int
    deterministic: bool


@dataclass(frozen=True)
class Walked:
    """An augmented node and the decoded paths through it.

    Attributes:
        node: its name.
        every: the rows of all these paths.
        nondeterministic: the rows whose path is nondeterministic.
        examples: some of the rows, of both kinds where there are both.
    """

    node: str
    every: Passing
    nondeterministic: Passing
    examples: tuple[Example, ...] = ()


class Footprints:
    """Counts the decoded paths through the augmented nodes of a graph, batch by batch.

    Args:
        graph: whose paths are decoded.
        labels: what rows are annotated with; some may be augmented nodes.
    """

    def __init__(self, graph: LabelGraph, labels: Sequence[str]) -> None:
        paths = graph.paths
        place = {node: number for number, node in enumerate(paths.nodes)}
        self.nodes = [node for node in graph.augmented if node in place]
        self.passes = torch.from_numpy(paths.passes[:, [place[node] for node in self.nodes]])
        self.sure = torch.from_numpy(paths.sure)
        self.asked = [number for number, node in enumerate(self.nodes) if node in labels]
        self.columns = [labels.index(self.nodes[number]) for number in self.asked]
        self.counts = torch.zeros(2, 3, len(self.nodes), dtype=torch.long)  # of either kind of path: rows, judged, true
        self.told = torch.zeros(len(self.nodes), dtype=torch.bool)
        self.rows: list[list[list[int]]] = [[[] for _ in self.nodes] for _ in range(2)]

    def update(self, ends: Tensor, annotated: Tensor, numbers: Tensor) -> None:
        """Count a batch.

        Args:
            ends: the prefix that is each row's decoded path, (B,).
            annotated: whether each label is true of each row, (B, labels) of 0, 1, and NaN where nobody said.
            numbers: of the rows in the data, (B,).
        """
        self.passes, self.sure = self.passes.to(ends.device), self.sure.to(ends.device)
        truth = torch.full((len(ends), len(self.nodes)), torch.nan)
        truth[:, self.asked] = annotated[:, self.columns].float()
        self.told |= (~truth.isnan()).any(0)
        truth, through, sure = truth.to(ends.device), self.passes[ends], self.sure[ends][:, None]
        for kind, met in enumerate((through & sure, through & ~sure)):
            self.counts[kind] += torch.stack([met, met & ~truth.isnan(), met & (truth == 1)]).sum(1).cpu()
            first = (met & (met.cumsum(0) <= MOST_EXAMPLES)).cpu()
            for own, some in zip(self.rows[kind], first.T, strict=True):
                own += numbers[some].tolist()[: MOST_EXAMPLES - len(own)]

    def walked(self) -> tuple[Walked, ...]:
        """The nodes that paths go through or rows are annotated with; those of most paths first."""
        known = (self.told | self.counts[:, 0].bool().any(0)).nonzero()[:, 0].tolist()
        return tuple(sorted(map(self._of, known), key=lambda one: -one.every.rows))

    def _of(self, node: int) -> Walked:
        every, unsure = self.counts.sum(0)[:, node], self.counts[1, :, node]
        examples = _both(*(rows[node] for rows in self.rows))
        return Walked(self.nodes[node], _passing(*every.tolist()), _passing(*unsure.tolist()), examples)


def _passing(rows: int, judged: int, true: int) -> Passing:
    return Passing(rows, judged, true / judged if judged else math.nan)


def _both(sure: list[int], unsure: list[int]) -> tuple[Example, ...]:
    """The first rows of deterministic paths and of others, half and half where there are enough of both."""
    others = min(len(unsure), max(MOST_EXAMPLES // 2, MOST_EXAMPLES - len(sure)))
    chosen = [(row, True) for row in sure[: MOST_EXAMPLES - others]] + [(row, False) for row in unsure[:others]]
    return tuple(Example(row, kind) for row, kind in chosen)
