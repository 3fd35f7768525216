"""The file of a table of rankings: sources and targets, and by what sources are chosen."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, PositiveInt

from amalgam.bench.table import Column, Named, Table
from amalgam.recipe import Joined


class Collection(Column):
    """A column group of the table: sources, each of which is measured as the source of every target.

    Of a data set that is both, one half of the rows is the source's and the other the target's. A source that has the
    target's name is none of its candidates.

    Attributes:
        sources: name → data.
        targets: name → data.
        shots: labelled rows of each of a target's classes.
        test: the share of a target's rows that is measured on.
    """

    sources: dict[str, Joined] = Field(min_length=2)
    targets: dict[str, Joined] = Field(min_length=1)
    shots: PositiveInt = 10
    test: float = Field(default=0.5, gt=0, lt=1)

    @property
    def rows_of(self) -> str:
        """Its targets."""
        return " + ".join(self.targets)


class RankTable(Table):
    """A table of rankings; of every target Spearman's ρ between what is estimated of sources and what they bring.

    Attributes:
        pretraining: what is different in the training's settings while a network learns a source.
        epochs: for which it does.
        student: what is trained.
        settings: the column groups, by key.
    """

    by_task: Literal[True] = True
    measures: tuple[Literal["score"]] = ("score",)
    student: Named
    pretraining: dict[str, Any] = Field(default={})
    epochs: PositiveInt = 30
    settings: dict[str, Collection] = Field(min_length=1)
