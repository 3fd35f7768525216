"""Label-graph joining (Zhao, Ou, Xue, Cui, Wu, Chen): datasets and teachers with other labels, joined in one graph.

Whoever labels a row, an annotator or a teacher, says which node of the graph it comes to; the student learns the paths
that lead there. Deterministic paths are learned by maximum likelihood. Of nondeterministic ones nobody knows which is
right: REINFORCE lets the student find out by where they lead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field, NonNegativeFloat, PositiveInt
from torch import Tensor

from amalgam.classes import by_task
from amalgam.errors import RequestError, listed
from amalgam.labelgraph import CODE
from amalgam.labelgraph.graph import LabelGraph
from amalgam.labelgraph.tree import Tree
from amalgam.labels import Tasks, spans_of
from amalgam.panel import Panel
from amalgam.signals import Loss, ProbabilityTargets, Rows, StudentOutput, Targets, Votes
from amalgam.strategies._joined import labelled
from amalgam.strategy import Labelled, Paper, Strategy


@dataclass(frozen=True)
class LabelGraphJoining(Strategy[None]):
    """The student learns the paths that lead to what a row is labelled with, by its annotators and by the teachers.

    Attributes:
        graph: the labels of all of them, and how they hang together.
        nondeterministic: how nondeterministic paths are learned: `reinforce` as printed, from one sampled path a row;
            or `marginal`, by the likelihood that any of them is taken, which is what REINFORCE estimates the rise of
            and needs no sample (chosen).
        alpha: what the deterministic paths' loss counts (Algorithm 1).
        beta: what the nondeterministic paths' loss counts (Algorithm 1).
        consistency: what the loss counts by which a row's walks are to end below its label, whichever way they go, so
            that a coarse label tells the other ways, too (chosen).
        pooling: of a label's deterministic paths, the `mean` or the `sum` of their losses, or a `random` one's.
        paths: N_p, deterministic paths of a label that a step learns, at most; None learns all.
        teachers: what a teacher's word for a row counts, where an annotation counts 1 (chosen).
        everywhere: whether teachers are also heard about rows that somebody annotated.
        temperature: by which the teachers' logits are divided.
    """

    paper: ClassVar[Paper | None] = Paper(
        title="Joining datasets via data augmentation in the label space for neural networks (ICML 2021)",
        where="dataset-joining, section 3",
        equations=(1, 2, 3, 4, 5),
        files=("strategies/label_graph.py", "students/path_decoder.py"),
    )
    exclusive: ClassVar[bool | None] = None
    sees_labels: ClassVar[bool] = True
    code: ClassVar[tuple[str, ...]] = (*CODE, "amalgam.labelgraph.tree", "amalgam.strategies._joined")

    graph: LabelGraph
    nondeterministic: Literal["reinforce", "marginal"] = "reinforce"
    alpha: NonNegativeFloat = 1.0
    beta: NonNegativeFloat = 1.0
    consistency: NonNegativeFloat = 0.0
    pooling: Literal["mean", "sum", "random"] = "mean"
    paths: PositiveInt | None = None
    teachers: NonNegativeFloat = 1.0
    everywhere: bool = False
    temperature: Annotated[float, Field(gt=0)] = 1.0

    def labels(self) -> Labelled:
        """All nodes on the way to a label."""
        return labelled(self.graph, self.graph.outputs)

    def tasks(self, panel: Panel) -> Tasks:
        """Each source's labels, and the augmented nodes of each group."""
        return self.graph.tasks

    def equips(self, student: str) -> Mapping[str, Any]:
        """The path decoder walks down the graph; RequestError for a student that does not."""
        if student != "path_decoder":
            raise RequestError(
                f"strategy 'label_graph' teaches a student that walks down its graph, and {student} does not; choose "
                "--student path_decoder, whose `encoder` it can be"
            )
        return {"graph": self.graph.model_dump(mode="json")}

    def targets(self, panel: Panel, rows: Rows, votes: Votes, state: None) -> ProbabilityTargets:
        """How strongly each row is said to be of each node: a weight for each task, and shares of it."""
        assert rows.annotated is not None
        said = annotated_nodes(rows, self.graph)
        free = torch.ones(len(rows), 1) if self.everywhere else (~said.any(1, keepdim=True)).float()
        for k in range(len(panel.seats)):
            said = said + self.teachers * free * spoken(panel, votes, k, self.temperature)
        return as_shares(said, spans_of(self.graph.tasks, self.graph.outputs))

    def loss(self, output: StudentOutput, targets: Targets) -> Loss:
        """Algorithm 1: α L_d + β L_nd, summed over rows and counted in those of which anything is said."""
        assert isinstance(targets, ProbabilityTargets)
        assert output.prefixes is not None, "the student walks down the graph"
        wanted = targets.probabilities * targets.weights
        tree, column = self._laid_out(output.prefixes.device)
        row, label = wanted.nonzero(as_tuple=True)
        weight, node = wanted[row, label], column[label]
        sure, along = tree.deterministic[node], tree.along(output.prefixes)
        ends = tree.ending[node]
        learned = chosen_paths(sure, 1 if self.pooling == "random" else self.paths)
        each = deterministic_loss(along[row], ends, learned)
        if self.pooling != "sum":
            each = each / learned.sum(1).clamp(min=1)
        total = self.alpha * (weight * each).sum()
        unsure = ((ends >= 0) & ~sure).any(1)
        if self.beta and bool(unsure.any()):
            row, weight, node = row[unsure], weight[unsure], node[unsure]
            if self.nondeterministic == "marginal":
                each = marginal_loss(tree.chances(output.prefixes)[row], ends[unsure], sure[unsure])
                total = total + self.beta * (weight * each).sum()
            else:
                total = total + self.beta * self._reinforced(output.prefixes, tree, wanted, column, row, weight)
        if self.consistency:
            reached = tree.reached(tree.chances(output.prefixes))
            row, label = wanted.nonzero(as_tuple=True)
            each = consistency_loss(reached[row], tree.under[column[label]])
            total = total + self.consistency * (wanted[row, label] * each).sum()
        return Loss(total, (targets.weights > 0).any(1).sum())

    @cached_property
    def _on(self) -> dict[torch.device, tuple[_Laid, Tensor]]:
        return {}

    def _laid_out(self, device: torch.device) -> tuple[_Laid, Tensor]:
        """The paths on a device, and the place (L,) of each label among their nodes."""
        if device not in self._on:
            place = {name: number for number, name in enumerate(self.graph.paths.nodes)}
            column = torch.tensor([place[name] for name in self.graph.outputs], device=device)
            self._on[device] = _Laid(self.graph).to(device), column
        return self._on[device]

    def _reinforced(
        self, steps: Tensor, tree: _Laid, wanted: Tensor, column: Tensor, row: Tensor, weight: Tensor
    ) -> Tensor:
        """The nondeterministic paths' loss of the rows that have any, by one sampled path of each."""
        counts = weight.new_zeros(len(steps)).index_add_(0, row, weight)
        own = counts.nonzero()[:, 0]
        true = truth(wanted[own], tree.implied[column][:, column])
        path = tree.sampled(steps[own])
        gained = reward(tree.passes[path][:, column], true)
        each = nondeterministic_loss(tree.along(steps[own])[torch.arange(len(own)), path], gained, baseline(gained))
        return (counts[own] * each).sum()


