"""Peak memory while votes are collected and targets are made, at two numbers of rows that lie in a file."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from time import perf_counter
from typing import NoReturn

import numpy as np

from benchmarks.common import Result, make_teachers, run, task, workplace

TITLE = "Memory as the rows grow"
ABOUT = """\
Measured: the peak resident memory of a fresh process that reads a `.npy` file of 16 features in chunks, loads three
chain teachers (16 units, 22 labels), collects their votes and makes ANT's targets in the store: everything a run does
before it trains. Rows, votes and targets stay on disk (the votes of all teachers together, and the targets, of up to
16 MiB each are read whole). What grows is 8 bytes a
row for the rows' numbers and, for a moment while the file is looked through first, 9 more to count repeated rows. The
goal is a peak that ten times the rows raise by at most 10 %."""


def measure(quick: bool) -> Result:
    """The same work on rows and on ten times as many."""
    sizes = (10_000, 100_000) if quick else (100_000, 1_000_000)
    peaks, lines = list[int](), list[tuple[str, ...]]()
    with workplace() as folder:
        teachers = make_teachers(folder, 16, hidden=16)
        for size in sizes:
            path = _file(folder / f"{size}.npy", size)
            said = run("benchmarks.memory", path, *teachers, home=folder / f"home-{size}").said
            found = json.loads(said.splitlines()[-1])
            peaks.append(found["peak"])
            lines.append(
                (
                    f"{size:,}",
                    f"{path.stat().st_size / 2**20:,.0f}",
                    f"{found['stored'] / 2**20:,.0f}",
                    f"{found['start'] / 2**20:,.0f}",
                    f"{found['peak'] / 2**20:,.0f}",
                    f"{size / found['seconds']:,.0f}",
                )
            )
    columns = ("rows", "file, MiB", "written to the store, MiB", "before the work, MiB", "peak, MiB", "rows/s")
    return Result(columns, lines, f"Ten times the rows: {peaks[1] / peaks[0] - 1:+.1%} of peak memory.")


def _file(path: Path, rows: int) -> Path:
    made = np.lib.format.open_memmap(path, "w+", np.float32, (rows, 16))
    for start in range(0, rows, 100_000):
        made[start : start + 100_000] = task(min(100_000, rows - start), 16, seed=start)[0].numpy()
    made.flush()
    return path


def peak() -> int:
    """The most memory this process has held, in bytes.

    Linux's own high-water mark: `ru_maxrss` of a new process begins with its parent's.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def collect(source: str, teachers: list[str]) -> None:
    """The work: read, vote, make targets; prints what it took as JSON."""
    from contextlib import ExitStack

    from amalgam import pipeline, store, strategies
    from amalgam.collect import surrogate, vote
    from amalgam.fingerprint import of_rows
    from amalgam.journal import Journal
    from amalgam.parts import apportion
    from amalgam.processes import processes
    from amalgam.progress import Silent
    from amalgam.recipe import Data, Recipe

    recipe = Recipe(
        name="memory", strategy={"name": "ant"}, teachers=tuple(teachers), data=Data(source=source), export=False
    )
    strategy = strategies.build(recipe.strategy, "benchmark")
    began, start = perf_counter(), peak()
    journal = Journal(Silent(), "benchmark", ExitStack())
    rows = apportion(recipe).learn
    panel = pipeline.assemble(recipe, (), strategy, processes(), False, journal)
    rows_key = of_rows(rows)
    ballots = vote(panel, rows, rows_key, journal)
    surrogate(panel, rows, rows_key, ballots, strategy, recipe.training, recipe.seed, journal, _no_student)
    seconds = perf_counter() - began
    stored = sum(path.stat().st_size for path in store.home().rglob("*.npy"))
    print(json.dumps({"start": start, "peak": peak(), "stored": stored, "seconds": seconds}))


def _no_student() -> NoReturn:
    raise AssertionError("ANT trains no student of its own")


if __name__ == "__main__":
    collect(sys.argv[1], sys.argv[2:])
