"""Training many students at once: those of one kind and shape, on the same rows, each towards its own targets.

A small student keeps a processor waiting: its operations are too short. M of them, their weights stacked into one
module, take each operation together. Every member goes its own way: the gradient of a sum is each member's own, Adam
works number by number, and clipping, early stopping and the best weights are kept for each member. What comes out is
what `trainer.fit` makes of each alone, up to rounding: a chain decides hard, so that over many epochs the rounding
grows, as it does from a difference in the last bit of the first weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from amalgam.classes import Spans, whole
from amalgam.errors import WorkError
from amalgam.losses import stepwise
from amalgam.signals import ProbabilityTargets, Rows, StudentOutput, Targets
from amalgam.training.feed import Feed
from amalgam.training.settings import Training
from amalgam.training.stacked import alike, forget, narrow, pick, stack
from amalgam.training.state import LossFunction, Weights, mix, reseed, widest
from amalgam.training.trainer import batches_of, held_out, learning_rate, optimizer_of, surroundings

_ALONE = {"accumulate": 1, "precision": "no", "ema": None, "compile": False, "tracker": None, "augment": None}
_PROBED = 16  # rows by which `stackable` sees whether students can be stacked


@dataclass(frozen=True)
class Member:
    """One student among those trained together.

    Attributes:
        name: what it is called in messages.
        student: trained in place.
        targets: N targets.
        loss: of its output and targets; those whose loss is `stepwise` share its operations.
        companion: trained beside it, see `trainer.fit`.
    """

    name: str
    student: nn.Module
    targets: Targets
    loss: LossFunction
    companion: nn.Module | None = None

    @property
    def plain(self) -> bool:
        """Whether its loss can be computed together with others': plain targets in memory, and nothing of its own."""
        return (
            self.loss is stepwise
            and self.companion is None
            and type(self.targets) is ProbabilityTargets
            and isinstance(self.targets.probabilities, Tensor)
        )


@dataclass(frozen=True)
class Outcome:
    """How a member's training went.

    Attributes:
        epochs: how many it was trained for.
        best_epoch: the epoch whose weights it has.
        best_loss: its validation loss there.
        first_loss: its validation loss after the first epoch.
    """

    epochs: int
    best_epoch: int
    best_loss: float
    first_loss: float


def stackable(students: Sequence[nn.Module], rows: Rows, settings: Training) -> bool:
    """Whether students can be trained together on rows: `alike`, some rows held out, and a plain training."""
    plain = all(getattr(settings, key) == value for key, value in _ALONE.items())
    held = len(held_out(len(rows), settings.validation, 0)[1])
    return plain and held > 0 and alike(students, rows.inputs(slice(0, _PROBED)))


def fit_together(
    members: Sequence[Member],
    rows: Rows,
    settings: Training,
    *,
    seed: int,
    device: torch.device,
    tell: Callable[[float, str], None] = lambda share, note: None,
) -> list[Outcome]:
    """Train students in place, as `trainer.fit` trains each; each ends with its best weights.

    Args:
        members: M students that are `stackable`.
        rows: N rows; only their inputs are read.
        settings: how.
        seed: of the validation split, the order of rows and what losses and companions draw.
        device: where.
        tell: told of the share that is done and where the training is, after each epoch.

    Returns:
        An outcome for each member, in their order.

    Raises:
        WorkError: the loss of a member is no longer finite.
    """
    training, validation = held_out(len(rows), settings.validation, seed)
    group = _Group(members, rows, settings, seed, device)
    steps = settings.epochs * math.ceil(len(training) / settings.batch_size)
    with surroundings(settings.threads):
        for epoch in range(settings.epochs):
            batches = batches_of(training, settings.batch_size, seed, epoch)
            for index, (inputs, _) in zip(batches, group.feed.batches(batches), strict=True):
                group.learn(index, inputs, learning_rate(settings, group.steps_done, steps))
            group.close_epoch(validation, epoch + 1)
            tell((epoch + 1) / settings.epochs, f"epoch {epoch + 1}, {len(group.active)} of {len(members)} students")
            if not group.active:
                break
        group.retire(range(len(group.active)))
    return [group.outcomes[number] for number in range(len(members))]


