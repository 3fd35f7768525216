"""The file of a table whose teachers are embeddings: panels of sources × word tests."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, StrictStr

from amalgam.bench.table import Column, Method, Named, Table
from amalgam.embeddings.lexicon import Vocabulary


class Made(Method):
    """A row of the table.

    Attributes:
        training: what is added to the table's `training`: embeddings and autoencoders are trained in different ways.
        least: how many sources a panel has at least that has the method: there is no third source of two.
    """

    training: dict[str, Any] = Field(default={})
    least: int = Field(default=2, ge=2)


class Panel(Column):
    """A column group of the table: sources, and what is asked of the embeddings that are made of them.

    Attributes:
        sources: name → the SPEC of an embedding, see `embeddings.specs.find`.
        vocabulary: which words.
        tests: the word tests, see `amalgam.wordtests`.
    """

    sources: dict[str, StrictStr] = Field(min_length=2)
    vocabulary: Vocabulary = Vocabulary()
    tests: tuple[StrictStr, ...] = Field(min_length=1)

    @property
    def rows_of(self) -> str:
        """Its sources."""
        return " + ".join(self.sources)


class WordTable(Table):
    """A table whose teachers are embeddings; each word test is ranked on its own, by its main measure.

    Attributes:
        methods: the rows, by key.
        settings: the column groups, by key.
    """

    by_task: Literal[True] = True
    student: Named = Field(default={"name": "embedding"})
    measures: tuple[Literal["score"]] = ("score",)
    methods: dict[str, Made] = Field(min_length=1)
    settings: dict[str, Panel] = Field(min_length=1)
