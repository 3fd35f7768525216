"""What a strategy is: votes to targets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

from torch import Tensor, nn

from amalgam.classes import Spans
from amalgam.labels import Tasks, spans_of
from amalgam.losses import stepwise
from amalgam.panel import Ballots, Panel
from amalgam.signals import Loss, ProbabilityTargets, Rows, StudentOutput, Targets, Votes
from amalgam.teacher import Scorer, Teacher

State = TypeVar("State")


class Learn(Protocol):
    """Trains a network of a strategy's own on the student's rows, as the student is trained."""

    def __call__(
        self,
        make: Callable[[], nn.Module] | None,
        targets: Targets,
        loss: Callable[[Any, Any], Loss],
        name: str,
        *,
        rows: Rows | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Any:
        """The trained network, in evaluation mode.

        Args:
            make: builds it, under the run's seed; it maps inputs (B, ...) to what `loss` reads. None makes one like the
                run's student.
            targets: N targets.
            loss: of what the network answers and its targets.
            name: what the training is called in the progress display.
            rows: the N rows; the student's, all of them, by default.
            settings: what is changed in the settings that the student is trained with.
        """


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
class Labelled:
    """The labels that a strategy says itself.

    Attributes:
        names: the L labels, in the student's order.
        seen: the labels in whose columns the strategy sees the rows' annotations.
        tasks: those of them of which a row has one, as tasks.
        sources: dataset or teacher → which of the seen labels are its own.
        implied: label → the seen labels that all its rows have, too.
        of: what they are told by, for messages ("the label graph pets").
    """

    names: tuple[str, ...]
    seen: tuple[str, ...]
    tasks: Tasks
    sources: Mapping[str, tuple[str, ...]]
    implied: Mapping[str, tuple[str, ...]]
    of: str

    @property
    def told(self) -> tuple[str, ...]:
        """The labels that somebody's rows are annotated with: those of sources."""
        return tuple(dict.fromkeys(label for own in self.sources.values() for label in own))


@dataclass(frozen=True)
class Account:
    """What leads from votes to targets, for readers: quantities by name.

    Attributes:
        teachers: (B, K), a number for each teacher.
        labels: (B, L), a number for each label.
    """

    teachers: Mapping[str, Tensor] = field(default_factory=dict)
    labels: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Grid:
    """Numbers of labels × teachers that a strategy counted, for the report.

    Attributes:
        says: what a number is, in words.
        labels: L names.
        teachers: K names.
        values: L rows of K numbers from 0 to 1; None where nothing was counted.
    """

    says: str
    labels: tuple[str, ...]
    teachers: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class Strategy(ABC, Generic[State]):
    """A frozen dataclass whose fields are the paper's hyperparameters, defaults the paper's.

    `prepare` sees all votes once and learns what must be known first; `targets` is asked chunk by chunk and must give
    a row the same targets whatever chunk it comes in. A strategy's file is named as the strategy; there is no list.

    Attributes:
        paper: where it comes from.
        needs: the least a teacher must be able to do; with `FeatureScorer` the votes have features.
        form: what its targets are.
        trains: whether `prepare` trains networks, so that the targets depend on the training's settings and seed.
        exclusive: which tasks of several classes the student has: False for methods that decide label by label and have
            none, True for those that choose one class of all labels, None for those that do as the teachers do.
        sees_labels: whether it sees the few annotations that the student's rows have.
        code: further modules that its targets follow from, by name.
    """

    paper: ClassVar[Paper | None] = None
    needs: ClassVar[type[Teacher]] = Scorer  # type: ignore[type-abstract]
    form: ClassVar[type[Targets]] = ProbabilityTargets
    trains: ClassVar[bool] = False
    exclusive: ClassVar[bool | None] = False
    sees_labels: ClassVar[bool] = False
    code: ClassVar[tuple[str, ...]] = ()

    def prepare(self, panel: Panel, rows: Rows, ballots: Ballots, learn: Learn) -> State:
        """Learn what must be known before the first target, from the votes on all rows; by default nothing."""
        return cast(State, None)

    @abstractmethod
    def targets(self, panel: Panel, rows: Rows, votes: Votes, state: State) -> Targets:
        """The surrogate targets of a chunk of rows."""

    def account(self, panel: Panel, rows: Rows, votes: Votes, state: State) -> Account:
        """What led to the targets of a chunk, for `amalgam explain`; by default nothing beside the votes."""
        return Account()

    def labels(self) -> Labelled | None:
        """The student's labels, where the strategy says them itself; by default the union of the teachers' labels."""
        return None

    def equips(self, student: str) -> Mapping[str, Any]:
        """What a strategy adds to the settings of a student of some name; by default nothing."""
        return {}

    @classmethod
    def sees_features(cls) -> bool:
        """Whether its votes have the teachers' features."""
        return hasattr(cls.needs, "score_and_features")

    def tasks(self, panel: Panel) -> Tasks:
        """The tasks of several classes that the student of these teachers has."""
        return {} if self.exclusive is False else panel.tasks

    def spans(self, panel: Panel) -> Spans:
        """Where among the student's labels the classes of its tasks stand."""
        return spans_of(self.tasks(panel), panel.space.names)

    def facts(self, panel: Panel, counts: Mapping[str, Tensor]) -> Mapping[str, float]:
        """What the strategy counted, in words for the report, from the targets' counts added up."""
        return {name: int(count.sum()) for name, count in counts.items()}

    def grid(self, panel: Panel, counts: Mapping[str, Tensor]) -> Grid | None:
        """What of it is a number for each label and teacher; by default nothing."""
        return None

    def loss(self, output: StudentOutput, targets: Targets) -> Loss:
        """Cross-entropy with the targets, summed over the steps of a chain, unless a paper says otherwise."""
        return stepwise(output, targets)

    @property
    def learns_stepwise(self) -> bool:
        """Whether `loss` is `signals.stepwise`: students of such strategies are trained together faster."""
        return type(self).loss is Strategy.loss

    def companion(self, panel: Panel, targets: Targets, width: int) -> nn.Module | None:
        """A network trained beside the student and left behind with the training; by default none.

        It maps (StudentOutput, Targets) of a batch to a Loss, counted as the strategy's own, that is added to it.

        Args:
            panel: the teachers.
            targets: of all rows.
            width: D of the student's features (B, D).
        """
        return None
