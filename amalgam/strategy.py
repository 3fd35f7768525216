"""What a strategy is: votes to targets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar, cast

from torch import Tensor

from amalgam.panel import Ballots, Panel
from amalgam.signals import Loss, ProbabilityTargets, Rows, StudentOutput, Targets, Votes, cross_entropy
from amalgam.teacher import Scorer, Teacher

State = TypeVar("State")


@dataclass(frozen=True)
class Paper:
    """Where a strategy comes from.

    Attributes:
        title: the method's name and the text it is printed in.
        where: chapter and section.
        equations: the numbers of the equations that are implemented, as docstrings name them (`Eq. (28): …`).
        files: where those docstrings are, below the package.
    """

    title: str
    where: str
    equations: tuple[int, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Strategy(ABC, Generic[State]):
    """A frozen dataclass whose fields are the paper's hyperparameters, defaults the paper's.

    `prepare` sees all votes once and learns what must be known first; `targets` is asked chunk by chunk and must give
    a row the same targets whatever chunk it comes in. A strategy's file is named as the strategy; there is no list.
    """

    paper: ClassVar[Paper | None] = None
    needs: ClassVar[type[Teacher]] = Scorer  # type: ignore[type-abstract]
    form: ClassVar[type[Targets]] = ProbabilityTargets

    def prepare(self, panel: Panel, rows: Rows, ballots: Ballots) -> State:
        """Learn what must be known before the first target, from the votes on all rows; by default nothing."""
        return cast(State, None)

    @abstractmethod
    def targets(self, panel: Panel, rows: Rows, votes: Votes, state: State) -> Targets:
        """The surrogate targets of a chunk of rows."""

    def facts(self, panel: Panel, counts: Mapping[str, Tensor]) -> dict[str, int]:
        """What the strategy counted, in words for the report, from the targets' counts added up."""
        return {name: int(count.sum()) for name, count in counts.items()}

    def loss(self, output: StudentOutput, targets: Targets) -> Loss:
        """Cross-entropy with the targets, unless a paper says otherwise."""
        assert isinstance(targets, ProbabilityTargets)
        return cross_entropy(output.logits, targets)