def deterministic_loss(along: Tensor, ends: Tensor, learned: Tensor) -> Tensor:
    """Eq. (2): L_d = −Σ_t log p(v_{t+1} | v_t, f_t), of each of M labels the sum over its learned paths, (M,).

    Args:
        along: (M, Q) log p of each prefix, of the row of each label.
        ends: (M, W) the prefixes that are its paths, padded with -1.
        learned: (M, W) which of them are learned.
    """
    return -(along.gather(1, ends.clamp(min=0)) * learned).sum(1)


def truth(wanted: Tensor, implied: Tensor) -> Tensor:
    """S of Eq. (3), (B, L): what is said of a row, and the labels that every path to that passes through.

    Args:
        wanted: (B, L) how strongly a row is said to be of each label.
        implied: (L, L) whether every path to the first passes through the second.
    """
    return (wanted[:, :, None] * implied).amax(1)


def reward(passed: Tensor, true: Tensor) -> Tensor:
    """Eq. (3): r(P̂) = |P̂ ∩ S| / |S|, (B,); labels that are said with a weight count by it.

    Args:
        passed: (B, L) which labels the sampled path passes through.
        true: S, (B, L) of weights.
    """
    return (passed * true).sum(1) / true.sum(1)


def nondeterministic_loss(along: Tensor, gained: Tensor, usual: Tensor) -> Tensor:
    """Eqs. (4), (5): −(r(P̂) − b) log p(P̂), whose gradient is an estimate of that of L_nd = −E r(P̂), (B,).

    Eq. (5) as printed has p in place of its logarithm's gradient, and the opposite sign: the derivative of
    −E r = −Σ p(P) r(P) is −E[r ∇ log p(P)], and a baseline b that does not depend on P̂ leaves it as it is, for
    E ∇ log p(P) = 0.

    Args:
        along: (B,) log p of the sampled path, P̂.
        gained: r(P̂), (B,).
        usual: b, (B,).
    """
    return -(gained - usual).detach() * along


