"""Surprise: what is expected of a row has not seen the row's own answer, and memories stand out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from amalgam import surprise
from amalgam.errors import RequestError
from amalgam.panel import Ballots, Panel, Seat, seat
from amalgam.signals import TensorRows
from amalgam.strategies.ant import ANT, trust
from amalgam.surprise import Expectations, learn_expectations
from tests.laws import untaught


def drawn(rows: int = 14, labels: int = 3) -> tuple[TensorRows, Tensor]:
    chance = torch.Generator().manual_seed(1)
    values = torch.randn(rows, 4, generator=chance) * torch.tensor([1.0, 5.0, 0.1, 1.0]) + 2
    return TensorRows(values=values), torch.randn(rows, labels, generator=chance) * 3 - 1


def learned(rows: TensorRows, *votes: Tensor) -> Expectations:
    return learn_expectations(rows, [lambda where, one=one: one[where] for one in votes])  # type: ignore[misc]


def test_what_is_expected_of_a_row_is_learned_from_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ridge regression made anew for every row that is left out, one equation after the other."""
    monkeypatch.setattr(surprise, "_FEATURES", 20)
    rows, said = drawn()
    found = learned(rows, said)
    z = found.surroundings.features(rows.values).double()
    assert z.shape == (14, 21)
    apart = []
    for row in range(14):
        others = [one for one in range(14) if one != row]
        squares = z[others].T @ z[others] + torch.eye(21)
        weights = torch.linalg.solve(squares, z[others].T @ said[others].double())
        apart.append(said[row] - z[row] @ weights)
    wanted = torch.stack(apart)
    spread = wanted.square().mean(0).sqrt()
    torch.testing.assert_close(found.spreads[0].double(), spread, rtol=1e-3, atol=1e-4)
    got = found.surprise(rows.values, [said])[0].double()
    torch.testing.assert_close(got, wanted / spread, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(
        found.surprise(rows.values[3:5], [said[3:5]])[0].double(), got[3:5], rtol=1e-4, atol=1e-5
    )


def test_rows_are_alike_by_a_gaussian_of_their_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surprise, "_FEATURES", 20_000)
    values = drawn(30)[0].values
    features = surprise._drawn(TensorRows(values=values)).features(values)[:, :-1]
    scaled = (values - values.mean(0)) / values.std(0, unbiased=False)
    squared = torch.cdist(scaled, scaled).square()
    usual = torch.pdist(scaled).square().median()
    torch.testing.assert_close(features @ features.T, torch.exp(-squared / usual), rtol=0, atol=0.04)


@pytest.mark.parametrize("size", [1, 5, 4096])
def test_chunks_of_any_size_lead_to_the_same(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    rows, said = drawn(40)
    whole = learned(rows, said, said[:, :1])
    monkeypatch.setattr(surprise, "_CHUNK", size)
    cut = learned(rows, said, said[:, :1])
    assert [tuple(one.shape) for one in cut.weights] == [(501, 3), (501, 1)]
    torch.testing.assert_close(cut.weights, whole.weights, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(cut.spreads, whole.spreads, rtol=1e-4, atol=1e-4)


def test_equal_rows_and_constant_answers_surprise_nobody() -> None:
    rows = TensorRows(values=torch.ones(9, 2))
    said = torch.full((9, 2), 5.0)
    assert torch.isfinite(learned(rows, said).surprise(rows.values, [said])[0]).all()


def test_missing_values_are_refused_by_name() -> None:
    rows = TensorRows(values=torch.tensor([[1.0], [torch.nan]]), name="walks")
    with pytest.raises(RequestError) as caught:
        learned(rows, torch.zeros(2, 1))
    assert str(caught.value) == (
        "walks has missing values (NaN), and `indicator: surprise` compares rows by their inputs; fill them in, or "
        "choose `indicator: calibrated`"
    )


def test_rows_that_cannot_be_read_are_no_missing_values() -> None:
    class Gone(TensorRows):
        def inputs(self, index: Any) -> Tensor:
            if isinstance(index, slice) and index.stop == 1:
                return super().inputs(index)  # the first row is there
            raise RequestError("a.png cannot be read")

    with pytest.raises(RequestError, match=r"^a\.png cannot be read$"):
        learned(Gone(values=torch.zeros(2, 1)), torch.zeros(2, 1))


class Says:
    """A teacher that remembers some rows by heart and says of others what their inputs make likely."""

    def __init__(self, labels: tuple[str, ...], known: dict[int, float]) -> None:
        self.labels, self.known = labels, known

    def score(self, inputs: Tensor) -> Tensor:
        said = 2 * inputs[:, :1].sign().expand(-1, len(self.labels)).clone()
        for row, logit in self.known.items():
            said[inputs[:, 1] == row] = logit
        return said


def remembering() -> tuple[Panel, TensorRows, Ballots]:
    """Row 7 is like others that both teachers affirm; the first remembers that it is none. Row 30 is the opposite."""
    values = torch.stack([torch.where(torch.arange(60) < 25, 1.0, -1.0), torch.arange(60.0)], 1)
    panel = seat([Seat("one", Says(("a", "b"), {7: -1.0, 30: 1.0})), Seat("two", Says(("a",), {}))])
    rows = TensorRows(values=values)
    return panel, rows, Ballots(panel, 60, tuple(one.teacher.score(values) for one in panel.seats))


def test_whoever_remembers_a_row_is_trusted_with_it() -> None:
    panel, rows, ballots = remembering()
    for indicator, told in (("surprise", [False, True]), ("calibrated", [True, False])):
        strategy = ANT(indicator=indicator, clamp=True)  # type: ignore[arg-type]
        state = strategy.prepare(panel, rows, ballots, untaught)
        made = strategy.targets(panel, rows, ballots.at(slice(0, 60)), state)
        assert (made.probabilities[[7, 30], 0] > 0.5).tolist() == told, indicator


def test_trust_grows_with_e_to_the_surprise_on_the_side_that_is_claimed() -> None:
    panel, rows, ballots = remembering()
    strategy = ANT(indicator="surprise")
    state = strategy.prepare(panel, rows, ballots, untaught)
    votes: Any = ballots.at(slice(5, 35))
    some = rows.take(torch.arange(5, 35))
    exchange = strategy.exchange(panel, some, votes, state)
    assert exchange.surprise is not None
    every = [panel.space.own(k, votes.scores[k]) for k in range(2)]
    for k, by_hand in enumerate(state.expectations.surprise(some.values, every)):
        own = every[k]
        torch.testing.assert_close(panel.space.own(k, exchange.surprise[k]), by_hand)
        plain = trust(panel, votes.scores, torch.zeros(2, 1, 2), "calibrated", state)
        grown = trust(panel, votes.scores, torch.zeros(2, 1, 2), "surprise", state, exchange.surprise)
        side = torch.where(own > 0, 1.0, -1.0)
        torch.testing.assert_close(panel.space.own(k, grown[k] / plain[k]), (side * by_hand).exp())
    assert ANT(indicator="surprise", rounds=0).prepare(panel, rows, ballots, untaught).expectations is None
    assert ANT(indicator="calibrated").prepare(panel, rows, ballots, untaught).expectations is None
