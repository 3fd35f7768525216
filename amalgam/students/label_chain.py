"""The order-free classifier chain (knowledge-amalgamation, ch. 4, Eqs. 29–36): an LSTM that decides label by label.

The paper fixes no stopping rule and no number of steps. Here the chain takes L steps; a step may add at most one label,
the likeliest one not yet chosen (`accept` says when); a label's final logit is that of the step that chose it, else that
of the step `unchosen` names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from amalgam.signals import StudentOutput
from amalgam.student import Student


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
        """

        hidden: int = Field(default=64, gt=0)
        accept: Literal["joint", "own", "always"] = "joint"
        unchosen: Literal["first", "last"] = "first"

    settings: LabelChain.Settings

    def __init__(self, shape: Sequence[int], labels: Sequence[str], settings: Settings | None = None) -> None:
        super().__init__(shape, labels, settings)
        features, hidden, outputs = int(torch.Size(self.shape).numel()), self.settings.hidden, len(self.labels)
        self.start = nn.Linear(features, outputs)  # W and b of Eq. (29)
        # The LSTM's input weights, cut in two: the inputs' share is the same at every step and computed once.
        self.gates_of_inputs = nn.Linear(features, 4 * hidden)
        self.gates_of_state = nn.Linear(2 * outputs + hidden, 4 * hidden, bias=False)
        self.decide = nn.Linear(hidden, outputs)
        bound = hidden**-0.5  # torch's own initialisation of an LSTM
        for part in (self.gates_of_inputs, self.gates_of_state):
            for weight in part.parameters():
                nn.init.uniform_(weight, -bound, bound)

    def forward(
        self, inputs: Tensor, believed: Tensor | None = None, clamp: bool = False
    ) -> StudentOutput:
        """Eqs. (29)–(36): the chain's final logits (B, L), last hidden state (B, hidden) and every step's logits.

        Args:
            inputs: (B, *shape).
            believed: logits (B, L) that replace the start logits of Eq. (29) where they are not NaN.
            clamp: keep the believed labels: chosen from the start when positive, never chosen when negative, their
                logits held at every step.
        """
        x = self.scaling(inputs).flatten(1)
        logits = self.start(x)  # Eq. (29)
        chosen = torch.zeros_like(logits)
        told = None
        if believed is not None:
            told = ~believed.isnan()
            believed = torch.where(told, believed, 0.0)
            logits = torch.where(told, believed, logits)
            if clamp:
                chosen = torch.where(told & (believed > 0), 1.0, chosen)
        open_ = torch.ones_like(logits) if not (clamp and told is not None) else (~told).to(logits.dtype)
        hidden = x.new_zeros(len(x), self.settings.hidden)
        cell = torch.zeros_like(hidden)
        of_inputs = self.gates_of_inputs(x)
        joint = x.new_ones(len(x), 1)
        final, steps = logits, []
        decided = torch.zeros_like(logits)
        for step in range(len(self.labels)):
            # Eqs. (30)–(32)
            gates = of_inputs + self.gates_of_state(torch.cat([logits, chosen, hidden], dim=1))
            into, forget, out, new = gates.chunk(4, dim=1)
            cell = forget.sigmoid() * cell + into.sigmoid() * new.tanh()
            hidden = out.sigmoid() * cell.tanh()
            logits = self.decide(hidden)
            if clamp and told is not None and believed is not None:
                logits = torch.where(told, believed, logits)
            steps.append(logits)
            # Eqs. (33)–(34); hard decisions carry no gradient
            with torch.no_grad():
                candidates = torch.where(open_ > 0, logits, -torch.inf)
                best = candidates.max(dim=1, keepdim=True)
                probability = best.values.sigmoid()
                added = torch.zeros_like(chosen).scatter(1, best.indices, 1.0) * open_
                if self.settings.accept == "joint":
                    added = added * ((probability > 0.5) & (joint * probability > 0.5))
                elif self.settings.accept == "own":
                    added = added * (probability > 0.5)
                joint = torch.where(added.sum(1, keepdim=True) > 0, joint * probability, joint)
                chosen = chosen + added
                open_ = open_ - added
                decided = decided + added
            if step == 0 or self.settings.unchosen == "last":
                final = torch.where(decided - added > 0, final, logits)
            else:
                final = torch.where(added > 0, logits, final)
        return StudentOutput(final, hidden, torch.stack(steps))

    def score(self, inputs: Tensor) -> Tensor:
        """Final logits (B, L): the chain as a teacher, Eqs. (15)–(16)."""
        logits: Tensor = self(inputs).logits
        return logits

    def score_given(self, inputs: Tensor, believed: Tensor, clamp: bool) -> Tensor:
        """Final logits (B, L) after some labels were told, Eq. (26)."""
        logits: Tensor = self(inputs, believed, clamp).logits
        return logits

    def score_and_features(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Final logits (B, L) and the last hidden state (B, hidden)."""
        output = self(inputs)
        return output.logits, output.features