def baseline(gained: Tensor) -> Tensor:
    """b(r) of Eq. (5), (B,): the mean reward of the other rows of the batch, so that no row's own sample is in it.

    The text calls it "an average baseline estimator" and says no more.
    """
    others = max(len(gained) - 1, 1)
    return (gained.sum() - gained) / others


def marginal_loss(chances: Tensor, ends: Tensor, sure: Tensor) -> Tensor:
    """−log of the chance that some nondeterministic path of a label is taken, (M,): Eq. (4)'s reward in closed form.

    Args:
        chances: (M, Q) log chance of each prefix, of the row of each label.
        ends: (M, W) the prefixes that are its paths, padded with -1.
        sure: (M, W) which of them are deterministic.
    """
    open_ = (ends >= 0) & ~sure
    return -chances.gather(1, ends.clamp(min=0)).masked_fill(~open_, -torch.inf).logsumexp(1)


def consistency_loss(reached: Tensor, under: Tensor) -> Tensor:
    """−log of the chance that a walk ends in a node below a label, by whatever way, (M,).

    Args:
        reached: (M, V) log chance that a walk comes to each node.
        under: (M, V) which nodes are ends below the label.
    """
    return -reached.masked_fill(~under, -torch.inf).logsumexp(1)


def chosen_paths(paths: Tensor, count: int | None) -> Tensor:
    """At most `count` of the marked paths (M, W) of each label, drawn; None takes all."""
    if count is None or count >= paths.shape[1]:
        return paths
    draw = torch.rand(paths.shape, device=paths.device).masked_fill(~paths, -1.0)
    kept = torch.zeros_like(paths).scatter_(1, draw.topk(count, 1).indices, True)
    return kept & paths


def annotated_nodes(rows: Rows, graph: LabelGraph) -> Tensor:
    """(B, L) which nodes rows are annotated with.

    Raises:
        RequestError: a row with two labels of one source.
    """
    assert rows.annotated is not None
    found = (rows.annotated == 1).float()
    for source, own in graph.labels.items():
        columns = [graph.outputs.index(label) for label in own]
        several = (found[:, columns].sum(1) > 1).nonzero()[:, 0]
        if len(several):
            row = int(several[0])
            names = [label for label, column in zip(own, columns, strict=True) if bool(found[row, column])]
            raise RequestError(
                f"row {int(rows.ids[row])} of {rows.name} has the labels {listed(names)}, and a row has one of the "
                f"labels of {source!r} in the label graph {graph.name}; make two sources of labels that a row can have "
                "together"
            )
    return found


def spoken(panel: Panel, votes: Votes, teacher: int, temperature: float) -> Tensor:
    """(B, L) what a teacher says of the nodes that it knows: of each of its tasks the shares of its classes.

    Raises:
        RequestError: a label of its own that is yes or no: it says nothing of what a row is otherwise.
    """
    seat = panel.seats[teacher]
    plain = set(seat.teacher.labels) - {label for own in seat.tasks.values() for label in own}
    if plain:
        raise RequestError(
            f"strategy 'label_graph' learns from choices between labels, and {listed(sorted(plain))} of teacher "
            f"{seat.name!r} are each yes or no; say `exclusive: true` or `tasks:` in its card if they exclude each "
            "other"
        )
    own = panel.space.own(teacher, votes.scores[teacher])
    shares = by_task(own / temperature, seat.spans, lambda some: some.softmax(-1), torch.sigmoid)
    return panel.space.spread(teacher, shares).nan_to_num()


def as_shares(said: Tensor, spans: Any) -> ProbabilityTargets:
    """Weights of nodes (B, L) as a weight for each task and the shares of its classes; a node by itself has share 1."""
    weights, shares = said.clone(), torch.ones_like(said)
    for first, last in spans:
        total = said[:, first:last].sum(1, keepdim=True)
        weights[:, first:last] = total
        shares[:, first:last] = torch.where(total > 0, said[:, first:last] / total.clamp(min=1e-9), 0.0)
    return ProbabilityTargets(shares, weights, spans=spans)


class _Laid(Tree):
    """A tree with what else a loss needs of the paths."""

    deterministic: Tensor
    implied: Tensor
    under: Tensor

    def __init__(self, graph: LabelGraph) -> None:
        super().__init__(graph.paths)
        self.register_buffer("deterministic", torch.from_numpy(graph.paths.deterministic), persistent=False)
        self.register_buffer("implied", torch.from_numpy(graph.paths.implied), persistent=False)
        self.register_buffer("under", torch.from_numpy(graph.paths.under), persistent=False)
