"""The order-free classifier chain (knowledge-amalgamation, ch. 4, Eqs. 29–36): an LSTM that decides label by label.

The paper fixes no stopping rule and no number of steps. Here the chain takes L steps, or as many as `steps` says; a
step may add at most one label, the likeliest one not yet chosen (`accept` says when); a label's final logit is that of
the step that chose it, else that of the step `unchosen` names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

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
        decide, bias = self.decide.weight, self.decide.bias[..., None, :]
        into, of_logits, constant = folded(self.gates_of_state.weight, decide, bias)
        of_inputs = self.gates_of_inputs(x) + constant
        held = believed if clamp else None
        available = torch.ones_like(final) if held is None else held.isnan().to(final.dtype)
        hidden = cell = of_inputs.new_zeros(*of_inputs.shape[:-1], self.settings.hidden)
        joint = torch.ones_like(final[..., :1])
        beyond: Tensor | None = final - bias  # what the logits are beyond those of the hidden state
        steps = list[Tensor]()
        for step in range(min(self.settings.steps or len(self.labels), len(self.labels))):
            gates = affine(torch.cat([chosen, hidden], dim=-1), into, of_inputs)
            hidden, cell = lstm(gates if beyond is None else affine(beyond, of_logits, gates), cell)
            logits, beyond = affine(hidden, decide, bias), None
            if held is not None:
                own, logits = logits, torch.where(held.isnan(), logits, held)
                beyond = logits - own
            steps.append(logits)
            added, joint = choose(logits.detach(), available, joint, self.settings.accept)
            takes = available if step == 0 or self.settings.unchosen == "last" else added
            final = carry(final, logits, takes)
            chosen, available = chosen + added, available - added
        return StudentOutput(final, hidden, torch.stack(steps))

    def score(self, inputs: Tensor) -> Tensor:
        """Final logits (B, L): the chain as a teacher."""
        logits: Tensor = self(inputs).logits
        return logits

    def score_given(self, inputs: Tensor, believed: Tensor, clamp: bool) -> Tensor:
        """Final logits (B, L) after some labels were told."""
        logits: Tensor = self(inputs, believed, clamp).logits
        return logits

    def score_and_features(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Final logits (B, L) and the last hidden state (B, hidden)."""
        output = self(inputs)
        return output.logits, output.features

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


def folded(gates_of_state: Tensor, decide: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Eqs. (30), (31): the weights of what enters a step beside x: L_{k−1}, Ŷ_{k−1} and h_{k−1}.

    A step's logits are linear in its hidden state, L_{k−1} = W h_{k−1} + b, so W_l L_{k−1} + W_h h_{k−1} is
    (W_h + W_l W) h_{k−1} + W_l b: a step needs no product with the logits, unless they are told otherwise.

    Args:
        gates_of_state: W_l, W_y and W_h side by side, (4·hidden, 2 L + hidden); in M stacked chains, a leading M here
            and below.
        decide: W, (L, hidden).
        bias: b, (1, L).

    Returns:
        the weights of [Ŷ_{k−1}, h_{k−1}], (4·hidden, L + hidden); W_l, (4·hidden, L); and W_l b, (1, 4·hidden).
    """
    labels = decide.shape[-2]
    of_logits, of_chosen, of_hidden = gates_of_state.tensor_split((labels, 2 * labels), dim=-1)
    return torch.cat([of_chosen, of_hidden + of_logits @ decide], dim=-1), of_logits, bias @ of_logits.mT


def affine(inputs: Tensor, weight: Tensor, plus: Tensor) -> Tensor:
    """Inputs (B, I) times a weight (O, I), plus (B, O) or (1, O); or M of each, side by side."""
    return (torch.addmm if inputs.ndim == 2 else torch.baddbmm)(plus, inputs, weight.mT)


def lstm(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """Eq. (32): one LSTM step from its gates before activation (B, 4·hidden: in, forget, out, new) to (h_k, c_k)."""
    units = cell.shape[-1]
    into, forget, out = gates[..., : 3 * units].sigmoid().chunk(3, dim=-1)
    cell = torch.addcmul(forget * cell, into, gates[..., 3 * units :].tanh())
    return out * cell.tanh(), cell


def choose(logits: Tensor, available: Tensor, joint: Tensor, accept: Accept) -> tuple[Tensor, Tensor]:
    """Eq. (33): the likeliest label not yet chosen joins, and the joint probability Q takes its factor.

    Args:
        logits: L_k, (B, L), without gradient: the decision is hard.
        available: (B, L), 1 for labels that may still be chosen.
        joint: the product of the chosen labels' probabilities, (B, 1).
        accept: when it joins, see `LabelChain.Settings`.

    Returns:
        added (B, L), at most one 1 a row, and the new joint (B, 1).
    """
    best = logits.masked_fill(available == 0, -torch.inf).max(dim=-1, keepdim=True)
    probability = best.values.sigmoid()
    product = joint * probability
    # Nothing is available where the best is −inf: its probability is 0.
    joins = best.values > -torch.inf if accept == "always" else (product if accept == "joint" else probability) > 0.5
    added = torch.zeros_like(logits).scatter(-1, best.indices, joins.to(logits.dtype))
    return added, torch.where(joins, product, joint)


def carry(final: Tensor, logits: Tensor, takes: Tensor) -> Tensor:
    """Eq. (34): the final logits, taking this step's where `takes` is 1; Eqs. (35), (36) are their sigmoid."""
    return torch.where(takes > 0, logits, final)
