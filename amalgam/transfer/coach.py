"""The coach: which rows of the source a step learns, how much each counts, and what the policy learns of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from amalgam.classes import Spans
from amalgam.losses import stepwise
from amalgam.signals import Loss, StudentOutput, Targets
from amalgam.training.feed import Feed
from amalgam.transfer.policy import Action, Policy, selected
from amalgam.transfer.reward import Reward
from amalgam.transfer.source import Further, Source


class Heads(nn.Module):
    """h_S: the source's classes from the student's features (B, D), left behind with the training.

    Args:
        head: features to logits (B, C).
        spans: where among them the classes of each task stand.
    """

    def __init__(self, head: nn.Module, spans: Spans) -> None:
        super().__init__()
        self.head, self.spans = head, spans

    def forward(self, output: StudentOutput, targets: Targets) -> Loss:
        """α times the mean of the weighed losses of the source's rows; nothing of the target's."""
        if not isinstance(targets, Further):
            return Loss(output.logits.new_zeros(()), output.logits.new_zeros(()))
        logits = self.head(output.features).float()
        each = source_losses(logits, targets.said.float(), self.spans)
        return Loss(source_loss(each, targets.weights, targets.scale[0]), each.new_zeros(()))


def source_losses(logits: Tensor, said: Tensor, spans: Spans) -> Tensor:
    """L_S of each row and task, (B, T): the cross-entropy of its classes with what is said; 0 where nothing is.

    Args:
        logits: (B, C).
        said: probabilities, (B, C).
        spans: of T tasks.
    """
    return torch.stack(
        [-(said[:, first:last] * logits[:, first:last].log_softmax(-1)).sum(1) for first, last in spans], 1
    )


def source_loss(each: Tensor, weights: Tensor, alpha: Tensor) -> Tensor:
    """Eq. (1): α (1/B_S) Σ_j λ(y_j) L_S(x_j, y_j), its first term; the second is the student's own loss, (1/B_T) Σ L_T.

    Means over each batch instead of the sums as printed, where both are of 256 rows, so that batches may differ in
    size. Of rows that several tasks say something of, the losses are added.

    Args:
        each: L_S, (B, T).
        weights: λ, (B, T).
        alpha: α, ().
    """
    return alpha * (weights * each).sum(1).mean()


def own_loss(output: StudentOutput, targets: Targets) -> Loss:
    """The mean loss of the target's rows, the second term of Eq. (1); the source's have none of their own."""
    if isinstance(targets, Further):
        return Loss(output.logits.new_zeros(()), output.logits.new_zeros(()))
    return stepwise(output, targets)


@dataclass
class _Epoch:
    """What is added up over the steps of an epoch."""

    steps: int = 0
    reward: float = 0.0
    alpha: float = 0.0
    weight: float = 0.0


class Coach:
    """Algorithm 1: chooses B_S of M_S·B_S candidates in every step, and shows the policy what came of it.

    The trainer has its loop: `further` gives what l_s is told of, the trainer adds l_t and moves the weights, and in
    `watch` the reward moves the policy. As printed λ is asked of B_S rows; §4 has the selection. α is taken once a
    step, of the sum l_s (the listing's indent has it in the loop over rows, where it would be taken again and again).

    Args:
        source: its rows.
        policy: draws the weights; on the device.
        reward: what is asked of the student after a step; None where nothing is learned of it.
        size: B_S.
        multiple: M_S.
        device: of the student.
    """

    def __init__(
        self, source: Source, policy: Policy, reward: Reward | None, size: int, multiple: int, device: torch.device
    ) -> None:
        self.policy, self.reward, self.size = policy, reward, min(size, len(source.rows))
        self.candidates = self.size * multiple
        self.spans, self.classes, self.names = source.spans, source.classes, source.rows.labels
        blank = torch.empty(len(source.rows), 0)
        self.feed = Feed(source.rows, Further(source.said, blank, blank, source.spans), device, 0)
        self.device = device
        self.epoch = _Epoch()
        self.taken: Action | None = None
        self.present = torch.empty(0, dtype=torch.bool)

    def draw(self) -> Tensor:
        """The M_S·B_S candidates of a step, by their numbers."""
        return torch.randint(len(self.classes), (self.candidates,))

    def further(self) -> tuple[Tensor, Further]:
        """Inputs and targets of the rows that count most among the candidates."""
        rows = self.draw()
        self.taken = self.policy.act()
        weights, classes = self.taken.weights.cpu(), self.classes[rows]
        each = torch.where(classes >= 0, weights[classes], 0.0)  # (M, T)
        self.present = torch.zeros(len(weights), dtype=torch.bool)
        self.present[classes[classes >= 0]] = True
        first = selected(each.sum(1), self.size)
        inputs, targets = next(self.feed.batches([rows[first]]))
        self.epoch.alpha += float(self.taken.alpha)
        self.epoch.weight += float(each[first].mean())
        weighed = each[first].to(self.device)
        return inputs, Further(targets.said, weighed, self.taken.alpha.expand(len(first)), self.spans)  # type: ignore[attr-defined]

    def watch(self, student: nn.Module) -> None:
        """The policy's step."""
        self.epoch.steps += 1
        if self.reward is None or self.taken is None:
            return
        found = self.reward.of(student)
        self.epoch.reward += found
        self.policy.learn(self.taken, self.present.to(self.policy.logits.device), found)

    def facts(self) -> dict[str, float]:
        """The epoch's mean reward, α and weight of the rows that were learned."""
        steps, done = max(self.epoch.steps, 1), self.epoch
        self.epoch = _Epoch()
        told = {"alpha": done.alpha / steps, "source_weight": done.weight / steps}
        return told if self.reward is None else {"reward": done.reward / steps, **told}

    def tracked(self) -> dict[str, float]:
        """The policy: the mean of each class's weight λ, which all rows of the class have, and of α."""
        each = zip(self.names, self.policy.expected.tolist(), strict=True)
        return {
            **{f"weight/{name}": weight for name, weight in each},
            "weight of the source": self.policy.expected_alpha,
        }

    def state_dict(self) -> dict[str, Any]:
        """The policy, and what was added up of this epoch."""
        return {"policy": self.policy.saved(), "epoch": vars(self.epoch).copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What `state_dict` gave."""
        self.policy.restore(state["policy"])
        self.epoch = _Epoch(**state["epoch"])
