"""DAEME: meta-embeddings and both terms of the loss against a transcription word by word."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from amalgam.errors import RequestError
from amalgam.strategies.daeme import DAEME
from tests.strategies import autoencoding as plain
from tests.strategies.autoencoding import ORDER, Row, lexicon_of, loss_of, networks_of

WEIGHTS = (1.0, 2.0, 0.5)


def slow(networks: Any, lexicon: Any, word: str) -> tuple[Row, float, float]:
    """A word's meta-embedding, Σ_k λ_k ‖D_k(E_k(s_k)) - s_k‖², and Σ_j<k ‖E_j(s_j) - E_k(s_k)‖²."""
    inputs = plain.inputs_of(networks, lexicon, word)
    parts = plain.encodings_of(networks, inputs)
    together: Row = []
    lost = apart = 0.0
    for k, part in enumerate(parts):
        wanted = inputs[k]
        if part is None or wanted is None:
            together += [0.0] * networks.encoders[k].out_features
            continue
        together += part
        lost += networks.method.weights[k] * plain.squared(plain.layer(networks.decoders[k], part), wanted)
        for earlier in parts[:k]:
            if earlier is not None:
                common = min(len(earlier), len(part))
                apart += plain.squared(earlier[:common], part[:common])
    return plain.unit(together), lost, apart


@pytest.mark.parametrize("agreement", [0.0, 1.0, 0.3])
@pytest.mark.parametrize("width", [12, 13, 14])
@pytest.mark.parametrize("unknown", ["learned", "none"])
def test_meta_embeddings_and_loss_are_the_slow_ones(unknown: Any, width: int, agreement: float) -> None:
    lexicon = lexicon_of()
    networks = networks_of(DAEME(unknown=unknown, weights=WEIGHTS, agreement=agreement), lexicon, width)
    made = networks.vectors()
    assert made.shape == (7, width)
    each = [slow(networks, lexicon, word) for word in lexicon.words]
    for row, (meta, _, _) in zip(made, each, strict=True):
        assert row.tolist() == pytest.approx(meta, abs=1e-5)
    said = loss_of(networks, lexicon, range(7))
    assert said.sum.item() == pytest.approx(sum(lost + agreement * apart for _, lost, apart in each), rel=1e-5)
    assert float(said.count) == 7


def test_blind_to_the_order_of_sources() -> None:
    """Where d is a multiple of K: the same parts, in the sources' order."""
    order = (2, 0, 1)
    ours, theirs = lexicon_of(), lexicon_of([ORDER[place] for place in order])
    one = networks_of(DAEME(unknown="none", weights=WEIGHTS), ours)
    other = networks_of(DAEME(unknown="none", weights=tuple(WEIGHTS[place] for place in order)), theirs)
    for here, place in enumerate(order):
        for group in ("encoders", "decoders"):
            getattr(other, group)[here].load_state_dict(getattr(one, group)[place].state_dict())
    columns = [4 * place + column for place in order for column in range(4)]
    expected = dict(zip(ours.words, one.vectors(), strict=True))
    for word, row in zip(theirs.words, other.vectors(), strict=True):
        torch.testing.assert_close(row, expected[word][columns])
    torch.testing.assert_close(loss_of(other, theirs, range(7)).sum, loss_of(one, ours, range(7)).sum)


@pytest.mark.parametrize("agreement", [0.0, 1.0])
def test_agreement_alone_ties_the_sources(agreement: float) -> None:
    """Without it, what one source's words cost moves no other's networks."""
    lexicon = lexicon_of()
    networks = networks_of(DAEME(weights=(1.0, 0.0, 0.0), agreement=agreement), lexicon)
    loss_of(networks, lexicon, range(7)).sum.backward()
    moved = [bool(encode.weight.grad.ne(0).any()) for encode in networks.encoders]
    assert moved == [True, agreement > 0, agreement > 0]


def test_gradients_reach_the_missing_alone() -> None:
    plain.assert_gradients_reach_the_missing_alone(DAEME())


def test_nothing_stands_for_what_is_not_known() -> None:
    plain.assert_nothing_stands_for_what_is_not_known(DAEME(unknown="none"))


@pytest.mark.parametrize("unknown", ["learned", "none"])
def test_learns(unknown: Any) -> None:
    plain.assert_learns(DAEME(unknown=unknown), 24)


def test_too_small_a_width_is_refused() -> None:
    with pytest.raises(RequestError, match=r"student\.width is 2, and 3 sources need one each"):
        DAEME().vectors(lexicon_of(), 2, plain.Bare())


def test_pinned() -> None:
    lexicon = lexicon_of()
    networks = networks_of(DAEME(), lexicon)
    assert loss_of(networks, lexicon, range(7)).sum.item() == pytest.approx(78.32019, rel=1e-4)
