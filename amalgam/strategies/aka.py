"""AKA, adaptive knowledge amalgamation (Shen et al., ICCV 2019), compared with ANT in knowledge-amalgamation, ch. 4.

Knowledge is amalgamated twice. First a component network is trained for each label: on every row it learns from the one
teacher that is most confident of the label there, that teacher's probability and its features. Then one student learns
from all components, again their probabilities and their features.

The paper is about images: its networks are aligned layer by layer, by 1×1 convolutions. Here a component is a
perceptron with one hidden layer, and what is aligned is the last representation, by linear maps. All components are one
module, trained at once. Soft targets are met by cross-entropy; the authors' published code squares the difference of
logits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from amalgam.losses import cross_entropy
from amalgam.panel import Ballots, Panel
from amalgam.scaling import Scaling
from amalgam.signals import FeatureTargets, Loss, ProbabilityTargets, Rows, StudentOutput, Targets, Votes
from amalgam.strategy import Learn, Paper, Strategy
from amalgam.teacher import FeatureScorer, Teacher


@dataclass(frozen=True)
class ComponentOutput:
    """What the components say of a batch, and where teachers' features are met; C units, A common features.

    Attributes:
        logits: (B, L), one of each component.
        features: (B, L, C), the components' hidden layers.
        aligned: (K, B, L, A), their hidden layers in the common space with each teacher.
        aligners: (K, D, L, A), what maps the teachers' features into these spaces, see `side_by_side` and `met`.
    """

    logits: Tensor
    features: Tensor
    aligned: Tensor
    aligners: Tensor


@dataclass(frozen=True)
class ChosenTargets(ProbabilityTargets):
    """For every row and label the probability of the most confident teacher, who that is, and all teachers' features.

    Attributes:
        chosen: (N, K, L), 1 where the teacher is the one.
        shown: (N, K, D), see `side_by_side`.
    """

    chosen: Any = ()
    shown: Any = ()

    @classmethod
    def of(cls, arrays: Mapping[str, Any]) -> ChosenTargets:
        """From what probabilities are from, `chosen` and `shown`."""
        said = ProbabilityTargets.of(arrays)
        return cls(said.probabilities, said.weights, chosen=arrays["chosen"], shown=arrays["shown"])

    def arrays(self) -> dict[str, Any]:
        """What probabilities are kept as, `chosen` and `shown`."""
        return super().arrays() | {"chosen": self.chosen, "shown": self.shown}


@dataclass(frozen=True)
class Read:
    """What follows from votes, computed where it is read.

    Attributes:
        ballots: the votes.
        follows: votes on B rows to an array (B, ...).
    """

    ballots: Ballots
    follows: Callable[[Votes], Tensor]

    def __len__(self) -> int:
        """N."""
        return self.ballots.rows

    def __getitem__(self, where: Any) -> Tensor:
        """That of some rows, (B, ...)."""
        return self.follows(self.ballots.at(where))


class Components(nn.Module):
    """L perceptrons with one hidden layer of C units, as one: inputs (B, ...) to logits (B, L) and features (B, L, C).

    Args:
        scaling: of the inputs.
        labels: L.
        units: C.
    """

    def __init__(self, scaling: Scaling, labels: int, units: int) -> None:
        super().__init__()
        self.scaling = scaling
        self.hidden = nn.Linear(scaling.mean.numel(), labels * units)
        bound = units**-0.5  # as nn.Linear draws them
        self.weight = nn.Parameter(torch.empty(labels, units).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(labels).uniform_(-bound, bound))

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and features."""
        features = self.hidden(self.scaling(inputs).flatten(1)).relu().unflatten(1, self.weight.shape)
        return (features * self.weight).sum(2) + self.bias, features


