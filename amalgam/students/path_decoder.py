"""The path decoder of dataset-joining (§3.2.5–3.2.7, Algorithms 1, 2): a row is a walk down a label graph.

An encoder, any other student without its head, makes features of a row; a gated recurrent unit goes from the root to a
label and says at each node what the next one is, by a block softmax over nodes that compete. All paths of the graph are
followed at once: those that begin alike share their beginnings (`labelgraph.paths`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from amalgam.signals import Decoded, Rows, StudentOutput
from amalgam.student import Student, build, settings_of
from amalgam.tokens import Reading


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
            if encoder.get("name") == "path_decoder":
                raise ValueError("the encoder of a path_decoder is another student, such as mlp or timm")
            try:
                settings_of(dict(encoder), "student path_decoder, encoder")
            except RequestError as error:
                raise ValueError(str(error)) from None
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
        self.graph, self.paths = graph, graph.paths
        if lost := [label for label in labels if label not in self.paths.nodes]:
            raise RequestError(f"the student's labels {listed(lost)} are on no path of the label graph {graph.name}")
        self.encoder = build(dict(settings.encoder), shape, ("unused",), "student path_decoder, encoder")
        for name, weight in self.encoder.named_parameters():  # its head is never asked
            weight.requires_grad_(not name.startswith(("head", "decide")))
        del self._modules["scaling"]  # the encoder's, see below
        self.masks, self.texts = self.encoder.masks, self.encoder.texts
        name = str(settings.encoder["name"]).partition(":")[0]  # as it was built: weights that it learned are its own
        built = {"name": name, **self.encoder.settings.model_dump(mode="json")}
        self.settings = settings.model_copy(update={"encoder": built})
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

    @property
    def reading(self) -> Reading | None:
        """How its texts were read: as the encoder's."""
        return self.encoder.reading

    @reading.setter
    def reading(self, reading: Reading | None) -> None:
        self.encoder.reading = reading

    def accepts(self, shape: Sequence[int]) -> bool:
        """What the encoder accepts."""
        return self.encoder.accepts(shape)

    def refuse(self, rows: Rows) -> None:
        """RequestError for rows that the encoder does not read."""
        self.encoder.refuse(rows)

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
        if self.training or self.settings.walks != 1:
            return StudentOutput(self._logits(steps), features, prefixes=steps)
        decoded, chance = self._decode(features)
        reached = torch.where(self.tree.passes[decoded.ends], chance[:, None], LOWEST)
        return StudentOutput(self._read(reached), features, prefixes=steps, decoded=decoded)

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

    def _logits(self, steps: Tensor) -> Tensor:
        """What all of a row's walks, or outside training a beam of them, say of the labels, (B, L)."""
        tree, walks = self.tree, self.settings.walks
        chances = tree.chances(steps)
        if walks is None or self.training:
            return self._read(tree.reached(chances))
        ends = tree.likeliest(chances, walks)
        again = (ends[:, :, None] == ends[:, None]).tril(-1).any(2)  # a path that is there already
        said = chances.gather(1, ends).masked_fill(again, -torch.inf)
        return self._read(said[..., None].masked_fill(~tree.passes[ends], -torch.inf).logsumexp(1))

    def _read(self, reached: Tensor) -> Tensor:
        """Logits (B, L) of log chances (B, V) of the nodes: log chances of classes, log odds of others."""
        return by_task(reached[:, self.column].clamp(min=LOWEST), self.spans, lambda some: some, _odds)

    def decode(self, inputs: Tensor) -> Decoded:
        """Algorithm 2, greedy decoding, of inputs (B, *shape)."""
        return self._decode(self.represent(inputs))[0]

    def walk(self, output: StudentOutput) -> Decoded:
        """The greedy path of each row of a batch, which is in what the decoder says of all prefixes."""
        if output.decoded is not None:
            return output.decoded
        assert output.prefixes is not None
        ends = self.tree.greedy(output.prefixes)
        trail = self.tree.trail[ends]
        steps = output.prefixes.gather(1, trail.clamp(min=0)).exp()
        ended = trail < 0
        nodes = self.tree.node[trail.clamp(min=0)].masked_fill(ended, -1)
        return Decoded(ends, nodes, steps.masked_fill(ended, 1.0))

    def _decode(self, features: Tensor) -> tuple[Decoded, Tensor]:
        """The greedy path of each row, and its log chance (B,)."""
        tree, context = self.tree, self.begin(features)
        state, at = context, torch.zeros_like(context[:, 0], dtype=torch.long)
        nodes, said, chance = list[Tensor](), list[Tensor](), torch.zeros_like(context[:, 0])
        for _ in range(tree.longest):
            state = self.follow(tree.node[at], context, state)
            best, chosen = self._next(self.scores(state[:, None], features)[:, 0], at)
            ended = chosen < 0
            at = torch.where(ended, at, chosen)
            nodes.append(torch.where(ended, -1, tree.node[at]))
            said.append(torch.where(ended, 0.0, best))
            chance = chance + torch.where(ended, 0.0, best - tree.questions[at])
        return Decoded(at, torch.stack(nodes, 1), torch.stack(said, 1).exp()), chance

    def _next(self, scores: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
        """The likeliest step of each row: its log p (B,), and the prefix (B,) that it leads to, -1 where none does.

        Args:
            scores: z of every node, (B, V).
            at: the prefix of each row so far, (B,).
        """
        tree, longer = self.tree, self.tree.longer[at]
        if self.settings.block == "children":  # minus infinity would be no number where nothing is below
            scores = scores.masked_fill(~self.below[tree.node[at]], -1e9)
        said = block_log_softmax(scores, self.blocks, self.within).gather(1, tree.node[longer.clamp(min=0)])
        best, place = said.masked_fill(longer < 0, -torch.inf).max(1, keepdim=True)
        return best[:, 0], longer.gather(1, place)[:, 0]


def _odds(chance: Tensor) -> Tensor:
    """Log chances as log odds."""
    return chance - torch.log(-torch.expm1(chance.clamp(max=-1e-7)))
