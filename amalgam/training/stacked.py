"""Many students of one kind as one module, their weights stacked, so that every operation is of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from amalgam.signals import StudentOutput


class Linears(nn.Module):
    """M linear layers as one: inputs (B, D) or (M, B, D) to (M, B, O)."""

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([layer.weight.detach() for layer in layers]))
        biases = [layer.bias.detach() for layer in layers if layer.bias is not None]
        self.bias = nn.Parameter(torch.stack(biases)) if biases else None

    def forward(self, inputs: Tensor) -> Tensor:
        """Every member's outputs; in an order that leaves the gradients of the weights to be written, not copied."""
        if inputs.ndim == 2:  # the same for all: one product of all their weights
            bias = None if self.bias is None else self.bias.flatten()
            together = nn.functional.linear(inputs, self.weight.flatten(0, 1), bias)
            return together.view(len(inputs), *self.weight.shape[:2]).transpose(0, 1).contiguous()
        outputs = torch.bmm(self.weight, inputs.mT).mT
        return outputs if self.bias is None else outputs + self.bias[:, None]


def stack(students: Sequence[nn.Module]) -> nn.Module:
    """One module for M students that are `alike`, whose outputs have a leading M."""
    one = deepcopy(students[0])
    for name, module in list(one.named_modules()):
        if isinstance(module, nn.Linear):
            layers: Any = [student.get_submodule(name) for student in students]
            owner, _, leaf = name.rpartition(".")
            setattr(one.get_submodule(owner), leaf, Linears(layers))
    return one


def pick(output: StudentOutput, which: int | slice) -> StudentOutput:
    """One member's output, or those of several with a leading dimension."""
    steps = None if output.steps is None else output.steps[:, which]
    return StudentOutput(output.logits[which], output.features[which], steps)


def narrow(module: nn.Module, optimizer: torch.optim.Optimizer, kept: Tensor) -> None:
    """Keep some members of a stack, by their places, in its weights and in the state of the optimiser that has them."""
    for linears in [one for one in module.modules() if isinstance(one, Linears)]:
        for name, old in list(linears.named_parameters(recurse=False)):
            new = nn.Parameter(old.detach()[kept])
            setattr(linears, name, new)
            for group in optimizer.param_groups:
                group["params"] = [new if one is old else one for one in group["params"]]
            optimizer.state[new] = {
                key: value[kept] if isinstance(value, Tensor) and value.shape == old.shape else value
                for key, value in optimizer.state[old].items()
            }
            forget(optimizer, [old])


def forget(optimizer: torch.optim.Optimizer, parameters: Sequence[nn.Parameter]) -> None:
    """An optimiser lets go of weights that are trained no more."""
    gone = {id(one) for one in parameters}
    for group in optimizer.param_groups:
        group["params"] = [one for one in group["params"] if id(one) not in gone]
    for one in parameters:
        optimizer.state.pop(one, None)


def alike(students: Sequence[nn.Module], inputs: Tensor) -> bool:
    """Whether students can be stacked: of one kind, shape, settings and scaling, all trained, and nothing is drawn.

    All their weights are those of linear layers, and stacked they answer some inputs (B, ...) as each does alone, in
    training mode: a student whose operations do not take a leading dimension does not.
    """
    first = students[0]
    weighty = [module for module in first.modules() if next(module.parameters(recurse=False), None) is not None]
    if any(type(module) is not nn.Linear for module in weighty):
        return False
    if not all(_one_kind(one, first) for one in students):
        return False
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        copies = [_moved(one).train() for one in students]
        state = torch.get_rng_state()
        try:
            together = stack(copies)(inputs)
            answers = [(pick(together, place), one(inputs)) for place, one in enumerate(copies)]
        except (RuntimeError, IndexError, ValueError):
            return False
        drawn = not torch.equal(torch.get_rng_state(), state)
    changed = not all(_fixed_alike(one, copy) for one, copy in zip(students, copies, strict=True))
    return not drawn and not changed and all(_same(stacked, alone) for stacked, alone in answers)


def _moved(student: nn.Module) -> nn.Module:
    """A copy with weights of its own: students that begin alike would hide what takes one's weights for another's."""
    copy = deepcopy(student)
    for weight in copy.parameters():
        weight.add_(0.1 * torch.randn_like(weight))
    return copy


def _one_kind(one: nn.Module, other: nn.Module) -> bool:
    """The same class, layers, settings and fixed numbers, such as the scaling of inputs, and no weight is frozen."""
    described = [(type(module), repr(module), getattr(module, "settings", None)) for module in (one, other)]
    trained = all(weight.requires_grad for weight in one.parameters())
    return trained and described[0] == described[1] and _fixed_alike(one, other)


def _fixed_alike(one: nn.Module, other: nn.Module) -> bool:
    """The same numbers in the buffers."""
    mine, its = list(one.buffers()), list(other.buffers())
    return len(mine) == len(its) and all(map(torch.equal, mine, its))


def _same(one: StudentOutput, other: StudentOutput) -> bool:
    """The same numbers, up to rounding."""
    pairs = [(one.logits, other.logits), (one.features, other.features)]
    if one.steps is not None and other.steps is not None:
        pairs.append((one.steps, other.steps))
    return all(mine.shape == its.shape and torch.allclose(mine, its, 1e-4, 1e-5) for mine, its in pairs)
