"""The LSTM equals a slow transcription of its equations, cell by cell, for one series of its own length."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from amalgam.students.recurrent import Recurrent
from tests.students.ragged import agrees


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def slow(student: Recurrent, series: np.ndarray) -> tuple[list[float], list[float]]:
    """Logits and final hidden state of a series (T, F) that is scaled, in plain loops; torch's gates are i, f, g, o."""
    weights = {name: value.double().numpy() for name, value in student.state_dict().items()}
    hidden = student.settings.hidden
    steps = [list(step) for step in series]
    for layer in range(student.settings.layers):
        of_input, of_state = weights[f"lstm.weight_ih_l{layer}"], weights[f"lstm.weight_hh_l{layer}"]
        bias = weights[f"lstm.bias_ih_l{layer}"] + weights[f"lstm.bias_hh_l{layer}"]
        h, c, states = [0.0] * hidden, [0.0] * hidden, []
        for x in steps:
            gates = [
                bias[gate]
                + sum(of_input[gate, j] * x[j] for j in range(len(x)))
                + sum(of_state[gate, j] * h[j] for j in range(hidden))
                for gate in range(4 * hidden)
            ]
            into, forget, new, out = (gates[start * hidden : (start + 1) * hidden] for start in range(4))
            c = [sigmoid(forget[j]) * c[j] + sigmoid(into[j]) * math.tanh(new[j]) for j in range(hidden)]
            h = [sigmoid(out[j]) * math.tanh(c[j]) for j in range(hidden)]
            states.append(h)
        steps = states
    logits = [
        weights["decide.bias"][label] + sum(weights["decide.weight"][label, j] * h[j] for j in range(hidden))
        for label in range(len(student.labels))
    ]
    return logits, h


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("missing_channel", [False, True])
def test_fast_equals_slow(layers: int, missing_channel: bool) -> None:
    torch.manual_seed(layers)
    kind = Recurrent.Settings(hidden=4, layers=layers, missing_channel=missing_channel)
    student = Recurrent((7, 2), ("a", "b", "c"), kind).double()
    agrees(student, slow, 7, [7, 5, 6, 4, 1, 2])


def test_pinned_value() -> None:
    torch.manual_seed(0)
    student = Recurrent((3,), ("a", "b"), Recurrent.Settings(hidden=4))
    logits = student.score(torch.tensor([[1.0, -1.0, torch.nan]]))[0].tolist()
    assert logits == pytest.approx([0.154595, 0.039257], abs=1e-5)
