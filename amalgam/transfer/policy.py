"""The policy: how much each class of the source counts, and the source as a whole; L2TL, §4.

It takes no inputs: each class's weight, and the scale α, is drawn anew in every step from a softmax of free logits.
REINFORCE moves them by what the target's validation part says of the student after the step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

Mode = Literal["learned", "random", "uniform"]
"""How the weights of classes come about: learned; drawn at random, or all 1, as the paper's ablations have it."""


@dataclass(frozen=True)
class Action:
    """What was drawn in a step.

    Attributes:
        chosen: (C,) long, the action k of each class.
        scale: () long, the action k′ of α.
        weights: λ(y) of each class, (C,).
        alpha: α, ().
    """

    chosen: Tensor
    scale: Tensor
    weights: Tensor
    alpha: Tensor


class Policy(nn.Module):
    """Free logits of n actions for each of C classes and of n′ for α, and their optimiser.

    Args:
        classes: C.
        actions: n.
        scales: n′.
        beta: the largest α.
        gamma: how much a reward counts in the moving average that it is held against.
        rate: Adam's.
        mode: how the classes' weights come about; α is learned in any case.
    """

    def __init__(
        self, classes: int, actions: int, scales: int, beta: float, gamma: float, rate: float, mode: Mode
    ) -> None:
        super().__init__()
        self.beta, self.gamma, self.mode = beta, gamma, mode
        self.logits = nn.Parameter(torch.zeros(classes, actions))
        self.scale = nn.Parameter(torch.zeros(scales))
        learned = [self.scale, *([self.logits] if mode == "learned" else [])]
        self.optimizer = torch.optim.Adam(learned, lr=rate)
        self.baseline = math.nan

    @torch.no_grad()
    def act(self) -> Action:
        """One action for every class, and one for α, drawn from torch's own random numbers."""
        chosen = torch.multinomial(self.logits.softmax(-1), 1)[:, 0]
        if self.mode == "uniform":
            chosen = torch.full_like(chosen, self.logits.shape[1] - 1)
        scale = torch.multinomial(self.scale.softmax(-1), 1)[0]
        return Action(
            chosen, scale, class_weights(chosen, self.logits.shape[1]), alphas(scale, len(self.scale), self.beta)
        )

    def learn(self, action: Action, present: Tensor, reward: float) -> float:
        """Eq. (5): one step of REINFORCE towards the policy of the highest reward; the action's advantage.

        Args:
            action: that was taken.
            present: (C,) bool, the classes that some candidate row had: the reward cannot depend on the others' weights
                (chosen: the paper does not say, and to reward them would add noise alone).
            reward: R_t.
        """
        gained = advantage(reward, self.baseline)
        self.baseline = moving_average(self.baseline, reward, self.gamma)
        told = log_chance(self.scale[None], action.scale[None])
        if self.mode == "learned":
            told = told + (log_chance(self.logits, action.chosen) * present).sum()
        self.optimizer.zero_grad()
        torch.autograd.backward(-gained * told.sum())
        self.optimizer.step()
        return gained

    @property
    def expected(self) -> Tensor:
        """The mean of each class's weight, (C,)."""
        if self.mode == "uniform":
            return torch.ones(len(self.logits), device=self.logits.device)
        places = torch.arange(self.logits.shape[1], device=self.logits.device)
        return (self.logits.detach().softmax(-1) * class_weights(places, len(places))).sum(-1)

    @property
    def expected_alpha(self) -> float:
        """The mean of α."""
        places = torch.arange(len(self.scale), device=self.scale.device)
        return float((self.scale.detach().softmax(-1) * alphas(places, len(places), self.beta)).sum())

    def saved(self) -> dict[str, Any]:
        """The logits, their optimiser's moments and the baseline."""
        return {
            "logits": self.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "baseline": self.baseline,
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Go back to what was `saved`."""
        self.load_state_dict(saved["logits"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.baseline = saved["baseline"]


def class_weights(chosen: Tensor, actions: int) -> Tensor:
    """λ(y) = k / (n − 1) of actions k, from 0 to 1 (§4)."""
    return chosen.float() / max(actions - 1, 1)


def alphas(chosen: Tensor, scales: int, beta: float) -> Tensor:
    """α = β k′ / (n′ − 1) of actions k′, from 0 to β (§4)."""
    return beta * chosen.float() / max(scales - 1, 1)


def log_chance(logits: Tensor, chosen: Tensor) -> Tensor:
    """log π of an action (C,) for each row of logits (C, n), (C,)."""
    return logits.log_softmax(-1).gather(-1, chosen[:, None])[:, 0]


def advantage(reward: float, baseline: float) -> float:
    """A_t = R_t − b_t, against the average before this reward is mixed in; 0 in the first step, which has none."""
    return 0.0 if math.isnan(baseline) else reward - baseline


def moving_average(baseline: float, reward: float, gamma: float) -> float:
    """b_t = (1 − γ) b_t + γ R_t; the first reward begins it."""
    return reward if math.isnan(baseline) else (1 - gamma) * baseline + gamma * reward


def selected(weights: Tensor, size: int) -> Tensor:
    """The B_S rows of the highest weight among M_S B_S candidates (M,), as places; of equals the first drawn."""
    return weights.sort(descending=True, stable=True).indices[:size]
