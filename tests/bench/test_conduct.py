"""The conductor: every cell once, the longest first; a process that dies or fails is named, and none outlives it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from amalgam.bench.conduct import Run, _Meter, conduct
from amalgam.bench.folder import Bench, opened, packed
from amalgam.bench.scope import Key, Scope
from amalgam.bench.scores import Cell
from amalgam.errors import AmalgamError, RequestError, WorkError
from amalgam.files import write_text
from amalgam.progress import Bar, Silent
from tests.bench import stand_ins


class Said(Silent):
    """Notes down what is said, and every advance of the bar."""

    def __init__(self) -> None:
        self.lines = list[str]()
        self.steps = list[tuple[str, int, str]]()
        self.advances = list[tuple[int, str]]()

    @contextmanager
    def step(self, name: str, total: int, unit: str = "rows") -> Iterator[Bar]:
        self.steps.append((name, total, unit))
        yield self

    def say(self, line: str) -> None:
        self.lines.append(line)

    def advance(self, rows: int, note: str = "") -> None:
        self.advances.append((rows, note))


@pytest.fixture(autouse=True)
def tally(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where cells, in their processes, note that they begin."""
    monkeypatch.setenv("TALLY", str(tmp_path / "tally"))
    return tmp_path / "tally"


class Whole(NamedTuple):
    out: Path
    cells: list[Cell]
    said: Said
    tally: Path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A bench that one process computed, started from a process with two threads."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TALLY", str(folder / "tally"))
        patch.setenv("OMP_NUM_THREADS", "2")
        patch.delenv("MKL_NUM_THREADS", raising=False)
        cells, said = run(folder / "out", stand_ins.quick)
        assert os.environ["OMP_NUM_THREADS"] == "2", "the parent keeps its own"
        assert "MKL_NUM_THREADS" not in os.environ
    return Whole(folder / "out", cells, said, folder / "tally")


@contextmanager
def bench(out: Path, resume: bool = False, seeds: int = 2) -> Iterator[Bench]:
    with opened(out, stand_ins.table(), Scope(seeds=seeds), resume) as open_bench:
        yield open_bench


def run(out: Path, cell: Run, jobs: int = 1, resume: bool = False, seeds: int = 2) -> tuple[list[Cell], Said]:
    said = Said()
    with bench(out, resume, seeds) as open_bench:
        return conduct(open_bench, cell, stand_ins.cost, jobs, said), said


def begun(tally: Path) -> list[Key]:
    return [(setting, int(seed)) for setting, seed, _ in map(str.split, tally.read_text("utf-8").splitlines())]


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "cells").iterdir()}


def all_gone(tally: Path) -> bool:
    """Whether every process that began a cell has ended, waiting a little for it."""
    processes = {int(line.split()[2]) for line in tally.read_text("utf-8").splitlines()}
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{process}").exists() for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return bool(processes)


def test_every_cell_is_computed_once_and_the_longest_begin(whole: Whole) -> None:
    keys = [(name, seed) for name in ("a", "b", "c.(d)") for seed in (0, 1)]
    assert repr(whole.cells) == repr([stand_ins.cell(*key, threads=1) for key in keys])
    assert begun(whole.tally) == [("b", 0), ("b", 1), ("c.(d)", 0), ("c.(d)", 1), ("a", 0), ("a", 1)]
    said = whole.said
    assert said.lines == ["6 cells, 0 of them there already; 1 at a time"]
    assert said.steps == [("cells", 1000, "‰")]
    assert sum(rows for rows, _ in said.advances) == 1000
    # The two cells of b are half of the work, so half of one is an eighth.
    assert said.advances[:4] == [
        (0, "0 of 6 · b 0: begins"),
        (125, "0 of 6 · b 0: half"),
        (125, "1 of 6"),
        (0, "1 of 6 · b 1: begins"),
    ]
    assert said.advances[-1][1] == "6 of 6"


def test_two_processes_make_the_files_of_one(whole: Whole, tmp_path: Path, tally: Path) -> None:
    run(tmp_path / "two", stand_ins.slow, jobs=2)
    assert files(tmp_path / "two") == files(whole.out)
    assert sorted(begun(tally)) == sorted(begun(whole.tally))
    assert len({line.split()[2] for line in tally.read_text("utf-8").splitlines()}) == 2


