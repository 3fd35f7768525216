"""What rows are annotated with: under whose names, in whose columns, and what becomes of labels nobody knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import torch

from amalgam import joining
from amalgam.classes import Spans
from amalgam.errors import RequestError, listed, nearest
from amalgam.labels import canonical, class_of, lookalikes
from amalgam.recipe import Recipe
from amalgam.signals import Rows
from amalgam.strategy import Labelled


def renamed(rows: Rows, recipe: Recipe, own: Labelled | None = None) -> Rows:
    """The rows with their labels under the recipe's common names, or under those that the strategy says.

    The classes of a column of a table, `column: class`, are called `class` where the strategy has labels of that name.
    """
    if rows.annotated is None:
        return rows
    labels = canonical(rows.labels, recipe.labels.aliases, rows.name)
    if own is not None:
        common = {other: name for name, others in recipe.labels.aliases.items() for other in others}
        short = [common.get(class_of(label), class_of(label)) for label in labels]
        twice = {name for name, count in Counter(short).items() if count > 1} | {*labels}
        labels = tuple(
            name if label not in own.seen and name in own.seen and name not in twice else label
            for label, name in zip(labels, short, strict=True)
        )
    return replace(rows, labels=labels)


def shown_part(rows: Rows, part: str, told: str | Sequence[str], own: Labelled | None) -> Rows:
    """The rows of a part with what they are annotated with: some labels, or those of a source."""
    if not isinstance(told, str):
        return joining.shown(rows, told)
    if own is None or told not in own.sources:
        sources = [] if own is None else list(own.sources)
        raise RequestError(
            f"data.shows.{part} is {told!r}, which is no source of the strategy's label graph"
            f"{nearest(told, sources)} (its sources: {', '.join(sources) or 'none'}); or list labels"
        )
    return joining.shown_as(rows, own.sources[told], own.implied)


def lost_notes(rows: Rows, own: Labelled | None) -> list[str]:
    """A note on labels that the strategy's label graph does not have, where rows have these alone."""
    if own is None or rows.annotated is None:
        return []
    known = [label in own.seen for label in rows.labels]
    has, mark = rows.annotated == 1, torch.tensor(known)
    lost = has[:, ~mark].any(1) & ~has[:, mark].any(1)
    if not bool(lost.any()):
        return []
    strange = [label for label, column in zip(rows.labels, has[lost].T, strict=True) if bool(column.any())]
    return [
        f"{int(lost.sum())} of {len(rows)} rows of {rows.name} have {listed(strange)} alone, which {own.of} does not "
        "have: they teach nothing and are not measured on; labels.aliases can say what they are called there"
    ]


def strange_notes(source: str, rows: Rows, own: Labelled | None) -> list[str]:
    """A note on labels of joined rows that the strategy's label graph does not know.

    Raises:
        RequestError: it knows none of them.
    """
    if own is None:
        return []
    strange = [label for label in rows.labels if label not in own.seen]
    if not strange:
        return []
    if len(strange) == len(rows.labels):
        raise RequestError(
            f"{source} under data.join annotates {listed(strange)}, and the strategy's label graph has "
            f"{listed(own.seen)}: its rows would teach nothing; labels are matched by name, so rename them or add "
            "aliases under labels.aliases"
        )
    return [f"{source} annotates {listed(strange)}, which the label graph does not have; not used"]


def annotated_for(
    rows: Rows, names: Sequence[str], spans: Spans, who: str = "the teachers know", told: Sequence[str] | None = None
) -> tuple[Rows, list[str]]:
    """Rows with their few annotations in columns of some names, and what a reader must know of them.

    Args:
        rows: annotated in part.
        names: the labels that are wanted; one that the rows do not know is annotated nowhere.
        spans: where among them the classes of tasks stand; a row of another class counts as unannotated in its task.
        who: knows these names, for messages.
        told: those that somebody should have annotated; all of them by default.

    Raises:
        RequestError: no row is annotated with one of the labels.
    """
    if rows.annotated is None or not set(rows.labels) & set(names):
        raise RequestError(
            f"{rows.name} annotates {listed(rows.labels) if rows.labels else 'nothing'} and {who} "
            f"{listed(names)}: no labelled row to learn from; labels are matched by name, so rename the data's columns "
            "or add aliases under labels.aliases"
        )
    place = {name: column for column, name in enumerate(rows.labels)}
    found = torch.full((len(rows), len(names)), torch.nan)
    for column, name in enumerate(names):
        if name in place:
            found[:, column] = rows.annotated[:, place[name]]
    notes = list[str]()
    for first, last in spans:
        own = found[:, first:last]
        some = (own == 1).any(1)
        if (first, last) == (0, len(names)):
            # Every annotated row is of some class; which one, no teacher may know.
            strange = (~rows.annotated.isnan()).any(1) & ~some
            other = [
                one for one in rows.labels if one not in names and bool((rows.annotated[:, place[one]] == 1).any())
            ]
            if bool(strange.any()):
                count = int(strange.sum())
                notes.append(f"{count} labelled rows are of {listed(other)}, which no teacher knows; not used")
        found[:, first:last] = torch.where(some[:, None], own.nan_to_num(), torch.nan)
    never = [name for column, name in enumerate(names) if not bool((found[:, column] == 1).any())]
    if len(never) == len(names):
        raise RequestError(
            f"none of the labelled rows of {rows.name} has a label among those that {who} ({listed(names)}); raise "
            "data.labelled"
        )
    never = [name for name in never if told is None or name in told]
    if never:
        notes.append(f"no labelled row has {listed(never)}: what the labels tell of other classes is all that is known")
    return replace(rows, annotated=found, labels=tuple(names)), notes


def lookalike_notes(names: Sequence[str], test: Rows | None) -> list[str]:
    """A sentence for each group of labels that may be one label, spelt differently."""
    every = {*names, *(() if test is None else test.labels)}
    return [
        f"the labels {listed(same)} look alike but are kept apart; if they are one label, say so under labels.aliases"
        for same in lookalikes(sorted(every))
    ]
