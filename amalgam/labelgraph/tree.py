"""What a decoder says of a graph's paths, as tensors: of a row, a number for each prefix, computed length by length.

Paper: dataset-joining §3.2.4–3.2.7. B rows, Q prefixes, V nodes, as `paths.Paths` has them.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from amalgam.labelgraph.paths import Paths

LOWEST = -30.0
"""The logarithm that stands for no chance at all."""


def block_log_softmax(values: Tensor, table: Tensor, back: Tensor) -> Tensor:
    """§3.2.4: log p_u = z_u − log Σ_{w ∈ S_u} exp(z_w), S_u being what competes with u.

    Args:
        values: z, (..., n).
        table: (blocks, R) which of the n are in each block; -1 pads.
        back: (n,) where in the flattened table each of the n stands.
    """
    apart = values[..., table.clamp(min=0)].masked_fill(table < 0, -torch.inf)
    return apart.log_softmax(-1).flatten(-2)[..., back]


def places(table: Tensor, count: int) -> Tensor:
    """(count,) where in a flattened table of the numbers below `count` each stands."""
    flat = table.flatten()
    where = (flat >= 0).nonzero()[:, 0]
    return torch.empty(count, dtype=torch.long).scatter_(0, flat[where], where)


class Tree(nn.Module):
    """The prefixes of a graph on a device; it learns nothing.

    Attributes:
        longest: steps of the longest path.
        levels: of each length, which prefixes have it.
        node, parent, longer, alternatives, ending, passes, trail: as `Paths` has them.
        back: (Q,) where in the flattened alternatives each prefix stands.
        questions: (Q,) log of how many choices there are where a prefix takes its last step.
    """

    node: Tensor
    parent: Tensor
    longer: Tensor
    alternatives: Tensor
    ending: Tensor
    passes: Tensor
    trail: Tensor
    back: Tensor
    questions: Tensor

    def __init__(self, paths: Paths) -> None:
        super().__init__()
        self.longest = paths.longest
        bounds = [int((paths.depth < depth).sum()) for depth in range(paths.longest + 2)]
        self.levels = [slice(first, last) for first, last in pairwise(bounds)]
        for name in ("node", "parent", "longer", "alternatives", "ending", "passes", "trail"):
            self.register_buffer(name, torch.from_numpy(getattr(paths, name)), persistent=False)
        self.register_buffer("back", places(self.alternatives, len(paths)), persistent=False)
        self.register_buffer("questions", torch.from_numpy(paths.questions).float().log(), persistent=False)

    def along(self, steps: Tensor) -> Tensor:
        """What the steps of each prefix add up to, (B, Q): log p(v_1, …, v_t | x) where steps are log p(v_t | …).

        Args:
            steps: (B, Q) of the last step of each prefix.
        """
        found = [steps[:, self.levels[0]]]
        for before, level in pairwise(self.levels):
            found.append(steps[:, level] + found[-1][:, self.parent[level] - before.start])
        return torch.cat(found, 1)

    def chances(self, steps: Tensor) -> Tensor:
        """The log chance (B, Q) that a walk begins with each prefix.

        At a node whose children fall in several groups a walk decides one of them, each as likely as the others. The
        chances of all paths to leaves are 1 together.

        Args:
            steps: (B, Q) log p of the last step of each prefix, within its block.
        """
        return self.along(steps - self.questions)

    def reached(self, chances: Tensor) -> Tensor:
        """The log chance (B, V) that a walk passes through each node: over all paths to it, of `chances` (B, Q)."""
        each = chances[:, self.ending.clamp(min=0)].masked_fill(self.ending < 0, -torch.inf)
        return each.logsumexp(-1)

    def sampled(self, steps: Tensor) -> Tensor:
        """A walk of each row, drawn step by step: the prefix (B,) of its whole path."""
        noise = -torch.empty_like(steps).exponential_().log()  # the largest of log p + noise is a draw by p
        return self._walk((steps + noise).detach())

    def greedy(self, steps: Tensor) -> Tensor:
        """Algorithm 2: the walk of each row that takes the likeliest step each time, as the prefix (B,) of its path."""
        return self._walk(steps.detach())

    def likeliest(self, chances: Tensor, width: int) -> Tensor:
        """Beam decoding: of each row the likeliest whole paths found by keeping `width` at each length, (B, width).

        Where a graph has fewer, the same one is there several times; the first is the likeliest.

        Args:
            chances: (B, Q) as `chances` has them.
            width: paths to keep.
        """
        at = torch.zeros_like(chances[:, :1], dtype=torch.long)  # an exported graph must not fix the batch size
        for _ in range(self.longest):
            below = torch.where(at[..., None] < 0, -1, self.longer[at.clamp(min=0)])  # (B, kept, C)
            below[..., 0] = torch.where((below < 0).all(-1), at, below[..., 0])  # a whole path stays as it is
            further = below.flatten(1)
            said = chances.gather(1, further.clamp(min=0)).masked_fill(further < 0, -torch.inf)
            at = further.gather(1, said.topk(min(width, said.shape[1]), 1).indices)
        at = nn.functional.pad(at, (0, width - at.shape[1]), value=-1)
        return torch.where(at < 0, at[:, :1], at)

    def _walk(self, scores: Tensor) -> Tensor:
        at = torch.zeros_like(scores[:, 0], dtype=torch.long)
        for _ in range(self.longest):
            below = self.longer[at]
            said = scores.gather(1, below.clamp(min=0)).masked_fill(below < 0, -torch.inf)
            chosen = below.gather(1, said.argmax(1, keepdim=True))[:, 0]
            at = torch.where(chosen < 0, at, chosen)
        return at
