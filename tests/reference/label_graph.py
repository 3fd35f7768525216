"""Dataset joining by a label graph (Secs. 3.2.2-3.2.6, Eqs. 1-5, Algorithms 1 and 2), in plain loops.

A graph is a list of edges (parent, child) without a cycle, below one root. A path is the tuple of its nodes, the root
first. Groups are name → the nodes that exclude each other; a node is in one group at most. Nodes that are not useful
(no way to a label leads through them) are as if they were not in the graph: they are nobody's children and in no block.
The encoder is not here: what it makes of a row, f_0 and f, is given. Numbers are floats; `nondeterministic_loss` takes
a tensor as well, for its gradient.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypedDict, TypeVar

from torch import Tensor

Scope = Literal["children", "group"]
Pooling = Literal["mean", "sum"]
Nondeterministic = Literal["policy", "marginal"]
Path = tuple[str, ...]
Edge = tuple[str, str]
Groups = Mapping[str, Sequence[str]]
Vector = Sequence[float]
Scalar = TypeVar("Scalar", float, Tensor)


# ---------------------------------------------------------------- paths


def all_paths(root: str, edges: Sequence[Edge], target: str) -> list[Path]:
    """All prediction paths P(v) from the root to the target (Sec. 3.2.2), by trying every walk, in order of the edges.

    A path includes the root and the target; that of the root to itself is the root alone.
    """
    found: list[Path] = []

    def walk(path: Path) -> None:
        if path[-1] == target:
            found.append(path)
        for parent, child in edges:
            if parent == path[-1]:
                assert child not in path, "the graph has a cycle"
                walk((*path, child))

    walk((root,))
    return found


def competing(u: str, w: str, groups: Groups) -> bool:
    """Definition 3.1: whether u and w "share a same ancestor node, and they are mutually exclusive in the taxonomy".

    The groups say which nodes are mutually exclusive; the root is an ancestor of all. No node competes with itself.
    """
    return any(u in members and w in members and u != w for members in groups.values())


def is_deterministic(path: Path, paths: Sequence[Path], groups: Groups) -> bool:
    """Definition 3.2; a path that is not is nondeterministic (Definition 3.3).

    It is deterministic if there is no other path P'(v) such that a node u ∈ P(v) and a node w ∈ P'(v) compete, u ≠ w.

    Args:
        path: P(v).
        paths: all paths of the same label node v; P(v) itself among them is passed over.
        groups: see `competing`.
    """
    for other in paths:
        if other == path:
            continue
        for u in path:
            for w in other:
                if u != w and competing(u, w, groups):
                    return False
    return True


# ---------------------------------------------------------------- the decoder's parts


def block_softmax(z: Mapping[str, float], block: Sequence[str]) -> dict[str, float]:
    """Sec. 3.2.4: p_u = exp(z_u) / Σ_{w ∈ S_u} exp(z_w), for every u of the block S_u.

    S_u "denotes the set of competing nodes of node u"; u itself must be in it, or a block's p_u would not sum to 1.
    The largest z is taken off all, against overflow.
    """
    highest = max(z[w] for w in block)
    total = 0.0
    for w in block:
        total += math.exp(z[w] - highest)
    return {u: math.exp(z[u] - highest) / total for u in block}


class GRUWeights(NamedTuple):
    """The weights of a GRU of H units and I inputs, laid out as torch.nn.GRUCell does: rows of the gates r, z, n.

    Attributes:
        weight_ih: 3H rows of I.
        weight_hh: 3H rows of H.
        bias_ih: 3H.
        bias_hh: 3H.
    """

    weight_ih: Sequence[Vector]
    weight_hh: Sequence[Vector]
    bias_ih: Vector
    bias_hh: Vector


def dot(a: Vector, b: Vector) -> float:
    """Σ_i a_i b_i."""
    return sum(one * other for one, other in zip(a, b, strict=True))


def sigmoid(x: float) -> float:
    """σ(x), without overflow at either end."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def gru_step(weights: GRUWeights, input: Vector, state: Vector) -> list[float]:
    """g of Eq. (1), a gated recurrent unit (Cho et al., 2014) as torch.nn.GRUCell has it.

    r = σ(W_ir x + b_ir + W_hr h + b_hr), z = σ(W_iz x + b_iz + W_hz h + b_hz),
    n = tanh(W_in x + b_in + r ∗ (W_hn h + b_hn)), h' = (1 − z) ∗ n + z ∗ h.
    """
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    H = len(state)
    assert len(weight_ih) == len(weight_hh) == len(bias_ih) == len(bias_hh) == 3 * H
    after = []
    for j in range(H):
        from_input, from_state = [], []
        for gate in range(3):  # r, z, n
            row = gate * H + j
            from_input.append(dot(weight_ih[row], input) + bias_ih[row])
            from_state.append(dot(weight_hh[row], state) + bias_hh[row])
        r = sigmoid(from_input[0] + from_state[0])
        z = sigmoid(from_input[1] + from_state[1])
        n = math.tanh(from_input[2] + r * from_state[2])
        after.append((1 - z) * n + z * state[j])
    return after


