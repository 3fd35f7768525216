"""Which teachers a setting has: each with its own labels, or label sets that are drawn anew for every seed."""

from __future__ import annotations

import random
from math import ceil
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from amalgam.errors import RequestError

_FORBID = ConfigDict(extra="forbid", frozen=True)


def _number_or_name(label: object) -> object:
    if isinstance(label, bool) or not isinstance(label, int | str):
        raise ValueError(
            "the number of a label column or a name; YAML takes on, off, yes, no, dates and numbers for what they "
            "mean: quote a label of such a name"
        )
    return label


Label = Annotated[StrictInt | StrictStr, BeforeValidator(_number_or_name)]
"""A label column by its number, or by its name."""


class Schooled(BaseModel):
    """A teacher that the bench trains.

    Attributes:
        labels: the labels it knows: numbers of the data's label columns, or names.
        student: what is added to the table's `teacher`, such as `{hidden: 64}`.
    """

    model_config = _FORBID

    labels: tuple[Label, ...] = Field(min_length=1)
    student: dict[str, Any] = {}

    @field_validator("labels")
    @classmethod
    def _each_once(cls, labels: tuple[int | str, ...]) -> tuple[int | str, ...]:
        if len(set(labels)) < len(labels):
            raise ValueError("each label once")
        if any(isinstance(label, int) and label < 0 for label in labels):
            raise ValueError("numbers of label columns, from 0 on, or names")
        return labels


class Draw(BaseModel):
    """Teachers whose label sets are drawn anew for every seed.

    Attributes:
        teachers: how many.
        shared: the share of each teacher's labels that another one knows too (the papers' tables: one half).
        students: what is added to the table's `teacher` for each, in order.
    """

    model_config = _FORBID

    teachers: int = Field(default=2, ge=2)
    shared: float = Field(default=0.5, ge=0, le=1)
    students: tuple[dict[str, Any], ...] = ()

    @model_validator(mode="after")
    def _students_of_teachers(self) -> Draw:
        if len(self.students) > self.teachers:
            raise ValueError(f"students for at most {self.teachers} teachers, not {len(self.students)}")
        return self

    def draw(self, labels: int, seed: int) -> tuple[Schooled, ...]:
        """Label sets of equal size that together hold every label, neighbours sharing `shared` of theirs.

        Sizes and shares are whole numbers: neighbours share up to 1.5 labels more or fewer. When nothing is to be
        shared, nothing is, and sizes may differ by one.

        Args:
            labels: L, how many there are.
            seed: of the draw.

        Raises:
            RequestError: there are fewer labels than teachers.
        """
        if labels < self.teachers:
            raise RequestError(f"{self.teachers} teachers cannot be drawn from {labels} labels; draw fewer teachers")
        order = list(range(labels))
        random.Random(seed).shuffle(order)
        own = labels / (self.teachers - (self.teachers - 1) * self.shared)  # K n − (K − 1) s n = L
        size = max(round(own), ceil(labels / self.teachers))
        starts = [round(k * (labels - size) / (self.teachers - 1)) for k in range(self.teachers)]
        ends = [start + size for start in starts] if self.shared else [*starts[1:], labels]
        students = [*self.students, *[{}] * self.teachers]
        return tuple(
            Schooled(labels=tuple(sorted(order[start:end])), student=student)
            for start, end, student in zip(starts, ends, students, strict=False)
        )
