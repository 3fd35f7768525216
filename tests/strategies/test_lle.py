"""LLE: weights and eigenvectors against slow transcriptions, and what neighbourhoods alone decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from amalgam.embeddings import Lexicon, align, from_arrays
from amalgam.errors import RequestError
from amalgam.strategies import lle
from amalgam.strategies.lle import LLE, projection, reconstruction, weights_of

Vectors = Mapping[str, NDArray[np.float64]]
DIMENSIONS = {"news": 3, "films": 5, "health": 4}
ORDER = tuple(DIMENSIONS)


def vectors_of(name: str) -> dict[str, NDArray[np.float32]]:
    """Forty words in all; each source has some twenty-five of its own choosing."""
    draw = np.random.default_rng(len(name) + DIMENSIONS[name])
    words = [f"w{number}" for number in range(40) if (number * DIMENSIONS[name]) % 7 < 5 or number < 4]
    return {word: draw.normal(size=DIMENSIONS[name]).astype(np.float32) for word in words}


def lexicon_of(order: Sequence[str] = ORDER) -> Lexicon:
    found = {name: vectors_of(name) for name in order}
    return align([from_arrays(name, list(own), np.stack(list(own.values()))) for name, own in found.items()])


def never(*_: Any, **__: Any) -> None:
    raise AssertionError("nothing is trained")


def slow_neighbours(own: Vectors, word: str, count: int) -> list[str]:
    """By sorting cosines."""
    others = [other for other in own if other != word]
    return sorted(others, key=lambda other: -float(own[other] @ own[word]))[:count]


def slow_weights(sources: Sequence[Vectors], word: str, count: int, ridge: float) -> dict[str, float]:
    """w'_vu of a word, by the Lagrange conditions of the constrained least squares.

    w minimises Σ_k ‖v_k - Σ_u∈N_k w_u u_k‖² + ρ ‖w‖² under Σ w_u = 1: 2 (Σ_k U_kᵀU_k + ρ) w + μ 1 = 2 Σ_k U_kᵀv_k.
    """
    near = [(own, slow_neighbours(own, word, count)) for own in sources if word in own]
    every = sorted({other for _, those in near for other in those})
    left, right, rho = np.zeros((len(every), len(every))), np.zeros(len(every)), 0.0
    for own, those in near:
        shown = [own[other] if other in those else np.zeros_like(own[word]) for other in every]
        left += [[u @ x for x in shown] for u in shown]
        right += [u @ own[word] for u in shown]
        rho += ridge * sum(float((u - own[word]) @ (u - own[word])) for u in shown)
    conditions = np.ones((len(every) + 1, len(every) + 1))
    conditions[:-1, :-1] = 2 * (left + rho * np.eye(len(every)))
    conditions[-1, -1] = 0
    answer = np.linalg.solve(conditions, np.append(2 * right, 1.0))
    counted = {u: w * sum(u in those for _, those in near) for u, w in zip(every, answer[:-1].tolist(), strict=True)}
    return {u: w / sum(counted.values()) for u, w in counted.items()}


def slow_together(words: Sequence[str], count: int, ridge: float) -> NDArray[np.float64]:
    unit = [
        {word: v.astype(float) / np.linalg.norm(v.astype(float)) for word, v in vectors_of(k).items()} for k in ORDER
    ]
    total = np.zeros((len(words), len(words)))
    for row, word in enumerate(words):
        for other, weight in slow_weights(unit, word, count, ridge).items():
            total[row, words.index(other)] = weight
    return total


def slow_projection(together: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    apart = np.eye(len(together)) - together
    values, vectors = np.linalg.eigh(apart.T @ apart)
    assert abs(values[0]) < 1e-10 < values[1]
    assert np.ptp(vectors[:, 0]) < 1e-6  # the constant one
    found = vectors[:, 1 : width + 1]
    for column in range(width):
        if found[np.abs(found[:, column]).argmax(), column] < 0:
            found[:, column] *= -1
    return found * len(together) ** 0.5


@pytest.mark.parametrize(("neighbours", "ridge"), [(2, 1e-3), (4, 1e-3), (9, 0.1), (100, 1.0)])
def test_weights_are_the_slow_ones(neighbours: int, ridge: float) -> None:
    lexicon = lexicon_of()
    made = reconstruction(lexicon, neighbours, ridge).toarray()
    np.testing.assert_allclose(made, slow_together(lexicon.words, neighbours, ridge), atol=2e-5)
    np.testing.assert_allclose(made.sum(1), 1.0, atol=1e-12)


def test_weights_rebuild_what_is_exactly_linear() -> None:
    corners = torch.randn(4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    wanted = torch.tensor([0.7, -0.4, 0.5, 0.2], dtype=torch.float64)
    made = weights_of((corners - wanted @ corners)[None], torch.ones(1, 4, dtype=torch.bool), 1e-12)[0]
    torch.testing.assert_close(made, wanted, rtol=0, atol=1e-6)


def test_no_other_weights_that_add_up_to_one_rebuild_better() -> None:
    draw = torch.Generator().manual_seed(1)
    apart = torch.randn(1, 4, 5, generator=draw, dtype=torch.float64)
    made = weights_of(apart, torch.ones(1, 4, dtype=torch.bool), 1e-9)
    for step in torch.randn(50, 4, generator=draw, dtype=torch.float64):
        assert ((made + 0.01 * (step - step.mean())) @ apart).norm() > (made @ apart).norm()


def test_neighbours_at_one_place_count_alike() -> None:
    there = torch.tensor([[True, True, True, False]])
    made = weights_of(torch.zeros(1, 4, 3, dtype=torch.float64), there, 1e-3)
    torch.testing.assert_close(made, torch.tensor([[1 / 3, 1 / 3, 1 / 3, 0]], dtype=torch.float64))


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = reconstruction(lexicon_of(), 3, 1e-3).toarray()
    monkeypatch.setattr(lle, "_NUMBERS", 40)
    np.testing.assert_allclose(reconstruction(lexicon_of(), 3, 1e-3).toarray(), whole, atol=1e-12)


@pytest.mark.parametrize("width", [1, 6, 39])
def test_vectors_are_the_slow_ones(width: int) -> None:
    lexicon = lexicon_of()
    assert len(lexicon.words) == 40
    made = LLE(neighbours=6, ridge=0.1).vectors(lexicon, width, never)
    expected = slow_projection(slow_together(lexicon.words, 6, 0.1), width)
    np.testing.assert_allclose(made.numpy(), expected, atol=5e-3)
    np.testing.assert_allclose(made.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(made.T @ made / 40, np.eye(width), atol=1e-5)


def scattered(words: int) -> Any:
    """W' of many words that lie on a sheet."""
    draw = np.random.default_rng(3)
    sheet = draw.uniform(-1, 1, size=(words, 2)) * (1.0, 0.6)
    bent = np.column_stack([sheet, sheet[:, 0] ** 2, np.full(words, 2.0)]).astype(np.float32)
    return reconstruction(align([from_arrays("sheet", [f"w{row}" for row in range(words)], bent)]), 8, 0.1)


