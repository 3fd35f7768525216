"""An LSTM over the words of a text: the encoder that dataset-joining (§4.1) trains from scratch.

Words have no vocabulary: a word's number (`amalgam.tokens`) is taken modulo the rows of a table of vectors, so words
that nobody has seen have a vector, too, and some words share one (Weinberger et al., "Feature hashing for large scale
multitask learning", ICML 2009). Without layers a text is the mean or maximum of its words' vectors (Joulin et al., "Bag
of tricks for efficient text classification", EACL 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from amalgam.errors import RequestError
from amalgam.scaling import Unscaled
from amalgam.series import alike, within
from amalgam.signals import StudentOutput
from amalgam.student import Student
from amalgam.students.recurrent import final


class Text(Student):
    """A table of vectors, an LSTM each way, and a linear layer on what they say of all words."""

    class Settings(Student.Settings):
        """The hyperparameters.

        Attributes:
            vectors: rows of the table; more keep more words apart.
            embedding: numbers of a word's vector.
            hidden: units of each LSTM's layers.
            layers: of each LSTM; 0 for none, the vectors alone.
            both_ways: whether a second LSTM reads each text from its end.
            pooling: what becomes of the states of all words: their `mean`, `max`, or the `last` one's alone.
            dropout: share of the words' vectors' and of the features' numbers that is dropped in training.
        """

        vectors: PositiveInt = 2**14
        embedding: PositiveInt = 64
        hidden: PositiveInt = 64
        layers: NonNegativeInt = 1
        both_ways: bool = True
        pooling: Literal["mean", "max", "last"] = "max"
        dropout: float = Field(default=0.2, ge=0, lt=1)

    masks = True
    texts = True
    last = "decide"
    settings: Text.Settings

    def __init__(self, shape: Sequence[int], labels: Sequence[str], settings: Settings | None = None) -> None:
        super().__init__(shape, labels, settings)
        if len(self.shape) != 2 or self.shape[1] != 1:
            raise RequestError(
                f"the student text reads texts, series (words, 1) of their numbers, and these inputs have the shape "
                f"{self.shape}; read the data with the option `text`, or choose another student"
            )
        own = self.settings
        self.scaling = Unscaled(self.shape)
        self.table = nn.Embedding(own.vectors + 1, own.embedding, padding_idx=0)
        ways = (1 + own.both_ways) if own.layers else 0
        between = own.dropout if own.layers > 1 else 0.0
        self.lstms = nn.ModuleList(
            nn.LSTM(own.embedding, own.hidden, own.layers, batch_first=True, dropout=between) for _ in range(ways)
        )
        self.drop = nn.Dropout(own.dropout)
        self.decide = nn.Linear(ways * own.hidden or own.embedding, len(self.labels))

    def accepts(self, shape: Sequence[int]) -> bool:
        """Texts of any length."""
        return alike(shape, self.shape)

    def represent(self, inputs: Tensor) -> Tensor:
        """The features (B, D) of texts (B, T, 1)."""
        own = within(inputs)
        numbers = inputs[..., 0].nan_to_num().long() % self.settings.vectors + 1
        vectors = self.drop(self.table(numbers * own))
        if not self.lstms:
            return pooled(vectors, own, self.settings.pooling)
        states = [self.lstms[0](vectors)[0]]
        for lstm in self.lstms[1:]:
            states.append(backwards(lstm(backwards(vectors, own))[0], own))
        if self.settings.pooling == "last":  # of the LSTM that reads from the end, the text's first word
            ends = [final(states[0], own.sum(1)), *(one[:, 0] for one in states[1:])]
            return torch.cat(ends, 1)
        return pooled(torch.cat(states, 2), own, self.settings.pooling)

    def forward(self, inputs: Tensor) -> StudentOutput:
        """Logits (B, L) and features (B, D)."""
        features = self.represent(inputs)
        return StudentOutput(self.decide(self.drop(features)), features)


def backwards(states: Tensor, own: Tensor) -> Tensor:
    """Each text's own steps in the other order, of states (B, T, H); `own` (B, T) says which these are."""
    lengths, number = own.sum(1, keepdim=True), torch.arange(own.shape[1], device=own.device)
    order = torch.where(own, lengths - 1 - number, number)
    return states.gather(1, order[..., None].expand(*states.shape))


def pooled(states: Tensor, own: Tensor, how: Literal["mean", "max", "last"]) -> Tensor:
    """One state (B, H) of the own steps (B, T) of states (B, T, H)."""
    if how == "last":
        return final(states, own.sum(1))
    if how == "max":
        return states.masked_fill(~own[..., None], -torch.inf).amax(1)
    return (states * own[..., None]).sum(1) / own.sum(1, keepdim=True)
