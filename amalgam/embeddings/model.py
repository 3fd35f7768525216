"""The meta-embedding that is learned: words to vectors."""

from __future__ import annotations

import math
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_ROWS = 2**14  # that are looked at together
_NEW = 0.02  # the share of the newest batch in M, after the first fifty
_DAMPING = 0.01  # of M, in means of its diagonal
_REACH = 0.2  # of c_k, in sources


class Embedding(nn.Module):
    """A vector for each of V words (knowledge-amalgamation, Eq. 1).

    Args:
        words: V.
        width: d.
        start: (V, d) to begin with; by default small random numbers.
    """

    held: Tensor | None
    sparse: ClassVar[bool] = True  # as torch calls it: a step moves the words of its batch alone

    def __init__(self, words: int, width: int, start: Tensor | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(words, width) / width**0.5 if start is None else start)
        self.bias = nn.Parameter(torch.zeros(width))
        self.bound = 0.0
        self.register_buffer("held", None, persistent=False)

    def hold(self, vectors: Tensor, bound: float) -> None:
        """Keep the first words near where they were; without b, which would move all.

        Args:
            vectors: (H, d), of the first H words.
            bound: how far a word's unit vector may be from where it was; 0 keeps the vectors as they are.
        """
        self.held, self.bound = vectors, bound
        self.bias.requires_grad_(False)

    def forward(self, words: Tensor) -> Tensor:
        """Eq. (1): e_k = M x_k + b, (B, d), of words (B,) or (B', W), of which B = B' W."""
        return self.rows(words.flatten()) + self.bias

    def rows(self, words: Tensor) -> Tensor:
        """The rows of M of words (B,)."""
        if self.held is not None:
            self._bring_back(words[words < len(self.held)])
        return nn.functional.embedding(words, self.weight, sparse=True)

    @torch.no_grad()
    def vectors(self) -> Tensor:
        """Every word's, (V, d): the weights themselves, not a copy, with b inside from now on."""
        if self.held is not None:
            for some in torch.split(torch.arange(len(self.held)), _ROWS):
                self._bring_back(some)
        self.weight.add_(self.bias)
        self.bias.zero_()
        return self.weight.detach()

    @torch.no_grad()
    def _bring_back(self, words: Tensor) -> None:
        """Bring held words (B,) that went too far back to the bound, on the way they went, at the length they had."""
        was = cast(Tensor, self.held)[words]
        if self.bound == 0:
            self.weight[words] = was
            return
        went = (self.weight[words] != was).any(1)
        words, was = words[went], was[went].double()
        # Cosines near 1 say little in single precision: .9999999 is a distance of .0004.
        home, now = nn.functional.normalize(was), nn.functional.normalize(self.weight[words].double())
        angle = 2 * math.asin(min(self.bound, 2) / 2)
        sideways = nn.functional.normalize(now - (home * now).sum(1, keepdim=True) * home)
        furthest = math.cos(angle) * home + math.sin(angle) * sideways
        there = torch.where((now - home).norm(dim=1, keepdim=True) > self.bound, furthest, now)
        self.weight[words] = (there * was.norm(dim=1, keepdim=True)).to(self.weight)


class GaussNewton(Embedding):
    """An embedding whose words step to where their own squared errors are least, given the other words of a batch.

    Eq. (5) is a least-squares problem in each word's unit vector ê_k, once the others' are given: its gradient g_k over
    its curvature c_k M, where c_k adds up the sources that know the word and another, and M = ÊᵀÊ / B is the second
    moment of the batch's unit vectors. The step that solves it and keeps the length, δ_k = -(c_k M)⁻¹ (g_k - μ ê_k)
    with the μ that makes it orthogonal to ê_k, needs no rate but the share of it that is taken; the gradient alone is
    some hundred times too short along directions that few words have, and a rate for one panel is another's ruin.

    M is a moving average, since a batch of B words says little of d² numbers, and damped, and so is c_k, for words that
    hardly anything is said of. There is no b: a turn of all vectors changes nothing, and b is none.

    What `backward` leaves in `weight.grad` is -δ, of the mean over a batch's pairs, times the word's own length, which
    no loss speaks of; in the end all are of length one.

    Args:
        reach: (V,), c_k.
        width: d.
        start: (V, d) to begin with; by default small random numbers.
    """

    reach: Tensor
    moment: Tensor
    steps: Tensor

    def __init__(self, reach: Tensor, width: int, start: Tensor | None = None) -> None:
        super().__init__(len(reach), width, start)
        self.bias.requires_grad_(False)
        self.register_buffer("reach", reach, persistent=False)
        self.register_buffer("moment", torch.zeros(width, width))
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, words: Tensor) -> Tensor:
        """Vectors (B, d) of words (B,) or (B', W), of which B = B' W."""
        flat = words.flatten()
        found = self.rows(flat)
        if not self.training:
            return found
        with torch.no_grad():
            lengths = torch.linalg.vector_norm(found, dim=1, keepdim=True).clamp_min(1e-12)
            own = found / lengths
            # `backward` is told the mean over B (B - 1) / 2 pairs of unlike words of twice the errors.
            scale = (len(torch.unique(flat)) - 1) / 4 / (self.reach[flat] + _REACH)
        return cast(Tensor, _Solved.apply(found, own, self._inverse(own), scale[:, None] * lengths.square()))

    @torch.no_grad()
    def vectors(self) -> Tensor:
        """Every word's, (V, d), at length one, which a step does not depend on; held ones as they are."""
        found = super().vectors()
        for some in torch.split(found if self.held is None else found[len(self.held) :], _ROWS):
            some.copy_(nn.functional.normalize(some))
        return found

    def _inverse(self, own: Tensor) -> Tensor:
        """M⁻¹ (d, d), after a look at a batch of unit vectors (B, d)."""
        self.steps += 1
        self.moment.lerp_(own.T @ own / len(own), torch.clamp(1 / self.steps, min=_NEW))
        damped = self.moment.clone()
        damped.diagonal().add_(_DAMPING * self.moment.diagonal().mean())
        factor, failed = torch.linalg.cholesky_ex(damped)
        # What diverged has no inverse; the trainer says so of a loss that is no number, and what to do.
        return torch.full_like(damped, math.nan) if failed else torch.cholesky_inverse(factor)


class _Solved(torch.autograd.Function):
    """Nothing forward; backward, a word's step instead of its gradient."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, own: Tensor, inverse: Tensor, scale: Tensor) -> Tensor:
        """The vectors as they are."""
        ctx.save_for_backward(own, inverse, scale)
        return vectors.view_as(vectors)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        """M⁻¹ (g - μ ê), times a number each."""
        own, inverse, scale = ctx.saved_tensors
        step, along = gradient @ inverse, own @ inverse
        share = (own * step).sum(1, keepdim=True) / (own * along).sum(1, keepdim=True)
        return torch.addcmul(step, along, share, value=-1).mul_(scale), None, None, None
