"""Random-convolution features and the linear probe: equal to plain loops, blind to masks, right on few rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import pytest
import torch
from torch import Tensor

from amalgam.errors import RequestError
from amalgam.probe import linear_probe
from amalgam.rocket import KERNELS, LENGTH, Rocket, dilations, kernels
from amalgam.signals import TensorRows

NAN = float("nan")


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def fitted(values: Tensor, seed: int = 0, level: float = 0.5) -> Rocket:
    rocket = Rocket(values.shape[1:], features=252, seed=seed, level=level)
    rocket.fit(TensorRows(values=values))
    return rocket


# ---------------------------------------------------------------- plain loops


def slow_form(channel: Sequence[float]) -> list[float]:
    """A channel minus its mean over its deviation, 0 where it is missing or constant."""
    there = [v for v in channel if not math.isnan(v)]
    mean = sum(there) / max(len(there), 1)
    deviation = math.sqrt(sum((v - mean) ** 2 for v in there) / max(len(there), 1))
    return [0.0 if math.isnan(v) or deviation == 0 else (v - mean) / deviation for v in channel]


def slow_outputs(series: list[list[float]], kernel: int, place: int, rocket: Rocket) -> list[float]:
    """The outputs of one dilated kernel at the steps that count; series are T steps of C values."""
    weights, seen = rocket.kernels[kernel].tolist(), rocket.channels[place, kernel].tolist()
    channels = [slow_form([step[c] for step in series]) for c in range(len(series[0])) if seen[c]]
    present = [not all(math.isnan(v) for v in step) for step in series]
    length = max([t + 1 for t in range(len(series)) if present[t]], default=0)
    dilation = rocket.dilations[place]
    over = (kernel < KERNELS // 2) == (place % 2 == 0) or rocket.steps < LENGTH
    outputs = []
    for t in range(length):
        taps = [t + (j - LENGTH // 2) * dilation for j in range(LENGTH)]
        if not present[t] or (not over and (taps[0] < 0 or taps[-1] >= length)):
            continue
        total = 0.0
        for channel in channels:
            for weight, tap in zip(weights, taps, strict=True):
                if 0 <= tap < length:
                    total += weight * channel[tap]
        outputs.append(total)
    return outputs


def slow_features(series: list[list[float]], rocket: Rocket) -> list[float]:
    """The features of the form, as they are measured: by dilation, by half; proportions, greatest, least."""
    features, start, biases = [], 0, rocket.biases.tolist()
    for place, repeat in enumerate(rocket.repeats):
        for half in (range(KERNELS // 2), range(KERNELS // 2, KERNELS)):
            outputs = {kernel: slow_outputs(series, kernel, place, rocket) for kernel in half}
            for row in range(start, start + repeat):
                for kernel in half:
                    above = [one > biases[row][kernel] for one in outputs[kernel]]
                    features.append(sum(above) / max(len(above), 1))
            features += [max(outputs[kernel], default=0.0) for kernel in half]
            features += [min(outputs[kernel], default=0.0) for kernel in half]
        start += repeat
    return features


def some_series(steps: int, channels: int) -> Tensor:
    """Series with gaps of all kinds: whole, a value missing, a step missing, short, shorter than a kernel."""
    values = drawn(5, steps, channels) * 3 + 5
    values[1, 2, 0] = NAN
    values[2, steps // 2] = NAN
    values[3, steps // 2 :] = NAN
    values[4, min(4, steps - 1) :] = NAN
    return values


@pytest.mark.parametrize(("shape", "features"), [((30, 1), 252), ((30, 3), 252), ((50, 2), 336), ((6, 1), 168)])
def test_features_are_those_of_plain_loops(shape: tuple[int, int], features: int) -> None:
    rocket = Rocket(shape, features=features)
    rocket.biases.copy_(drawn(*rocket.biases.shape, seed=1) * 3)
    values = some_series(*shape)
    found = rocket(values)[:, : -2 * shape[1]]
    wanted = torch.tensor([slow_features(one.tolist(), rocket) for one in values])
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4)
    assert (found.std(0) > 0).float().mean() > 0.8  # what is compared says something


def test_biases_are_quantiles_of_the_outputs_at_evenly_spread_fractions() -> None:
    values = some_series(20, 2)
    rocket = fitted(values)
    number, start = 0, 0
    for place, repeat in enumerate(rocket.repeats):
        of_kernel = [
            sorted(o for one in values.tolist() for o in slow_outputs(one, kernel, place, rocket))
            for kernel in range(KERNELS)
        ]
        for row in range(start, start + repeat):
            for kernel in range(KERNELS):
                number += 1
                outputs = of_kernel[kernel]
                exact = (number * (1 + math.sqrt(5)) / 2) % 1 * (len(outputs) - 1)
                below = int(exact)
                wanted = outputs[below] + (exact - below) * (outputs[min(below + 1, len(outputs) - 1)] - outputs[below])
                assert float(rocket.biases[row, kernel]) == pytest.approx(wanted, abs=2e-4)
        start += repeat


def test_the_level_is_the_mean_and_the_log_of_the_deviation_in_units_of_the_channel() -> None:
    values = torch.tensor([[1.0, 3.0, NAN], [-3.0, -1.0, NAN]])[..., None]  # deviation of the channel: √5, mean 0
    rocket = Rocket((3, 1), features=84)
    rocket.scaling.fit(TensorRows(values=values))
    wanted = [[m / math.sqrt(5), math.log(1 / math.sqrt(5) + 0.01)] for m in (2, -2)]
    torch.testing.assert_close(rocket(values)[:, -2:], torch.tensor(wanted))


# ---------------------------------------------------------------- kernels and dilations


def test_there_are_84_kernels_with_three_twos_that_sum_to_zero() -> None:
    rows = [tuple(row) for row in kernels().tolist()]
    assert len(set(rows)) == len(rows) == 84
    assert all(sum(row) == 0 and sorted(row) == [-1.0] * 6 + [2.0] * 3 for row in rows)
    assert {tuple(j for j in range(9) if row[j] == 2) for row in rows} == set(combinations(range(9), 3))


@pytest.mark.parametrize(
    ("steps", "each", "wanted"),
    [
        (60, 11, ((1, 2, 3, 4, 6, 7), (4, 2, 1, 2, 1, 1))),  # 2^(i · log2(59/8) / 10), rounded down
        (65, 4, ((1, 2, 4, 8), (1, 1, 1, 1))),  # the last kernel covers the series exactly: 8·8 + 1
        (41, 2, ((1, 5), (1, 1))),  # as exactly as 8·5 + 1, though 2^log2(5) is rounded below 5
        (24, 3, ((1, 2), (2, 1))),
        (9, 5, ((1,), (5,))),
        (3, 2, ((1,), (2,))),
        (1, 0, ((1,), (1,))),
    ],
)
def test_dilations_by_hand(steps: int, each: int, wanted: object) -> None:
    assert dilations(steps, each) == wanted


def test_many_proportions_share_at_most_32_dilations() -> None:
    found, repeats = dilations(100_000, 119)
    assert len(found) <= 32
    assert sum(repeats) == 119
    assert min(repeats) >= 119 // 32
    assert 8 * found[-1] <= 99_999 < 8 * (found[-1] + 1)


def test_each_kernel_sees_from_one_to_nine_channels_few_more_often() -> None:
    seen = Rocket((200, 20), features=2000).channels.sum(-1)
    assert seen.min() == 1
    assert seen.max() == 9
    assert (seen == 1).float().mean() == pytest.approx(1 / math.log2(10), abs=0.03)
    assert Rocket((200, 20), features=2000).channels.mean((0, 1)).min() > 0.1  # no channel is left out
    assert bool((Rocket((200, 1)).channels == 1).all())


# ---------------------------------------------------------------- masks and odd series


@pytest.mark.parametrize("channels", [1, 3])
def test_appending_nan_changes_nothing(channels: int) -> None:
    values = some_series(40, channels)
    rocket = fitted(values)
    longer = torch.cat([values, torch.full((5, 13, channels), NAN)], 1)
    torch.testing.assert_close(rocket(longer), rocket(values), rtol=0, atol=1e-5)
    ragged = torch.cat([values[:, :12], torch.full((5, 28, channels), NAN)], 1)
    torch.testing.assert_close(rocket(values[:, :12]), rocket(ragged), rtol=0, atol=1e-5)


def test_series_that_say_nothing_are_finite() -> None:
    rocket = fitted(drawn(50, 40, 2))
    odd = torch.zeros(4, 40, 2)
    odd[1], odd[2], odd[3] = 16777213.3, NAN, 0.1
    odd[3, 5:] = NAN
    found = rocket(odd)
    assert bool(found.isfinite().all())
    torch.testing.assert_close(found[0, :-4], found[1, :-4], rtol=0, atol=0)  # no rounding error is blown up
    assert rocket(odd[:0]).shape == (0, found.shape[1])


def test_constant_series_alone_can_be_fitted() -> None:
    rocket = fitted(torch.full((10, 12, 1), 7.0))
    assert bool((rocket(torch.full((2, 12, 1), 7.0)) == 0).all())
    assert bool(rocket(drawn(3, 12, 1)).isfinite().all())


def test_rows_of_columns_are_series_of_one_channel() -> None:
    values = drawn(20, 30)
    torch.testing.assert_close(fitted(values)(values), fitted(values[..., None])(values[..., None]), rtol=0, atol=0)


def test_flat_pieces_are_not_rounded_to_both_sides_of_a_bias() -> None:
    """Where a series is flat a convolution is 0 but for rounding, which differs by step and batch."""
    levels = drawn(100, 4).repeat_interleave(25, 1)[..., None]
    rocket = fitted(levels)
    flat = (rocket.biases - 1e-4).abs() < 1e-6
    assert flat.float().mean() > 0.05
    torch.testing.assert_close(torch.cat([rocket(one[None]) for one in levels]), rocket(levels), rtol=0, atol=1e-5)
    stretched = rocket(levels * 3.3 + 0.7)[:, :-2]
    torch.testing.assert_close(stretched, rocket(levels)[:, :-2], rtol=0, atol=1e-4)


# ---------------------------------------------------------------- scale, seeds, saving


def test_features_are_standardised_the_form_to_one_in_sum_and_the_level_to_its_weight() -> None:
    values = drawn(300, 40, 2) * (1 + drawn(300, 1, 2, seed=1).abs()) + drawn(300, 1, 2, seed=2)
    found = fitted(values, level=0.5)(values)
    torch.testing.assert_close(found.mean(0), torch.zeros(found.shape[1]), rtol=0, atol=1e-5)
    square = found.square().mean(0)
    assert float(square[:-4].sum()) == pytest.approx(1, abs=0.02)  # a feature that never changes stays 0
    torch.testing.assert_close(square[-4:], torch.full((4,), 0.25 / 4), rtol=1e-3, atol=0)
    assert bool((fitted(values, level=0.0)(values)[:, -4:] == 0).all())


def test_fit_looks_at_drawn_rows_alone_and_in_chunks() -> None:
    values = drawn(3000, 12, 1) + torch.arange(3000)[:, None, None] / 1000
    whole, few = fitted(values)(values), fitted(values[:1000])(values)
    assert whole.mean(0).abs().max() < 0.1 * 0.5  # a drawn sample, not the first rows, whose level is lower
    assert few[:, -2].mean() > 0.3


def test_one_seed_one_result_and_another_another() -> None:
    values = drawn(2000, 40, 4)  # more rows than are looked at
    one, same, other = fitted(values, seed=3), fitted(values, seed=3), fitted(values, seed=4)
    torch.testing.assert_close(one(values[:9]), same(values[:9]), rtol=0, atol=0)
    assert not torch.equal(one.channels, other.channels)
    assert not torch.equal(one.biases, other.biases)
    assert not list(one.parameters())


def test_a_saved_one_says_the_same() -> None:
    values = drawn(50, 40, 3)
    one, other = fitted(values, seed=1), Rocket((40, 3), features=252, seed=2)
    other.load_state_dict(one.state_dict())
    torch.testing.assert_close(other(values), one(values), rtol=0, atol=0)


def test_rows_are_the_same_in_any_batch() -> None:
    values = some_series(70, 2).repeat(100, 1, 1) + drawn(500, 70, 2)
    rocket = fitted(values)
    torch.testing.assert_close(torch.cat([rocket(part) for part in values.split(37)]), rocket(values))


# ---------------------------------------------------------------- the probe


def waves(each: int, seed: int) -> tuple[Tensor, Tensor]:
    """Series (3·each, 60, 1) of three classes, noisy waves of period 10 or 15 or noise alone; and their classes."""
    classes = torch.arange(3).repeat_interleave(each)
    chance = torch.Generator().manual_seed(seed)
    phase = torch.rand(3 * each, 1, generator=chance) * 2 * math.pi
    period = torch.tensor([10.0, 15.0, 1.0])[classes, None]
    wave = (2 * math.pi * torch.arange(60) / period + phase).sin()
    noise = torch.randn(3 * each, 60, generator=chance)
    return (wave + 0.7 * noise)[..., None], classes


@pytest.mark.parametrize("each", [1, 4])
def test_a_few_labelled_series_teach_what_hundreds_are(each: int) -> None:
    values, classes = waves(100, seed=0)
    rocket = fitted(values)
    few, theirs = waves(each, seed=1)
    probe = linear_probe(rocket(few), theirs, ["fast", "slow", "noise"])
    right = (probe(rocket(values)).argmax(1) == classes).float().mean()
    assert right > (0.65 if each == 1 else 0.93)


@pytest.mark.parametrize("count", [2, 3])
def test_the_probe_is_the_logistic_regression_of_all_features(count: int) -> None:
    """At the minimum the gradient of C · cross-entropy + ½‖W‖² is 0; biases are not penalised."""
    features, classes = drawn(12, 40) / 6, torch.arange(12) % count
    probe = linear_probe(features, classes, ["a", "b", "c"][:count], strengths=(50.0,)).double()
    weight = probe.weight.clone().requires_grad_()
    bias = probe.bias.clone().requires_grad_()
    loss = torch.nn.functional.cross_entropy(features.double() @ weight.T + bias, classes, reduction="sum")
    # Of two classes scikit-learn penalises the difference of their weights, which is twice each.
    penalty = weight.square().sum() / 2 if count > 2 else (weight[1] - weight[0]).square().sum() / 2
    (50.0 * loss + penalty).backward()
    assert weight.grad is not None
    assert bias.grad is not None
    assert weight.grad.abs().max() < 1e-4
    assert bias.grad.abs().max() < 1e-4
    assert weight.abs().max() > 0.5
    assert not any(one.requires_grad for one in probe.parameters())


def test_the_strength_is_chosen_by_held_out_rows() -> None:
    """Where features say nothing, a strong penalty is likeliest; where one says all, a weak one."""
    classes = torch.arange(40) % 2
    noise = drawn(40, 30) / 5
    telling = torch.cat([noise, 2.0 * classes[:, None] - 1], 1)
    strengths = (0.1, 1.0, 1000.0)
    for features, wanted in ((noise, 0.1), (telling, 1000.0)):
        found = linear_probe(features, classes, ["a", "b"], strengths)
        only = linear_probe(features, classes, ["a", "b"], (wanted,))
        torch.testing.assert_close(found.weight, only.weight, rtol=0, atol=0)
    lonely = torch.cat([classes[:9], torch.tensor([2])])  # a class of one row: no fold can hold it out
    found = linear_probe(noise[:10], lonely, ["a", "b", "c"], strengths=(0.1, 1.0))
    torch.testing.assert_close(found.weight, linear_probe(noise[:10], lonely, ["a", "b", "c"], (1000.0,)).weight)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a"], "a classifier needs two classes, and the task has 1 ('a'); name one more"),
        (["a", "b", "c", "d"], "no labelled row has the class 'b', 'd'; label one row of each class at least"),
    ],
)
def test_classes_that_cannot_be_learned_are_named(names: list[str], message: str) -> None:
    with pytest.raises(RequestError) as refused:
        linear_probe(drawn(3, 5), torch.tensor([0, 0, 0]) if len(names) == 1 else torch.tensor([0, 2, 2]), names)
    assert str(refused.value) == message
