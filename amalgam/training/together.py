"""Training many students at once: those of one kind and shape, on the same rows, each towards its own targets.

A small student keeps a processor waiting: its operations are too short. M of them, their weights stacked into one
module, take each operation together. Every member goes its own way: the gradient of a sum is each member's own, Adam
works number by number, and clipping, early stopping and the best weights are kept for each member. What comes out is
what `trainer.fit` makes of each alone, up to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from amalgam.errors import WorkError
from amalgam.signals import ProbabilityTargets, Rows, StudentOutput, Targets
from amalgam.training.feed import Feed
from amalgam.training.settings import Training
from amalgam.training.state import LossFunction, Weights
from amalgam.training.trainer import batches_of, held_out, learning_rate, optimizer_of, surroundings

_ALONE = {"accumulate": 1, "precision": "no", "ema": None, "compile": False, "tracker": None}


@dataclass(frozen=True)
class Member:
    """One student among those trained together.

    Attributes:
        student: trained in place.
        targets: N targets.
        loss: of its output and targets; members with the same function share its operations.
        companion: trained beside it, see `trainer.fit`.
    """

    student: nn.Module
    targets: Targets
    loss: LossFunction
    companion: nn.Module | None = None


@dataclass(frozen=True)
class Outcome:
    """How a member's training went.

    Attributes:
        epochs: how many it was trained for.
        best_epoch: the epoch whose weights it has.
        best_loss: its validation loss there.
    """

    epochs: int
    best_epoch: int
    best_loss: float


class Linears(nn.Module):
    """M linear layers as one: inputs (B, D) or (M, B, D) to (M, B, O)."""

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([layer.weight.detach() for layer in layers]))
        biased = all(layer.bias is not None for layer in layers)
        self.bias = nn.Parameter(torch.stack([layer.bias.detach() for layer in layers])) if biased else None

    def forward(self, inputs: Tensor) -> Tensor:
        """Every member's outputs."""
        if inputs.ndim == 2:
            inputs = inputs.expand(len(self.weight), *inputs.shape)
        if self.bias is None:
            return torch.bmm(inputs, self.weight.mT)
        return torch.baddbmm(self.bias[:, None], inputs, self.weight.mT)


def stackable(students: Sequence[nn.Module], settings: Training) -> bool:
    """Whether students can be trained together: one kind and shape, linear layers alone, nothing drawn at random."""
    first = students[0]
    alike = all(type(one) is type(first) and repr(one) == repr(first) for one in students)
    owners = [module for module in first.modules() if any(True for _ in module.parameters(recurse=False))]
    dropout = any(isinstance(module, nn.Dropout) and module.p > 0 for module in first.modules())
    plain = settings.validation > 0 and all(getattr(settings, key) == value for key, value in _ALONE.items())
    return alike and all(isinstance(module, nn.Linear) for module in owners) and not dropout and plain


def stack(students: Sequence[nn.Module]) -> nn.Module:
    """One module for M students of one kind, shape and scaling, whose outputs have a leading M."""
    one = deepcopy(students[0])
    for name, module in list(one.named_modules()):
        if isinstance(module, nn.Linear):
            layers = [student.get_submodule(name) for student in students]
            assert all(isinstance(layer, nn.Linear) for layer in layers)
            owner, _, leaf = name.rpartition(".")
            setattr(one.get_submodule(owner), leaf, Linears(layers))  # type: ignore[arg-type]
    return one


