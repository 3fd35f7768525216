"""Nine students trained at once against nine trained alone, two other ways to stack them, and bare products."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from statistics import median

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from amalgam.classes import probabilities
from amalgam.labels import ONE
from amalgam.losses import stepwise
from amalgam.signals import ProbabilityTargets, TensorRows
from amalgam.student import Student, build
from amalgam.training.feed import Feed
from amalgam.training.settings import Training
from amalgam.training.state import Learning, Lesson
from amalgam.training.together import Member, _Group, stackable
from amalgam.training.trainer import optimizer_of
from benchmarks.common import Result, spread

TITLE = "Many students at once"
ABOUT = """\
Measured: one optimiser step of nine label chains that differ in their first weights and their targets, as the methods
of a table or the seeds of a method do: batch, forward, cross-entropy of every step, backward, clipping of each, Adam.
The shapes are those of four public sets; a chain takes at most 8 steps. Then nine LSTMs over series, as TC's students
are on two public sets. Rows and targets are random: what they hold changes no time. Other devices: `--device cuda`.

- alone: the trainer's own step, `trainer.fit`'s, of each of the nine in turn;
- stacked: ours, `fit_together`'s;
- vmap (chains only): `torch.func.vmap` over `grad` of `functional_call`, with the same clipping and optimiser;
- compiled: ours with the stacked module under `torch.compile`, at the smallest shape, where operations are shortest.
  A bench does not use it: it asks for a compiler on the machine, and would compile anew whenever a student stops early;
- bare products (chains only): what no way can leave out, and no more: the matrix products of the forward and the
  backward pass, with the gradients of a weight over all steps as one product, into memory that is there; no activation,
  loss or optimiser.

All ways take turns in one process. After three steps from the same weights they must agree, or there are no figures."""

MEMBERS, MOST_STEPS, ROWS, RATE = 9, 8, 512, 1e-3
SETTINGS = Training(epochs=1, learning_rate=RATE, threads=1)

Step = Callable[[Tensor], None]


@dataclass(frozen=True)
class Shape:
    """A set's size: labels, units, numbers in an input, rows of a batch; layers of LSTMs, 0 of chains."""

    name: str
    labels: int
    hidden: int
    inputs: int
    batch: int
    layers: int = 0


SHAPES = (
    Shape("emotions", 6, 16, 72, 8),
    Shape("yeast", 14, 32, 103, 8),
    Shape("tmc2007", 22, 64, 500, 128),
    Shape("medical", 45, 64, 1449, 16),
    Shape("SyntheticControl", 6, 8, 60, 8, layers=1),
    Shape("MelbournePedestrian", 10, 8, 24, 16, layers=3),
)


@dataclass(frozen=True)
class Way:
    """A way to train the students: one step on some rows, and the weights it has come to, member by member."""

    name: str
    step: Step
    weights: Callable[[], list[Tensor]]


@dataclass(frozen=True)
class Work:
    """What is trained on what: the rows, and each member's student and targets."""

    rows: TensorRows
    students: list[Student]
    targets: list[ProbabilityTargets]
    device: torch.device


def measure(quick: bool, device: str = "cpu") -> Result:
    """Every way in turn, round after round, at every shape."""
    torch.set_num_threads(1)
    steps, rounds = (3, 2) if quick else (10, 5)
    lines, notes = list[tuple[str, ...]](), list[str]()
    for shape in SHAPES:
        work = _work(shape, torch.device(device))
        ours = _stacked(work)
        ways = [_alone(work), ours, *([] if shape.layers else [_vmapped(work)])]
        batches = [torch.arange(shape.batch) + start for start in (0, shape.batch, 2 * shape.batch)]
        told = _compiled(work, ways, batches[0]) if shape is SHAPES[0] and not quick else ""
        notes.append(f"- {shape.name}: {told}{_agreed(ways, batches, work.device)}")
        if not shape.layers:
            ways.append(Way("bare products", _products(shape, work.device), list))
        taken = [_round(ways, batches[0], steps, work.device) for _ in range(rounds)]
        for place, way in enumerate(ways):
            ratios = [one[place] / one[ways.index(ours)] for one in taken]
            lines.append((_size(shape), way.name, spread([1e3 * one[place] for one in taken], 2), spread(ratios, 2)))
    where = torch.cuda.get_device_name(device) if device.startswith("cuda") else f"the {device.upper()}, one thread"
    meaning = "\n".join([*notes, f"- On {where}; {rounds} rounds of {steps} steps of each way."])
    return Result(("shape", "way", "ms a step of all nine", "times ours"), lines, meaning)


