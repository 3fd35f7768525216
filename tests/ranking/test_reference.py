"""The readers of rows: what needs no weights sees what tells data apart, and a network what it shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from amalgam.datasets import from_arrays
from amalgam.panel import Seat
from amalgam.ranking.reference import SIDE, filters, network, plain, size_of, words
from amalgam.student import build

from .given import Looks, Votes, refused, rows_of, table


def test_a_tables_columns_are_features_already() -> None:
    target = table(10)
    reader = plain(target)
    assert torch.equal(reader.features(target, chunk=3), target.values)
    assert (reader.size, reader.fitted) == (None, False)


def test_texts_are_read_by_how_often_their_words_come() -> None:
    rows = from_arrays(["one two two", "two two one", "three", "one"])
    seen = plain(rows).features(rows)
    assert seen.shape == (4, 1024)
    assert torch.equal(seen[0], seen[1])
    assert seen.sum(1).tolist() == pytest.approx([1, 1, 1, 1])
    assert sorted(seen[0].unique().tolist()) == pytest.approx([0, 1 / 3, 2 / 3])
    assert float((seen[2] * seen[0]).sum()) == 0
    assert words(torch.full((1, 3, 1), torch.nan)).sum() == 0


def test_series_are_read_by_random_convolutions_of_the_target_alone() -> None:
    steps = np.linspace(0, 6, 40)
    waves = rows_of(np.sin(steps + np.arange(12)[:, None])[..., None], "waves")
    reader = plain(waves)
    assert reader.fitted
    longer = rows_of(np.sin(np.linspace(0, 9, 60) + np.arange(5)[:, None])[..., None], "longer")
    assert reader.features(waves).shape[1] == reader.features(longer).shape[1]


def test_random_filters_see_colour_contrast_and_place_at_any_size() -> None:
    see = filters()
    grey = torch.full((1, 1, 16, 16), 0.5)
    coloured = grey.expand(1, 3, 16, 16)
    torch.testing.assert_close(see(grey), see(coloured))
    red = coloured * torch.tensor([2.0, 0.0, 0.0]).view(1, 3, 1, 1)
    striped = (torch.arange(16) % 2).float().expand(1, 3, 16, 16)
    half = torch.cat([torch.zeros(1, 3, 16, 8), torch.ones(1, 3, 16, 8)], 3)
    for one in (red, striped, half):
        assert float((see(one) - see(coloured)).abs().max()) > 0.05
    assert float((see(half) - see(half.flip(3))).abs().max()) > 0.05
    large = torch.nn.functional.interpolate(half, (64, 48), mode="nearest")
    assert see(large).shape == see(half).shape == (1, 2048)
    assert bool((see(half) >= 0).all())
    assert torch.equal(filters()(half), see(half))
    rows = rows_of(np.zeros((3, 1, 8, 8)))
    assert plain(rows).size == (SIDE, SIDE)


def test_rows_of_a_kind_that_nothing_reads_are_refused() -> None:
    cubes = rows_of(np.zeros((3, 2, 2, 2, 2)), "cubes")
    assert "cubes has rows of the shape (2, 2, 2, 2); name a network that reads them with --reference" in refused(
        lambda: plain(cubes)
    )


def test_a_networks_last_representation_is_asked_for_once() -> None:
    class Counting(Looks):
        """Counts the rows it is asked about."""

        asked = 0

        def score_and_features(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            self.asked += len(inputs)
            return super().score_and_features(inputs)

    teacher, rows = Counting(0.0), table(30)
    reader = network(Seat("counting", teacher, "counting"))
    found = reader.features(rows)
    torch.testing.assert_close(found, rows.values, atol=2e-3, rtol=2e-3)  # kept in half precision
    assert torch.equal(reader.features(rows), found)
    assert teacher.asked == 30
    assert (reader.name, reader.size) == ("counting", None)


def test_a_network_that_shows_no_features_is_refused() -> None:
    assert "the reference 'votes' shows no features; choose a network" in refused(
        lambda: network(Seat("votes", Votes(), "votes"))
    )


def test_the_size_of_images_that_a_teacher_reads() -> None:
    assert size_of(Seat("looks", Looks(0.0))) is None
    fixed = build({"name": "mlp"}, (3, 10, 12), ["a"], "test")
    assert size_of(Seat("student", fixed)) == (10, 12)
    assert size_of(Seat("table", build({"name": "mlp"}, (5,), ["a"], "test"))) is None
    fixed.scaling.size = (24, 24)  # type: ignore[assignment]  # as networks have it that bring images to their own
    assert size_of(Seat("network", fixed)) == (24, 24)


def test_features_that_are_no_numbers_are_refused_by_the_number_of_the_row_in_its_data() -> None:
    rows = table(10, name="mine")
    rows.values[7, 0] = torch.inf
    some = rows.take(torch.tensor([2, 7, 8]))
    assert "shows NaN or infinite features of row 7 of mine" in refused(lambda: plain(table(4)).features(some))
    assert len(plain(table(4)).features(replace(some, values=table(3).values))) == 3
