"""The order-free classifier chain (knowledge-amalgamation, ch. 4, Eqs. 29–36): an LSTM that decides label by label.

The paper fixes no stopping rule and no number of steps. Here the chain takes L steps, or as many as `steps` says; a
step may add at most one label, the likeliest one not yet chosen (`accept` says when); a label's final logit is that of
the step that chose it, else that of the step `unchosen` names.

Steps are small and many, and autograd would walk back through every operation of each. `WayBack` is the way back by
hand: what does not depend on the order of steps, such as the gradients of weights, it computes of all of them at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from amalgam.signals import StudentOutput
from amalgam.student import Student

Accept = Literal["joint", "own", "always"]


class LabelChain(Student):
    """An LSTM over [inputs, last logits, labels chosen so far], one layer, as the paper's students and teachers."""

    class Settings(Student.Settings):
        """The chain's hyperparameters.

        Attributes:
            hidden: LSTM units.
            accept: when a step's likeliest label is added to the chosen ones. `joint`: its probability and the product
                of all chosen labels' probabilities stay above one half (the authors' rule); `own`: its probability is
                above one half; `always`: every step adds one, as Eq. 33 reads.
            unchosen: whose logit a label keeps that no step chose: the `first` step's or the `last`'s.
            steps: how many steps at most, and so how many labels can be chosen; None takes one for every label.
        """

        hidden: int = Field(default=64, gt=0)
        accept: Accept = "joint"
        unchosen: Literal["first", "last"] = "first"
        steps: int | None = Field(default=None, gt=0)

    settings: LabelChain.Settings

    def __init__(self, shape: Sequence[int], labels: Sequence[str], settings: Settings | None = None) -> None:
        super().__init__(shape, labels, settings)
        features, hidden, outputs = int(torch.Size(self.shape).numel()), self.settings.hidden, len(self.labels)
        self.start = nn.Linear(features, outputs)
        # The LSTM's input weights, cut in two: the inputs' share is the same at every step and computed once.
        self.gates_of_inputs = nn.Linear(features, 4 * hidden)
        self.gates_of_state = nn.Linear(2 * outputs + hidden, 4 * hidden, bias=False)
        self.decide = nn.Linear(hidden, outputs)
        bound = hidden**-0.5  # torch's own initialisation of an LSTM
        for part in (self.gates_of_inputs, self.gates_of_state):
            for weight in part.parameters():
                nn.init.uniform_(weight, -bound, bound)

    def forward(self, inputs: Tensor, believed: Tensor | None = None, clamp: bool = False) -> StudentOutput:
        """Final logits (B, L), last hidden state (B, hidden) and every step's logits (S, B, L).

        Args:
            inputs: (B, *shape).
            believed: logits (B, L) to start from where they are not NaN, instead of Eq. (29)'s.
            clamp: hold the believed labels' logits at every step; chosen from the start when positive, else never.
        """
        x = self.scaling(inputs).flatten(1)
        final, chosen = initial(self.start(x), believed, clamp)
        weights, constant = folded(self.gates_of_state.weight, self.decide.weight, self.decide.bias)
        start = Start(self.gates_of_inputs(x) + constant, final - weights.bias, chosen, believed if clamp else None)
        if _by_hand(start):
            return StudentOutput(*WayBack.apply(*start[:3], *weights, self.settings))
        steps = list(unrolled(start, weights, self.settings))
        logits = torch.stack([step.logits for step in steps])
        final = logits.gather(0, final_steps([step.added for step in steps], self.settings.unchosen))[0]
        return StudentOutput(final, steps[-1].state.hidden, logits)

    def score_given(self, inputs: Tensor, believed: Tensor, clamp: bool) -> Tensor:
        """Final logits (B, L) after some labels were told."""
        logits: Tensor = self(inputs, believed, clamp).logits
        return logits

    def head(self, features: Tensor) -> Tensor:
        """The last step's logits (B, L) of a hidden state (B, hidden)."""
        logits: Tensor = self.decide(features)
        return logits