class FirstStage(nn.Module):
    """Components, and the maps of their and of the teachers' features into common spaces, one a teacher and label.

    Args:
        components: what is trained.
        widths: K numbers of features, of the teachers.
        common: A.
    """

    def __init__(self, components: Components, widths: tuple[int, ...], common: int) -> None:
        super().__init__()
        labels, units = components.weight.shape
        self.components = components
        own = torch.randn(len(widths), labels, units, common) * units**-0.5
        self.own = nn.Parameter(own.permute(1, 2, 0, 3).contiguous())  # (L, C, K, A)
        self.teachers = nn.Parameter(side_by_side([torch.randn(width, labels, common) for width in widths]))

    def forward(self, inputs: Tensor) -> ComponentOutput:
        """What `AKA.learn_components` compares with the teachers."""
        logits, features = self.components(inputs)
        aligned = torch.bmm(features.transpose(0, 1), self.own.flatten(2))
        aligned = aligned.view(*aligned.shape[:2], *self.own.shape[2:]).permute(2, 1, 0, 3)
        return ComponentOutput(logits, features, aligned, self.teachers)


@dataclass(frozen=True)
class AKA(Strategy[Components]):
    """Adaptive knowledge amalgamation.

    Attributes:
        component: hidden units of a component network (chosen).
        common: width of the space in which a component meets a teacher (chosen).
        alignment: what the difference of features counts beside that of predictions, in both stages (1 in the
            authors' published code).
    """

    paper: ClassVar[Paper | None] = Paper(
        title="AKA: Customizing Student Networks From Heterogeneous Teachers via Adaptive Knowledge Amalgamation "
        "(ICCV 2019)",
        where="knowledge-amalgamation, chapter 4, compared methods",
    )
    needs: ClassVar[type[Teacher]] = FeatureScorer  # type: ignore[type-abstract]
    form: ClassVar[type[Targets]] = FeatureTargets
    trains: ClassVar[bool] = True

    component: PositiveInt = 8
    common: PositiveInt = 8
    alignment: NonNegativeFloat = 1.0

    def prepare(self, panel: Panel, rows: Rows, ballots: Ballots, learn: Learn) -> Components:
        """The first stage: a component network for each label, from the most confident teachers."""
        targets = chosen_targets(ballots)
        widths = tuple(int(torch.as_tensor(one[:1]).shape[1]) for one in ballots.features)
        scaling = Scaling(rows.shape)
        scaling.fit(rows)

        def make() -> FirstStage:
            components = Components(scaling, len(panel.space.names), self.component)
            return FirstStage(components, widths, self.common)

        stage: FirstStage = learn(make, targets, self.learn_components, "component networks")
        return stage.components

    def learn_components(self, output: ComponentOutput, targets: ChosenTargets) -> Loss:
        """The loss of the first stage: soft targets, and features aligned with those they come with."""
        soft = cross_entropy(output.logits, targets)
        return Loss(soft.sum + self.alignment * teacher_distance(output, targets.shown, targets.chosen), soft.count)

    def targets(self, panel: Panel, rows: Rows, votes: Votes, state: Components) -> FeatureTargets:
        """The components' probabilities, and their features (B, L·C) side by side."""
        with torch.no_grad():
            logits, features = state(rows.inputs(slice(0, len(rows))).to(state.weight.device))
        return FeatureTargets(logits.sigmoid(), torch.ones_like(logits), features=(features.flatten(1),))

    def companion(self, panel: Panel, targets: Targets, width: int) -> nn.Module:
        """The second stage's alignment of the student's features with every component's."""
        return StudentAligner(width, len(panel.space.names), self.component, self.alignment)


class StudentAligner(nn.Module):
    """Maps a student's features (B, D) to those of each component, (B, L·C): its own space is the common one."""

    def __init__(self, width: int, labels: int, units: int, weight: float) -> None:
        super().__init__()
        self.units, self.weight = units, weight
        self.align = nn.Linear(width, labels * units)

    def forward(self, output: StudentOutput, targets: FeatureTargets) -> Loss:
        """The difference of features, counted in rows."""
        apart = component_distance(self.align(output.features), targets.features[0], self.units)
        return Loss(self.weight * apart, torch.full_like(apart, len(targets)))


