"""VENUS, the versatile common feature consolidator (knowledge-amalgamation, ch. 5, Eqs. 38–52).

Teachers of several tasks each, networks of any kind, show the representation that all their tasks share. The student's
own, its common feature, shall hold what is in each of them: an adaptor for every teacher maps it there (Eqs. 45, 46).
Its tasks learn the teachers' consensus (Eqs. 50, 51). Adaptors are trained beside the student and left behind.

The paper's text has one adaptor a teacher; its authors' settings one for every teacher and task (`adaptors: tasks`).
A squared difference of features is the mean over them, so that a wide teacher counts as a narrow one. Eq. (51) as
printed has only the positive half of the cross-entropy, which a student that affirms everything minimises; the whole is
the default here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor, nn
from torch.nn import functional as F

from amalgam.classes import Spans, by_task, probabilities
from amalgam.panel import Ballots, Panel, Seat, mean_logit
from amalgam.signals import FeatureTargets, Loss, Rows, StudentOutput, Targets, Votes
from amalgam.strategy import Learn, Paper, Strategy
from amalgam.teacher import FeatureScorer, Teacher

_CHUNK = 4096

Adaptors = Literal["teachers", "tasks"]
Sizes = tuple[Tensor, ...]


@dataclass(frozen=True)
class VENUS(Strategy[Sizes]):
    """The student's common feature is adapted to every teacher's, and its tasks learn the teachers' consensus.

    Attributes:
        temperature: what the teachers' mean logit is divided by (Eq. 50 has none, which is 1; the authors' settings
            have 0.1, nearly hard targets).
        half: Eq. (51) as printed, the positive half of the cross-entropy.
        adaptors: one for each of the `teachers`, or for each of its `tasks`, too.
        activation: what follows an adaptor's linear map: `relu` (Eq. 45), which reaches no negative feature, or `none`.
        scaled: bring the features of each teacher to a root mean square of 1 first, so that a teacher of large numbers
            does not count for more than the others.
        feature_weight: what the distance of features (Eq. 46) counts beside the tasks (1 in Eq. 52).
    """

    paper: ClassVar[Paper | None] = Paper(
        title="VENUS: Multi-Tasking Knowledge Amalgamation",
        where="knowledge-amalgamation, chapter 5",
        equations=tuple(range(38, 53)),
        files=("networks.py", "students/_image.py", "strategies/venus.py", "classes.py"),
    )
    needs: ClassVar[type[Teacher]] = FeatureScorer  # type: ignore[type-abstract]
    form: ClassVar[type[Targets]] = FeatureTargets
    exclusive: ClassVar[bool | None] = None

    temperature: PositiveFloat = 1.0
    half: bool = False
    adaptors: Adaptors = "teachers"
    activation: Literal["relu", "none"] = "relu"
    scaled: bool = False
    feature_weight: NonNegativeFloat = 1.0

    def prepare(self, panel: Panel, rows: Rows, ballots: Ballots, learn: Learn) -> Sizes:
        """What each teacher's features are divided by: their root mean square, or 1."""
        if not self.scaled:
            return tuple(torch.ones(()) for _ in panel.seats)
        squares = [torch.zeros((), dtype=torch.float64) for _ in panel.seats]
        for start in range(0, ballots.rows, _CHUNK):
            for total, one in zip(squares, ballots.features, strict=True):
                total += torch.as_tensor(one[start : start + _CHUNK]).double().square().mean(1).sum()
        return tuple((total / ballots.rows).sqrt().clamp_min(1e-12).float() for total in squares)

    def targets(self, panel: Panel, rows: Rows, votes: Votes, state: Sizes) -> FeatureTargets:
        """The consensus probabilities, (B, L), and every teacher's features."""
        spans = self.spans(panel)
        wanted = consensus(mean_logit(votes, spans), self.temperature, spans)
        shown = tuple((one.float() / size).half() for one, size in zip(votes.features, state, strict=True))
        return FeatureTargets(wanted, torch.ones_like(wanted), spans=spans, features=shown)

    def loss(self, output: StudentOutput, targets: Targets) -> Loss:
        """Eq. (52): J = (1/m) Σ_j (F̂^j − F^j)² + (1/t) Σ_k J_k; here its second term, the first is the companion's.

        Summed over rows, counted in rows; a chain's steps are added.
        """
        assert isinstance(targets, FeatureTargets)
        logits = output.logits if output.steps is None else output.steps
        each = task_loss(logits, targets.probabilities, self.half, targets.spans).mean(-1)
        return Loss(each.sum(), torch.as_tensor(float(len(targets)), device=logits.device))

    def companion(self, panel: Panel, targets: Targets, width: int) -> Consolidator:
        """The adaptors of this student to these teachers."""
        assert isinstance(targets, FeatureTargets)
        widths = [int(one.shape[1]) for one in targets.features]
        copies = [_tasks(seat) if self.adaptors == "tasks" else 1 for seat in panel.seats]
        return Consolidator(width, widths, copies, self.activation, self.feature_weight)


