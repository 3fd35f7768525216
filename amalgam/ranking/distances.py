"""How far candidates' rows are from the target's, as a reader of rows sees both; and how sure that is."""

from __future__ import annotations

import time
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from amalgam.progress import Progress
from amalgam.ranking import p2l
from amalgam.ranking.divergences import Divergence, apart
from amalgam.ranking.reference import Reference
from amalgam.signals import Rows

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Look:
    """How data sets are looked at.

    Attributes:
        divergence: D of Eq. (2).
        trim: of the trimmed mean that sums up a data set.
        most: rows of a data set that are looked at, drawn at random.
        times: bootstrap samples of these rows.
        seed: of what is drawn.
    """

    divergence: Divergence = "kl"
    trim: float = 0.0
    most: int = 20_000
    times: int = 200
    seed: int = 0


@dataclass
class Clock:
    """What took how long.

    Attributes:
        seconds: by what it was spent on.
    """

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Time that is spent on something, added to what was before."""
        began = time.monotonic()
        yield
        self.seconds[what] = round(self.seconds.get(what, 0.0) + time.monotonic() - began, 3)


@dataclass(frozen=True)
class Estimated:
    """Numbers of M candidates.

    Attributes:
        value: (M,).
        resampled: (R, M), the same of resampled rows.
    """

    value: Numbers
    resampled: Numbers

    def interval(self) -> tuple[Numbers, Numbers]:
        """The 2.5th and 97.5th percentile of what is resampled, (M,) each; the value is never outside.

        It could be: z is at its extreme where all other candidates are alike, from which all resamplings lie inward.
        """
        low, high = np.percentile(self.resampled, [2.5, 97.5], axis=0)
        return np.minimum(low, self.value), np.maximum(high, self.value)


def around(value: Numbers, resampled: Numbers, scale: float = 1.0) -> Estimated:
    """Numbers (M,) and resampled ones (R, M), these moved to lie around the numbers and scaled about them.

    A mean of resampled rows has the noise of the sample and as much again, so that its divergence is too large on
    average, the more so the fewer the rows; that is no reason to think the sample's too small.
    """
    return Estimated(value, value + (resampled - resampled.mean(0)) * scale)


@dataclass(frozen=True)
class Summed:
    """The summary of a data set.

    Attributes:
        once: F, (D,).
        often: F of each bootstrap sample, (R, D).
    """

    once: Tensor
    often: Tensor


@dataclass(frozen=True)
class Standard:
    """Features that may be negative as columns that are not, of which summaries as distributions can be made.

    Each column is standardised by the target's rows, and what lies above its mean and what lies below become columns of
    their own; columns that are constant in the target count by their distance from it (chosen: P2L has none such, its
    features come after a ReLU).
    """

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, target: Tensor) -> Standard:
        """By the target's features (N, D)."""
        deviation = target.std(0, correction=0)
        return cls(target.mean(0), torch.where(deviation > 0, deviation, 1.0))

    def __call__(self, features: Tensor) -> Tensor:
        """Features (N, D) as (N, 2 D)."""
        standard = (features - self.mean) / self.deviation
        return torch.cat([standard.relu(), (-standard).relu()], 1)


def drawn(rows: Rows, most: int, seed: int) -> Rows:
    """Some rows at random, in their order; all where they are not more."""
    if len(rows) <= most:
        return rows
    return rows.take(torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:most].sort().values)


def distances(
    target: Rows,
    sources: Sequence[Rows],
    reader: Reference,
    look: Look,
    clock: Clock,
    progress: Progress,
    known: MutableMapping[int, Summed] | None = None,
) -> Estimated:
    """D(t, s) of M sources, and of bootstrap samples of target and source.

    Args:
        target: its rows that are looked at.
        sources: theirs.
        reader: who sees them. Features are taken as they are where none is below 0, else as `Standard` has them.
        look: how.
        clock: of the target, the sources, the bootstrap.
        progress: who shows the steps.
        known: summaries that this reader made of features as they are, by the rows' `id`; further ones are added.
    """
    every = [target, *sources]
    found = _summed(every, reader, look, clock, progress, known, as_they_are=True)
    found = found or _summed(every, reader, look, clock, progress, None, as_they_are=False)
    assert found is not None
    own, *rest = found
    once = np.array([float(apart(look.divergence, own.once, one.once)) for one in rest])
    often = [apart(look.divergence, own.often, one.often).numpy() for one in rest]
    if look.times == 0 or not rest:
        return Estimated(once, np.zeros((look.times, len(rest))))
    near = around(once, np.stack(often, 1))
    return Estimated(once, np.maximum(near.resampled, 0.0))


def _summed(
    every: Sequence[Rows],
    reader: Reference,
    look: Look,
    clock: Clock,
    progress: Progress,
    known: MutableMapping[int, Summed] | None,
    *,
    as_they_are: bool,
) -> list[Summed] | None:
    """The summary of each data set, the target's first, one in memory at a time; None where some feature is below 0."""
    chance, found, standard = torch.Generator().manual_seed(look.seed), list[Summed](), None
    with progress.step(f"features by {reader.name}", sum(map(len, every))) as bar:
        for place, rows in enumerate(every):
            if known is not None and id(rows) in known:
                found.append(known[id(rows)])
                bar.advance(len(rows), rows.name)
                continue
            with clock.timed("sources" if place else "target"):
                features = reader.features(rows)
            bar.advance(len(rows), rows.name)
            with clock.timed("bootstrap"):
                if as_they_are and bool((features < 0).any()):
                    return None
                if not as_they_are:
                    standard = standard or Standard.of(features)
                    features = standard(features)
                often = p2l.summary(features, look.trim, p2l.resampled(len(rows), look.times, chance))
                found.append(Summed(p2l.summary(features, look.trim), often))
            if known is not None:
                known[id(rows)] = found[-1]
    return found