def initial(linear: Tensor, believed: Tensor | None = None, clamp: bool = False) -> tuple[Tensor, Tensor]:
    """Eq. (29): L_0 = W x + b and Ŷ_0 = 0; believed labels start from their belief, and count as chosen if clamped.

    Args:
        linear: W x + b, (B, L).
        believed: (B, L), NaN where nothing is believed.
        clamp: whether believed positive labels are chosen from the start.
    """
    if believed is None:
        return linear, torch.zeros_like(linear)
    logits = torch.where(believed.isnan(), linear, believed)
    return logits, (believed > 0).to(linear.dtype) if clamp else torch.zeros_like(linear)


class Start(NamedTuple):
    """Where the steps of B rows begin; of M chains side by side, everything here and below has a leading M.

    Attributes:
        gates: what every step's gates have of the inputs, (B, 4·hidden: in, forget, out, new).
        beyond: L_0 beyond the logits of h_0 = 0, (B, L).
        chosen: Ŷ_0, (B, L).
        held: logits that stay, (B, L), NaN where the chain decides; or None.
    """

    gates: Tensor
    beyond: Tensor
    chosen: Tensor
    held: Tensor | None = None


class Weights(NamedTuple):
    """The weights of a step.

    Attributes:
        into: of [Ŷ_{k−1}, h_{k−1}], (4·hidden, L + hidden).
        told: W_l, of what L_{k−1} is beyond the logits of h_{k−1}, (4·hidden, L).
        decide: W, (L, hidden).
        bias: b, (1, L).
    """

    into: Tensor
    told: Tensor
    decide: Tensor
    bias: Tensor


class State(NamedTuple):
    """What Eq. (32) made: three gates (B, 3·hidden), in a row; new values, tanh c_k, h_k, c_k, (B, hidden) each."""

    opened: Tensor
    new: Tensor
    squashed: Tensor
    hidden: Tensor
    cell: Tensor


class Step(NamedTuple):
    """A step: its state; L_k, (B, L); the labels it added, (B, L) of 0 and 1."""

    state: State
    logits: Tensor
    added: Tensor


def folded(gates_of_state: Tensor, decide: Tensor, bias: Tensor) -> tuple[Weights, Tensor]:
    """Eqs. (30), (31): the weights of what enters a step beside x: L_{k−1}, Ŷ_{k−1} and h_{k−1}.

    A step's logits are linear in its hidden state, L_{k−1} = W h_{k−1} + b, so W_l L_{k−1} + W_h h_{k−1} is
    (W_h + W_l W) h_{k−1} + W_l b: a step needs no product with the logits, unless they are told otherwise.

    Args:
        gates_of_state: W_l, W_y and W_h side by side, (4·hidden, 2 L + hidden).
        decide: W, (L, hidden).
        bias: b, (L,).

    Returns:
        the weights, and W_l b, (1, 4·hidden).
    """
    labels, bias = decide.shape[-2], bias[..., None, :]
    of_logits, of_chosen, of_hidden = gates_of_state.tensor_split((labels, 2 * labels), dim=-1)
    into = torch.cat([of_chosen, of_hidden + of_logits @ decide], dim=-1)
    return Weights(into, of_logits, decide, bias), bias @ of_logits.mT


def unrolled(
    start: Start, weights: Weights, settings: LabelChain.Settings, room: Sequence[Tensor] | None = None
) -> Iterator[Step]:
    """The steps of the chain, one after the other.

    Args:
        start: where they begin.
        weights: of every step.
        settings: the chain's.
        room: where to write what enters each step after the first, S − 1 arrays (B, L + hidden); None makes them.
    """
    chosen, held = start.chosen, start.held
    closed = chosen if held is None else (~held.isnan()).to(chosen.dtype)
    joint = torch.ones_like(chosen[..., :1])
    numbers = torch.arange(chosen.shape[-1], device=chosen.device)
    hidden = cell = torch.zeros_like(start.gates[..., : weights.decide.shape[-1]])
    beyond: Tensor | None = start.beyond
    for step in range(steps_of(settings, chosen.shape[-1])):
        gates = start.gates
        if step or held is not None:  # else nothing was chosen yet, and h_0 = 0
            entering = torch.cat([chosen, hidden], dim=-1, out=None if room is None else room[step - 1])
            gates = affine(entering, weights.into, gates)
        state = lstm(gates if beyond is None else affine(beyond, weights.told, gates), cell)
        hidden, cell = state.hidden, state.cell
        logits, beyond = affine(hidden, weights.decide, weights.bias), None
        if held is not None:
            own, logits = logits, torch.where(held.isnan(), logits, held)
            beyond = logits - own
        best, joins, joint = choose(logits.detach(), closed, joint, settings.accept)
        added = ((numbers == best) & joins).to(logits.dtype)
        yield Step(state, logits, added)
        chosen, closed = chosen + added, closed + added


