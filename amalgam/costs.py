"""What models cost: their size in memory, and how long they take to answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from amalgam.panel import Panel
from amalgam.signals import Rows
from amalgam.student import Student


@dataclass(frozen=True)
class Cost:
    """What a model costs to keep and to ask; None where that cannot be told.

    Times are of this machine, on the device the model is on, and include the way of inputs there and of scores back.

    Attributes:
        parameters: how many, of models that are torch modules.
        bytes: of its parameters and buffers in memory.
        latency_1: seconds to score one row.
        latency_256: seconds to score 256 rows at once.
    """

    parameters: int | None = None
    bytes: int | None = None
    latency_1: float | None = None
    latency_256: float | None = None


def costs_of(student: Student, panel: Panel, rows: Rows, seconds: float) -> list[Cost]:
    """The cost of the student and of each teacher."""
    some = rows.inputs(torch.arange(256) % len(rows))
    costs = [_cost(student, student.logits, some, seconds)]
    costs += [_cost(_module_of(seat.teacher), seat.teacher.score, some, seconds) for seat in panel.seats]
    return costs


def bytes_of(panel: Panel) -> int | None:
    """What all teachers take in memory together; None where one is no torch module."""
    modules = [_module_of(seat.teacher) for seat in panel.seats]
    return sum(_size(one) for one in modules if one is not None) if None not in modules else None


def _module_of(teacher: object) -> nn.Module | None:
    """The torch module of a teacher, where it is or has one."""
    found = teacher if isinstance(teacher, nn.Module) else getattr(teacher, "module", None)
    return found if isinstance(found, nn.Module) else None


def _size(module: nn.Module) -> int:
    return sum(one.numel() * one.element_size() for one in (*module.parameters(), *module.buffers()))


def _cost(module: nn.Module | None, score: Callable[[Tensor], Tensor], inputs: Tensor, seconds: float) -> Cost:
    """The cost of a model: its module, where it has one, and what scores its inputs (256, ...)."""
    parameters = size = None
    if module is not None:
        parameters = sum(one.numel() for one in module.parameters())
        size = _size(module)
    return Cost(parameters, size, latency(score, inputs[:1], seconds), latency(score, inputs, seconds))


def latency(score: Callable[[Tensor], Tensor], inputs: Tensor, seconds: float) -> float:
    """The median time of scoring some inputs, in seconds, after one run that warms up.

    Args:
        score: maps inputs (B, ...) to scores; the scores are brought to the CPU, so an accelerator's work is in it.
        inputs: (B, ...).
        seconds: when to stop repeating.
    """
    times: list[float] = []
    with torch.inference_mode():
        torch.as_tensor(score(inputs)).cpu()
        stop = time.perf_counter() + seconds
        while not times or time.perf_counter() < stop:
            begin = time.perf_counter()
            torch.as_tensor(score(inputs)).cpu()
            times.append(time.perf_counter() - begin)
    return median(times)


def total(costs: Sequence[Cost]) -> Cost:
    """The cost of models asked one after another; None where one of them is unknown."""

    def add(values: list[Any]) -> Any:
        return None if None in values else sum(values)

    return Cost(*(add([getattr(cost, field.name) for cost in costs]) for field in fields(Cost)))