# ---------------------------------------------------------------- the decoder


@dataclass
class Decoder:
    """The decoder g_dec of Algorithms 1 and 2 before one row.

    With scope "children" a child competes with those of its group that its parent has, too; with "group" with all of
    its group, also those that are no children of its parent. In a step of "group", a block's probabilities need not
    sum to 1 over the children.

    Attributes:
        root: the root v_0, which is the token <START>.
        edges: (parent, child); their order breaks ties.
        groups: group → its nodes, which compete with each other.
        useful: the nodes to keep; the root need not be among them.
        embeddings: node → its row of the node embedding matrix e.
        gru: the recurrent unit g, whose input is a node's embedding and then the context.
        outputs: node → weights and bias of its z.
        first: the state f_0 of the row.
        context: the feature f of the row.
    """

    root: str
    edges: list[Edge]
    groups: dict[str, list[str]]
    useful: set[str]
    embeddings: dict[str, list[float]]
    gru: GRUWeights
    outputs: dict[str, tuple[list[float], float]]
    first: list[float]
    context: list[float]

    def children(self, parent: str) -> list[str]:
        """The useful children of a node, in order of the edges."""
        found = []
        for one, child in self.edges:
            if one == parent and child in self.useful:
                found.append(child)
        assert len(set(found)) == len(found), "an edge is there twice"
        return found

    def paths(self, target: str) -> list[Path]:
        """All paths to a node through useful nodes."""
        return all_paths(self.root, [edge for edge in self.edges if edge[1] in self.useful], target)

    def complete_paths(self) -> list[Path]:
        """All paths to leaves: nodes without a useful child."""
        found: list[Path] = []

        def walk(path: Path) -> None:
            children = self.children(path[-1])
            if not children:
                found.append(path)
            for child in children:
                walk((*path, child))

        walk((self.root,))
        return found

    def group_of(self, node: str) -> str | None:
        """The group that a node is in."""
        found = [group for group, members in self.groups.items() if node in members]
        assert len(found) <= 1, "a node is in two groups"
        return found[0] if found else None

    def block(self, child: str, parent: str, scope: Scope) -> list[str]:
        """S_u of Sec. 3.2.4 for a child u of the parent: u, and the useful nodes that compete with it in that scope."""
        group = self.group_of(child)
        if group is None:
            return [child]
        if scope == "children":
            return [other for other in self.children(parent) if other == child or competing(child, other, self.groups)]
        assert scope == "group"
        return [other for other in self.groups[group] if other in self.useful]

    def next_state(self, state: Vector, token: str) -> list[float]:
        """f_i of g_dec(G, f, f_{i−1}, t_{i−1}) in Algorithm 1: the state after one more token."""
        return gru_step(self.gru, [*self.embeddings[token], *self.context], state)

    def states(self, tokens: Sequence[str]) -> list[list[float]]:
        """Eq. (1): f_t = g(e_t, f_{t−1}), the state after each token of a sequence that begins with the root.

        The state before the root is `first`. Algorithm 1 calls that f_0, by which f_1 is the state after the root t_0;
        Eq. 1 calls the state after the root v_0 f_0. They are the same states.
        """
        assert tokens[0] == self.root
        state, found = list(self.first), []
        for token in tokens:
            state = self.next_state(state, token)
            found.append(state)
        return found

    def step(self, state: Vector, parent: str, scope: Scope = "children") -> dict[str, float]:
        """p(v | parent, state) of each useful child v: the block softmax (Sec. 3.2.4), z_v = w_v · state + b_v.

        A node in no group competes with nobody: 1. The probabilities of several blocks do not sum to 1.
        """
        found = {}
        for child in self.children(parent):
            z = {}
            for node in self.block(child, parent, scope):
                w, b = self.outputs[node]
                z[node] = dot(w, state) + b
            found[child] = block_softmax(z, list(z))[child]
        return found

    def path_log_probability(self, path: Path, scope: Scope = "children") -> float:
        """Σ_t log p(v_{t+1} | v_t, f_t), teacher forced: Eq. (2), L_d, is minus this."""
        states, total = self.states(path), 0.0
        for t in range(len(path) - 1):
            total += math.log(self.step(states[t], path[t], scope)[path[t + 1]])
        return total

    def free_running_log_probability(self, path: Path, scope: Scope = "children") -> float:
        """Minus the loss of a path by Algorithm 1 where the coin failed: coin > r_tf.

        Fed is the decoder's own token t_i, the child of its own t_{i−1} with the largest probability, the first of
        equals; where that has no useful child, nothing is fed and the state stays. The loss of step i is that of the
        true node v_i among its block below the true v_{i−1}, at the decoder's own state.

        Printed is −log p(t_i | t_{i−1}, f_i), where t_i is not yet known; with the decoder's own t_i it would be the
        loss of whatever it thinks most likely, which does not depend on the truth. v_i is meant.
        """
        assert path[0] == self.root
        own = self.root
        state, total = self.next_state(self.first, own), 0.0
        for i in range(1, len(path)):
            total += math.log(self.step(state, path[i - 1], scope)[path[i]])
            probabilities = self.step(state, own, scope)
            if probabilities:
                own = likeliest(probabilities)
                state = self.next_state(state, own)
        return total

    def questions(self, parent: str) -> int:
        """How many different groups a node's useful children are in; one in no group counts by itself."""
        groups, alone = set(), 0
        for child in self.children(parent):
            group = self.group_of(child)
            if group is None:
                alone += 1
            else:
                groups.add(group)
        return len(groups) + alone

    def chance(self, path: Path, scope: Scope = "children") -> float:
        """Π_t p(v_{t+1} | v_t, f_t) / questions(v_t), the probability that a walk of the model takes the path.

        The paper samples "from a multinomial distribution produced at each node step" (after Eq. 3), but of several
        blocks the probabilities sum to more than 1. By our own choice the walk takes one of the groups that a node's
        children are in, each as likely as another, and then a node of it by the block softmax. With "children" the
        chances of all complete paths sum to 1; of a path to an inner node it is the chance that a walk begins so.
        """
        states, product = self.states(path), 1.0
        for t in range(len(path) - 1):
            product *= self.step(states[t], path[t], scope)[path[t + 1]] / self.questions(path[t])
        return product

    def label_probability(self, label: str, paths: Sequence[Path], scope: Scope = "children") -> float:
        """How likely a walk is to come by a label: the sum of `chance` over all its paths. Not in the paper."""
        assert all(path[-1] == label for path in paths)
        return sum(self.chance(path, scope) for path in paths)

    def greedy(self, scope: Scope = "children") -> tuple[Path, list[float]]:
        """Algorithm 2: from the root, always the child of the largest probability, the first of equals.

        It stops at a node without useful children: every path ends in a leaf, so <EOP> needs no token. Printed is
        t_i = argmax g_dec(G, f, t_i), for t_{i+1}, and without the state, which g_dec has in Algorithm 1.

        Returns:
            The path, the root included; the probability of each step.
        """
        token = self.root
        path, taken, state = [token], list[float](), self.next_state(self.first, token)
        while True:
            probabilities = self.step(state, token, scope)
            if not probabilities:
                return tuple(path), taken
            token = likeliest(probabilities)
            path.append(token)
            taken.append(probabilities[token])
            state = self.next_state(state, token)

    def beam(self, width: int, scope: Scope = "children") -> list[tuple[Path, float]]:
        """The `width` complete paths of the largest `chance`, largest first, of all there are. Not in the paper.

        Of equals the first in order of the edges comes first.
        """
        found = [(path, self.chance(path, scope)) for path in self.complete_paths()]
        return sorted(found, key=lambda one: -one[1])[:width]


