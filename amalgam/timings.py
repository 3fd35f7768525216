"""How long exported files and teachers take: numbers of one machine, as a table and for a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amalgam.results import Weighed, duration, plain, storage

BATCHES = (1, 32)
"""The batch sizes that are timed: a device's single row, and a server's batch."""


@dataclass(frozen=True)
class Latency:
    """How long one call took, in seconds.

    Attributes:
        batch: rows of the call.
        median: of all calls.
        p95: what 95 of 100 calls did not exceed.
        calls: how many were timed.
    """

    batch: int
    median: float
    p95: float
    calls: int


@dataclass(frozen=True)
class Timing:
    """What a model takes to keep and to ask, on the CPU.

    Attributes:
        name: of the model.
        bytes: of its file, or of what it keeps in memory; None where that is not known.
        threads: that it computes with.
        latencies: of `BATCHES`, in that order.
    """

    name: str
    bytes: int | None
    threads: int
    latencies: tuple[Latency, ...]


def headings() -> list[str]:
    """The columns of a table of timings."""
    return ["model", "size", *(f"{_rows(batch)}: median, p95, calls" for batch in BATCHES), "threads"]


def told(timings: Sequence[Timing]) -> list[list[str]]:
    """A row of texts for each timing, for a table in a terminal or a report."""
    return [
        [
            one.name,
            "–" if one.bytes is None else storage(one.bytes),
            *(f"{duration(at.median)}, {duration(at.p95)}, {plain(at.calls)}" for at in one.latencies),
            str(one.threads),
        ]
        for one in timings
    ]


def weighed(timings: Sequence[Timing]) -> list[tuple[str, list[Weighed]]]:
    """(what is timed, the models whose size is known), for a picture; nothing where there are fewer than two."""
    known = [one for one in timings if one.bytes]
    if len(known) < 2:
        return []
    return [
        (f"latency, {_rows(batch)}", [Weighed(one.name, one.bytes or 0, one.latencies[place].median) for one in known])
        for place, batch in enumerate(BATCHES)
    ]


def _rows(batch: int) -> str:
    return f"{batch} row{'s' * (batch > 1)}"
