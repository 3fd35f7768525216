"""The file of a table whose teachers answer rows."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, StrictStr, Tag, field_validator

from amalgam.bench.draw import Draw, Schooled
from amalgam.bench.table import Column, Method, Named, Table
from amalgam.datasets import DataOptions
from amalgam.metrics import EVERY


def _drawn_or_schooled(given: object) -> str:
    return "draw" if isinstance(given, dict | Draw) else "schooled"


Teachers = Annotated[
    Annotated[Draw, Tag("draw")] | Annotated[tuple[Schooled, ...], Field(min_length=1), Tag("schooled")],
    Discriminator(_drawn_or_schooled),
]
"""The discriminator lets a refusal speak of what was meant, not of what else it could have been."""


class Setting(Column):
    """A column group of the table: data, teachers and what the students are.

    Attributes:
        data: the data SPEC.
        options: how it is read.
        teachers: each teacher's labels, or how they are drawn.
        training: what is added to the table's `training`, for teachers and students.
        labelled: the share of the students' rows whose annotations methods see that learn from a few labelled rows.
    """

    data: StrictStr
    options: DataOptions = DataOptions()
    teachers: Teachers
    labelled: float | None = Field(default=None, gt=0, le=1)

    @property
    def rows_of(self) -> str:
        """The data SPEC."""
        return self.data


class RowTable(Table):
    """A table whose teachers answer rows.

    Attributes:
        test: the share of the rows that is measured on.
        apart: the share of the rows that only students see. At 0 they learn from the teachers' own rows, without the
            annotations; the teachers share the rest evenly, none sees another's.
        teacher: the student that teachers are, `name` and settings.
        teacher_training: the trainer's settings for teachers.
        methods: the rows, by key.
        settings: the column groups, by key.
    """

    test: float = Field(default=0.2, gt=0, lt=1)
    apart: float = Field(default=0.0, ge=0, lt=1)
    teacher: Named
    teacher_training: dict[str, Any] = Field(default={})
    methods: dict[str, Method] = Field(min_length=1)
    settings: dict[str, Setting] = Field(min_length=1)

    @field_validator("measures")
    @classmethod
    def _known_measures(cls, measures: tuple[str, ...]) -> tuple[str, ...]:
        known = [measure.key for measure in EVERY]
        for key in measures:
            if key not in known:
                raise ValueError(f"measures among {', '.join(known)}, not {key!r}")
        if not measures or len(set(measures)) < len(measures):
            raise ValueError("at least one measure, each once")
        return measures