class Consolidator(nn.Module):
    """The feature consolidator: adaptors from the student's common feature (B, D) to each teacher's (B, D_j).

    Args:
        width: D.
        widths: D_j of each of m teachers.
        copies: how many adaptors each teacher has.
        activation: what follows them.
        weight: what the distance counts.
    """

    def __init__(self, width: int, widths: Sequence[int], copies: Sequence[int], activation: str, weight: float):
        super().__init__()
        self.copies, self.activation, self.weight = tuple(copies), activation, weight
        self.adaptors = nn.ModuleList(
            nn.Linear(width, number * one) for one, number in zip(widths, copies, strict=True)
        )

    def adapted(self, features: Tensor) -> list[Tensor]:
        """Eq. (45): F̂^j = ReLU(W^j F_s + b^j), m tensors (B, adaptors, D_j), of the student's features (B, D)."""
        mapped = [adapt(features) for adapt in self.adaptors]
        if self.activation == "relu":
            mapped = [one.relu() for one in mapped]
        return [one.unflatten(1, (number, -1)) for one, number in zip(mapped, self.copies, strict=True)]

    def forward(self, output: StudentOutput, targets: FeatureTargets) -> Loss:
        """The weighted distance, summed over rows and counted in rows."""
        apart = feature_distance(self.adapted(output.features), targets.features)
        return Loss(self.weight * apart, torch.full_like(apart, len(targets)))


def _tasks(seat: Seat) -> int:
    """How many tasks a teacher has: its labels, of which the classes of one task count once."""
    return len(seat.teacher.labels) - sum(last - first - 1 for first, last in seat.spans)


def consensus(logits: Tensor, temperature: float, spans: Spans = ()) -> Tensor:
    """Eq. (50): p_k = σ(mean logit / T) of the mean logits (B, L) of the teachers that know a task.

    Of a task of several classes (`spans`, which the paper has none of) p is the softmax.
    """
    return probabilities(logits / temperature, spans)


def feature_distance(adapted: Sequence[Tensor], features: Sequence[Tensor]) -> Tensor:
    """Eqs. (44), (46): (1/m) Σ_j (F̂^j − F^j)², the mean over features and a teacher's adaptors, summed over rows.

    Args:
        adapted: m tensors (B, adaptors, D_j); Eq. (44) is the same with the student's own feature in their place.
        features: m tensors (B, D_j).
    """
    apart = [
        (mine.float() - theirs[:, None].float()).square().mean((1, 2))
        for mine, theirs in zip(adapted, features, strict=True)
    ]
    return torch.stack(apart).mean(0).sum()


def task_loss(logits: Tensor, wanted: Tensor, half: bool, spans: Spans = ()) -> Tensor:
    """Eq. (51): J_k = −p_k log q_k, and −(1 − p_k) log(1 − q_k) unless `half`, (..., B, t), q_k = σ(logit).

    The loss of a task of several classes is −Σ_c p_c log q_c over them, q their softmax, which has no other half.

    Args:
        logits: (B, L), or (S, B, L) of a student with S steps.
        wanted: p, (B, L).
        half: as printed.
        spans: the tasks of several classes; t = L without any.
    """
    said = by_task(logits.float(), spans, lambda some: some.log_softmax(-1), F.logsigmoid)
    positive = -wanted * said
    if not half:
        against = by_task(logits.float(), spans, torch.zeros_like, lambda some: F.logsigmoid(-some))
        positive = positive - (1 - wanted) * against
    return by_task(positive, spans, lambda some: some.sum(-1, keepdim=True), lambda some: some)
