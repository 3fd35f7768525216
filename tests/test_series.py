"""Series: NaN is left out of every statistic, a constant becomes 0, and the end is the last step with a value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from amalgam.series import SeriesScaling, within, z_normalised
from amalgam.signals import TensorRows

NAN = float("nan")


def ragged(rows: int = 30, steps: int = 9, channels: int = 3, seed: int = 0) -> Tensor:
    """Series of many lengths, with holes: around 1000 with small and large deviations."""
    generator = torch.Generator().manual_seed(seed)
    values = 1000 + torch.randn(rows, steps, channels, generator=generator) * torch.tensor([0.5, 20.0, 3.0])
    values[torch.rand(values.shape, generator=generator) < 0.2] = NAN
    for row in range(rows):
        values[row, 1 + row % steps :] = NAN
        values[row, 0, 1] = row  # no series is empty
    return values


def one(*values: float) -> Tensor:
    """A series of one channel as a batch, (1, T, 1)."""
    return torch.tensor(values)[None, :, None]


def slow_moments(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation of the values that are numbers."""
    known = [value for value in values if value == value]
    mean = sum(known) / len(known)
    return mean, (sum((value - mean) ** 2 for value in known) / len(known)) ** 0.5


@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_a_channel_is_scaled_by_its_values_over_all_rows_and_steps(chunk: int) -> None:
    values = ragged()
    scaling = SeriesScaling((9, 3))
    scaling.fit(TensorRows(values=values), chunk)
    for channel in range(3):
        mean, spread = slow_moments(values[:, :, channel].double().flatten().tolist())
        assert scaling.mean[channel].item() == pytest.approx(mean, rel=1e-7)
        assert scaling.spread[channel].item() == pytest.approx(spread, rel=1e-6)
    wanted = ((values - scaling.mean) / scaling.spread).nan_to_num(nan=0)
    assert torch.equal(scaling(values), wanted)


def test_rows_of_plain_features_are_series_of_one_channel() -> None:
    values = ragged(channels=3)[..., 1]
    flat, deep = SeriesScaling((9,)), SeriesScaling((9, 1))
    flat.fit(TensorRows(values=values))
    deep.fit(TensorRows(values=values[..., None]))
    assert flat.mean.shape == (1,)
    assert torch.equal(flat.spread, deep.spread)
    assert torch.equal(flat(values), deep(values[..., None]))


@pytest.mark.parametrize("chunk", [1, 100])
def test_a_constant_channel_is_only_centred_and_an_empty_one_left_as_it_is(chunk: int) -> None:
    values = torch.stack(
        [torch.full((301, 2), 7.1), torch.full((301, 2), 1.7e9), torch.full((301, 2), NAN), torch.zeros(301, 2)], -1
    )
    values[:5, :, 1] = NAN  # nothing is known of it in the first chunks
    scaling = SeriesScaling((2, 4))
    scaling.fit(TensorRows(values=values), chunk)
    assert scaling.spread.tolist() == [1, 1, 1, 1]
    assert scaling.mean[2:].tolist() == [0, 0]
    assert scaling(values).abs().max() == 0


def test_a_small_spread_around_a_large_mean_is_not_lost() -> None:
    values = torch.tensor([[1e6], [1e6 + 0.125], [1e6 + 0.25]])
    scaling = SeriesScaling((1,))
    scaling.fit(TensorRows(values=values), 1)
    assert scaling.spread.item() == pytest.approx(0.125 * (2 / 3) ** 0.5, rel=1e-6)
    small = one(1e6, 1e6 + 0.25, 1e6 + 0.5)
    assert z_normalised(small).flatten().tolist() == pytest.approx([-(1.5**0.5), 0, 1.5**0.5], rel=1e-5)


def test_each_series_is_scaled_by_its_own_values() -> None:
    values = ragged()
    scaling = SeriesScaling((9, 3), "series")
    scaling.fit(TensorRows(values=values + 50))  # learns nothing
    assert (scaling.mean.tolist(), scaling.spread.tolist()) == ([0] * 3, [1] * 3)
    scaled = scaling(values)
    assert not scaled.isnan().any()
    for row in range(len(values)):
        for channel in range(3):
            mine = values[row, :, channel].double()
            if mine.isnan().all():
                assert scaled[row, :, channel].eq(0).all()
                continue
            mean, spread = slow_moments(mine.tolist())
            wanted = [0.0 if value != value else (value - mean) / (spread or 1) for value in mine.tolist()]
            assert scaled[row, :, channel].tolist() == pytest.approx(wanted, abs=2e-4 if spread < 0.1 else 1e-5)


@pytest.mark.parametrize("size", [1e-37, 1e-9, 1.0, 1e30])
def test_the_size_of_a_series_does_not_matter(size: float) -> None:
    series = torch.randn(4, 11, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(z_normalised(series * size), z_normalised(series), atol=2e-5, rtol=0)
    assert z_normalised(series).square().mean(1).sub(1).abs().max() < 1e-5


@pytest.mark.parametrize(
    "series",
    [
        one(7.1, 7.1, 7.1, 7.1, 7.1, 7.1, 7.1),
        one(7.1, NAN, 7.1, NAN),
        one(NAN, NAN),
        one(3.0),
        one(0.0, 0.0, -0.0),
        one(1e-30, 1e-30, 1e-30),
        one(-3e38, -3e38),
        one(20.1, float(np.nextafter(np.float32(20.1), np.float32(21))), 20.1),
    ],
    ids=["constant", "with holes", "nothing", "one value", "zero", "tiny", "huge", "a rounding apart"],
)
def test_a_constant_series_becomes_zero(series: Tensor) -> None:
    assert z_normalised(series).eq(0).all()


def test_a_series_ends_after_its_last_step_with_any_value() -> None:
    series = torch.full((4, 5, 2), NAN)
    series[0, 4, 1] = 0
    series[1, 0, 0] = series[1, 2, 1] = 3
    series[2, 0] = 1
    lengths = [5, 3, 1, 1]  # the last has no value at all
    assert within(series).tolist() == [[step < length for step in range(5)] for length in lengths]