def likeliest(probabilities: Mapping[str, float]) -> str:
    """The "Index of Max value in prob" (Algorithm 2), the first of equals."""
    best: str | None = None
    for node, p in probabilities.items():
        if best is None or p > probabilities[best]:
            best = node
    assert best is not None
    return best


# ---------------------------------------------------------------- the nondeterministic paths


def reward(path: Path, truth: set[str]) -> float:
    """Eq. (3): r(P̂) = |P̂ ∩ S| / |S|, where S is the input's true label nodes."""
    return len(set(path) & truth) / len(truth)


def soft_reward(path: Path, truth: Mapping[str, float]) -> float:
    """Eq. (3) where true labels have weights: those of the ones on the path, over all. Our own choice."""
    on_path = 0.0
    for label, weight in truth.items():
        if label in path:
            on_path += weight
    return on_path / sum(truth.values())


def nondeterministic_loss(log_p: Scalar, r: float, b: float) -> Scalar:
    """−(r − b) log p(P̂) of one sampled path, whose gradient is an unbiased estimate of that of L_nd (Eqs. 4 and 5).

    Eq. (4): L_nd = −Σ log p(P̂) r(P̂) = −E_{P̂ ∼ p(P)} r(P̂). The two are not equal; meant is the second, which is
    −Σ_P p(P) r(P). As ∂p = p ∂log p, and as r does not depend on the parameters,

        ∂L_nd = −Σ_P r(P) ∂p(P) = −Σ_P p(P) r(P) ∂log p(P) = −E r(P̂) ∂log p(P̂).

    A baseline b that does not depend on P̂ changes nothing, for E b ∂log p(P̂) = b Σ_P ∂p(P) = b ∂1 = 0:

        ∂L_nd = −E (r(P̂) − b) ∂log p(P̂),    log p(P̂) = Σ_t log p(v̂_{t+1} | v̂_t, f_t).

    So with a single sample ∂L_nd / ∂f_t ≈ −(r(P̂) − b) ∂log p(v̂_{t+1} | v̂_t, f_t) / ∂f_t, and what comes by way of
    later states. Eq. (5) as printed, (r(P̂) − b(r)) p(v̂_{t+1} | v̂_t, f_t), lacks the logarithm and the derivative,
    and has the opposite sign: a descent along it would make paths of high reward less likely.

    Args:
        log_p: log p(P̂). Of `chance` it has −Σ_t log questions(v_t) besides, which is no matter to the gradient.
        r: the reward, a constant.
        b: the baseline, a constant.
    """
    return -(r - b) * log_p


