"""AAEME, and what it shares with the other autoencoders: against a transcription word by word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from amalgam.embeddings import align, from_arrays
from amalgam.errors import RequestError
from amalgam.strategies import _autoencoders
from amalgam.strategies._autoencoders import Synthetic
from amalgam.strategies.aaeme import AAEME
from tests.strategies import autoencoding as plain
from tests.strategies.autoencoding import ORDER, Row, lexicon_of, loss_of, networks_of

WEIGHTS = (1.0, 2.0, 0.5)


def slow(networks: Any, lexicon: Any, word: str) -> tuple[Row, float]:
    """A word's meta-embedding, and Σ_k λ_k ‖D_k(m) - s_k‖²."""
    inputs = plain.inputs_of(networks, lexicon, word)
    there = [one for one in plain.encodings_of(networks, inputs) if one is not None]
    meta = plain.unit([sum(values) / len(there) for values in zip(*there, strict=True)])
    lost = 0.0
    for weight, decode, wanted in zip(networks.method.weights, networks.decoders, inputs, strict=True):
        if wanted is not None:
            lost += weight * plain.squared(plain.layer(decode, meta), wanted)
    return meta, lost


@pytest.mark.parametrize("unknown", ["learned", "none"])
def test_meta_embeddings_and_loss_are_the_slow_ones(unknown: Any) -> None:
    lexicon = lexicon_of()
    networks = networks_of(AAEME(unknown=unknown, weights=WEIGHTS), lexicon)
    made = networks.vectors()
    each = [slow(networks, lexicon, word) for word in lexicon.words]
    for row, (meta, _) in zip(made, each, strict=True):
        assert row.tolist() == pytest.approx(meta, abs=1e-5)
    said = loss_of(networks, lexicon, range(7))
    assert said.sum.item() == pytest.approx(sum(lost for _, lost in each), rel=1e-5)
    assert float(said.count) == 7


@pytest.mark.parametrize("unknown", ["learned", "none"])
def test_blind_to_the_order_of_sources(unknown: Any) -> None:
    order = (2, 0, 1)
    ours, theirs = lexicon_of(), lexicon_of([ORDER[place] for place in order])
    one = networks_of(AAEME(unknown=unknown, weights=WEIGHTS), ours)
    other = networks_of(AAEME(unknown=unknown, weights=tuple(WEIGHTS[place] for place in order)), theirs)
    assert ours.words != theirs.words
    for here, place in enumerate(order):
        for group in ("encoders", "decoders"):
            getattr(other, group)[here].load_state_dict(getattr(one, group)[place].state_dict())
        from_, to = one.synthetic[place], other.synthetic[here]
        for number, word in enumerate(theirs.words):
            if unknown == "learned" and to.places[number] >= 0:
                to.weight.data[to.places[number]] = from_.weight.data[from_.places[ours.words.index(word)]]
    expected = dict(zip(ours.words, one.vectors(), strict=True))
    for word, row in zip(theirs.words, other.vectors(), strict=True):
        torch.testing.assert_close(row, expected[word])
    torch.testing.assert_close(loss_of(other, theirs, range(7)).sum, loss_of(one, ours, range(7)).sum)


def test_gradients_reach_the_missing_alone() -> None:
    plain.assert_gradients_reach_the_missing_alone(AAEME())


def test_nothing_stands_for_what_is_not_known() -> None:
    plain.assert_nothing_stands_for_what_is_not_known(AAEME(unknown="none"))


@pytest.mark.parametrize("unknown", ["learned", "none"])
def test_learns(unknown: Any) -> None:
    plain.assert_learns(AAEME(unknown=unknown), 24)


def test_synthetic_vectors_move_to_what_is_rebuilt_of_the_word() -> None:
    """With the networks at rest, a learned vector that nothing reads ends where the decoder has it."""
    lexicon = lexicon_of()
    networks = networks_of(AAEME(), lexicon)
    with torch.no_grad():
        for encode in networks.encoders:
            encode.weight.zero_()  # encodings are their biases, whatever is read
    for _ in range(50):
        networks.zero_grad()
        loss_of(networks, lexicon, range(7)).sum.backward()
        for synthetic in networks.synthetic:
            synthetic.weight.data -= 0.2 * synthetic.weight.grad
    rebuilt = networks(torch.arange(7)).rebuilt
    for synthetic, wanted in zip(networks.synthetic, rebuilt, strict=True):
        missing = synthetic.places >= 0
        torch.testing.assert_close(synthetic.weight[synthetic.places[missing]], wanted[missing])