def test_going_on_computes_only_what_is_missing_and_says_what_was_wrong(
    whole: Whole, tmp_path: Path, tally: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(whole.out, out)
    with bench(out, resume=True) as open_bench:
        for key, part in {("c.(d)", 0): "code", ("b", 0): "table", ("c.(d)", 1): "data"}.items():
            older = replace(open_bench.origins[key[0]], **{part: "older"})
            open_bench.path(key).write_text(packed(stand_ins.cell(*key), older), encoding="utf-8")
    (out / "cells" / "a-0.json").unlink()
    (out / "cells" / "a-1.json").write_bytes(files(out)["a-1.json"][:99])
    (out / "cells" / "b-1.json").write_text("{}", encoding="utf-8")
    cells, said = run(out, stand_ins.quick, jobs=2, resume=True)
    assert repr(cells) == repr(whole.cells)
    assert sorted(begun(tally)) == sorted(begun(whole.tally)), "all of them"
    assert files(out) == files(whole.out)
    assert said.lines == [
        "computed again since the files are damaged, 2 cells: a, seed 1; b, seed 1",
        "computed again since other code or other libraries computed them, 1 cell: c.(d), seed 0",
        "computed again since the table asks otherwise now, 1 cell: b, seed 0",
        "computed again since the data has changed, 1 cell: c.(d), seed 1",
        "6 cells, 0 of them there already; 2 at a time",
    ]
    assert sum(rows for rows, _ in said.advances) == 1000
    assert said.advances[-1][1] == "6 of 6"


def test_a_finished_bench_starts_no_process(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("amalgam.bench.conduct._hired")
    cells, said = run(whole.out, stand_ins.quick, jobs=2, resume=True)
    assert repr(cells) == repr(whole.cells)
    assert said.lines == ["6 cells, all there already"]
    assert said.steps == []


def test_a_process_that_is_killed_is_named_and_the_finished_cells_are_kept(whole: Whole, tmp_path: Path) -> None:
    with pytest.raises(WorkError) as error:
        run(tmp_path / "out", stand_ins.killed)
    assert str(error.value) == (
        "cell a, seed 1: its process was killed (SIGKILL), which the system does when memory is short: take fewer "
        "--jobs"
    )
    there = files(whole.out)
    del there["a-1.json"]
    assert files(tmp_path / "out") == there


def test_a_process_that_leaves_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkError) as error:
        run(tmp_path / "out", stand_ins.leaving)
    assert str(error.value) == "cell b, seed 0: its process ended with exit code 3"


def test_what_nobody_foresaw_shows_where_it_happened(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as error:
        run(tmp_path / "out", stand_ins.broken)
    said = str(error.value)
    assert said.startswith("the cell b, seed 0 met what nobody foresaw:\nTraceback")
    assert said.endswith("KeyError: 'nobody foresaw this'\n")
    assert "stand_ins.py" in said


def test_a_failure_stops_the_others_at_once(tmp_path: Path, tally: Path) -> None:
    with pytest.raises(AmalgamError) as error:
        run(tmp_path / "out", stand_ins.refusing_or_endless, jobs=2)
    assert type(error.value) is RequestError
    assert str(error.value) == "cell b, seed 1: label 'x' is unknown"
    assert all_gone(tally)


def test_a_full_disk_stops_the_bench(tmp_path: Path, tally: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str) -> None:
        if path.parent.name == "cells":
            raise WorkError("the disk is full")
        write_text(path, text)

    monkeypatch.setattr("amalgam.bench.conduct.write_text", full)
    with pytest.raises(WorkError) as error:
        run(tmp_path / "out", stand_ins.quick)
    assert str(error.value) == "the disk is full"
    assert all_gone(tally)


def test_the_bar_never_goes_back_and_never_past_the_end() -> None:
    said = Said()
    meter = _Meter(said, {("a", 0): 1.0, ("a", 1): 3.0}, 5)
    for share in (0.5, 0.2, -1.0, 1.5, 0.8):
        meter.told(("a", 0), share, "")
    assert [rows for rows, _ in said.advances] == [125, 0, 0, 125, 0]
    meter.done(("a", 0))
    meter.told(("a", 1), 1 / 3, "kd")
    assert said.advances[-2:] == [(0, "4 of 5"), (250, "4 of 5 · a 1: kd")]
    meter.done(("a", 1))
    assert said.advances[-1] == (500, "5 of 5")
