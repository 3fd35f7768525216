"""What a word test says of an embedding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Outcome:
    """How an embedding did in a word test.

    Attributes:
        measures: by name, the main one first, over the items that were asked; NaN where they are too few to tell.
        items: how many the set has.
        asked: how many of them were asked: those whose words are all among those that may be asked for. Of texts, all.
        covered: how many of the asked ones the embedding knows all words of; of texts, any word.
        missing: what was done with the asked items that are not covered.
        which: a fingerprint of what was asked, equal where the same was.
        notes: what a reader should know.
        parts: section of the test → how the embedding did in it.
    """

    measures: Mapping[str, float]
    items: int
    asked: int
    covered: int
    missing: str
    which: str
    notes: tuple[str, ...] = ()
    parts: Mapping[str, Outcome] = field(default_factory=dict)

    @property
    def main(self) -> tuple[str, float]:
        """The main measure: its name and value."""
        return next(iter(self.measures.items()))