def steps_of(settings: LabelChain.Settings, labels: int) -> int:
    """S: no more steps than labels, as each can choose one."""
    return min(settings.steps or labels, labels)


def affine(inputs: Tensor, weight: Tensor, plus: Tensor) -> Tensor:
    """Inputs (B, I) times a weight (O, I), plus (B, O) or (1, O); or M of each."""
    return (torch.addmm if inputs.ndim == 2 else torch.baddbmm)(plus, inputs, weight.mT)


def lstm(gates: Tensor, cell: Tensor) -> State:
    """Eq. (32): one LSTM step from its gates before activation (B, 4·hidden: in, forget, out, new) and c_{k−1}."""
    units = cell.shape[-1]
    opened, new = gates[..., : 3 * units].sigmoid(), squash(gates[..., 3 * units :])
    into, forget, out = opened.chunk(3, dim=-1)
    cell = torch.addcmul(forget * cell, into, new)
    squashed = squash(cell)
    return State(opened, new, squashed, out * squashed, cell)


def squash(values: Tensor) -> Tensor:
    """Tanh, as 2 σ(2 x) − 1, which takes a CPU a quarter of the time of its own."""
    return torch.rsub((values + values).sigmoid(), -1, alpha=-2)


def choose(logits: Tensor, closed: Tensor, joint: Tensor, accept: Accept) -> tuple[Tensor, Tensor, Tensor]:
    """Eq. (33): the likeliest label not yet chosen joins, and the joint probability Q takes its factor.

    Args:
        logits: L_k, (B, L), without gradient: the decision is hard.
        closed: (B, L), 1 for labels that may be chosen no more, else 0.
        joint: the product of the chosen labels' probabilities, (B, 1).
        accept: when it joins, see `LabelChain.Settings`.

    Returns:
        the number of the likeliest label, whether it joins, and the new joint, (B, 1) each.
    """
    far = torch.finfo(logits.dtype).max / 4  # below every logit, in half precision, too
    best = torch.add(logits, closed, alpha=-far).max(dim=-1, keepdim=True)
    probability = best.values.sigmoid()  # 0 where nothing is open
    product = joint * probability
    joins = best.values > -far / 2 if accept == "always" else (product if accept == "joint" else probability) > 0.5
    return best.indices, joins, torch.where(joins, product, joint)


def final_steps(added: Sequence[Tensor], unchosen: Literal["first", "last"]) -> Tensor:
    """Eq. (34): which step's logit is final, (1, B, L) long: that of the step that chose the label, else `unchosen`.

    Eqs. (35), (36) are its sigmoid.

    Args:
        added: for each of S steps the labels it chose, (B, L) of 0 and 1.
        unchosen: for the others.
    """
    every, last = torch.stack(list(added)).long(), len(added) - 1  # half floats cannot count beyond 256
    numbers = torch.arange(last + 1, device=every.device).view(-1, *[1] * (every.ndim - 1))
    steps = (every * numbers).sum(0, keepdim=True)
    return steps if unchosen == "first" else steps + last * (1 - every.sum(0, keepdim=True))


