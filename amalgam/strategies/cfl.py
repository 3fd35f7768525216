"""CFL, common feature learning (Luo et al. 2019): the student imitates the teachers' features too, in a common space.

An adaptor for each network and one extractor for all map the last representations of the student and of the teachers
into one space. There the student's features shall be distributed as each teacher's (a maximum mean discrepancy), and
the teachers' own shall be rebuilt from theirs, so that the space keeps what they know. All of it is trained beside the
student and left behind.

The paper's student has the classes of all teachers side by side; here teachers share labels, whose logits are averaged,
as for the other methods that knowledge-amalgamation, ch. 4, compares. Adaptors and extractor are the paper's with
linear layers for its convolutions, since features here have no height and width. The equations are not numbered here:
the paper's own text was not at hand, its authors' public code was followed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from amalgam.classes import probabilities
from amalgam.panel import Panel, mean_logit
from amalgam.signals import FeatureTargets, Loss, Rows, StudentOutput, Targets, Votes
from amalgam.strategy import Paper, Strategy
from amalgam.teacher import FeatureScorer, Teacher


@dataclass(frozen=True)
class CFL(Strategy[None]):
    """The student imitates the teachers' mean logits, and their features in a common space.

    Attributes:
        common: width of the common space. The authors' is 128, a quarter of their teachers' 512 features; ours have 16
            to 256, so the default is 32. Adaptors are twice as wide.
        blocks: residual blocks of the shared extractor (the authors' code).
        bandwidths: standard deviations σ of the Gaussian kernels, added up, for features of length 1 (the authors'
            code, which takes these instead of a median).
        feature_weight: of the two terms on features beside the cross-entropy of the logits (the authors' code).
        reconstruction_weight: of rebuilding the teachers' features, beside the discrepancy (the authors' code).
    """

    paper: ClassVar[Paper | None] = Paper(
        title="CFL: Knowledge Amalgamation from Heterogeneous Networks by Common Feature Learning (IJCAI 2019)",
        where="arXiv 1906.10546, and its authors' code",
    )
    needs: ClassVar[type[Teacher]] = FeatureScorer  # type: ignore[type-abstract]
    form: ClassVar[type[Targets]] = FeatureTargets
    exclusive: ClassVar[bool | None] = None

    common: PositiveInt = 32
    blocks: PositiveInt = 3
    bandwidths: Annotated[Sequence[PositiveFloat], Field(min_length=1)] = (0.001, 0.01, 0.05, 0.1, 0.2, 1.0, 2.0)
    feature_weight: NonNegativeFloat = 10.0
    reconstruction_weight: NonNegativeFloat = 1.0

    def targets(self, panel: Panel, rows: Rows, votes: Votes, state: None) -> FeatureTargets:
        """The probabilities of the mean logit, (B, L), and every teacher's features."""
        spans = self.spans(panel)
        wanted = probabilities(mean_logit(votes, spans), spans)
        return FeatureTargets(wanted, torch.ones_like(wanted), spans=spans, features=votes.features)

    def companion(self, panel: Panel, targets: Targets, width: int) -> CommonSpace:
        """The common space of this student and these teachers."""
        assert isinstance(targets, FeatureTargets)
        return CommonSpace(self, width, [int(one.shape[1]) for one in targets.features])


_PIECE = 128
"""Rows of which all pairs are compared: a larger batch is cut, so that work and memory grow with its rows alone."""


class CommonSpace(nn.Module):
    """Adaptors, the shared extractor and the teachers' decoders, and the loss that they are trained with.

    Args:
        strategy: the widths and weights.
        student: D of the student's features.
        teachers: D_k of each teacher's.
    """

    def __init__(self, strategy: CFL, student: int, teachers: Sequence[int]) -> None:
        super().__init__()
        self.strategy, common = strategy, strategy.common
        self.adaptors = nn.ModuleList(nn.Linear(width, 2 * common, bias=False) for width in (student, *teachers))
        self.extractor = nn.Sequential(_Residual(2 * common, common))
        self.extractor.extend(_Residual(common, common) for _ in range(strategy.blocks - 1))
        self.decoders = nn.ModuleList(
            nn.Sequential(nn.Linear(common, width, bias=False), nn.ReLU(), nn.Linear(width, width, bias=False))
            for width in teachers
        )

    def embed(self, features: Sequence[Tensor]) -> Tensor:
        """The common features (1 + K, B, C) of the student's features (B, D), then the teachers' (B, D_k)."""
        adapted = [adapt(one) for adapt, one in zip(self.adaptors, features, strict=True)]
        common: Tensor = self.extractor(torch.stack(adapted).relu())
        return common

    def forward(self, output: StudentOutput, targets: FeatureTargets) -> Loss:
        """The discrepancies and the reconstruction errors, weighted, summed over rows and counted in rows.

        A discrepancy is one number for a whole batch; it counts once for each of its rows, so that the mean over rows
        is the discrepancy again.
        """
        with torch.autocast(output.features.device.type, enabled=False):  # fine kernels see the rounding of half floats
            shown = [one.float() for one in targets.features]
            common = self.embed([output.features.float(), *shown])
            rebuilt = [decode(one) for decode, one in zip(self.decoders, common[1:], strict=True)]
            pieces = torch.split(common, _PIECE, dim=1)
            apart = [one.shape[1] * discrepancy(one[0], one[1:], self.strategy.bandwidths).sum() for one in pieces]
            lost = [reconstruction(*pair).sum() for pair in zip(rebuilt, shown, strict=True)]
            total = torch.stack(apart).sum() + self.strategy.reconstruction_weight * torch.stack(lost).sum()
        return Loss(self.strategy.feature_weight * total, torch.full_like(total, output.features.shape[0]))


class _Residual(nn.Module):
    """Two linear layers around a ReLU, added to the inputs, and a ReLU; no biases and no normalisation."""

    def __init__(self, width: int, common: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, common, bias=False)
        self.second = nn.Linear(common, common, bias=False)
        self.skip = nn.Identity() if width == common else nn.Linear(width, common, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """(..., width) → (..., common)."""
        out: Tensor = (self.skip(features) + self.second(self.first(features).relu())).relu()
        return out


def discrepancy(student: Tensor, teachers: Tensor, bandwidths: Sequence[float]) -> Tensor:
    """Maximum mean discrepancy (unnumbered here): mean k(s, s') + mean k(t, t') − 2 mean k(s, t), (K,).

    The means are over all pairs of rows, a row with itself included (the biased estimate, which is never negative);
    without a row it is 0. Features are first brought to length 1.

    Args:
        student: common features (B, C).
        teachers: common features (K, B, C).
        bandwidths: σ of each kernel.
    """
    every = F.normalize(torch.cat([student[None], teachers]), dim=2)
    rows, others = student.shape[0], len(teachers)
    # All pairs at once: of each network with itself, then of the student with each teacher.
    # A row is at no distance from itself; the narrowest kernels would see the rounding.
    near = squared_distances(every, every) * (1 - torch.eye(rows, device=student.device))
    far = squared_distances(every[:1], every[1:])
    alike = gaussian(torch.cat([near, far]), bandwidths).sum((1, 2))
    within, across = alike[: others + 1], alike[others + 1 :]
    return (within[0] + within[1:] - 2 * across) / max(rows, 1) ** 2


def squared_distances(one: Tensor, other: Tensor) -> Tensor:
    """‖x − y‖² of every two rows (unnumbered here), (..., B, B'), of features (..., B, C) and (..., B', C)."""
    lengths = one.square().sum(-1)[..., :, None] + other.square().sum(-1)[..., None, :]
    return (lengths - 2 * one @ other.transpose(-1, -2)).clamp_min(0)


def gaussian(squared: Tensor, bandwidths: Sequence[float]) -> Tensor:
    """The kernel (unnumbered here): k = Σ_σ exp(−‖x − y‖² / 2σ²), of squared distances, element by element."""
    kernel: Tensor = _Gaussian.apply(squared, tuple(bandwidths))[0]
    return kernel


class _Gaussian(torch.autograd.Function):
    """The kernel and its slope at once, so that little is kept and little is left to do when gradients come."""

    generate_vmap_rule = True

    @staticmethod
    def forward(squared: Tensor, bandwidths: tuple[float, ...]) -> tuple[Tensor, Tensor]:
        """The sum of the kernels, and its derivative."""
        total, slope = torch.zeros_like(squared), torch.zeros_like(squared)
        for bandwidth in bandwidths:  # one by one: all at once need memory that a CPU gives and takes back every step
            falls = -0.5 / bandwidth**2
            # As a power of 2: one of e that is next to nothing, as of narrow kernels, takes a CPU ten times as long.
            each = torch.exp2(squared * (falls / math.log(2)))
            total += each
            slope.add_(each, alpha=falls)
        return total, slope

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        """Keep the derivative."""
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_total: Tensor, _: Tensor) -> tuple[Tensor, None]:
        """The gradient of the squared distances."""
        return of_total * ctx.saved_tensors[0], None


def reconstruction(rebuilt: Tensor, features: Tensor) -> Tensor:
    """Reconstruction (unnumbered here): the mean squared error of a teacher's features (B, D_k), row by row, (B,)."""
    return (rebuilt - features).square().mean(1)