def chosen_targets(ballots: Ballots) -> ChosenTargets:
    """What the components learn, of all rows; in memory where the votes are, else computed where it is read."""
    scores = replace(ballots, features=())
    parts = (
        Read(scores, lambda votes: soft_targets(*_with_chosen(votes))),
        Read(scores, lambda votes: torch.ones(votes.scores.shape[1:])),
        Read(scores, lambda votes: F.one_hot(_with_chosen(votes)[1], len(votes.scores)).movedim(-1, 1).float()),
        Read(
            ballots, lambda votes: side_by_side([one.T.float() for one in votes.features]).movedim(-1, 0).contiguous()
        ),
    )
    in_memory = all(isinstance(one, Tensor) for one in (*ballots.scores, *ballots.features))
    said, weights, chosen, shown = tuple[Any, ...](one[:] if in_memory else one for one in parts)
    return ChosenTargets(said, weights, chosen=chosen, shown=shown)


def _with_chosen(votes: Votes) -> tuple[Tensor, Tensor]:
    """Binary scores (B, K, L), and the most confident teachers (B, L)."""
    scores = votes.read().transpose(0, 1)
    return scores, most_confident(scores)


def side_by_side(parts: Sequence[Tensor]) -> Tensor:
    """K arrays (D_k, ...) as one, (K, D, ...), with zeros beyond D_k: a product of all is one operation."""
    return nn.utils.rnn.pad_sequence(list(parts), batch_first=True)


def most_confident(scores: Tensor) -> Tensor:
    """Selective learning: the teacher whose prediction of a label has the least entropy, the earliest of equals.

    A sigmoid's entropy falls with the size of its logit, whatever the sign.

    Args:
        scores: (B, K, L) logits, NaN where unknown.

    Returns:
        (B, L) long, numbers of teachers.
    """
    return scores.abs().nan_to_num(nan=-1.0).argmax(1)


def soft_targets(scores: Tensor, chosen: Tensor) -> Tensor:
    """The probabilities (B, L) of the chosen teachers (B, L), from scores (B, K, L)."""
    return scores.gather(1, chosen[:, None])[:, 0].sigmoid()


def teacher_distance(output: ComponentOutput, shown: Tensor, chosen: Tensor) -> Tensor:
    """The feature loss of the first stage: mean squared difference in the common space, summed over labels and rows.

    Args:
        output: of the components.
        shown: the teachers' features side by side, (B, K, D).
        chosen: (B, K, L), 1 for the teacher whose features a component is held against.
    """
    theirs = met(shown, output.aligners).view(output.aligned.shape)
    apart = (output.aligned - theirs).float().square().mean(3)
    return (apart * chosen.transpose(0, 1)).sum()


def component_distance(aligned: Tensor, features: Tensor, units: int) -> Tensor:
    """The feature loss of the second stage: mean squared difference, summed over components and rows.

    Args:
        aligned: (B, L·C), the student's features as the components'.
        features: (B, L·C), the components'.
        units: C.
    """
    return F.mse_loss(aligned.float(), features.clone(), reduction="sum") / units  # votes may be inference tensors


def met(shown: Tensor, aligners: Tensor) -> Tensor:
    """The teachers' features in the common spaces, (K, B, L·A), by maps whose weights for each output have norm 1.

    Otherwise teacher and component would meet where both are nothing. The authors' published code adds a penalty on
    other norms; here there are no others.

    Args:
        shown: the teachers' features side by side, (B, K, D).
        aligners: (K, D, L, A), of any norm.
    """
    maps = aligners.flatten(2)
    norms = maps.square().sum(1, keepdim=True).clamp_min(1e-24).rsqrt()
    return torch.bmm(shown.transpose(0, 1), maps) * norms
