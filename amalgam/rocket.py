"""Random-convolution features of series: MiniRocket (Dempster, Schmidt, Webb, KDD 2021), on masked and ragged series.

A linear model on these features learns classes from a dozen series, from which a recurrent network learns nothing.

Two things are added to the paper's. The greatest output of a convolution, which ROCKET (Dempster, Petitjean, Webb 2020)
keeps beside the proportion of positive ones; and the least, for the fixed kernels, unlike ROCKET's, come in one sign.
And the level of a series, which its own scaling takes away.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from amalgam.series import SeriesScaling, as_series, z_normalised
from amalgam.signals import Rows

LENGTH, KERNELS = 9, 84
_MOST_DILATIONS = 32  # as in the paper: more of them differ too little
_SAMPLED = 2**14  # outputs of a convolution that its biases are quantiles of
_MEASURED = 1024  # rows that the features' means and deviations are those of
_AT_ONCE = 2**19  # outputs of a dilation's convolutions that are held at a time: they stay in a core's cache
_NUDGE = 1e-4  # above each bias: where a series is flat, 0 is rounded to either side of a bias that is 0
_SAME = 1e-4  # a feature that deviates less says nothing

Group = tuple[slice, Tensor, Tensor]


class Rocket(nn.Module):
    """Series (B, T, C), or rows (B, T) as series of one channel, to features (B, F) for a linear model.

    Each of 84 kernels of length 9, with three weights of 2 and six of −1, is dilated from 1 to the length of a series.
    Such a convolution gives the proportions of a series' steps at which it lies above biases (PPV), its greatest and
    its least output. Half of the kernels reach over the ends of a series, where it is 0; the others see whole windows
    alone. Of several channels, each kernel sees the sum of some, drawn at random, at most nine.

    The convolutions see the form of a series, each channel minus its own mean over its own deviation. Of these two, in
    units of the channel, come the mean and the logarithm of the deviation after everything else: the level.

    Features come by dilation, then by half: for each bias, 42 proportions; 42 greatest; 42 least. They are
    standardised, and weighed so that those of the form have a mean square of 1 in sum, whatever their number: a penalty
    on weights then means the same for all series.

    NaN is a missing value, and everything beyond the end of a shorter series. It is filled with 0, which is the mean;
    a step that is NaN in all channels does not count, and no window that reaches beyond the end is whole.
    """

    kernels: Tensor  # (84, 9)
    channels: Tensor  # (dilations, 84, C) of 0 and 1
    biases: Tensor  # (proportions of a kernel, 84)
    mean: Tensor  # (F,)
    weight: Tensor  # (F,)

    def __init__(self, shape: Sequence[int], features: int = 1000, seed: int = 0, level: float = 0.5) -> None:
        """Fixed kernels and dilations, drawn channels; the rest is learned by `fit`.

        Args:
            shape: (T, C), or (T,) of rows; T decides on the dilations, series may have any other length.
            features: how many proportions; rounded down to a multiple of 84, at least 84.
            seed: of the channels, and of the rows that `fit` looks at.
            level: the weight of the level beside the form; 0 leaves it out of account.
        """
        super().__init__()
        self.steps, count = shape[0], shape[1] if len(shape) > 1 else 1
        self.seed, self.level = seed, level
        self.dilations, self.repeats = dilations(self.steps, features // KERNELS)
        width = KERNELS * (sum(self.repeats) + 2 * len(self.dilations)) + 2 * count
        chance = torch.Generator().manual_seed(seed)
        self.scaling = SeriesScaling(shape)
        self.register_buffer("kernels", kernels())
        self.register_buffer("channels", _channels(len(self.dilations), count, chance))
        self.register_buffer("biases", torch.zeros(sum(self.repeats), KERNELS))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("weight", torch.ones(width))

    @torch.no_grad()
    def fit(self, rows: Rows) -> None:
        """Learn biases, as quantiles of the outputs, and the features' scale, from unlabelled rows.

        Beside one pass for the channels' scale it sees some thousands of rows at most, drawn at random.
        """
        self.scaling.fit(rows)
        drawn = torch.randperm(len(rows), generator=torch.Generator().manual_seed(self.seed))
        self._fit_biases(rows.inputs(drawn[: max(_SAMPLED // self.steps, 16)].sort().values).to(self.biases))
        self.mean.zero_()
        self.weight.fill_(1)
        measured = drawn[:_MEASURED].sort().values
        total = squares = torch.zeros_like(self.mean, dtype=torch.float64)
        for some in torch.split(measured, 256):
            raw = self(rows.inputs(some).to(self.mean)).double()
            total, squares = total + raw.sum(0), squares + raw.square().sum(0)
        mean = total / len(measured)
        deviation = (squares / len(measured) - mean.square()).clamp_min(0).sqrt()
        levels = 2 * self.channels.shape[-1]
        share = torch.full_like(deviation, 1 / math.sqrt(len(deviation) - levels))
        share[-levels:] = self.level / math.sqrt(levels)
        self.mean.copy_(mean)
        self.weight.copy_(torch.where(deviation > _SAME, share / deviation, 0.0))

    def _fit_biases(self, inputs: Tensor) -> None:
        form, present = z_normalised(as_series(inputs)), ~as_series(inputs).isnan().all(-1)
        golden = (math.sqrt(5) + 1) / 2  # the paper's low-discrepancy sequence
        fractions = ((torch.arange(self.biases.numel(), dtype=torch.float64) + 1) * golden % 1).view_as(self.biases)
        for where, place in self._places():
            for group, outputs, valid in self._outputs(form, present, place):
                seen = outputs.movedim(1, -1)[valid]
                if len(seen):
                    self.biases[where, group] = _quantiles(seen, fractions[where, group].to(seen.device)) + _NUDGE

    @torch.no_grad()
    def forward(self, inputs: Tensor) -> Tensor:
        """Features (B, F), float32."""
        size = max(_AT_ONCE // (KERNELS * inputs.shape[1]), 1)
        parts = [self._raw(part.float()) for part in torch.split(inputs, size)]
        return (torch.cat(parts) - self.mean) * self.weight

    def _raw(self, inputs: Tensor) -> Tensor:
        """Features (B, F) as they are measured."""
        series = as_series(inputs)
        form, present = z_normalised(series), ~series.isnan().all(-1)
        pooled = [
            _pooled(outputs, valid, self.biases[where, group])
            for where, place in self._places()
            for group, outputs, valid in self._outputs(form, present, place)
        ]
        return torch.cat([*pooled, _levels(self.scaling(inputs), ~series.isnan())], dim=1)

    def _places(self) -> Iterator[tuple[slice, int]]:
        """Each dilation's rows of `biases`, and its place."""
        start = 0
        for place, repeat in enumerate(self.repeats):
            yield slice(start, start + repeat), place
            start += repeat

    def _outputs(self, form: Tensor, present: Tensor, place: int) -> Iterator[Group]:
        """The convolutions of a dilation, by halves of the kernels: which (42), outputs (B, 42, S), which count (B, S).

        Args:
            form: (B, T, C), without NaN.
            present: (B, T), which steps there are.
            place: of the dilation.
        """
        dilation, half = self.dilations[place], KERNELS // 2
        margin, steps = dilation * (LENGTH // 2), form.shape[1]
        weight = self.kernels[:, None, :] * self.channels[place][:, :, None]
        outputs = F.conv1d(form.movedim(-1, 1), weight, padding=margin, dilation=dilation)
        for group in (slice(0, half), slice(half, KERNELS)):
            if (group.start > 0) == (place % 2 > 0) or self.steps < LENGTH:  # a short series has no whole window
                yield group, outputs[:, group], present
            else:
                step = torch.arange(steps, device=form.device)
                ends = torch.where(present, step, -1).amax(-1, keepdim=True)
                whole = present & (step >= margin) & (step + margin <= ends)
                inside = slice(margin, steps - margin) if steps > 2 * margin else slice(0, 1)
                yield group, outputs[:, group, inside], whole[:, inside]


def kernels() -> Tensor:
    """The kernels (84, 9): three weights of 2, at all places, and −1 elsewhere; every second one first."""
    twos = list(combinations(range(LENGTH), 3))
    weights = torch.full((KERNELS, LENGTH), -1.0)
    return weights.scatter_(1, torch.tensor(twos[::2] + twos[1::2]), 2.0)


def dilations(steps: int, each: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The dilations for series of some length, and how many proportions of a kernel each has.

    Args:
        steps: the length of a series; no dilated kernel is longer, but for series shorter than 9.
        each: how many proportions a kernel has in all; at least 1.
    """
    each = max(each, 1)
    count = min(each, _MOST_DILATIONS)
    most = math.log2(max((steps - 1) / (LENGTH - 1), 1))
    every = [int(2 ** (most * i / max(count - 1, 1)) + 1e-9) for i in range(count)]
    spread = [every[i * count // each] for i in range(each)]
    found = tuple(sorted(set(spread)))
    return found, tuple(spread.count(dilation) for dilation in found)


def _channels(count: int, channels: int, chance: torch.Generator) -> Tensor:
    """Which channels each dilated kernel sees, (count, 84, C): 1 to 9 of them, few more often than many."""
    most = math.log2(min(channels, 9) + 1)
    sizes = (2 ** (torch.rand(count, KERNELS, 1, generator=chance) * most)).long()
    ranks = torch.rand(count, KERNELS, channels, generator=chance).argsort(-1).argsort(-1)
    return (ranks < sizes).float()


def _quantiles(seen: Tensor, fractions: Tensor) -> Tensor:
    """Quantiles (q, K) of seen (M, K) at fractions (q, K), between neighbours by their distance."""
    ordered = seen.sort(0).values
    exact = fractions * (len(seen) - 1)
    below = exact.floor().long()
    lower, upper = ordered.gather(0, below), ordered.gather(0, (below + 1).clamp_max(len(seen) - 1))
    return lower + (upper - lower) * (exact - below).to(lower)


def _pooled(outputs: Tensor, valid: Tensor, biases: Tensor) -> Tensor:
    """Proportions above the biases, greatest and least outputs, (B, (q + 2) K); 0 where no step counts.

    Args:
        outputs: (B, K, S).
        valid: (B, S), which steps count.
        biases: (q, K).
    """
    low = high = outputs
    if not bool(valid.all()):
        high = outputs.masked_fill(~valid[:, None], -torch.inf)
        low = outputs.masked_fill(~valid[:, None], torch.inf)
    count = valid.sum(-1)[:, None]
    above = torch.empty_like(high)  # of float: summed several times as fast as bool
    proportions = [torch.gt(high, bias[:, None], out=above).sum(-1) / count.clamp_min(1) for bias in biases]
    ends = [torch.where(count > 0, end, 0.0) for end in (high.amax(-1), low.amin(-1))]
    return torch.cat([*proportions, *ends], dim=1)


def _levels(series: Tensor, there: Tensor) -> Tensor:
    """Means and logarithms of deviations of each channel, (B, 2C).

    Args:
        series: (B, T, C) in units of the channels, 0 where a value is missing.
        there: (B, T, C), which values are not.
    """
    count = there.sum(1, keepdim=True).clamp_min(1)
    mean = series.sum(1, keepdim=True) / count
    deviation = ((series - mean).masked_fill(~there, 0).square().sum(1) / count[:, 0]).sqrt()
    return torch.cat([mean[:, 0], (deviation + 0.01).log()], dim=1)
