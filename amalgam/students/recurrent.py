"""The LSTM that is student and teacher of TC (knowledge-amalgamation, ch. 3, Eqs. 12, 13).

It reads a series step by step and decides after the last one. Series of unequal lengths run to the end of the batch;
what the LSTM says there is never looked at, and cannot reach back.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field
from torch import Tensor, nn

from amalgam.students._series import SeriesStudent


class Recurrent(SeriesStudent):
    """An LSTM over the steps of a series and a linear layer on its final hidden state."""

    class Settings(SeriesStudent.Settings):
        """The LSTM's hyperparameters.

        Attributes:
            hidden: units of each layer.
            layers: LSTM layers.
        """

        hidden: int = Field(default=32, gt=0)
        layers: int = Field(default=1, gt=0)

    last = "decide"
    settings: Recurrent.Settings

    def __init__(self, shape: Sequence[int], labels: Sequence[str], settings: Settings | None = None) -> None:
        super().__init__(shape, labels, settings)
        hidden, layers = self.settings.hidden, self.settings.layers
        between = self.settings.dropout if layers > 1 else 0.0  # torch warns of a dropout that is between no layers
        self.lstm = nn.LSTM(self.channels, hidden, layers, batch_first=True, dropout=between)
        self.decide = nn.Linear(hidden, len(self.labels))

    def represent(self, inputs: Tensor) -> Tensor:
        """Eq. (12): h_S = LSTM(X), the last layer's hidden state (B, hidden) after the last step with a value."""
        series, own = self.read(inputs)
        states: Tensor = self.lstm(series)[0]
        return final(states, own.sum(1))

    def head(self, features: Tensor) -> Tensor:
        """Eq. (13): W_S · h_S + b_S, the logits (B, L) of which Q is the softmax."""
        logits: Tensor = self.decide(features)
        return logits


def final(states: Tensor, lengths: Tensor) -> Tensor:
    """The state (..., B, H) after the last step of each series, of all states (..., B, T, H) and the lengths (B,)."""
    last = (lengths - 1)[:, None, None].expand(*states.shape[:-2], 1, states.shape[-1])
    return states.gather(-2, last).squeeze(-2)