def leave_one_out_baselines(rewards: Sequence[float]) -> list[float]:
    """b(r) of Eq. (5), "an average baseline estimator": the mean of the others' rewards; 0 where there are none.

    Which average the paper does not say. A mean with the path's own reward in it would depend on P̂.
    """
    baselines = []
    for i in range(len(rewards)):
        others = [rewards[j] for j in range(len(rewards)) if j != i]
        baselines.append(sum(others) / len(others) if others else 0.0)
    return baselines


# ---------------------------------------------------------------- training


def pooled(values: Sequence[float], how: Pooling = "mean") -> float:
    """The "mean or sum pooling operator" over (at most) N_p target paths of an input (Sec. 4.5); 0 if there are none.

    The caller has chosen the N_p. "We could also just sample a random target path": that is N_p = 1.
    """
    if not values:
        return 0.0
    total = 0.0
    for value in values:
        total += value
    if how == "sum":
        return total
    assert how == "mean"
    return total / len(values)


class Row(TypedDict):
    """A row of a batch.

    Attributes:
        decoder: before the row.
        weights: its true labels' weights; a label of weight 0 is none.
        truth: S of Eq. 3, "the groundtruth label nodes corresponding to the input", with weights.
        sampled: the path P̂ that was sampled for it; not asked for where no label has a nondeterministic path.
    """

    decoder: Decoder
    weights: Mapping[str, float]
    truth: Mapping[str, float]
    sampled: Path | None


def truth_of(decoder: Decoder, weights: Mapping[str, float], labels: Sequence[str]) -> dict[str, float]:
    """S of Eq. 3: a row's labels, and those of all labels that hold of it whichever path leads to its own.

    The text does not say whether S has more than a row's own label; "label nodes", in the plural, and a graph in which
    a cat's breed stands below the label cat, speak for it. A label that follows from several counts as the strongest.
    """
    found: dict[str, float] = {}
    for label, weight in weights.items():
        for other in labels:
            if weight and all(other in path for path in decoder.paths(label)):
                found[other] = max(found.get(other, 0.0), weight)
    return found


