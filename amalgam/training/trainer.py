"""The trainer: one loop for every strategy, on a CPU, a GPU or many, that can be killed at any moment and resumed.

Launch: `amalgam distill …`, or `torchrun --nproc-per-node 2 -m amalgam distill …` for several processes.

All randomness is a function of (seed, step, rank), so a checkpoint needs no generator's state, and a resumed run is the
uninterrupted one bit for bit on a CPU. A step's loss is a sum over its rows divided by their number over all processes
and micro-batches, so two processes train the student that one does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from amalgam.errors import RequestError
from amalgam.progress import Progress, Silent
from amalgam.signals import Rows, Targets
from amalgam.training.checkpoint import Checkpoints
from amalgam.training.coach import Coach
from amalgam.training.feed import Feed
from amalgam.training.settings import Training
from amalgam.training.state import Learning, Lesson, Live, LossFunction, lay_out, mix


@dataclass(frozen=True)
class Fit:
    """What a training was.

    Attributes:
        history: one mapping an epoch: `epoch`, `loss`, `validation`, `learning_rate`, `seconds`.
        best_epoch: the epoch whose weights the student has.
        rows: how many rows it learned from; validation rows are not among them.
        resumed_at: the epoch it was resumed in, None for a run in one piece.
    """

    history: tuple[dict[str, float], ...]
    best_epoch: int
    rows: int
    resumed_at: int | None


def fit(
    student: nn.Module,
    rows: Rows,
    targets: Targets,
    loss: LossFunction,
    settings: Training,
    *,
    seed: int,
    accelerator: Accelerator,
    companion: nn.Module | None = None,
    live: Live | None = None,
    held: Targets | None = None,
    coach: Coach | None = None,
    folder: Path | None = None,
    key: str = "",
    progress: Progress | None = None,
    name: str = "training",
    count: Callable[[int], int] = int,
    unit: str = "rows",
) -> Fit:
    """Train a student in place; it ends with its best weights.

    Args:
        student: maps inputs (B, ...) to StudentOutput.
        rows: N rows; only their inputs are read.
        targets: N targets.
        loss: of a student's output and its targets.
        settings: how.
        seed: of the validation split, the order of rows and dropout.
        accelerator: the processes and the device.
        companion: trained beside the student and left behind; maps its output and targets to a further Loss.
        live: what is to be learned of a batch as the student sees it (`Training.augment`), instead of the targets,
            which then are for validation alone.
        held: what is to be said of N rows that is not learned of them. With it, all rows are trained on, and the share
            of them that validation would hold out is measured by it.
        coach: chooses further rows for every step, whose loss is the companion's; in one process.
        folder: where the checkpoint lies, read first if there is one; None keeps none.
        key: the fingerprint of what is learned from and how; a checkpoint made with another is refused.
        progress: who shows the step.
        name: what it is called there.
        count: how many units of work a step of so many rows is, for the progress display.
        unit: what these are called.

    Raises:
        RequestError: the checkpoint is damaged or of another training; or views of rows that are no images.
        WorkError: the loss is no longer finite.
        ValueError: the accelerator has another precision than the settings.
    """
    if settings.precision != accelerator.mixed_precision:
        raise ValueError(
            f"the settings ask for precision {settings.precision}, the accelerator has {accelerator.mixed_precision}"
        )
    if settings.augment is not None:
        settings.augment.check(rows.shape)
    training, validation = held_out(len(rows), settings.validation, seed)
    feed = measured = Feed(rows, targets, accelerator.device, settings.workers)
    if held is not None:
        training, measured = torch.arange(len(rows)), Feed(rows, held, accelerator.device, settings.workers)
    lesson = Lesson(student, loss, companion).to(accelerator.device)
    lay_out(lesson, torch.channels_last)
    learning = Learning(lesson, optimizer_of(lesson, settings), settings, seed, accelerator, len(training), live, coach)
    checkpoints = Checkpoints(folder, settings.checkpoint_seconds)
    resumed_at = _resume(learning, checkpoints, key)
    accelerator.wait_for_everyone()
    steps = settings.epochs * learning.steps_per_epoch

    each = [count(len(batch)) for batch in torch.split(training, settings.batch_size)]
    with surroundings(settings.threads), (progress or Silent()).step(name, settings.epochs * sum(each), unit) as bar:
        bar.advance(learning.epoch * sum(each) + sum(each[: learning.step]))
        while not learning.finished:
            left = batches_of(training, settings.batch_size, seed, learning.epoch)[learning.step :]
            micro = feed.batches([share for batch in left for share in learning.shares(batch)])
            for batch in left:
                learning.learn(batch, micro, learning_rate(settings, learning.steps_done, steps))
                bar.advance(count(len(batch)), learning.note)
                if checkpoints.due() and accelerator.is_main_process and learning.sound:
                    checkpoints.save(learning.state() | {"key": key})
            learning.close_epoch(measured, validation)
    if accelerator.is_main_process:
        checkpoints.save(learning.state() | {"key": key})
    learning.adopt_best()
    return Fit(tuple(learning.history), learning.best_epoch, len(training), resumed_at)


def _resume(learning: Learning, checkpoints: Checkpoints, key: str) -> int | None:
    """Go on from the checkpoint where there is one: the epoch it was saved in."""
    saved = checkpoints.load()
    if saved is None:
        return None
    try:
        if saved["key"] != key:
            raise RequestError(
                f"the checkpoint {checkpoints.path} was made from other rows, teachers or settings than this run now "
                "has; put them back, or delete it, and --resume trains from the start"
            )
        learning.restore(saved)
    except (KeyError, ValueError, RuntimeError):
        raise RequestError(
            f"the checkpoint {checkpoints.path} is of another student or another amalgam; delete it, and --resume "
            "trains from the start"
        ) from None
    return learning.epoch


def held_out(rows: int, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Row numbers for training and for early stopping; at least one row trains."""
    order = _order(rows, seed, -1)
    count = min(round(share * rows), rows - 1)
    return order[count:].sort().values, order[:count].sort().values


