"""The state of a training: what a checkpoint saves, and how a step and an epoch's end change it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from copy import deepcopy
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from amalgam.errors import WorkError
from amalgam.signals import Loss, StudentOutput, Targets
from amalgam.training.coach import Coach, averages_kept
from amalgam.training.feed import Feed
from amalgam.training.settings import Training

LossFunction = Callable[[StudentOutput, Any], Loss]
Live = Callable[[Tensor], Targets]
Weights = dict[str, Tensor]


class Lesson(nn.Module):
    """What is trained: the student, and a companion that is left behind.

    Args:
        student: maps inputs (B, ...) to what `loss` reads.
        loss: of the student's answer and its targets.
        companion: maps the answer and its targets to a further Loss, counted as the first; or None. Only in training:
            what is validated is the student's own loss, which means the same whoever stands beside it.
    """

    def __init__(self, student: nn.Module, loss: LossFunction, companion: nn.Module | None = None) -> None:
        super().__init__()
        self.student, self.companion, self.loss = student, companion, loss

    def forward(self, inputs: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
        """The loss of a batch: its sum and its count."""
        answer = self.student(inputs)
        said = self.loss(answer, targets)
        if self.companion is None or not self.training:
            return said.sum, said.count
        return said.sum + self.companion(answer, targets).sum, said.count

    def copy(self) -> Lesson:
        """The same networks again; the loss is a function, shared."""
        return Lesson(deepcopy(self.student), self.loss, deepcopy(self.companion))


def lay_out(module: nn.Module, form: torch.memory_format) -> None:
    """Lay out the weights of pictures' convolutions, and so what they make of pictures, in some order in memory.

    With the channels last, pooling and convolutions take a fifth to a third less time; what is saved, and what others
    see, has the usual order.
    """
    for one in module.modules():
        if isinstance(one, nn.Conv2d):
            one.to(memory_format=form)


class Learning:
    """A training under way: what a checkpoint saves, and the steps that change it.

    Args:
        lesson: on the accelerator's device.
        optimizer: of its weights.
        settings: how.
        seed: of dropout.
        accelerator: the processes and the device.
        rows: how many rows train.
        live: inputs, as the student sees them, to their targets, instead of those that come with the rows; or None.
        coach: chooses further rows for each step; or None.
    """

    def __init__(
        self,
        lesson: Lesson,
        optimizer: torch.optim.Optimizer,
        settings: Training,
        seed: int,
        accelerator: Accelerator,
        rows: int,
        live: Live | None = None,
        coach: Coach | None = None,
    ) -> None:
        self.lesson, self.settings, self.seed, self.coach = lesson, settings, seed, coach
        self.accelerator, self.rows, self.live = accelerator, rows, live
        self.average = lesson.copy().requires_grad_(False) if settings.ema else None
        if settings.compile:
            lesson.student.compile()
        self.model, prepared = accelerator.prepare(lesson.train(), optimizer)
        # At every step Accelerate's optimizer looks for a package that is not there, which is a tenth of a small step;
        # it has more to do than ours where gradients are scaled alone.
        self.optimizer = prepared if accelerator.scaler is not None else prepared.optimizer
        self.weights = list(lesson.parameters())
        self.epoch = self.step = self.bad_epochs = self.best_epoch = 0
        self.history: list[dict[str, float]] = []
        self.best: Weights | None = None
        self.best_loss = math.inf
        self.epoch_loss = torch.zeros((), dtype=widest(accelerator.device), device=accelerator.device)
        self.epoch_count = torch.zeros_like(self.epoch_loss)
        self.began = time.monotonic()

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of one epoch."""
        return math.ceil(self.rows / self.settings.batch_size)

    @property
    def steps_done(self) -> int:
        """Optimiser steps so far, over all epochs."""
        return self.epoch * self.steps_per_epoch + self.step

    @property
    def finished(self) -> bool:
        """Whether the last epoch is over, or patience is."""
        patience = self.settings.patience
        return self.epoch >= self.settings.epochs or (patience is not None and self.bad_epochs >= patience)

    @property
    def note(self) -> str:
        """Where the training is, for the progress display."""
        if not self.history:
            return f"epoch {self.epoch + 1}/{self.settings.epochs}"
        last = self.history[-1]
        # Where nothing is held out, what is measured is the loss again.
        held = f" · validation {last['validation']:.4f}" if last["validation"] != last["loss"] else ""
        return f"epoch {self.epoch + 1}/{self.settings.epochs} · loss {last['loss']:.4f}{held}"

    def shares(self, batch: Tensor) -> list[Tensor]:
        """This process's micro-batches of a batch of row numbers."""
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        return list(batch[rank::world].tensor_split(self.settings.accumulate))

    def learn(self, batch: Tensor, micro: Iterator[tuple[Tensor, Targets]], rate: float) -> None:
        """One optimiser step on this process's micro-batches of a batch of row numbers, at a learning rate."""
        reseed(mix(self.seed, self.steps_done, self.accelerator.process_index), self.accelerator.device)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        world, last = self.accelerator.num_processes, self.settings.accumulate - 1
        expected = len(batch) / world
        total = self.epoch_loss.new_zeros(2)
        for part in range(self.settings.accumulate):
            inputs, targets = self._seen(*next(micro))
            with self.accelerator.no_sync(self.model) if part < last else nullcontext():
                loss, count = self.model(inputs, targets)
                self.accelerator.backward(loss / expected)
            total += torch.stack([loss.detach(), count]).to(total.dtype)
        if self.coach is not None:
            self._learn_beside(self.coach)
        if world > 1:
            total = self.accelerator.reduce(total, reduction="sum")
        # Gradients are means over processes of sums over rows / expected: make them the mean over all counted rows.
        self._scale(expected * world / total[1].clamp_min(1e-12))
        self.optimizer.step()
        for parameter in self.weights:
            parameter.grad = None
        self._average()
        if self.coach is not None:
            self.coach.watch(self.lesson.student)
        self.epoch_loss += total[0]
        self.epoch_count += total[1]
        self.step += 1

    def _learn_beside(self, coach: Coach) -> None:
        """Add the gradients of a coach's further rows, which leave batch normalisation's averages as they are."""
        inputs, targets = coach.further()
        if self.settings.augment is not None:
            inputs = self.settings.augment.view(inputs)
        with averages_kept(self.lesson.student):
            self.accelerator.backward(self.model(inputs, targets)[0])

    def _seen(self, inputs: Tensor, targets: Targets) -> tuple[Tensor, Targets]:
        """A batch as the student sees it: a random view of it, where it sees such, and what it learns of that view."""
        if self.settings.augment is not None:
            inputs = self.settings.augment.view(inputs)
        return inputs, targets if self.live is None else self.live(inputs).to(inputs.device)

    def _scale(self, weight: Tensor) -> None:
        """Weigh the gradients and clip them; on a CPU, where asking costs nothing, only those that it changes."""
        asking = self.accelerator.device.type == "cpu"
        grads = [parameter.grad for parameter in self.weights if parameter.grad is not None]
        if not (asking and weight == 1):
            for grad in grads:
                grad.mul_(weight)
        longest = self.settings.clip_norm
        if longest is None:
            return
        # Accelerate's also undoes the scale of mixed precision; what it computes is the same.
        if not asking or self.accelerator.scaler is not None or nn.utils.get_total_norm(grads) + 1e-6 > longest:
            self.accelerator.clip_grad_norm_(self.weights, longest)

    def _average(self) -> None:
        if self.average is None or self.settings.ema is None:
            return
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.lesson.parameters(), strict=True):
                mean.lerp_(now, 1.0 - self.settings.ema)

    def close_epoch(self, feed: Feed, validation: Tensor) -> None:
        """Measure, remember the best weights, count the bad epochs.

        Args:
            feed: of the rows that are measured on.
            validation: their numbers.
        """
        loss = self._finite("training", float(self.epoch_loss / self.epoch_count.clamp_min(1e-12)))
        found = self.measure(feed, validation) if len(validation) else None
        measured = loss if found is None else self._finite("validation", found)
        now = time.monotonic()
        self.history.append(
            {
                "epoch": self.epoch + 1,
                "loss": loss,
                "validation": measured,
                "learning_rate": self.optimizer.param_groups[0]["lr"],
                "seconds": now - self.began,
                **({} if self.coach is None else self.coach.facts()),
            }
        )
        self.began = now
        self.epoch, self.step = self.epoch + 1, 0
        self.epoch_loss.zero_()
        self.epoch_count.zero_()
        if self.settings.better(measured, self.best_loss, self.history[0]["validation"]):
            self.best_loss, self.best_epoch, self.bad_epochs = measured, self.epoch, 0
            if self.settings.keep == "best":
                self.best = {name: value.detach().clone() for name, value in self.candidate.state_dict().items()}
        else:
            self.bad_epochs += 1
        if self.settings.tracker is not None:
            told = {key: value for key, value in self.history[-1].items() if key not in ("epoch", "seconds")}
            self.accelerator.log({**told, **({} if self.coach is None else self.coach.tracked())}, self.epoch)

    def _finite(self, which: str, loss: float) -> float:
        if not math.isfinite(loss):
            raise WorkError(
                f"the {which} loss is {loss} in epoch {self.epoch + 1}; lower training.learning_rate "
                f"(now {self.settings.learning_rate:g}) or set training.clip_norm, and look for extreme input values"
            )
        return loss

    @property
    def candidate(self) -> Lesson:
        """The lesson that would be kept now: the moving average where there is one."""
        return self.average if self.average is not None else self.lesson

    @torch.no_grad()
    def measure(self, feed: Feed, validation: Tensor) -> float | None:
        """The mean loss against the surrogate targets of the held-out rows, over all processes; None of nothing."""
        self.candidate.eval()
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        total = self.epoch_loss.new_zeros(2)
        with self.accelerator.autocast():
            for inputs, targets in feed.batches(
                torch.split(validation[rank::world], max(self.settings.batch_size, 1024))
            ):
                total += torch.stack(self.candidate(inputs, targets)).to(total.dtype)
        self.model.train()
        total = self.accelerator.reduce(total, reduction="sum")
        return float(total[0] / total[1]) if total[1] > 0 else None

    def adopt_best(self) -> None:
        """Give the student and its companion their best weights, and leave them in evaluation mode."""
        last = None if self.average is None else self.average.state_dict()
        kept = self.best if self.settings.keep == "best" else last
        if kept is not None:
            self.lesson.load_state_dict(kept)
        if not all(finite(weight) for weight in self.lesson.parameters()):
            self._finite("training", math.nan)  # the very last step broke it, and nothing was held out to notice
        vars(self.lesson).pop("forward", None)  # Accelerate's own, which computes in mixed precision
        self.lesson.student._compiled_call_impl = None  # what was compiled is for training
        lay_out(self.lesson, torch.contiguous_format)
        self.lesson.eval()

    @property
    def sound(self) -> bool:
        """Whether what was learned in this epoch is worth saving: its loss is a finite number."""
        return bool(torch.isfinite(self.epoch_loss))

    def state(self) -> dict[str, Any]:
        """Everything a checkpoint needs."""
        return {
            "lesson": self.lesson.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "scaler": None if self.accelerator.scaler is None else self.accelerator.scaler.state_dict(),
            "best": self.best,
            "best_loss": self.best_loss,
            "best_epoch": self.best_epoch,
            "bad_epochs": self.bad_epochs,
            "epoch": self.epoch,
            "step": self.step,
            "epoch_loss": self.epoch_loss,
            "epoch_count": self.epoch_count,
            "history": self.history,
            "coach": None if self.coach is None else self.coach.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to where a checkpoint was saved."""
        device = self.accelerator.device
        self.lesson.load_state_dict(state["lesson"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        best = state["best"]
        self.best = None if best is None else {name: value.to(device) for name, value in best.items()}
        self.best_loss, self.best_epoch = state["best_loss"], state["best_epoch"]
        self.bad_epochs, self.epoch, self.step = state["bad_epochs"], state["epoch"], state["step"]
        self.epoch_loss, self.epoch_count = (state[name].to(self.epoch_loss) for name in ("epoch_loss", "epoch_count"))
        self.history = list(state["history"])
        if self.coach is not None:
            self.coach.load_state_dict(state["coach"])


@torch.no_grad()
def finite(values: Tensor) -> bool:
    """Whether all numbers are finite, told without a copy of them: their least and their greatest are."""
    return not len(values.flatten()) or all(math.isfinite(float(end)) for end in values.aminmax())


def widest(device: torch.device) -> torch.dtype:
    """The widest floating-point numbers of a device, to add losses up in; Apple's MPS has none of 64 bits."""
    return torch.float32 if device.type == "mps" else torch.float64


def mix(seed: int, step: int, rank: int) -> int:
    """One seed out of three numbers."""
    return (seed * 1_000_003 + step * 8_191 + rank) % 2**63


def reseed(seed: int, device: torch.device) -> None:
    """Seed what dropout draws from; `torch.manual_seed` takes a traceback for each kind of device not in use."""
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)
