"""What a word test says of an embedding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Outcome:
    """How an embedding did in a word test.

    Attributes:
        measures: by name; NaN where the covered items are too few to tell. A name that ends in `_all` is over all
            items, also those that are not covered; the others are over the covered ones, but for texts, all of which
            are classified.
        covered: how many items have all the words (a text: any of the words) that the embedding needs to know.
        items: how many there are.
        others: what was done with the items that are not covered.
        notes: what a reader should know.
        parts: section of the test → how the embedding did in it.
    """

    measures: Mapping[str, float]
    covered: int
    items: int
    others: str
    notes: tuple[str, ...] = ()
    parts: Mapping[str, Outcome] = field(default_factory=dict)
