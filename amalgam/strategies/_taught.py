"""Imitation and supervision together: what SupKD and SupUHC add to the methods that they extend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from amalgam.classes import as_targets
from amalgam.losses import cross_entropy
from amalgam.panel import Panel
from amalgam.signals import Loss, ProbabilityTargets, Rows, StudentOutput, Targets, Votes
from amalgam.strategy import Strategy


@dataclass(frozen=True)
class Taught(Targets):
    """What teachers say and what a few rows are annotated with. A subclass says what `form` the teachers' targets have.

    Attributes:
        said: the teachers' targets, with `weights`.
        truth: the annotations as targets; no weight where there are none.
    """

    form: ClassVar[type[Targets]]

    said: Any
    truth: ProbabilityTargets
    counts: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, arrays: Mapping[str, Any]) -> Self:
        """From the arrays of both, `said.…` and `truth.…`."""

        def below(prefix: str) -> dict[str, Any]:
            return {name.removeprefix(prefix): one for name, one in arrays.items() if name.startswith(prefix)}

        return cls(cls.form.of(below("said.")), ProbabilityTargets.of(below("truth.")))

    def arrays(self) -> dict[str, Tensor]:
        """The arrays of both, `said.…` and `truth.…`."""
        both = (("said.", self.said), ("truth.", self.truth))
        return {f"{prefix}{name}": array for prefix, one in both for name, array in one.arrays().items()}

    def __len__(self) -> int:
        """How many rows."""
        return len(self.truth)

    @property
    def weights(self) -> Tensor:
        """How much a row counts in either, (N, 2)."""
        return torch.stack([torch.as_tensor(one.weights[:]).amax(1) for one in (self.said, self.truth)], 1)


@dataclass(frozen=True)
class Supervised(Strategy[None]):
    """A method of classes that also learns the annotations, beside the method it is mixed into.

    Attributes:
        supervision: what the cross-entropy with a row's annotation counts beside its imitation (chosen).
        everywhere: whether the teachers are imitated on all rows; the text's are only the labelled ones.
    """

    exclusive: ClassVar[bool | None] = True
    sees_labels: ClassVar[bool] = True

    supervision: NonNegativeFloat = 1.0
    everywhere: bool = False

    def targets(self, panel: Panel, rows: Rows, votes: Votes, state: None) -> Any:
        """What the method targets, and the annotations."""
        said: Any = super().targets(panel, rows, votes, state)  # type: ignore[safe-super]
        truth = ProbabilityTargets(*as_targets(rows.annotated), spans=self.spans(panel))
        if not self.everywhere:
            said = replace(said, weights=said.weights * truth.weights.any(1, keepdim=True))
        return self.form(said, truth)  # type: ignore[call-arg]

    def loss(self, output: StudentOutput, targets: Targets) -> Loss:
        """The loss of the method, and the cross-entropy with the annotations."""
        assert isinstance(targets, Taught)
        imitation, supervision = super().loss(output, targets.said), cross_entropy(output.logits, targets.truth)
        return Loss(imitation.sum + self.supervision * supervision.sum, imitation.count)