def _size(shape: Shape) -> str:
    kind = f"LSTMs of {shape.layers} layer{'s' * (shape.layers > 1)}: " if shape.layers else ""
    what = "steps" if shape.layers else "inputs"
    return f"{shape.name}: {kind}{shape.labels} labels, {shape.hidden} units, {shape.inputs} {what}, {shape.batch} rows"


def _work(shape: Shape, device: torch.device) -> Work:
    chance = torch.Generator().manual_seed(0)
    rows = TensorRows(values=torch.randn(ROWS, shape.inputs, generator=chance))
    students, names = list[Student](), [f"label {number}" for number in range(shape.labels)]
    for seed in range(MEMBERS):
        torch.manual_seed(seed)
        kind = (
            {"name": "recurrent", "layers": shape.layers}
            if shape.layers
            else {"name": "label_chain", "steps": MOST_STEPS}
        )
        students.append(build({**kind, "hidden": shape.hidden}, (shape.inputs,), names, shape.name))
        students[-1].scaling.fit(rows)
        students[-1].tasks = {ONE: names} if shape.layers else {}
    if not stackable(students, rows, SETTINGS):
        raise RuntimeError(f"the students of {shape.name} cannot be stacked")
    drawn = probabilities(torch.rand(MEMBERS, ROWS, shape.labels, generator=chance), students[0].spans)
    targets = [ProbabilityTargets(one, torch.ones_like(one), spans=students[0].spans) for one in drawn]
    return Work(rows, students, targets, device)


def _alone(work: Work) -> Way:
    accelerator = Accelerator(cpu=work.device.type == "cpu")
    learners = list[tuple[Learning, Feed]]()
    for student, targets in zip(deepcopy(work.students), work.targets, strict=True):
        lesson = Lesson(student, stepwise).to(work.device)
        learning = Learning(lesson, optimizer_of(lesson, SETTINGS), SETTINGS, 0, accelerator, ROWS)
        learners.append((learning, Feed(work.rows, targets, work.device, 0)))

    def step(index: Tensor) -> None:
        for learning, feed in learners:
            learning.learn(index, feed.batches(learning.shares(index)), RATE)

    def weights() -> list[Tensor]:
        every = zip(*(learning.lesson.student.parameters() for learning, _ in learners), strict=True)
        return [torch.stack(one) for one in every]

    return Way("alone, one after the other", step, weights)


def _stacked(work: Work, compiled: bool = False) -> Way:
    members = [
        Member(f"{number}", student, targets, stepwise)
        for number, (student, targets) in enumerate(zip(work.students, work.targets, strict=True))
    ]
    group = _Group(members, work.rows, SETTINGS, 0, work.device)  # it copies the students' weights
    if compiled:
        group.module.compile()

    def step(index: Tensor) -> None:
        for inputs, _ in group.feed.batches([index]):
            group.learn(index, inputs, RATE)

    return Way("compiled" if compiled else "stacked (ours)", step, lambda: list(group.module.parameters()))


