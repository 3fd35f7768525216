"""The file of a table of label graphs: pairs of data sets with other labels, joined or not."""

from __future__ import annotations

from typing import Any

from pydantic import Field, StrictStr

from amalgam.bench.table import Column, Method, Table
from amalgam.datasets import DataOptions
from amalgam.recipe import Joined


class Walk(Method):
    """A row of the table.

    Attributes:
        student: what is added to the setting's `student` where the method's student walks down the graph, whose encoder
            that is: settings of `path_decoder`.
        training: what is added to the table's `training`; a setting's own comes last.
        without: augmented nodes that are taken out of the graph.
        alone: whether the method sees the target's rows alone, as if there were nothing to join.
    """

    student: dict[str, Any] = Field(default={})
    training: dict[str, Any] = Field(default={})
    without: tuple[StrictStr, ...] = ()
    alone: bool = False


class Pair(Column):
    """A column group of the table: data sets that a label graph joins.

    Attributes:
        data: the data SPEC.
        options: how it is read.
        parts: the shares of its split, with a part `test`.
        shows: part → the source of the graph whose labels its rows are annotated with.
        join: further data, as a recipe has it.
        graph: the label graph.
        target: the source that is measured, the finer one; the graph's first by default.
        held_out: another file to measure on, instead of the part.
        aliases: label → what data calls it, as a recipe has it.
    """

    data: StrictStr
    options: DataOptions = DataOptions()
    parts: dict[str, float] | None = None
    shows: dict[str, StrictStr] = Field(default={})
    join: tuple[Joined, ...] = ()
    graph: StrictStr
    target: StrictStr | None = None
    held_out: StrictStr | None = None
    aliases: dict[str, tuple[str, ...]] = Field(default={})

    @property
    def rows_of(self) -> str:
        """The data SPEC."""
        return self.data


class GraphTable(Table):
    """A table of label graphs; methods are measured on the target's labels, of which a row has one.

    Attributes:
        student: the encoder: of methods that do not walk, the whole student.
        methods: the rows, by key.
        settings: the column groups, by key.
    """

    exclusive: bool = True
    measures: tuple[str, ...] = ("accuracy",)
    methods: dict[str, Walk] = Field(min_length=1)
    settings: dict[str, Pair] = Field(min_length=1)