class _Group:
    """The members that are still trained, stacked.

    Attributes:
        active: their numbers, in the order of the stack: first the `shared` ones whose loss is computed together.
    """

    def __init__(
        self, members: Sequence[Member], rows: Rows, settings: Training, seed: int, device: torch.device
    ) -> None:
        self.members, self.settings, self.seed, self.device = members, settings, seed, device
        self.spans: Spans = getattr(members[0].student, "spans", ())
        shared = [self._shares(one) for one in members]
        self.active = sorted(range(len(members)), key=lambda number: not shared[number])
        none = torch.empty(len(rows), 0)
        self.feed = Feed(rows, ProbabilityTargets(none, none), device, settings.workers)  # each has its own targets
        self.targets = {number: one.targets.to(device) for number, one in enumerate(members) if not shared[number]}
        plain: list[Any] = [members[number].targets for number in self.active if shared[number]]
        self.shared = len(plain)
        self.probabilities, self.weights = (
            torch.stack([getattr(one, part) for one in plain]).to(device) if plain else none
            for part in ("probabilities", "weights")
        )
        self.module = stack([members[number].student for number in self.active]).to(device)
        self.optimizer = optimizer_of(nn.ModuleList([self.module, *self._companions().values()]).to(device), settings)
        self.best: dict[int, tuple[Weights, Weights]] = {}
        self.outcomes: dict[int, Outcome] = {}
        self.steps_done = 0
        self._train(True)

    def _shares(self, member: Member) -> bool:
        """Whether a member's loss is computed with others'."""
        return member.plain and getattr(member.targets, "spans", ()) == self.spans

    def _companions(self) -> dict[int, nn.Module]:
        """Place in the stack → companion."""
        found = {place: self.members[number].companion for place, number in enumerate(self.active)}
        return {place: companion for place, companion in found.items() if companion is not None}

    def _train(self, mode: bool) -> None:
        for module in (self.module, *self._companions().values()):
            module.train(mode)

    def learn(self, index: Tensor, inputs: Tensor, rate: float) -> None:
        """One optimiser step of every member on the rows of `index`."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        output = self.module(inputs)
        loss = torch.zeros((), device=self.device)
        if self.shared:
            wanted = self._wanted(index)
            loss = loss + stepwise(pick(output, slice(self.shared)), wanted).sum / len(index)
        for place in range(self.shared, len(self.active)):
            total, count = self._said(output, place, index)
            loss = loss + total / count.clamp_min(1e-12)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._clip()
        self.optimizer.step()
        self.steps_done += 1

    def _wanted(self, index: Tensor) -> ProbabilityTargets:
        """The targets of those that share a loss, (M, B, L), weighed so that each member's mean is over rows."""
        where = index.to(self.device)
        weights = self.weights[:, where]
        if self.spans == whole(weights):  # whose mean is over weights, see `classes.class_cross_entropy`
            weights = weights * len(index) / weights.mean(-1, keepdim=True).sum(1, keepdim=True).clamp_min(1e-12)
        return ProbabilityTargets(self.probabilities[:, where], weights, spans=self.spans)

    def _said(self, output: StudentOutput, place: int, index: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of one member and its companion on the rows of `index`: its sum and its count."""
        number, answer = self.active[place], pick(output, place)
        if place < self.shared:
            where = index.to(self.device)
            wanted = self.probabilities[place, where], self.weights[place, where]
            said = stepwise(answer, ProbabilityTargets(*wanted, spans=self.spans))
            return said.sum, said.count
        member, targets = self.members[number], self.targets[number].at(index).to(self.device)
        reseed(mix(self.seed, self.steps_done, 0), self.device)  # as `trainer.fit` seeds every step
        said = member.loss(answer, targets)
        if member.companion is None or not self.module.training:
            return said.sum, said.count
        return said.sum + member.companion(answer, targets).sum, said.count

    def _clip(self) -> None:
        """Scale each member's gradient down to the largest norm, as `clip_grad_norm_` does for one."""
        if self.settings.clip_norm is None:
            return
        stacked = [one.grad for one in self.module.parameters() if one.grad is not None]
        norms = [torch.linalg.vector_norm(grad.flatten(1), dim=1) for grad in stacked]
        squares = torch.stack(norms).square().sum(0)
        beside = {
            place: [one.grad for one in companion.parameters() if one.grad is not None]
            for place, companion in self._companions().items()
        }
        for place, grads in beside.items():
            squares[place] += nn.utils.get_total_norm(grads).square()
        scale = (self.settings.clip_norm / (squares.sqrt() + 1e-6)).clamp(max=1.0)
        if self.device.type == "cpu" and bool((scale == 1).all()):  # elsewhere asking would wait for the device
            return
        for grad in stacked:
            grad.mul_(scale.view(-1, *[1] * (grad.ndim - 1)))
        for place, grads in beside.items():
            for grad in grads:
                grad.mul_(scale[place])

    @torch.no_grad()
    def close_epoch(self, validation: Tensor, epoch: int) -> None:
        """Measure every member on the held-out rows, remember its best weights, let go of those that are done."""
        finished = []
        for place, loss in enumerate(self._measured(validation)):
            number = self.active[place]
            if not math.isfinite(loss):
                raise WorkError(
                    f"the validation loss of {self.members[number].name} is {loss} in epoch {epoch}; lower "
                    f"training.learning_rate (now {self.settings.learning_rate:g}) or set training.clip_norm, and look "
                    "for extreme input values"
                )
            before = self.outcomes.get(number)
            if before is None or self.settings.better(loss, before.best_loss, before.first_loss):
                self.outcomes[number] = Outcome(epoch, epoch, loss, loss if before is None else before.first_loss)
                self.best[number] = self._weights(place)
            else:
                self.outcomes[number] = replace(before, epochs=epoch)
            patience = self.settings.patience
            if patience is not None and epoch - self.outcomes[number].best_epoch >= patience:
                finished.append(place)
        self.retire(finished)

    def _measured(self, validation: Tensor) -> list[float]:
        """Each member's mean loss on the held-out rows."""
        self._train(False)
        total = torch.zeros(len(self.active), 2, dtype=widest(self.device), device=self.device)
        parts = torch.split(validation, max(self.settings.batch_size, 1024))
        for index, (inputs, _) in zip(parts, self.feed.batches(parts), strict=True):
            output = self.module(inputs)
            said = [torch.stack(self._said(output, place, index)) for place in range(len(self.active))]
            total += torch.stack(said).to(total.dtype)
        self._train(True)
        means: list[float] = (total[:, 0] / total[:, 1].clamp_min(1e-12)).tolist()
        return means

    def _weights(self, place: int) -> tuple[Weights, Weights]:
        own = {name: value[place].detach().clone() for name, value in self.module.named_parameters()}
        companion = self.members[self.active[place]].companion
        beside = {} if companion is None else companion.state_dict()
        return own, {name: value.detach().clone() for name, value in beside.items()}

    def retire(self, places: Sequence[int]) -> None:
        """Give members their best weights and take them out of the stack."""
        if not places:
            return
        for place in places:
            number = self.active[place]
            own, beside = self.best.pop(number)
            member = self.members[number]
            member.student.load_state_dict(own, strict=False)  # what it has beside weights never changed
            member.student.eval()
            if member.companion is not None:
                member.companion.load_state_dict(beside)
                member.companion.eval()
                forget(self.optimizer, list(member.companion.parameters()))
        keep = [place for place in range(len(self.active)) if place not in set(places)]
        kept = torch.tensor(keep, dtype=torch.long, device=self.device)
        narrow(self.module, self.optimizer, kept)
        self.active = [self.active[place] for place in keep]
        if self.shared:
            still = kept[kept < self.shared]
            self.probabilities, self.weights = self.probabilities[still], self.weights[still]
            self.shared = len(still)
