"""The network equals plain loops over one series of its own length; kernels without a middle are refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from amalgam.errors import RequestError
from amalgam.student import build
from amalgam.students.convolutional import Convolutional
from tests.students.ragged import agrees


def slow(student: Convolutional, series: np.ndarray) -> tuple[list[float], list[float]]:
    """Logits and pooled features of a series (T, F) that is scaled, in plain loops."""
    weights = {name: value.double().numpy() for name, value in student.state_dict().items()}
    channels = range(student.settings.channels)

    def product(name: str, x: list[float], row: int) -> float:
        return sum(weights[name][row, j] * x[j] for j in range(len(x)))

    steps = [[product("lift.weight", list(step), channel) for channel in channels] for step in series]
    for block, kernel in enumerate(student.settings.kernels):
        name, halved = f"blocks.{block}", []
        for middle in range(0, len(steps), 2):
            seen = range(max(0, middle - kernel // 2), min(len(steps), middle + kernel // 2 + 1))
            depth = [
                sum(weights[f"{name}.depthwise.weight"][c, 0, at - middle + kernel // 2] * steps[at][c] for at in seen)
                for c in channels
            ]
            mixed = [
                weights[f"{name}.pointwise.bias"][c] + product(f"{name}.pointwise.weight", depth, c) for c in channels
            ]
            mean = sum(mixed) / len(mixed)
            spread = math.sqrt(sum((value - mean) ** 2 for value in mixed) / len(mixed) + 1e-5)
            norm, bias = weights[f"{name}.norm.weight"], weights[f"{name}.norm.bias"]
            halved.append([max(0.0, (mixed[c] - mean) / spread * norm[c] + bias[c]) for c in channels])
        steps = halved
    columns = list(zip(*steps, strict=True))
    features = [sum(column) / len(column) for column in columns] + [max(column) for column in columns]
    logits = [weights["decide.bias"][label] + product("decide.weight", features, label) for label in range(3)]
    return logits, features


@pytest.mark.parametrize("kernels", [(1,), (5, 3), (9, 5, 3)])
@pytest.mark.parametrize("missing_channel", [False, True])
def test_fast_equals_slow(kernels: tuple[int, ...], missing_channel: bool) -> None:
    torch.manual_seed(len(kernels))
    kind = Convolutional.Settings(channels=4, kernels=kernels, missing_channel=missing_channel)
    student = Convolutional((13, 2), ("a", "b", "c"), kind).double()
    for weight in student.parameters():  # norms with a scale and a bias of their own
        weight.data.add_(0.2 * torch.randn_like(weight))
    agrees(student, slow, 13, [13, 12, 6, 5, 1, 2])


def test_a_kernel_without_a_middle_is_refused() -> None:
    with pytest.raises(RequestError) as caught:
        build({"name": "convolutional", "kernels": [9, 4]}, (6, 1), ("a",), "recipe x, student")
    assert str(caught.value) == "recipe x, student: kernels.1 is 4, expected an odd number of steps"


def test_pinned_value() -> None:
    torch.manual_seed(0)
    student = Convolutional((3,), ("a", "b"), Convolutional.Settings(channels=4, kernels=(3,)))
    logits = student.score(torch.tensor([[1.0, -1.0, torch.nan]]))[0].tolist()
    assert logits == pytest.approx([0.162178, -0.185852], abs=1e-5)
