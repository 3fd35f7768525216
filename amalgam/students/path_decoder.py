"""The path decoder of dataset-joining (§3.2.5–3.2.7, Algorithms 1, 2): a row is a walk down a label graph.

An encoder, any other student without its head, makes features of a row; a gated recurrent unit goes from the root to a
label and says at each node what the next one is, by a block softmax over nodes that compete. All paths of the graph are
followed at once: those that begin alike share their beginnings (`labelgraph.paths`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from pydantic import Field, PositiveInt, field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from amalgam.classes import by_task
from amalgam.errors import RequestError, listed
from amalgam.labelgraph.graph import LabelGraph, require_nodes
from amalgam.labelgraph.tree import LOWEST, Tree, block_log_softmax, places
from amalgam.signals import StudentOutput
from amalgam.student import Student, build, settings_of


@dataclass(frozen=True)
class Decoded:
    """The path of each row.

    Attributes:
        nodes: (B, T) the nodes after the root, as places in the graph's `paths.nodes`; -1 after a path's end.
        probabilities: (B, T) of each step, among what competes with it; 1 after a path's end.
    """

    nodes: Tensor
    probabilities: Tensor


class PathDecoder(Student):
    """An encoder, a GRU and a block softmax."""

    class Settings(Student.Settings):
        """The decoder's hyperparameters.

        Attributes:
            graph: the label graph; a strategy that has one tells it.
            encoder: another student's name and settings, whose features are decoded.
            hidden: units of the GRU.
            embedding: numbers of a node's embedding.
            block: what a node competes with: its whole `group`, as printed, or those of it that are `children` of the
                node before, for no other can follow.
            direct: whether a node's score also has a part that is linear in the encoder's features, wherever the walk
                is, as a plain classifier's score is (chosen).
        teacher_forcing: the share of batches in which a decoder in training is told the true nodes so far; in the
                others it goes by its own (Algorithm 1).
            walks: how many paths a row's labels are read off: 1 is greedy decoding (Algorithm 2), more are a beam, and
                None takes all: a label's probability is then that of all paths to it.
        """

        graph: LabelGraph
        encoder: Mapping[str, Any] = {"name": "mlp"}
        hidden: PositiveInt = 64
        embedding: PositiveInt = 32
        block: Literal["group", "children"] = "group"
        direct: bool = False
        teacher_forcing: float = Field(default=1.0, ge=0, le=1)
        walks: PositiveInt | None = 1

        @field_validator("encoder")
        @classmethod
        def _known(cls, encoder: Mapping[str, Any]) -> Mapping[str, Any]:
            try:
                kind, _ = settings_of(dict(encoder), "student path_decoder, encoder")
            except RequestError as error:
                raise ValueError(str(error)) from None
            if issubclass(kind, PathDecoder):
                raise ValueError("the encoder of a path_decoder is another student, such as mlp or timm")
            return encoder

    settings: PathDecoder.Settings
    depth: Tensor
    inner: Tensor
    goes_on: Tensor
    below: Tensor
    blocks: Tensor
    within: Tensor
    column: Tensor

    def __init__(self, shape: Sequence[int], labels: Sequence[str], settings: Settings | None = None) -> None:
        if settings is None:
            raise RequestError("the student path_decoder needs a label graph: name one under strategy.graph")
        super().__init__(shape, labels, settings)
        graph, hidden = settings.graph, settings.hidden
        require_nodes(graph, labels, "the student")
        self.paths = graph.paths
        if lost := [label for label in labels if label not in self.paths.nodes]:
            raise RequestError(f"the student's labels {listed(lost)} are on no path of the label graph {graph.name}")
        self.encoder = build(dict(settings.encoder), shape, ("unused",), "student path_decoder, encoder")
        for name, weight in self.encoder.named_parameters():  # its head is never asked
            weight.requires_grad_(not name.startswith(("head", "decide")))
        del self._modules["scaling"]  # the encoder's, see below
        self.masks = self.encoder.masks  # type: ignore[misc]  # as the encoder's, whatever the class says
        self.texts = self.encoder.texts  # type: ignore[misc]
        width = int(self.encoder.eval().represent(torch.zeros(1, *self.shape)).shape[-1])
        self.encoder.train()
        nodes = len(self.paths.nodes)
        self.bridge = nn.Linear(width, hidden)
        self.embed = nn.Embedding(nodes, settings.embedding)
        self.unit = nn.GRUCell(settings.embedding + hidden, hidden)
        self.head = nn.Linear(hidden, nodes)
        self.direct = nn.Linear(width, nodes, bias=False) if settings.direct else None
        self.tree = Tree(self.paths)
        self._lay_out()

    def _lay_out(self) -> None:
        """The tables that the graph decides."""
        paths = self.paths
        parent, goes_on = torch.from_numpy(paths.parent), torch.from_numpy(paths.longer[:, 0]) >= 0
        inner = goes_on.cumsum(0) - 1  # the place of a prefix among those that go on
        bounds = [int(goes_on[: level.start].sum()) for level in self.tree.levels]
        self.turns = [slice(first, last) for first, last in pairwise(bounds)]  # of each length
        below = torch.zeros(len(paths.nodes), len(paths.nodes), dtype=torch.bool)
        below[torch.from_numpy(paths.node)[parent[1:]], torch.from_numpy(paths.node)[1:]] = True
        blocks = torch.from_numpy(paths.blocks)
        place = {name: number for number, name in enumerate(paths.nodes)}
        tables = {
            "inner": inner,  # of each prefix
            "goes_on": goes_on.nonzero()[:, 0],
            "depth": torch.from_numpy(paths.depth),
            "below": below,  # (V, V) which node is a child of which
            "blocks": blocks,
            "within": places(blocks, len(paths.nodes)),
            "column": torch.tensor([place[label] for label in self.labels]),
        }
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)

    @property
    def scaling(self) -> Any:  # type: ignore[override]
        """The encoder's."""
        return self.encoder.scaling

    def accepts(self, shape: Sequence[int]) -> bool:
        """What the encoder accepts."""
        return self.encoder.accepts(shape)

    def represent(self, inputs: Tensor) -> Tensor:
        """The encoder's features (B, D) of inputs: f in Algorithm 1."""
        return self.encoder.represent(inputs)

    def begin(self, features: Tensor) -> Tensor:
        """Features (B, D) brought to the size of the unit's state, (B, hidden): f_0, which every step also sees."""
        return torch.tanh(self.bridge(features))

    def scores(self, states: Tensor, features: Tensor) -> Tensor:
        """z of every node, (B, n, V), after states (B, n, hidden) of rows with features (B, D)."""
        found: Tensor = self.head(states)
        return found if self.direct is None else found + self.direct(features)[:, None]

    def follow(self, token: Tensor, context: Tensor, state: Tensor) -> Tensor:
        """Eq. (1): f_t = g(e_t, f_{t-1}), g being a gated recurrent unit that also sees the row's features.

        Args:
            token: the nodes, (...).
            context: the row's features, (..., hidden), in a form that broadcasts.
            state: f_{t-1}, (..., hidden).
        """
        unit, wide = self.unit, self.settings.embedding
        seen = F.linear(self.embed(token), unit.weight_ih[:, :wide], unit.bias_ih)
        seen = seen + F.linear(context, unit.weight_ih[:, wide:])
        kept = F.linear(state, unit.weight_hh, unit.bias_hh)
        (reset, update, fresh), (reset_h, update_h, fresh_h) = seen.chunk(3, -1), kept.chunk(3, -1)
        gate = torch.sigmoid(update + update_h)
        return (1 - gate) * torch.tanh(fresh + torch.sigmoid(reset + reset_h) * fresh_h) + gate * state

    def states(self, context: Tensor) -> Tensor:
        """The unit's state (B, I, hidden) after each of the I prefixes that go on, of features (B, hidden)."""
        tree, each = self.tree, context[:, None]
        found, before = list[Tensor](), 0
        for turn in self.turns:
            own = self.goes_on[turn]
            last = each if not found else found[-1][:, self.inner[tree.parent[own]] - before]
            before = turn.start
            found.append(self.follow(tree.node[own], each, last))
        return torch.cat(found, 1)

    def steps(self, scores: Tensor, which: Tensor) -> Tensor:
        """Log p(v_t | …) of the last step of each prefix, (B, Q), by the block softmax.

        Args:
            scores: z, (B, n, V).
            which: (Q,) of the n, that before the step.
        """
        node = self.tree.node
        if self.settings.block == "group":
            found = block_log_softmax(scores, self.blocks, self.within)[:, which, node]
        else:
            found = block_log_softmax(scores[:, which, node], self.tree.alternatives, self.tree.back)
        return found * (torch.arange(len(node), device=node.device) > 0)  # the root is no step

    def forward(self, inputs: Tensor) -> StudentOutput:
        """Logits (B, L) of the labels, the features (B, D), and log p of each prefix's last step (B, Q)."""
        features = self.represent(inputs)
        states = self.states(self.begin(features))
        steps = self.steps(self.scores(states, features), self.inner[self.tree.parent])
        if self.training and self.settings.teacher_forcing < torch.rand(()):
            own = self._own_way(states, features, steps)
            steps = self.steps(self.scores(own, features), (self.depth - 1).clamp(min=0))
        return StudentOutput(self._logits(features, steps), features, prefixes=steps)

    def _own_way(self, states: Tensor, features: Tensor, steps: Tensor) -> Tensor:
        """The unit's state (B, T, hidden) after each length of each row's own greedy path; it stays after the end."""
        tree, every = self.tree, torch.arange(len(states), device=states.device)
        end = tree.greedy(steps)
        last = self.follow(tree.node[end], self.begin(features), states[every, self.inner[tree.parent[end]]])
        found, at = list[Tensor](), end
        for level in reversed(tree.levels[:-1]):  # from the end up: the prefix of each length
            at = torch.where(at >= level.stop, tree.parent[at], at)
            found.append(torch.where((at == end)[:, None], last, states[every, self.inner[at]]))
        return torch.stack(found[::-1], 1)

    def _logits(self, features: Tensor, steps: Tensor) -> Tensor:
        """What a row's walks say of the labels, (B, L): log chances of classes, log odds of labels by themselves."""
        tree, walks = self.tree, self.settings.walks
        if walks == 1 and not self.training:
            chance = self._greedy_chances(features)
        elif walks is None or self.training:
            chance = tree.reached(tree.chances(steps))
        else:
            chances = tree.chances(steps)
            ends = tree.likeliest(chances, walks)
            said = chances.gather(1, ends)
            again = (ends[:, :, None] == ends[:, None]).tril(-1).any(2)  # a path that is there already
            each = said.masked_fill(again, -torch.inf)[..., None].masked_fill(~tree.passes[ends], -torch.inf)
            chance = each.logsumexp(1)
        chance = chance[:, self.column].clamp(min=LOWEST)
        return by_task(chance, self.spans, lambda some: some, _odds)

    def decode(self, inputs: Tensor) -> Decoded:
        """Algorithm 2, greedy decoding, of inputs (B, *shape)."""
        nodes, said, _ = self._decode(self.represent(inputs))
        return Decoded(nodes, said.exp())

    @torch.inference_mode()
    def told(self, inputs: Tensor) -> list[str]:
        """Each row's greedy path with the probability of each step: `numeral → even .98 → two .95 (deterministic)`.

        Whether the path is, Definition 3.2 says: of a nondeterministic one the steps are the decoder's own choice.
        """
        was_training = self.training
        found = self.eval().decode(inputs.to(self.device))
        self.train(was_training)
        return [
            self._in_words([node for node in nodes if node >= 0], steps)
            for nodes, steps in zip(found.nodes.tolist(), found.probabilities.tolist(), strict=True)
        ]

    def _in_words(self, nodes: list[int], steps: list[float]) -> str:
        names = [self.paths.nodes[node] for node in nodes]
        ends, kinds = self.paths.to(names[-1])
        sure = next(bool(kind) for end, kind in zip(ends, kinds, strict=True) if self.paths.names(int(end)) == names)
        walked = [f"{name} {step:.2f}" for name, step in zip(names, steps, strict=False)]
        kind = "deterministic" if sure else "nondeterministic"
        return f"{' → '.join([self.settings.graph.root, *walked])} ({kind})"

    def _decode(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Nodes (B, T), -1 after the end, log p of each step, 0 there, and the log chance of the path (B,)."""
        context = state = self.begin(features)
        at, groups = torch.zeros_like(context[:, 0], dtype=torch.long), self._groups_below()
        nodes, said, chance = list[Tensor](), list[Tensor](), torch.zeros_like(context[:, 0])
        for _ in range(self.tree.longest):
            state = self.follow(at, context, state)
            scores, below = self.scores(state[:, None], features)[:, 0], self.below[at]
            if self.settings.block == "children":
                scores = scores.masked_fill(~below, -1e9)  # minus infinity would be no number where nothing is below
            steps = block_log_softmax(scores, self.blocks, self.within).masked_fill(~below, -torch.inf)
            best, chosen = steps.max(1)
            ended = ~below.any(1)
            nodes.append(torch.where(ended, -1, chosen))
            said.append(torch.where(ended, 0.0, best))
            chance = chance + torch.where(ended, 0.0, best - groups[at])
            at = torch.where(ended, at, chosen)
        return torch.stack(nodes, 1), torch.stack(said, 1), chance

    def _groups_below(self) -> Tensor:
        """(V,) log of how many groups the children of each node fall in; 0 where it has none."""
        kinds = torch.zeros(len(self.below), len(self.blocks), device=self.below.device)
        group = self.within // self.blocks.shape[1]
        kinds.index_add_(1, group, self.below.float())
        return (kinds > 0).sum(1).clamp(min=1).float().log()

    def _greedy_chances(self, features: Tensor) -> Tensor:
        """The log chance (B, V) of the greedy path for the nodes on it, nothing for the others."""
        nodes, _, chance = self._decode(features)
        every = torch.arange(len(self.below), device=nodes.device)
        met = (nodes[:, :, None] == every).any(1)
        return torch.where(met, chance[:, None], LOWEST)


def _odds(chance: Tensor) -> Tensor:
    """Log chances as log odds."""
    return chance - torch.log(-torch.expm1(chance.clamp(max=-1e-7)))