def batches_of(training: Tensor, size: int, seed: int, epoch: int) -> list[Tensor]:
    """The row numbers of an epoch's batches."""
    return [training[batch] for batch in torch.split(_order(len(training), seed, epoch), size)]


def learning_rate(settings: Training, step: int, steps: int) -> float:
    """The rate of a step (from 0) among `steps`: a linear warm-up, then the schedule down to zero or none."""
    warm = round(settings.warmup * steps)
    if step < warm:
        return settings.learning_rate * (step + 1) / warm
    done = (step - warm) / max(steps - warm, 1)
    shape = {"constant": 1.0, "linear": 1.0 - done, "cosine": 0.5 * (1.0 + math.cos(math.pi * done))}
    return settings.learning_rate * shape[settings.schedule]


def optimizer_of(module: nn.Module, settings: Training) -> torch.optim.Optimizer:
    """The optimiser that the settings name; fused, one pass over the weights, where torch can."""
    rate, decay = settings.learning_rate, settings.weight_decay
    if any(getattr(one, "sparse", False) for one in module.modules()):
        return _of_few_rows(module, settings)
    given: dict[str, Any] = {"lr": rate, "weight_decay": decay}
    given["fused"] = all(one.device.type in {"cpu", "cuda"} for one in module.parameters())
    if settings.optimizer == "sgd":
        return torch.optim.SGD(module.parameters(), momentum=settings.momentum, **given)
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(module.parameters(), **given)
    return torch.optim.Adam(module.parameters(), **given)


def _of_few_rows(module: nn.Module, settings: Training) -> torch.optim.Optimizer:
    """The optimiser of a network whose step changes few rows of a large table; it has nothing to remember of a row."""
    wrong = {
        "optimizer": settings.optimizer != "sgd",
        "momentum": settings.optimizer == "sgd" and settings.momentum > 0,
        "weight_decay": settings.weight_decay > 0,
        "clip_norm": settings.clip_norm is not None,
        "accumulate": settings.accumulate > 1,
        "precision": settings.precision != "no",
    }
    for key in (key for key, is_wrong in wrong.items() if is_wrong):
        raise RequestError(
            f"training.{key} is {getattr(settings, key)}; a step changes a few words' vectors alone, which is done "
            "with optimizer: sgd, momentum: 0, weight_decay: 0 and clip_norm: null, a batch at a time (accumulate: 1, "
            "precision: no)"
        )
    return torch.optim.SGD(module.parameters(), lr=settings.learning_rate)


@contextmanager
def surroundings(threads: int | None) -> Iterator[None]:
    """So many CPU threads of torch for a while, and random numbers whose drawing a caller does not notice."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(before)


def _order(rows: int, seed: int, epoch: int) -> Tensor:
    """The order of rows in an epoch."""
    return torch.randperm(rows, generator=torch.Generator().manual_seed(mix(seed, epoch + 2, 4_093)))