def test_synthetic_vectors_begin_small() -> None:
    torch.manual_seed(0)
    absent = np.arange(1000) % 3 == 0
    made = Synthetic(absent, 50)
    assert made.weight.std().item() == pytest.approx(0.01, rel=0.02)
    found = made(torch.tensor([1, 3, 999, 998]))
    assert torch.equal(found[[1, 2]], made.weight[[1, 333]])
    assert found[[0, 3]].eq(0).all()


def test_a_source_that_knows_all_words_has_none() -> None:
    lexicon = align([from_arrays("one", list("abc"), np.eye(3)), from_arrays("two", ["a"], np.ones((1, 2)))])
    networks = networks_of(AAEME(), lexicon)
    assert [len(one.weight) for one in networks.synthetic] == [0, 2]
    loss_of(networks, lexicon, range(3)).sum.backward()
    assert networks.synthetic[1].weight.grad.ne(0).any(1).all()


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.5])
def test_noise_masks_what_encoders_read_in_training_alone(noise: float) -> None:
    words = [f"w{number}" for number in range(400)]
    lexicon = align([from_arrays("one", words, np.random.default_rng(0).normal(size=(400, 50)))])
    networks = networks_of(AAEME(noise=noise), lexicon)
    read = list[torch.Tensor]()
    networks.encoders[0].register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
    torch.manual_seed(1)
    networks.train()(torch.arange(400))
    networks.eval()(torch.arange(400))
    masked, whole = read
    assert masked.eq(0).double().mean().item() == pytest.approx(noise, abs=0.01)
    assert torch.equal(masked[masked != 0], whole[masked != 0])
    torch.testing.assert_close(whole.norm(dim=1), torch.ones(400))


@pytest.mark.parametrize(
    ("activation", "expected"),
    [("relu", [0.0, 2.0]), ("sigmoid", [0.2689, 0.8808]), ("tanh", [-0.7616, 0.9640]), ("linear", [-1.0, 2.0])],
)
def test_encoders_end_with_the_activation(activation: Any, expected: list[float]) -> None:
    lexicon = align([from_arrays("one", ["a"], np.ones((1, 3)))])
    networks = networks_of(AAEME(activation=activation), lexicon, width=2)
    with torch.no_grad():
        networks.encoders[0].weight.zero_()
        networks.encoders[0].bias.copy_(torch.tensor([-1.0, 2.0]))
    assert networks(torch.tensor([0])).parts[0][0].tolist() == pytest.approx(expected, abs=1e-4)


def test_a_source_of_no_weight_teaches_its_decoder_nothing() -> None:
    lexicon = lexicon_of()
    networks = networks_of(AAEME(weights=(1.0, 0.0, 1.0)), lexicon)
    loss_of(networks, lexicon, range(7)).sum.backward()
    assert networks.decoders[1].weight.grad.eq(0).all()
    assert networks.encoders[1].weight.grad.ne(0).any()  # its encodings are part of what the others are rebuilt from


def test_words_coded_in_blocks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = networks_of(AAEME(), lexicon_of())
    whole = networks.vectors()
    monkeypatch.setattr(_autoencoders, "_BLOCK", 2)
    torch.testing.assert_close(networks.vectors(), whole)


def test_not_a_weight_for_each_source_is_refused() -> None:
    with pytest.raises(RequestError, match=r"strategy\.weights has 2 numbers, expected 3"):
        AAEME(weights=(1.0, 2.0)).vectors(lexicon_of(), 4, plain.Bare())


def test_pinned() -> None:
    lexicon = lexicon_of()
    networks = networks_of(AAEME(), lexicon)
    assert loss_of(networks, lexicon, range(7)).sum.item() == pytest.approx(28.07680, rel=1e-4)
