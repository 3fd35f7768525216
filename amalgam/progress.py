"""Progress: what the long steps report, and how a terminal or a log shows it."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console


class Bar(Protocol):
    """One step under way."""

    def advance(self, rows: int, note: str = "") -> None:
        """So many more rows are done; `note` is shown beside the bar."""


class Progress(Protocol):
    """Who shows the steps."""

    def step(self, name: str, total: int, unit: str = "rows") -> AbstractContextManager[Bar]:
        """A step of `total` rows, 0 where nobody knows how many, as a context that yields its Bar."""

    def say(self, line: str) -> None:
        """A line worth reading: what was reused, repaired, skipped."""


class Silent:
    """Shows nothing: the library's default."""

    @contextmanager
    def step(self, name: str, total: int, unit: str = "rows") -> Iterator[Bar]:
        """A step that nobody watches."""
        yield self

    def say(self, line: str) -> None:
        """Nothing."""

    def advance(self, rows: int, note: str = "") -> None:
        """Nothing."""


class Lines:
    """Plain lines, for logs, and one at the end of each step.

    They come every two seconds at first, and after a minute a thirtieth of a step's own time apart, at most half a
    minute, so that the log of an hour can still be read.
    """

    every, share, longest = 2.0, 1 / 30, 30.0

    def __init__(self, console: Console) -> None:
        self.console = console

    def say(self, line: str) -> None:
        """The line."""
        self.console.print(line, highlight=False, markup=False)

    @contextmanager
    def step(self, name: str, total: int, unit: str = "rows") -> Iterator[Bar]:
        """A step as lines."""
        bar = _LineBar(self, name, total, unit)
        yield bar
        bar.finish()


class _LineBar:
    def __init__(self, lines: Lines, name: str, total: int, unit: str) -> None:
        self.lines, self.name, self.total, self.unit = lines, name, total, unit
        self.done, self.note = 0, ""
        self.start, self.due = time.monotonic(), lines.every

    def advance(self, rows: int, note: str = "") -> None:
        self.done, self.note = self.done + rows, note
        spent = time.monotonic() - self.start
        if spent >= self.due:
            self.due = spent + min(max(self.lines.every, spent * self.lines.share), self.lines.longest)
            if not self.total:
                self._print(f"{self.done:,}", f"{spent:.0f} s so far")
                return
            left = (self.total - self.done) * spent / self.done if self.done else math.nan
            self._print(f"{self.done:,}/{self.total:,}", f"{left:.0f} s left" if self.done else "waiting")

    def finish(self) -> None:
        if not (self.done or self.total):
            return  # what was to be read was there already
        self._print(f"{self.done:,}", f"{time.monotonic() - self.start:.1f} s")

    def _print(self, done: str, clock: str) -> None:
        rate = self.done / max(time.monotonic() - self.start, 1e-9)
        note = f" · {self.note}" if self.note else ""
        self.lines.say(f"{self.name}: {done} {self.unit}, {_rate(rate)} {self.unit}/s, {clock}{note}")


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


class Live:
    """Live bars in a terminal."""

    def __init__(self, console: Console) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            ProgressColumn,
            SpinnerColumn,
            Task,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as RichProgress
        from rich.table import Column
        from rich.text import Text

        class Rate(ProgressColumn):
            def render(self, task: Task) -> Text:
                seconds = task.elapsed if task.finished_time is None else task.finished_time
                rate = task.completed / max(seconds or 0.0, 1e-9)
                return Text(f"{_rate(rate)} {task.fields['unit']}/s", style="cyan", no_wrap=True)

        class Note(ProgressColumn):
            def render(self, task: Task) -> Text:
                return Text(task.fields["note"], style="dim", no_wrap=True, overflow="ellipsis")

        self.console = console
        self.bars = RichProgress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(bar_width=16),
            MofNCompleteColumn(table_column=Column(no_wrap=True, justify="right")),
            Rate(table_column=Column(no_wrap=True, justify="right")),
            TimeRemainingColumn(elapsed_when_finished=True, table_column=Column(no_wrap=True)),
            Note(table_column=Column(no_wrap=True, ratio=1)),
            console=console,
            expand=True,
        )

    def __enter__(self) -> Live:
        """Start drawing."""
        self.bars.start()
        return self

    def __exit__(self, *raised: object) -> None:
        """Stop drawing; the finished bars stay."""
        self.bars.stop()

    def say(self, line: str) -> None:
        """The line, above the bars."""
        self.bars.console.print(line, highlight=False, markup=False)

    @contextmanager
    def step(self, name: str, total: int, unit: str = "rows") -> Iterator[Bar]:
        """A step as a bar."""
        task, done = self.bars.add_task(name, total=total or None, unit=unit, note=""), 0
        bars = self.bars

        class LiveBar:
            def advance(self, rows: int, note: str = "") -> None:
                nonlocal done
                done += rows
                bars.update(task, advance=rows, note=note)

        yield LiveBar()
        bars.update(task, total=done)  # a training that stopped early is over, and did no more than it did


@contextmanager
def shown(wanted: bool = True) -> Iterator[Progress]:
    """Live bars in a terminal, plain lines elsewhere; both on standard error, so that output can be piped."""
    from rich.console import Console

    if not wanted:
        yield Silent()
    elif sys.stderr.isatty():
        with Live(Console(stderr=True)) as live:
            yield live
    else:
        yield Lines(Console(stderr=True, width=200, soft_wrap=True))