def _vmapped(work: Work) -> Way:
    first = [deepcopy(student).to(work.device) for student in work.students]
    stacked, buffers = stack_module_state(list[nn.Module](first))
    parameters = {name: nn.Parameter(weight.detach()) for name, weight in stacked.items()}
    optimizer = optimizer_of(nn.ParameterList(parameters.values()), SETTINGS)
    one, inputs = first[0], work.rows.values.to(work.device)
    probabilities, weights = (
        torch.stack([targets.arrays()[name] for targets in work.targets]).to(work.device)
        for name in ("probabilities", "weights")
    )

    def loss(own: dict[str, Tensor], fixed: dict[str, Tensor], x: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
        output = functional_call(one, (own, fixed), (x,))
        return stepwise(output, ProbabilityTargets(wanted, weight)).sum / len(x)

    gradients = vmap(grad(loss), in_dims=(0, 0, None, 0, 0))

    def step(index: Tensor) -> None:
        where = index.to(work.device)
        own = {name: weight.detach() for name, weight in parameters.items()}
        found = gradients(own, buffers, inputs[where], probabilities[:, where], weights[:, where])
        norms = [torch.linalg.vector_norm(each.flatten(1), dim=1) for each in found.values()]
        assert SETTINGS.clip_norm is not None
        scale = (SETTINGS.clip_norm / (torch.stack(norms).square().sum(0).sqrt() + 1e-6)).clamp(max=1.0)
        for name, weight in parameters.items():
            weight.grad = found[name] * scale.view(-1, *[1] * (weight.ndim - 1))
        optimizer.step()

    return Way("vmap", step, lambda: list(parameters.values()))


def _compiled(work: Work, ways: list[Way], batch: Tensor) -> str:
    """Add the compiled way where there is a compiler, and say how long that took or why it is left out."""
    way, began = _stacked(work, compiled=True), time.perf_counter()
    try:
        way.step(batch)
    except (RuntimeError, ImportError) as error:  # no compiler, or one that does not manage
        reason = str(error).strip().splitlines()[0].rstrip(".:")
        return f"not compiled ({type(error).__name__}: {reason}); "
    _wait(work.device)
    ways.append(_stacked(work, compiled=True))  # from the first weights again
    return f"the first compiled step took {time.perf_counter() - began:.0f} s, less if it was compiled before; "


def _agreed(ways: Sequence[Way], batches: Sequence[Tensor], device: torch.device) -> str:
    """Take three steps by every way; RuntimeError where they come to different weights."""
    for way in ways:
        for index in batches:
            way.step(index)
    _wait(device)
    every = [way.weights() for way in ways]
    worst = max(
        float((one - other).detach().abs().max())
        for weights in every[1:]
        for one, other in zip(every[0], weights, strict=True)
    )
    if worst > RATE / 2:
        raise RuntimeError(f"after three steps the weights differ by {worst:.2g} between ways that must agree")
    return f"after three steps no weight differs by more than {worst:.0e}."


def _products(shape: Shape, device: torch.device) -> Step:
    """The matrix products of a step, forward and backward, of all members, each into memory of its own.

    What enters a step is the labels chosen before it and the hidden state: the logits, linear in that state, need no
    product of their own there. The labels need no gradient.
    """
    steps = min(MOST_STEPS, shape.labels)
    rows, labels, gates = shape.batch, shape.labels, 4 * shape.hidden
    entering = labels + shape.hidden
    inputs = torch.randn(rows, shape.inputs, device=device)
    first = torch.randn(MEMBERS * (labels + gates), shape.inputs, device=device)

    def drawn(*size: int) -> Tensor:
        return torch.randn(MEMBERS, *size, device=device)

    of_inputs, of_first = torch.empty(rows, len(first), device=device), torch.empty_like(first)
    back = torch.randn_like(of_inputs)
    # Of each layer of a step: its weights, and all steps' inputs and gradients of its outputs.
    layers = [
        (drawn(width, outputs), drawn(steps * rows, width), drawn(steps * rows, outputs))
        for width, outputs in ((entering, gates), (shape.hidden, labels))
    ]
    ahead = [drawn(rows, weights.shape[2]) for weights, _, _ in layers]
    behind = [drawn(rows, shape.hidden) for _ in layers]
    of_weights = [torch.empty_like(weights) for weights, _, _ in layers]

    def step(index: Tensor) -> None:
        torch.mm(inputs, first.T, out=of_inputs)
        for number in range(steps):
            where = slice(number * rows, (number + 1) * rows)
            for (weights, entered, _), answer in zip(layers, ahead, strict=True):
                torch.bmm(entered[:, where], weights, out=answer)
        for number in range(steps):
            where = slice(number * rows, (number + 1) * rows)
            for (weights, _, left), answer in zip(layers, behind, strict=True):
                torch.bmm(left[:, where], weights[:, -shape.hidden :].mT, out=answer)
        for (_, entered, left), answer in zip(layers, of_weights, strict=True):
            torch.bmm(entered.mT, left, out=answer)
        torch.mm(back.T, inputs, out=of_first)

    return step


def _round(ways: Sequence[Way], index: Tensor, steps: int, device: torch.device) -> list[float]:
    """The seconds that a step takes by every way, one way after the other."""
    seconds = []
    for way in ways:
        way.step(index)  # the caches are its own again
        _wait(device)
        taken = []
        for _ in range(steps):
            began = time.perf_counter()
            way.step(index)
            _wait(device)
            taken.append(time.perf_counter() - began)
        seconds.append(median(taken))
    return seconds


def _wait(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type != "cpu":
        torch.get_device_module(device).synchronize()
