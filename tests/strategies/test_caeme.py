"""CAEME: meta-embeddings and loss against a transcription word by word."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from amalgam.errors import RequestError
from amalgam.strategies._autoencoders import shared_out
from amalgam.strategies.caeme import CAEME
from tests.strategies import autoencoding as plain
from tests.strategies.autoencoding import ORDER, Row, lexicon_of, loss_of, networks_of

WEIGHTS = (1.0, 2.0, 0.5)


def slow(networks: Any, lexicon: Any, word: str) -> tuple[Row, float]:
    """A word's meta-embedding, and Σ_k λ_k ‖D_k(m) - s_k‖²."""
    inputs = plain.inputs_of(networks, lexicon, word)
    together: Row = []
    for encode, part in zip(networks.encoders, plain.encodings_of(networks, inputs), strict=True):
        together += [0.0] * encode.out_features if part is None else part
    meta = plain.unit(together)
    lost = 0.0
    for weight, decode, wanted in zip(networks.method.weights, networks.decoders, inputs, strict=True):
        if wanted is not None:
            lost += weight * plain.squared(plain.layer(decode, meta), wanted)
    return meta, lost


@pytest.mark.parametrize("width", [12, 13, 14])
@pytest.mark.parametrize("unknown", ["learned", "none"])
def test_meta_embeddings_and_loss_are_the_slow_ones(unknown: Any, width: int) -> None:
    lexicon = lexicon_of()
    networks = networks_of(CAEME(unknown=unknown, weights=WEIGHTS), lexicon, width)
    made = networks.vectors()
    assert made.shape == (7, width)
    each = [slow(networks, lexicon, word) for word in lexicon.words]
    for row, (meta, _) in zip(made, each, strict=True):
        assert row.tolist() == pytest.approx(meta, abs=1e-5)
    said = loss_of(networks, lexicon, range(7))
    assert said.sum.item() == pytest.approx(sum(lost for _, lost in each), rel=1e-5)
    assert float(said.count) == 7


def test_blind_to_the_order_of_sources() -> None:
    """Where d is a multiple of K: the same parts, in the sources' order."""
    order = (2, 0, 1)
    ours, theirs = lexicon_of(), lexicon_of([ORDER[place] for place in order])
    one = networks_of(CAEME(unknown="none", weights=WEIGHTS), ours)
    other = networks_of(CAEME(unknown="none", weights=tuple(WEIGHTS[place] for place in order)), theirs)
    columns = [4 * place + column for place in order for column in range(4)]
    for here, place in enumerate(order):
        other.encoders[here].load_state_dict(one.encoders[place].state_dict())
        decoder = one.decoders[place].state_dict()
        other.decoders[here].load_state_dict({"weight": decoder["weight"][:, columns], "bias": decoder["bias"]})
    expected = dict(zip(ours.words, one.vectors(), strict=True))
    for word, row in zip(theirs.words, other.vectors(), strict=True):
        torch.testing.assert_close(row, expected[word][columns])
    torch.testing.assert_close(loss_of(other, theirs, range(7)).sum, loss_of(one, ours, range(7)).sum)


def test_every_decoder_reads_every_encoding() -> None:
    lexicon = lexicon_of()
    networks = networks_of(CAEME(weights=(1.0, 0.0, 0.0)), lexicon)
    loss_of(networks, lexicon, range(7)).sum.backward()
    assert all(encode.weight.grad.ne(0).any() for encode in networks.encoders)
    assert [bool(decode.weight.grad.ne(0).any()) for decode in networks.decoders] == [True, False, False]


def test_gradients_reach_the_missing_alone() -> None:
    plain.assert_gradients_reach_the_missing_alone(CAEME())


def test_nothing_stands_for_what_is_not_known() -> None:
    plain.assert_nothing_stands_for_what_is_not_known(CAEME(unknown="none"))


@pytest.mark.parametrize("unknown", ["learned", "none"])
def test_learns(unknown: Any) -> None:
    plain.assert_learns(CAEME(unknown=unknown), 24)


@pytest.mark.parametrize(("width", "parts"), [(9, (3, 3, 3)), (100, (34, 33, 33)), (101, (34, 34, 33)), (3, (1, 1, 1))])
def test_width_is_shared_out(width: int, parts: tuple[int, ...]) -> None:
    assert shared_out(width, 3) == parts


def test_too_small_a_width_is_refused() -> None:
    with pytest.raises(RequestError, match=r"student\.width is 2, and 3 sources need one each"):
        CAEME().vectors(lexicon_of(), 2, plain.Bare())


def test_pinned() -> None:
    lexicon = lexicon_of()
    networks = networks_of(CAEME(), lexicon)
    assert loss_of(networks, lexicon, range(7)).sum.item() == pytest.approx(25.24567, rel=1e-4)
