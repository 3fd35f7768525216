"""The file of a table of transfers: from a source to a small target, by several ways."""

from __future__ import annotations

from typing import Any

from pydantic import Field, PositiveInt, StrictStr

from amalgam.bench.table import Column, Method, Table
from amalgam.datasets import DataOptions
from amalgam.recipe import Joined


class Way(Method):
    """A row of the table.

    Attributes:
        training: what is added to the table's `training`; a setting's own comes last.
    """

    training: dict[str, Any] = Field(default={})


class Crossing(Column):
    """A column group of the table: a target, and what it is learned with the help of.

    Attributes:
        data: the target's data SPEC.
        options: how it is read.
        shots: labelled rows of each of its classes.
        test: the share of its rows that is measured on.
        sources: the sources, as a recipe has them.
    """

    data: StrictStr
    options: DataOptions = DataOptions()
    shots: PositiveInt
    test: float = Field(default=0.5, gt=0, lt=1)
    sources: tuple[Joined, ...] = Field(min_length=1)

    @property
    def rows_of(self) -> str:
        """The target's data SPEC."""
        return self.data


class TransferTable(Table):
    """A table of transfers; methods are measured on the target's classes, of which a row has one.

    Attributes:
        pretraining: what is different in the training's settings while a network learns the source.
        methods: the rows, by key.
        settings: the column groups, by key.
    """

    exclusive: bool = True
    measures: tuple[str, ...] = ("accuracy",)
    pretraining: dict[str, Any] = Field(default={})
    methods: dict[str, Way] = Field(min_length=1)
    settings: dict[str, Crossing] = Field(min_length=1)
