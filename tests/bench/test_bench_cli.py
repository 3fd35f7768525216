"""`amalgam bench`: what it lists, shows and refuses; killed or interrupted, it ends as the bench of a quiet hour."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from amalgam.bench import pages
from amalgam.bench.folder import Bench, opened, packed
from amalgam.bench.origin import origins
from amalgam.bench.scope import Scope
from amalgam.shelf import names
from amalgam.views.benches import cores
from tests.bench import stand_ins
from tests.bench.command import put
from tests.conftest import Cli

PATIENCE = 120.0
FILES = ["cells.csv", "table.csv", "table.html", "table.md", "table.tex"]
GO_ON = "a bench goes on with what it began with: leave the change out, or start another bench"


@pytest.fixture(autouse=True)
def tally(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where cells, in their processes, note that they begin."""
    monkeypatch.setenv("TALLY", str(tmp_path / "tally"))
    return tmp_path / "tally"


def start(cell: str, *words: object) -> subprocess.Popen[str]:
    """A bench of stand-ins under way, the leader of a group of processes."""
    root = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-m", "tests.bench.command", cell, "bench", *map(str, words)],
        env={**os.environ, "PYTHONPATH": root}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def wait_until(reached: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Watch a process until it is so far; it must not end before."""
    deadline = time.monotonic() + PATIENCE
    while not reached():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"the process never came so far: {process.communicate()[1]}")
        time.sleep(0.002)


def running(tally: Path) -> set[int]:
    """Those processes that began a cell and are still there; what nobody has buried yet is not."""
    found = set[int]()
    for line in tally.read_text(encoding="utf-8").splitlines():
        process = int(line.split()[2])
        state = subprocess.run(["ps", "-o", "state=", "-p", str(process)], capture_output=True, text=True, check=False)
        if state.stdout.strip() not in {"", "Z"}:
            found.add(process)
    return found


def all_gone(tally: Path) -> bool:
    deadline = time.monotonic() + 20
    while running(tally) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not running(tally)


def begun(tally: Path) -> int:
    return len(tally.read_text(encoding="utf-8").splitlines()) if tally.is_file() else 0


def test_a_bench_killed_again_and_again_is_the_quiet_bench(tmp_path: Path, tally: Path) -> None:
    out, table = tmp_path / "out", stand_ins.table()
    quiet = Bench(tmp_path / "quiet", table, Scope(seeds=3).keys(table), origins(table))
    quiet.path(("a", 0)).parent.mkdir(parents=True)
    for key in quiet.keys:
        quiet.path(key).write_text(packed(stand_ins.cell(*key), quiet.origins[key[0]]), encoding="utf-8")
    pages.write(table, list(quiet.kept().cells.values()), quiet.folder, Scope(seeds=3))

    words: tuple[object, ...] = (stand_ins.table_file(tmp_path), "--seeds", 3)
    finished = out / "cells"
    for moment in (
        lambda: begun(tally) > 0,
        lambda: len(list(finished.glob("[!.]*.json"))) >= 2,
        lambda: len(list(finished.glob("[!.]*.json"))) >= 6,
    ):
        process = start("slow", *words, "--jobs", 2, "--out", out)
        wait_until(moment, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert len(list(finished.glob("[!.]*.json"))) < 9, "the kill came too late to try anything"
        words = ("--resume",)
    there = len(list(finished.glob("[!.]*.json")))
    done = start("slow", "--resume", "--out", out, "--jobs", 1)
    told, err = done.communicate(timeout=PATIENCE)
    assert done.returncode == 0, err
    assert f"9 cells, {there} of them there already; 1 at a time\n" in err
    assert f"The bench lies in {out}: table.html to look at; table.md, table.csv, cells.csv, table.tex.\n" in told

    def content(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    assert content(out / "cells") == content(quiet.folder / "cells")
    assert {name: text for name, text in content(out).items() if name in FILES} == content(quiet.folder)
    assert sorted(content(out)) == sorted([".lock", "bench.yaml", "table.yaml", *FILES])


def test_an_interrupted_bench_leaves_no_process_and_says_how_to_go_on(tmp_path: Path, tally: Path) -> None:
    out = tmp_path / "an out"
    process = start("endless_but_one", stand_ins.table_file(tmp_path), "--seeds", 2, "--jobs", 2, "--out", out)
    wait_until(lambda: begun(tally) >= 3, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, workers included
    told, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert not running(tally)
    assert told == ""
    assert [line for line in err.splitlines() if not line.startswith("cells: ")] == [
        f"bench directory: {out}",
        "6 cells, 0 of them there already; 2 at a time",
        "amalgam: failed: stopped; the finished cells are kept (1 of 6); go on with: amalgam bench --resume --out "
        f"'{out}'",
    ]
    assert sorted(path.name for path in out.iterdir() if path.name in FILES) == FILES
    assert "b,1," in (out / "cells.csv").read_text(encoding="utf-8")


def test_processes_end_with_a_parent_that_is_killed(tmp_path: Path, tally: Path) -> None:
    process = start("endless", stand_ins.table_file(tmp_path), "--jobs", 2, "--out", tmp_path / "out")
    wait_until(lambda: begun(tally) == 2, process)
    assert len(running(tally)) == 2
    process.kill()
    assert all_gone(tally)
    process.communicate()


def test_a_cell_that_fails_names_itself_and_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    put(monkeypatch, "refusing")
    out = tmp_path / "out"
    table = stand_ins.table_file(tmp_path)
    code, told, err = cli("bench", table, "--seeds", 2, "--settings", "a", "--jobs", 1, "--out", out)
    assert (code, told) == (2, "")
    assert err.splitlines()[-1] == (
        "amalgam: error: cell a, seed 1: label 'x' is unknown; the finished cells are kept (1 of 2); go on with: "
        f"amalgam bench --resume --out {out}"
    )
    assert (out / "table.html").is_file()

    put(monkeypatch, "quick")
    code, told, err = cli("bench", "--resume", "--out", out)
    assert code == 0
    assert "2 cells, 1 of them there already; 1 at a time\n" in err
    assert "ant shares the best average rank" in told
    assert "table.html to look at" in told
    assert "Missing" not in (out / "table.md").read_text(encoding="utf-8")

    put(monkeypatch, "endless")  # nothing is left to compute
    for words in ([table, "--resume"], ["--resume", "--seeds", 2], [table, "--resume", "--settings", "a"]):
        assert cli("bench", *words, "--out", out)[0] == 0


def test_the_pages_say_how_it_was_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    put(monkeypatch, "quick")
    out, again = tmp_path / "out", "`amalgam bench table.yaml --seeds 3 --quick --settings b`\n"
    words = ("--seeds", 3, "--quick", "--settings", "b", "--jobs", 1)
    assert cli("bench", stand_ins.table_file(tmp_path), *words, "--out", out)[0] == 0
    assert (out / "table.md").read_text(encoding="utf-8").endswith(f"- Run it again: {again}")
    pages = {name: (out / name).read_bytes() for name in FILES}
    assert cli("bench", "--resume", "--out", out)[0] == 0
    assert {name: (out / name).read_bytes() for name in FILES} == pages
    monkeypatch.chdir(out)
    assert cli(*again.strip("`\n").split()[1:], "--jobs", 1, "--out", "again")[0] == 0
    assert (out / "again" / "cells.csv").read_bytes() == pages["cells.csv"]


def test_a_first_cell_that_is_wrong_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    put(monkeypatch, "refusing_all")
    monkeypatch.chdir(tmp_path)
    code, told, err = cli("bench", stand_ins.table_file(tmp_path), "--quick", "--jobs", 1)
    assert (code, told) == (2, "")
    assert err.splitlines() == [
        "bench directory: runs/bench-small-1",
        "2 cells, 0 of them there already; 1 at a time",
        "amalgam: error: cell b, seed 0: label 'x' is unknown",
    ]
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("TABLE --resume", "--resume needs the bench to go on with: --out runs/NAME"),
        ("--resume --out none", "--resume: none holds no bench (no table.yaml); start one there without --resume"),
        (
            "TABLE --out begun",
            "--out begun already holds a bench, which is never overwritten; choose another directory, or go on with "
            "it: --resume",
        ),
        ("--resume --out begun --seeds 3", f"--resume: begun was begun with --seeds 2, not with --seeds 3; {GO_ON}"),
        (
            "TABLE --resume --out begun --quick",
            f"--resume: begun was begun without --quick, not with --quick; {GO_ON}",
        ),
        (
            "--resume --out begun --settings b,a",
            f"--resume: begun was begun without --settings, not with --settings b,a; {GO_ON}",
        ),
        (
            "other.yaml --resume --out begun",
            f"--resume: begun/table.yaml differs from table 'small' in 'training.epochs'; {GO_ON}",
        ),
        ("TABLE --settings b,", "--settings: table 'small' has no setting '' (it has: a, b, c.(d))"),
    ],
)
def test_a_wrong_request_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli, words: str, message: str
) -> None:
    put(monkeypatch, "endless")
    monkeypatch.chdir(tmp_path)
    table = stand_ins.table_file(tmp_path)
    with opened(Path("begun"), stand_ins.table(), Scope(seeds=2), resume=False):
        pass
    text = table.read_text(encoding="utf-8").replace(
        "title: a small table", "title: a small table\ntraining: {epochs: 3}"
    )
    Path("other.yaml").write_text(text, encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    code, told, err = cli("bench", *words.replace("TABLE", str(table)).split())
    assert (code, told, err) == (2, "", f"amalgam: error: {message}\n")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("words", [["--list"], [], ["--seeds", "3"]])
def test_the_tables_are_listed(cli: Cli, words: list[str]) -> None:
    code, told, err = cli("bench", *words)
    assert (code, err) == (0, "")
    lines = [line.split(maxsplit=1) for line in told.splitlines()]
    assert [line[0] for line in lines[1:-1]] == names("recipes/papers")
    assert ["ant-digits", "Two teachers of handwritten digits, a table to try"] in [
        [*map(str.strip, line)] for line in lines
    ]
    assert told.splitlines()[-1] == "Run one: amalgam bench TABLE"


def test_every_core_that_may_be_used_is_used() -> None:
    script = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
    script += "from amalgam.views.benches import cores; print(cores())"
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system gives every process all cores")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
    assert cores() == len(os.sched_getaffinity(0))