def test_iterated_vectors_are_those_of_the_whole_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = scattered(300)
    whole = projection(weights, 5)
    monkeypatch.setattr(lle, "_DENSE", 0)
    monkeypatch.setattr(lle, "_TOLERANCE", 1e-9)
    torch.testing.assert_close(projection(weights, 5), whole, rtol=0, atol=1e-3)
    torch.testing.assert_close(projection(weights, 5), projection(weights, 5), rtol=0, atol=0)


def test_iterated_vectors_cost_little_more_than_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = scattered(600)
    apart = np.eye(600) - weights.toarray()
    cost = (apart @ projection(weights, 5).double().numpy()).__pow__(2).sum()
    monkeypatch.setattr(lle, "_DENSE", 0)
    found = projection(weights, 5).double().numpy()
    assert (apart @ found).__pow__(2).sum() == pytest.approx(cost, rel=0.05)
    np.testing.assert_allclose(found.T @ found / 600, np.eye(5), atol=1e-5)


@pytest.mark.parametrize("dense", [1000, 0])
def test_the_constant_vector_is_left_out_where_it_is_not_the_only_one(
    dense: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two sets of words without a link: what tells them apart costs nothing, and is the first direction."""
    monkeypatch.setattr(lle, "_DENSE", dense)
    parts = [(np.ones((size, size)) - np.eye(size)) / (size - 1) for size in (30, 20)]
    made = projection(sparse.block_diag(parts, format="csr"), 1)[:, 0]
    expected = torch.cat([torch.full((30,), -((20 / 30) ** 0.5)), torch.full((20,), (30 / 20) ** 0.5)])
    torch.testing.assert_close(made, expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize("numbers", [1, 2**22])
def test_a_word_without_neighbours_is_the_mean_of_all_others(numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lle, "_NUMBERS", numbers)
    alone = from_arrays("alone", ["lonely", "w0"], np.eye(2, dtype=np.float32))
    own = vectors_of("news")
    news = from_arrays("news", list(own), np.stack(list(own.values())))
    whole = align([news, alone])

    def of(words: list[str]) -> Tensor:
        places = [whole.words.index(word) for word in words]
        return LLE(neighbours=4).vectors(replace(whole, words=tuple(words), rows=whole.rows[:, places]), 3, never)

    others = [word for word in own if word != "w0"]  # nothing joins the lonely one to them
    made = of(["lonely", *others])
    assert made[0].eq(0).all()
    assert made[1:].abs().sum(1).gt(0).all()
    torch.testing.assert_close(made[1:], of(others))


def by_word(lexicon: Lexicon, vectors: Tensor) -> dict[str, list[float]]:
    return {word: row.tolist() for word, row in zip(lexicon.words, vectors, strict=True)}


def test_blind_to_the_order_of_sources() -> None:
    one, other = (lexicon_of(order) for order in (ORDER, ORDER[::-1]))
    assert one.words != other.words
    ours, theirs = (by_word(lexicon, LLE(5, 0.1).vectors(lexicon, 4, never)) for lexicon in (one, other))
    assert all(theirs[word] == pytest.approx(vector, abs=1e-2) for word, vector in ours.items())


def test_blind_to_how_a_source_is_turned_and_how_long_its_vectors_are() -> None:
    turned = []
    for number, (name, size) in enumerate(DIMENSIONS.items()):
        own = vectors_of(name)
        turn = np.linalg.qr(np.random.default_rng(number).normal(size=(size, size))).Q
        turned.append(from_arrays(name, list(own), (number + 0.5) * np.stack(list(own.values())) @ turn))
    made, expected = (LLE(5, 0.1).vectors(lexicon, 4, never) for lexicon in (align(turned), lexicon_of()))
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-2)


def test_sources_that_share_one_word_and_know_no_other_leave_no_direction() -> None:
    lexicon = align([from_arrays(name, ["w"], np.ones((1, 2))) for name in ("one", "other")])
    with pytest.raises(RequestError, match="0 words with neighbours have no more than 0 directions"):
        LLE().vectors(lexicon, 1, never)


def test_more_directions_than_there_are_are_refused() -> None:
    with pytest.raises(RequestError, match=r"student\.width is 40, and 40 words .* no more than 39 directions"):
        LLE().vectors(lexicon_of(), 40, never)


def test_pinned() -> None:
    made = LLE(neighbours=10, ridge=1e-3).vectors(lexicon_of(), 2, never)
    assert made[0].tolist() == pytest.approx([-0.68616, -0.26299], abs=1e-3)