def pick(output: StudentOutput, which: int | Tensor) -> StudentOutput:
    """One member's output, or those of several with a leading dimension."""
    steps = None if output.steps is None else output.steps[:, which]
    return StudentOutput(output.logits[which], output.features[which], steps)


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
        members: M students that are `stackable`, with the same first weights' shapes and the same scaling.
        rows: N rows; only their inputs are read.
        settings: how.
        seed: of the validation split and the order of rows.
        device: where.
        tell: told of the share that is done and where the training is, after each epoch.

    Raises:
        WorkError: a loss is no longer finite.
    """
    training, validation = held_out(len(rows), settings.validation, seed)
    group = _Group(members, rows, settings, device)
    steps = settings.epochs * math.ceil(len(training) / settings.batch_size)
    done = 0
    with surroundings(settings.threads):
        for epoch in range(settings.epochs):
            for index in batches_of(training, settings.batch_size, seed, epoch):
                group.learn(index, learning_rate(settings, done, steps))
                done += 1
            group.close_epoch(validation, epoch + 1)
            tell((epoch + 1) / settings.epochs, f"epoch {epoch + 1}, {len(group.active)} of {len(members)} students")
            if not group.active:
                break
        group.retire(list(range(len(group.active))))
    return [group.outcomes[number] for number in range(len(members))]


class _Group:
    """The members that are still trained, stacked; `active` has their numbers, in the order of the stack."""

    def __init__(self, members: Sequence[Member], rows: Rows, settings: Training, device: torch.device) -> None:
        self.members, self.settings = members, settings
        self.active = list(range(len(members)))
        self.feed = Feed(rows, members[0].targets, device, settings.workers)
        self.targets = [member.targets.to(device) for member in members]
        self.module = stack([member.student for member in members]).to(device).train()
        for member in members:
            if member.companion is not None:
                member.companion.to(device).train()
        self.optimizer = optimizer_of(nn.ModuleList([self.module, *self._companions().values()]), settings)
        self.best: list[tuple[Weights, Weights]] = [({}, {}) for _ in members]
        self.best_loss = [math.inf] * len(members)
        self.best_epoch = [0] * len(members)
        self.outcomes: dict[int, Outcome] = {}
        self._share()

    def _companions(self) -> dict[int, nn.Module]:
        """Place in the stack → companion."""
        found = {place: self.members[number].companion for place, number in enumerate(self.active)}
        return {place: companion for place, companion in found.items() if companion is not None}

    def _share(self) -> None:
        """Find the members whose losses are one function of plain targets, and lay their targets side by side."""
        places: dict[LossFunction, list[int]] = {}
        for place, number in enumerate(self.active):
            member = self.members[number]
            if member.companion is None and type(self.targets[number]) is ProbabilityTargets:
                places.setdefault(member.loss, []).append(place)
        self.shared: list[tuple[LossFunction, Tensor, Tensor, Tensor]] = []
        for loss, some in places.items():
            if len(some) > 1:
                told = [self.targets[self.active[place]] for place in some]
                probabilities, weights = (
                    torch.stack([torch.as_tensor(one.arrays()[part][:]) for one in told])
                    for part in ("probabilities", "weights")
                )
                self.shared.append((loss, torch.tensor(some), probabilities, weights))
        together = {place for _, some, *_ in self.shared for place in some.tolist()}
        self.single = [place for place in range(len(self.active)) if place not in together]

    def learn(self, index: Tensor, rate: float) -> None:
        """One optimiser step of every member on the rows of `index`."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        inputs, _ = next(self.feed.batches([index]))
        output = self.module(inputs)
        loss = torch.zeros((), device=inputs.device)
        for function, places, probabilities, weights in self.shared:
            wanted = ProbabilityTargets(probabilities[:, index], weights[:, index])
            loss = loss + function(pick(output, places), wanted).sum / len(index)
        for place in self.single:
            loss = loss + self._loss(output, place, index)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._clip()
        self.optimizer.step()

    def _loss(self, output: StudentOutput, place: int, index: Tensor) -> Tensor:
        """The mean loss of one member, and of its companion."""
        member, targets = self.members[self.active[place]], self.targets[self.active[place]].at(index)
        answer = pick(output, place)
        said = member.loss(answer, targets)
        beside = member.companion(answer, targets).sum if member.companion is not None else 0.0
        return (said.sum + beside) / said.count

    def _clip(self) -> None:
        """Scale each member's gradient down to the largest norm, as `clip_grad_norm_` does for one."""
        if self.settings.clip_norm is None:
            return
        stacked = [one.grad for one in self.module.parameters() if one.grad is not None]
        squares = torch.stack([grad.flatten(1).square().sum(1) for grad in stacked]).sum(0)
        beside = {
            place: [one.grad for one in companion.parameters() if one.grad is not None]
            for place, companion in self._companions().items()
        }
        for place, grads in beside.items():
            squares[place] += sum(grad.square().sum() for grad in grads)
        scale = (self.settings.clip_norm / (squares.sqrt() + 1e-6)).clamp(max=1.0)
        for grad in stacked:
            grad.mul_(scale.view(-1, *[1] * (grad.ndim - 1)))
        for place, grads in beside.items():
            for grad in grads:
                grad.mul_(scale[place])

    @torch.no_grad()
    def close_epoch(self, validation: Tensor, epoch: int) -> None:
        """Measure every member on the held-out rows, remember its best weights, let go of those that are done."""
        self.module.eval()
        total = torch.zeros(len(self.active), dtype=torch.float64)
        for index in torch.split(validation, max(self.settings.batch_size, 1024)):
            inputs, _ = next(self.feed.batches([index]))
            output = self.module(inputs)
            total += torch.stack([self._loss(output, place, index).cpu() for place in range(len(total))]) * len(index)
        self.module.train()
        finished = []
        for place, loss in enumerate((total / len(validation)).tolist()):
            number = self.active[place]
            if not math.isfinite(loss):
                raise WorkError(
                    f"the validation loss of student {number + 1} is {loss} in epoch {epoch}; lower "
                    f"training.learning_rate (now {self.settings.learning_rate:g}) or set training.clip_norm"
                )
            if loss < self.best_loss[number]:
                self.best_loss[number], self.best_epoch[number] = loss, epoch
                self.best[number] = self._weights(place)
            patience = self.settings.patience
            if patience is not None and epoch - self.best_epoch[number] >= patience:
                finished.append(place)
            self.outcomes[number] = Outcome(epoch, self.best_epoch[number], self.best_loss[number])
        if finished:
            self.retire(finished)

    def _weights(self, place: int) -> tuple[Weights, Weights]:
        own = {name: value[place].detach().clone() for name, value in self.module.named_parameters()}
        companion = self.members[self.active[place]].companion
        beside = {} if companion is None else companion.state_dict()
        return own, {name: value.detach().clone() for name, value in beside.items()}

    def retire(self, places: Sequence[int]) -> None:
        """Give members their best weights and take them out of the stack."""
        for place in places:
            number = self.active[place]
            own, beside = self.best[number]
            member = self.members[number]
            member.student.load_state_dict(own, strict=False)
            member.student.eval()
            if member.companion is not None:
                member.companion.load_state_dict(beside)
                member.companion.eval()
        keep = [place for place in range(len(self.active)) if place not in set(places)]
        kept = torch.tensor(keep, dtype=torch.long)
        gone = {id(one) for place, companion in self._companions().items() if place in places
                for one in companion.parameters()}  # fmt: skip
        self.active = [self.active[place] for place in keep]
        for module in self.module.modules():
            if isinstance(module, Linears):
                for name, old in list(module.named_parameters(recurse=False)):
                    self._exchange(module, name, old, kept)
        for group in self.optimizer.param_groups:
            group["params"] = [one for one in group["params"] if id(one) not in gone]
        self._share()

    def _exchange(self, module: nn.Module, name: str, old: nn.Parameter, kept: Tensor) -> None:
        """Put the members that stay in place of a stacked weight, in the optimiser too."""
        new = nn.Parameter(old.detach()[kept.to(old.device)])
        setattr(module, name, new)
        state = self.optimizer.state.pop(old, {})
        self.optimizer.state[new] = {
            key: value[kept.to(value.device)] if isinstance(value, Tensor) and value.shape == old.shape else value
            for key, value in state.items()
        }
        for group in self.optimizer.param_groups:
            group["params"] = [new if one is old else one for one in group["params"]]
