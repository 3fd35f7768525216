"""Progress: plain lines with rates and time left, and bars in a terminal."""

from __future__ import annotations

import io
import itertools
import re

import pytest
from rich.console import Console

from amalgam import progress
from amalgam.progress import Lines, Live


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_lines_come_every_two_seconds_and_at_the_end(clock: list[float]) -> None:
    stream = io.StringIO()
    with Lines(Console(file=stream, width=200)).step("votes [a]", 1000) as bar:
        for _ in range(10):
            clock[0] += 0.5
            bar.advance(100, "epoch 1")
    assert stream.getvalue().splitlines() == [
        "votes [a]: 400/1,000 rows, 200 rows/s, 3 s left · epoch 1",
        "votes [a]: 800/1,000 rows, 200 rows/s, 1 s left · epoch 1",
        "votes [a]: 1,000 rows, 200 rows/s, 5.0 s · epoch 1",
    ]


def test_the_log_of_an_hour_can_be_read(clock: list[float]) -> None:
    stream = io.StringIO()
    with Lines(Console(file=stream, width=200)).step("cells", 3600, "s") as bar:
        for _ in range(3600):
            clock[0] += 1.0
            bar.advance(1)
    at = [int(line.split()[1].split("/")[0].replace(",", "")) for line in stream.getvalue().splitlines()]
    assert at[:30] == list(range(2, 62, 2))
    assert max(later - sooner for sooner, later in itertools.pairwise(at)) == 30
    assert len(at) < 250


def test_waiting_is_no_eternity(clock: list[float]) -> None:
    stream = io.StringIO()
    with Lines(Console(file=stream, width=200)).step("votes", 1000) as bar:
        clock[0] = 3.0
        bar.advance(0, "waits for another process")
    assert stream.getvalue().splitlines()[0] == "votes: 0/1,000 rows, 0.0 rows/s, waiting · waits for another process"


def test_where_nobody_knows_how_many_there_are_no_end_is_promised(clock: list[float]) -> None:
    stream = io.StringIO()
    with Lines(Console(file=stream, width=200)).step("reading", 0, "words") as bar:
        clock[0] = 4.0
        bar.advance(800)
        clock[0] = 5.0
    assert stream.getvalue().splitlines() == [
        "reading: 800 words, 200 words/s, 4 s so far",
        "reading: 800 words, 160 words/s, 5.0 s",
    ]


def test_bars_fit_a_terminal_and_keep_names_as_they_are() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=100, force_terminal=True, legacy_windows=False)
    with Live(console) as live:
        live.say("note: [red] is a label")
        with live.step("votes [bold]", 1000, "rows") as bar:
            bar.advance(1000, "a long note " * 20)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue()).replace("\r", "\n")
    last = [line for line in shown.splitlines() if "votes" in line][-1]
    assert "note: [red] is a label" in shown
    assert "votes [bold]" in last
    assert "1000/1000" in last
    assert "rows/s" in last
    assert "…" in last
    assert len(last.rstrip()) <= 100
