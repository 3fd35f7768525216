"""Pseudo labels (Lee, ICML 2013 workshop) with a filter of coarse labels, as dataset-joining compares it (section 4.1).

A classifier of the finer data set labels the coarser one's rows; where what it says cannot be, for the row's coarse
label lies on no path to it, the row is left out. The student learns from both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from amalgam.classes import one_hot
from amalgam.labelgraph.graph import LabelGraph
from amalgam.losses import stepwise
from amalgam.panel import Ballots, Panel
from amalgam.signals import ProbabilityTargets, Rows, Votes
from amalgam.strategies._joined import Finer
from amalgam.strategy import Learn, Paper

_CHUNK = 1024


@dataclass(frozen=True)
class PseudoLabel(Finer[nn.Module]):
    """The student learns the annotated rows, and the others by what a first student says of them.

    Attributes:
        graph: the label graph, whose paths say which coarse label goes with which fine one.
        target: the source whose labels are learned, the finer one; the graph's first by default.
        confidence: the probability above which a pseudo label counts; the paper takes every one (chosen).
    """

    paper: ClassVar[Paper | None] = Paper(
        title="Pseudo-Label: the simple and efficient semi-supervised learning method (ICML workshop 2013)",
        where="as dataset-joining, section 4.1, compares it",
    )
    trains: ClassVar[bool] = True

    confidence: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def prepare(self, panel: Panel, rows: Rows, ballots: Ballots, learn: Learn) -> nn.Module:
        """The classifier of the target's rows."""
        taught = self.exclusive_targets(self.annotated(rows))
        where = taught.weights.any(1).nonzero()[:, 0]
        found: nn.Module = learn(None, taught.at(where), stepwise, "pseudo labels", rows=rows.take(where))
        return found

    def targets(self, panel: Panel, rows: Rows, votes: Votes, state: nn.Module) -> ProbabilityTargets:
        """The annotations, and for other rows what the classifier says where it can be."""
        known = self.annotated(rows)
        device = next(state.parameters()).device
        with torch.no_grad():
            likely = torch.cat([state(some.to(device)).logits.softmax(1).cpu() for _, some in rows.chunks(_CHUNK)])
        guess = one_hot(likely).float()
        sure = (likely.amax(1) > self.confidence) & possible(guess, rows, self.graph, self.wanted)
        added = sure & ~known.any(1)
        made = self.exclusive_targets(torch.where(known.any(1)[:, None], known, guess * added[:, None]))
        dropped = (~sure & ~known.any(1)).sum()
        return replace(made, counts={"pseudo labels": added.sum(), "rows left out, which cannot be so": dropped})


def possible(guess: Tensor, rows: Rows, graph: LabelGraph, labels: Sequence[str]) -> Tensor:
    """The filter, (B,): whether a path leads to what is guessed through what a row is annotated with, of each source.

    A source whose labels lie on no path to what is guessed has nothing to say of it.

    Args:
        guess: (B, L) one label a row.
        rows: B rows, annotated in columns of their own.
        graph: the label graph.
        labels: the L labels.
    """
    assert rows.annotated is not None
    through = passing(graph, labels, rows.labels)  # (L, seen)
    found = torch.ones(len(rows), dtype=torch.bool)
    for own in graph.labels.values():
        columns = [rows.labels.index(label) for label in own]
        said = rows.annotated[:, columns] == 1
        may = guess @ through[:, columns].float() > 0
        found &= (said & may).any(1) | ~said.any(1) | ~may.any(1)
    return found


def passing(graph: LabelGraph, labels: Sequence[str], seen: Sequence[str]) -> Tensor:
    """(L, S) whether some path to each label passes through each seen node."""
    paths = graph.paths
    place = {name: number for number, name in enumerate(paths.nodes)}
    columns = [place[name] for name in seen]
    each = [paths.ending[place[label]] for label in labels]
    return torch.stack([torch.from_numpy(paths.passes[own[own >= 0]].any(0)[columns]) for own in each])