def split_paths(decoder: Decoder, label: str) -> tuple[list[Path], list[Path]]:
    """A label's deterministic and nondeterministic paths (Definitions 3.2 and 3.3)."""
    paths = decoder.paths(label)
    assert paths, "no path leads to the label"
    deterministic, nondeterministic = [], []
    for path in paths:
        if is_deterministic(path, paths, decoder.groups):
            deterministic.append(path)
        else:
            nondeterministic.append(path)
    return deterministic, nondeterministic


def algorithm_1_parts(
    rows: Sequence[Row],
    *,
    scope: Scope = "children",
    how: Pooling = "mean",
    teacher_forced: bool = True,
    nondeterministic: Nondeterministic = "policy",
) -> tuple[list[float], list[float]]:
    """L_d and L_nd of Algorithm 1, one of each a row; see `algorithm_1_loss`."""
    certain, uncertain = [0.0 for _ in rows], [0.0 for _ in rows]

    # 1. Train deterministic path by teacher forcing
    for k, row in enumerate(rows):
        decoder = row["decoder"]
        for label, weight in row["weights"].items():
            if weight == 0:
                continue
            losses = []
            for path in split_paths(decoder, label)[0]:
                if teacher_forced:
                    losses.append(-decoder.path_log_probability(path, scope))
                else:
                    losses.append(-decoder.free_running_log_probability(path, scope))
            certain[k] += weight * pooled(losses, how)

    # 2. Train nondeterministic path by policy gradient
    I_pg = list[int]()
    open_weight = [0.0 for _ in rows]
    for k, row in enumerate(rows):
        for label, weight in row["weights"].items():
            if weight == 0:
                continue
            paths = split_paths(row["decoder"], label)[1]
            if not paths:
                continue
            open_weight[k] += weight
            if k not in I_pg:
                I_pg.append(k)
            if nondeterministic == "marginal":
                uncertain[k] -= weight * math.log(sum(row["decoder"].chance(path, scope) for path in paths))
    if nondeterministic == "policy":
        rewards, log_p = [], []
        for k in I_pg:
            sampled = rows[k]["sampled"]
            assert sampled is not None, "a row with nondeterministic paths needs a sampled one"
            rewards.append(soft_reward(sampled, rows[k]["truth"]))
            log_p.append(rows[k]["decoder"].path_log_probability(sampled, scope))
        baselines = leave_one_out_baselines(rewards)
        for i, k in enumerate(I_pg):
            uncertain[k] = nondeterministic_loss(log_p[i], rewards[i], baselines[i]) * open_weight[k]
    return certain, uncertain


def algorithm_1_loss(
    rows: Sequence[Row],
    alpha: float = 1.0,
    beta: float = 1.0,
    *,
    scope: Scope = "children",
    how: Pooling = "mean",
    teacher_forced: bool = True,
    nondeterministic: Nondeterministic = "policy",
) -> float:
    """Algorithm 1: L = α L_d + β L_nd of a batch, summed over rows, where the samples and the coin are given.

    L_d of a row: over its labels, weight × the pooled −log p of the label's deterministic paths (Eq. 2).

    L_nd of a row: over its labels that have nondeterministic paths, by "policy" −(r − b) log p(P̂) × the sum of these
    labels' weights, with b the mean reward of the batch's other rows that have such labels (I_pg); r is of the row's
    truth. By "marginal", our own choice that needs no sample, weight × −log Σ chance of the label's
    nondeterministic paths.

    Printed is the reward of one token, r(t_{n−1}), without a baseline; Eqs. 3 and 5 have the reward of the path and a
    baseline. Printed is also that α is left out where I_pg is empty; here it is not, so that a row's loss does not
    depend on whether there are others of that kind.

    Args:
        rows: the batch.
        alpha: the weight of L_d.
        beta: the weight of L_nd.
        scope: see `Decoder`.
        how: see `pooled`.
        teacher_forced: coin ≤ r_tf; there is one coin for the batch. P̂ is fed its own nodes either way.
        nondeterministic: "policy" or "marginal".
    """
    certain, uncertain = algorithm_1_parts(
        rows, scope=scope, how=how, teacher_forced=teacher_forced, nondeterministic=nondeterministic
    )
    total = 0.0
    for k in range(len(rows)):
        total += alpha * certain[k] + beta * uncertain[k]
    return total
