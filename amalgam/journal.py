"""The journal: what a run notes down on its way, for its report and for who watches it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from amalgam import cache, store
from amalgam.progress import Progress


@dataclass
class Journal:
    """What a run notes down on its way, for its report.

    Attributes:
        progress: who shows the steps.
        nonce: a name that only this run has, for what cannot be reused.
        passing: what is undone when the run ends.
    """

    progress: Progress
    nonce: str
    passing: ExitStack
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    votes: dict[str, int] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def pass_by(self, kind: store.Kind, key: str) -> None:
        """An entry of the store that no later run can use goes when this one ends."""
        self.passing.callback(cache.clear, kind, key)

    def note(self, line: str) -> None:
        """A sentence that the reader of the run must see."""
        if line not in self.notes:
            self.notes.append(line)
            self.progress.say(f"note: {line}")

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """How long a step takes."""
        began = time.monotonic()
        yield
        self.seconds[step] = round(time.monotonic() - began, 3)

    def tell(self, stored: store.Stored, what: str) -> None:
        """What the store had to say: what was reused, what was damaged and made again."""
        if stored.repaired:
            self.note(f"{what}: {stored.repaired} damaged chunks were found in the store and made again")
        if stored.reused and not stored.computed and not stored.repaired:
            self.progress.say(f"{what}: reused from the store")
