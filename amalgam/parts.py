"""Who sees which rows: the student its part, without annotations; nobody the test part."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from amalgam import datasets
from amalgam.datasets.split import split
from amalgam.errors import RequestError, listed
from amalgam.fingerprint import of_each_row
from amalgam.labels import canonical, lookalikes
from amalgam.panel import Panel
from amalgam.recipe import Recipe
from amalgam.signals import Rows


@dataclass(frozen=True)
class Parts:
    """Who sees which rows.

    Attributes:
        learn: the student's rows, without annotations.
        test: the rows it is measured on, which nobody learns from; None when nothing is annotated.
        notes: what the reader of the data had to say.
    """

    learn: Rows
    test: Rows | None
    notes: tuple[str, ...] = ()


def apportion(recipe: Recipe, rows: Rows | None = None, held_out: Rows | None = None) -> Parts:
    """The rows the student learns from and those it is measured on.

    Raises:
        RequestError: no such data or part, too few rows, or test rows of another shape.
    """
    data, notes = recipe.data, list[str]()
    if rows is None:
        loaded = datasets.load(data.source, data.options)
        rows, notes = loaded.rows, list(loaded.notes)
    rows = renamed(rows, recipe)
    test = None if held_out is None else renamed(held_out, recipe)
    if data.held_out is not None:
        held = datasets.load(data.held_out, data.options)
        test, notes = renamed(held.rows, recipe), [*notes, *held.notes]
    shares = data.parts
    if shares is None and rows.annotated is not None and test is None:
        shares = {data.student: 0.8, data.test: 0.2}
    learn = rows
    if shares is not None:
        parts = split(rows, shares, data.split_seed)
        wanted = [data.student] if test is not None else [data.student, data.test]
        for part in wanted:
            if part not in parts:
                raise RequestError(f"data.parts has no part {part!r}; it has {listed(parts)}")
        learn, test = parts[data.student], test if test is not None else parts[data.test]
    if len(learn) < 2:
        raise RequestError(f"{data.source} leaves the student {len(learn)} rows to learn from; it needs at least 2")
    if test is not None and test.annotated is None:
        notes.append(
            f"{test.name} has no annotations, so nothing was measured on it; name label columns in data.options"
        )
        test = None
    own, other = (None if one is None else tuple(one.inputs(slice(0, 1)).shape[1:]) for one in (learn, test))
    if other is not None and own != other:
        raise RequestError(
            f"{data.source} has rows of shape {own} and {data.held_out or 'the test data'} of shape {other}; give "
            "both the same columns"
        )
    return Parts(learn.unlabelled(), test, tuple(notes))


def refuse_leaks(panel: Panel, parts: Parts) -> None:
    """Refuse test rows that the student or a built-in teacher learns from, compared by content."""
    if parts.test is None:
        return
    test = of_each_row(parts.test)
    seen = {f"teacher {one.name!r}": one.seen for one in panel.seats if one.seen is not None}
    seen["the student"] = of_each_row(parts.learn)
    for who, rows in seen.items():
        leaked = int(np.isin(test, rows).sum())
        if leaked:
            raise RequestError(
                f"{leaked} of {len(test)} test rows are among the rows that {who} learns from, so nothing measured on "
                "them would be true; split them apart (data.parts must be the teachers' own, see their cards)"
            )


def lookalike_notes(panel: Panel, parts: Parts) -> list[str]:
    """A sentence for each group of labels that may be one label, spelt differently."""
    names = {*panel.space.names, *(parts.test.labels if parts.test is not None else ())}
    return [
        f"the labels {listed(same)} look alike but are kept apart; if they are one label, say so under labels.aliases"
        for same in lookalikes(sorted(names))
    ]


def renamed(rows: Rows, recipe: Recipe) -> Rows:
    """The rows with their labels under the recipe's common names."""
    if rows.annotated is None:
        return rows
    return replace(rows, labels=canonical(rows.labels, recipe.labels.aliases, rows.name))