class WayBack(torch.autograd.Function):
    """The steps of a chain that nobody told anything, and the gradients of what they came from."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, beyond: Tensor, chosen: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
        """The final logits (B, L), the last hidden state (B, hidden) and every step's logits (S, B, L).

        Args:
            ctx: keeps every step for the way back.
            gates: of the `Start`, as `beyond` and `chosen` are.
            rest: the four `Weights`, then the settings.
        """
        weights, settings = Weights(*rest[:-1]), rest[-1]
        rows, (labels, units) = gates.shape[-2], weights.decide.shape[-2:]
        entering = gates.new_empty(*gates.shape[:-2], steps_of(settings, labels), rows, labels + units)
        room = entering.unbind(-3)
        steps = list(unrolled(Start(gates, beyond, chosen), weights, settings, room))
        hidden = steps[-1].state.hidden
        room[-1][..., labels:] = hidden  # what would enter one more step: so all hidden states lie side by side
        logits = torch.stack([step.logits for step in steps])
        ctx.final = final_steps([step.added for step in steps], settings.unchosen)
        ctx.states, ctx.entering = [step.state for step in steps], entering
        ctx.save_for_backward(beyond, *weights[:3])
        ctx.set_materialize_grads(False)
        # What is kept here must not be what is given out: it would hold itself, for ever.
        return logits.gather(0, ctx.final)[0], hidden.clone(), logits

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, of_final: Tensor | None, of_hidden: Tensor | None, of_steps: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """Where steps follow on each other from the last to the first; the rest of all steps at once."""
        beyond, into, told, decide = ctx.saved_tensors
        states: list[State] = ctx.states
        labels, units = decide.shape[-2:]
        if of_steps is None:
            of_steps = decide.new_zeros(len(states), *ctx.final.shape[1:])
        if of_final is not None:
            of_steps = of_steps.scatter_add(0, ctx.final, of_final[None])
        of_logits = of_steps.movedim(0, -3).flatten(-3, -2)
        down = (of_logits @ decide).unflatten(-2, (len(states), -1))  # what comes to each step's h_k from its logits
        of_gates = down.new_empty(*down.shape[:-1], 4 * units)
        back, of_cell = into[..., labels:], torch.zeros_like(states[0].cell)
        for k in reversed(range(len(states))):
            after = of_gates.select(-3, k)
            of_hidden = down.select(-3, k) if of_hidden is None else of_hidden + down.select(-3, k)
            of_cell = lstm_back(states[k], states[k - 1].cell if k else None, of_hidden, of_cell, after)
            if k:
                of_hidden = after @ back
        first, others = of_gates.select(-3, 0), of_gates[..., 1:, :, :].flatten(-3, -2)
        entered, hiddens = ctx.entering[..., :-1, :, :], ctx.entering[..., labels:]
        return (
            of_gates.sum(-3), first @ told, None,
            others.mT @ entered.flatten(-3, -2), first.mT @ beyond,
            of_logits.mT @ hiddens.flatten(-3, -2), of_logits.sum(-2, keepdim=True), None,
        )  # fmt: skip


def _by_hand(start: Start) -> bool:
    """Whether gradients are asked for in torch's plain way; compilers, mixed precision, `torch.func` have their own."""
    others = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
    plain = not others and not torch.is_autocast_enabled(start.gates.device.type)
    return plain and start.held is None and start.gates.requires_grad and torch.is_grad_enabled()


def lstm_back(state: State, before: Tensor | None, of_hidden: Tensor, of_cell: Tensor, of_gates: Tensor) -> Tensor:
    """From the gradients of h_k and c_k (Eq. 32) back to those of the gates, which are written, and of c_{k−1}.

    Args:
        state: what the step made.
        before: c_{k−1}, (B, hidden); None for 0.
        of_hidden: the gradient of h_k, (B, hidden).
        of_cell: that of c_k, without what comes through h_k.
        of_gates: room for those of the gates before activation, (B, 4·hidden).
    """
    into, forget, out = state.opened.chunk(3, dim=-1)
    of_into, of_forget, of_out, of_new = of_gates.chunk(4, dim=-1)
    of_opened = of_gates[..., : state.opened.shape[-1]]
    of_cell = of_cell + torch.ops.aten.tanh_backward.default(of_hidden * out, state.squashed)
    torch.mul(of_cell, state.new, out=of_into)
    if before is None:
        of_forget.zero_()
    else:
        torch.mul(of_cell, before, out=of_forget)
    torch.mul(of_hidden, state.squashed, out=of_out)
    torch.ops.aten.sigmoid_backward.grad_input(of_opened, state.opened, grad_input=of_opened)
    torch.ops.aten.tanh_backward.grad_input(of_cell * into, state.new, grad_input=of_new)
    return of_cell * forget
