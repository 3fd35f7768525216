"""A model and the labels it knows, as a report tells of it: the student, and every teacher with where it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict

from amalgam.fingerprint import of_tensors

if TYPE_CHECKING:
    from amalgam.panel import Seat
    from amalgam.student import Student

_NUMBERS = "raw features, float32"


class Known(BaseModel):
    """A model and the labels it knows.

    Attributes:
        name: what it is called; of the student, its kind.
        labels: its outputs, in order.
        description: what a reader wants to know of it.
        shape: of one input.
        exclusive: whether its labels exclude each other.
        tasks: its tasks of several classes.
        masks: whether it reads inputs with missing values.
        reads: what its inputs are.
        source: of a teacher, what the user named, of files their names alone; empty where it was in memory.
        licence: of a teacher's weights; None where it is unknown.
        fingerprint: of its weights, and of a teacher also of what makes logits of its outputs; None where it has none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    labels: tuple[str, ...]
    description: str = ""
    shape: tuple[int, ...] = ()
    exclusive: bool = False
    tasks: dict[str, tuple[str, ...]] = {}
    masks: bool = False
    reads: str = _NUMBERS
    source: str = ""
    licence: str | None = None
    fingerprint: str | None = None

    @classmethod
    def of(cls, student: Student, name: str) -> Self:
        """What a student of some kind knows."""
        return cls(
            name=name,
            labels=student.labels,
            shape=student.shape,
            exclusive=student.exclusive,
            tasks={task: tuple(classes) for task, classes in student.tasks.items()},
            masks=student.masks,
            fingerprint=of_tensors(student.state_dict()),
            **({} if student.reading is None else {"reads": str(student.reading)}),
        )

    @classmethod
    def seated(cls, seat: Seat) -> Self:
        """What a teacher knows."""
        return cls(
            name=seat.name,
            labels=tuple(seat.teacher.labels),
            description=seat.description,
            exclusive=seat.exclusive,
            tasks={task: tuple(classes) for task, classes in seat.tasks.items()},
            source=seat.source,
            licence=seat.licence,
            fingerprint=seat.fingerprint,
        )

    @property
    def inputs(self) -> Literal["texts", "images", "series", "tables"]:
        """What the inputs of a student are, by their shape."""
        if self.reads != _NUMBERS:
            return "texts"
        return "images" if len(self.shape) == 3 else "series" if len(self.shape) == 2 else "tables"
