"""Many students of one kind as one module, their weights stacked, so that every operation is of all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from amalgam.signals import StudentOutput

# Units up to which ten LSTMs side by side are faster than one after the other: 2 to 3 times at 8, 1.2 at 16, and half
# as fast at 32, where the zeros between the members cost more than the operations saved.
_NARROW = 16
_LARGE = 2**20  # weights of a layer, beyond which their gradient is computed in pieces of so many outputs
_PIECE = 128


class Stacked(nn.Module):
    """M layers as one: its parameters are theirs, under the same names, with a leading M."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        for name, _ in layers[0].named_parameters():
            setattr(self, name, nn.Parameter(torch.stack([getattr(layer, name).detach() for layer in layers])))


class Linears(Stacked):
    """M linear layers as one: inputs (B, D) or (M, B, D) to (M, B, O)."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__(layers)
        if layers[0].bias is None:
            self.register_parameter("bias", None)

    def forward(self, inputs: Tensor) -> Tensor:
        """Every member's outputs; in an order that leaves the gradients of the weights to be written, not copied."""
        if inputs.ndim == 2:  # the same for all: one product of all their weights
            weight, bias = self.weight.flatten(0, 1), None if self.bias is None else self.bias.flatten()
            product = _Shared.apply if weight.numel() > _LARGE else nn.functional.linear
            together: Tensor = product(inputs, weight, bias)
            return together.view(len(inputs), *self.weight.shape[:2]).transpose(0, 1).contiguous()
        outputs = torch.bmm(self.weight, inputs.mT).mT
        return outputs if self.bias is None else outputs + self.bias[:, None]


class _Shared(torch.autograd.Function):
    """A linear layer whose weights' gradient comes piece by piece.

    Of a few rows it is a product of two thin matrices, which a CPU's library computes at a third of the speed where the
    result is larger than its caches.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Inputs (B, D), weights (O, D) and biases (O,) to outputs (B, O)."""
        ctx.save_for_backward(inputs, weight)
        return nn.functional.linear(inputs, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_outputs: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None]:
        """The gradients of what is wanted of inputs, weights and biases."""
        inputs, weight = ctx.saved_tensors
        of_weight = torch.empty_like(weight)
        for piece, of_piece in zip(torch.split(of_outputs, _PIECE, 1), torch.split(of_weight, _PIECE), strict=True):
            torch.mm(piece.mT, inputs, out=of_piece)
        wanted = ctx.needs_input_grad
        return of_outputs @ weight if wanted[0] else None, of_weight, of_outputs.sum(0) if wanted[2] else None


class LSTMs(Stacked):
    """M LSTMs as one: series (B, T, C), the same for all, to states (M, B, T, H)."""

    def __init__(self, layers: Sequence[nn.LSTM]) -> None:
        super().__init__(layers)
        self.hidden, self.depth = layers[0].hidden_size, layers[0].num_layers

    def forward(self, series: Tensor) -> tuple[Tensor, None]:
        """Every member's states after each step; the last ones, which an LSTM gives beside them, are not made."""
        weights = [getattr(self, f"{kind}_l{k}") for k in range(self.depth)
                   for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]  # fmt: skip
        members = len(weights[0])
        if self.hidden > _NARROW:
            return torch.stack([self._states(series, [one[m] for one in weights]) for m in range(members)]), None
        wide = [self._beside(one) if one.ndim == 2 or place == 0 else self._diagonal(one)
                for place, one in enumerate(weights)]  # fmt: skip
        states = self._states(series, wide)
        return states.view(*states.shape[:2], members, self.hidden).permute(2, 0, 1, 3), None

    def _states(self, series: Tensor, weights: list[Tensor]) -> Tensor:
        start = series.new_zeros(self.depth, len(series), weights[1].shape[1])
        states: Tensor = torch.lstm(
            series, (start, start), weights, True, self.depth, 0.0, self.training, False, batch_first=True
        )[0]
        return states

    def _beside(self, weight: Tensor) -> Tensor:
        """Weights (M, 4H, ...) as those of one layer, (4MH, ...): an LSTM has its four gates one after the other."""
        rest = weight.shape[2:]
        return weight.view(len(weight), 4, self.hidden, *rest).transpose(0, 1).reshape(-1, *rest)

    def _diagonal(self, weight: Tensor) -> Tensor:
        """Weights (M, 4H, H) as those of one layer, (4MH, MH), that keeps the members apart."""
        members, units = len(weight), self.hidden
        gates = weight.view(members, 4, units, units).permute(1, 2, 3, 0)  # (4, H, H, M)
        return torch.diag_embed(gates).permute(0, 3, 1, 4, 2).reshape(4 * members * units, members * units)


_STACKS: dict[type[nn.Module], Callable[[Any], Stacked]] = {nn.Linear: Linears, nn.LSTM: LSTMs}
"""Layers with weights that can be stacked."""


def stack(students: Sequence[nn.Module]) -> nn.Module:
    """One module for M students that are `alike`, whose outputs have a leading M."""
    one = deepcopy(students[0])
    for name, module in list(one.named_modules()):
        if type(module) in _STACKS:
            layers = [student.get_submodule(name) for student in students]
            owner, _, leaf = name.rpartition(".")
            setattr(one.get_submodule(owner), leaf, _STACKS[type(module)](layers))
    return one


def pick(output: StudentOutput, which: int | slice) -> StudentOutput:
    """One member's output, or those of several with a leading dimension."""
    steps = None if output.steps is None else output.steps[:, which]
    return StudentOutput(output.logits[which], output.features[which], steps)


def narrow(module: nn.Module, optimizer: torch.optim.Optimizer, kept: Tensor) -> None:
    """Keep some members of a stack, by their places, in its weights and in the state of the optimiser that has them."""
    for stacked in [one for one in module.modules() if isinstance(one, Stacked)]:
        for name, old in list(stacked.named_parameters(recurse=False)):
            new = nn.Parameter(old.detach()[kept])
            setattr(stacked, name, new)
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

    All their weights are those of linear layers and LSTMs, and stacked they answer some inputs (B, ...) as each does
    alone, in training mode: a student whose operations do not take a leading dimension does not.
    """
    first = students[0]
    weighty = [module for module in first.modules() if next(module.parameters(recurse=False), None) is not None]
    if any(type(module) not in _STACKS for module in weighty):
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
        except (AttributeError, RuntimeError, IndexError, ValueError):  # also an LSTM without biases
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
