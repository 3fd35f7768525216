"""What is ranked, and what comes of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from amalgam.panel import Seat
from amalgam.ranking.divergences import Divergence
from amalgam.ranking.scores import Score
from amalgam.signals import Rows

Ranker = Literal["p2l", "largest", "least_divergent", "log_me", "leep", "nce", "h_score", "trans_rate"]

Kind = Literal["columns", "series", "images", "texts", "arrays"]
"""What rows are; arrays are all that are none of the others."""

BY_ROWS: tuple[Ranker, ...] = ("p2l", "largest", "least_divergent")
"""Those that go by the rows of candidates; the others are scores of teachers."""


@dataclass(frozen=True)
class Candidate:
    """Something that a target may learn from.

    Attributes:
        name: what it is called.
        rows: the data set, or what the teacher was trained on; None where that is not known.
        seat: the teacher; None of a source.
    """

    name: str
    rows: Rows | None = None
    seat: Seat | None = None


@dataclass(frozen=True)
class Entry:
    """A candidate in a ranking.

    Attributes:
        name: of the candidate.
        kind: `source` or `teacher`.
        estimate: what it is ranked by; None where that cannot be told.
        low: the 2.5th percentile of the estimate over resampled rows.
        high: the 97.5th.
        first: in which share of the resamplings it is first.
        size: |s|, rows that it was, or would be, trained on.
        divergence: D(t, s).
        by_size: z(log |s|) of Eq. (2), where that is what it is ranked by.
        by_divergence: k z(D(t, s)) of Eq. (2), to which the estimate is the sum of both.
        scores: of a teacher, by score.
    """

    name: str
    kind: Literal["source", "teacher"]
    estimate: float | None
    low: float | None
    high: float | None
    first: float | None
    size: int | None
    divergence: float | None
    by_size: float | None
    by_divergence: float | None
    scores: dict[Score, float | None]


def kind_of(rows: Rows) -> Kind:
    """What rows are."""
    if rows.texts is not None:
        return "texts"
    kinds: dict[int, Kind] = {1: "columns", 2: "series", 3: "images"}
    return kinds.get(len(rows.shape), "arrays")


@dataclass(frozen=True)
class Ranking:
    """Candidates in the order in which they promise most.

    Attributes:
        target: the target's name.
        rows: how many of its rows were looked at.
        kind: what they are.
        by: what they are ranked by.
        reference: the reader of rows; None where none was needed.
        divergence: which D.
        k: of Eq. (2).
        entries: best first; what cannot be ranked comes last.
        baselines: other ways to choose → what they would; several that are equal.
        seconds: what took how long: `target`, `sources`, `teachers`, `bootstrap`.
        notes: what a reader must know.
    """

    target: str
    rows: int
    kind: Kind
    by: Ranker
    reference: str | None
    divergence: Divergence
    k: float
    entries: tuple[Entry, ...]
    baselines: dict[str, tuple[str, ...]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> Entry:
        """The first."""
        return self.entries[0]

    def as_json(self) -> dict[str, Any]:
        """All of it, as plain JSON: there is no NaN in it, and what cannot be told is null."""
        return asdict(self)
