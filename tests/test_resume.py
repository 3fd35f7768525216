"""Real processes: killed, interrupted, doubled or in each other's way, they make the student of one quiet run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file

from amalgam.shelf import shelf

EPOCHS = 3
# 449 rows of 539 are left to learn from: the last batch is one row, which two processes cannot share.
SMALL = {
    "epochs": EPOCHS,
    "batch_size": 16,
    "validation": 0.167,
    "patience": "null",
    "checkpoint_seconds": 0,
    "ema": 0.5,
}
PATIENCE = 120.0
CLOCKS = {"created", "seconds", "cost", "votes"}


@dataclass(frozen=True)
class House:
    """Where the processes of this file live.

    Attributes:
        folder: for run directories.
        home: the store, with two hastily trained teachers.
        cards: of the teachers.
        quiet: the directory of a run that nothing disturbed.
    """

    folder: Path
    home: Path
    cards: tuple[Path, ...]
    quiet: Path

    def command(self, *more: str, **training: Any) -> list[str]:
        """A small run of ANT."""
        given = [f"training.{key}={value}" for key, value in (SMALL | training).items()]
        sets = [word for one in ["export=false", *given] for word in ("--set", one)]
        cards = [word for card in self.cards for word in ("--teacher", str(card))]
        return ["-m", "amalgam", "distill", "--strategy", "ant", *cards, *sets, *more]

    def start(self, words: Sequence[str], home: Path | None = None, cwd: Path | None = None) -> subprocess.Popen[str]:
        """A process under way."""
        root = str(Path(__file__).parents[1])
        more = {"AMALGAM_HOME": str(home or self.home), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "1"}
        return subprocess.Popen(
            [sys.executable, *words], cwd=cwd, env={**os.environ, **more, "PYTHONPATH": root},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """The exit code of a process, and what it wrote."""
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def wait_until(reached: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Watch a process until it is so far; it must not end before."""
    deadline = time.monotonic() + PATIENCE
    while not reached():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"the process never came so far: {ended(process)[2]}")
        time.sleep(0.001)


def told(folder: Path) -> dict[str, Any]:
    """What a run's report says, but for what its clock and its store say."""

    def timeless(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: timeless(inner) for key, inner in value.items() if key not in CLOCKS}
        return [timeless(inner) for inner in value] if isinstance(value, list) else value

    report: dict[str, Any] = timeless(json.loads((folder / "report.json").read_text(encoding="utf-8")))
    report["notes"] = [note for note in report["notes"] if not note.startswith("training was resumed in epoch ")]
    return report


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    folder = tmp_path_factory.mktemp("house")
    cards = []
    for name in ("digits-arithmetic", "digits-shape"):
        card = yaml.safe_load((shelf("teachers") / f"{name}.yaml").read_text(encoding="utf-8"))
        card["schooling"]["training"]["epochs"] = 3
        cards.append(folder / f"{name}.yaml")
        cards[-1].write_text(yaml.safe_dump(card, sort_keys=False), encoding="utf-8")
    made = House(folder, folder / "home", tuple(cards), folder / "quiet")
    code, _, err = ended(made.start(made.command("--out", str(made.quiet))))
    assert code == 0, err
    return made


def test_a_run_killed_again_and_again_is_the_quiet_run(house: House, tmp_path: Path) -> None:
    out, home, seen = tmp_path / "run", tmp_path / "home", set[int]()
    shutil.copytree(house.home / "teachers", home / "teachers")
    checkpoint = out / "checkpoints" / "training.pt"

    def saved(times: int) -> Callable[[], bool]:
        def reached() -> bool:
            if checkpoint.is_file():
                seen.add(checkpoint.stat().st_mtime_ns)
            return len(seen) > times

        return reached

    moments: list[Callable[[], bool]] = [
        lambda: any(home.glob("votes/*/")),
        lambda: any(home.glob("targets/*/")),
        saved(7),
        saved(30),
        (out / "student" / "model.safetensors").is_file,
    ]
    for moment in moments:
        resume = ["--resume"] if out.exists() else []
        process = house.start(house.command("--out", str(out), *resume), home)
        wait_until(moment, process)
        process.send_signal(signal.SIGKILL)
        assert ended(process)[0] == -signal.SIGKILL
        assert not (out / "report.json").exists(), "the kill came too late to try anything"
    code, _, err = ended(house.start(["-m", "amalgam", "distill", "--resume", "--out", str(out)], home))
    assert code == 0, err
    for name in ("model.safetensors", "config.json"):
        assert (out / "student" / name).read_bytes() == (house.quiet / "student" / name).read_bytes()
    assert told(out) == told(house.quiet)
    assert [epoch["epoch"] for epoch in told(out)["history"]] == list(range(1, EPOCHS + 1))
    left = {path.name for path in out.iterdir()} - {".lock"}
    assert left == {path.name for path in house.quiet.iterdir()} - {".lock"}


def test_ctrl_c_says_how_to_go_on_and_nobody_else_writes_meanwhile(house: House, tmp_path: Path) -> None:
    out = tmp_path / "run"
    first = house.start(house.command("--out", str(out), epochs=5000))
    wait_until((out / "checkpoints" / "training.pt").is_file, first)
    code, table, err = ended(house.start(["-m", "amalgam", "distill", "--resume", "--out", str(out)]))
    assert (code, table) == (2, "")
    assert err.splitlines()[-1] == (
        f"amalgam: error: another process is writing {out}; wait for it, or choose another --out"
    )
    first.send_signal(signal.SIGINT)
    code, table, err = ended(first)
    assert (code, table) == (1, "")
    assert err.splitlines()[-1] == f"amalgam: failed: stopped; go on with: amalgam distill --resume --out {out}"
    assert "Traceback" not in err
    assert not list(out.rglob("*.draft*"))


def test_what_is_there_is_not_overwritten(house: House, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in house.quiet.rglob("*") if path.is_file()}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("", encoding="utf-8")
    quiet, resume = str(house.quiet), ["-m", "amalgam", "distill", "--resume"]
    refused = {
        f"--out {quiet} already holds a finished run, which is never overwritten; choose another directory, "
        "or go on with it: --resume": house.command("--out", quiet),
        f"--out {tmp_path / 'mine'} already holds other files, which is never overwritten; choose another "
        "directory": house.command("--out", str(tmp_path / "mine")),
        f"{quiet}/recipe.yaml differs from the requested run in training; a run goes on with the recipe it began with: "
        "leave the change out, or start another run": [*resume, "--out", quiet, "--set", "training.epochs=7"],
        f"--resume: {tmp_path / 'gone'} holds no run (no recipe.yaml); start one there without --resume":
            [*resume, "--out", str(tmp_path / "gone")],
        "--resume needs the run to go on with: --out runs/NAME": house.command("--resume"),
    }  # fmt: skip
    processes = {message: house.start(words, cwd=tmp_path) for message, words in refused.items()}
    for message, process in processes.items():
        code, table, err = ended(process)
        assert (code, table) == (2, "")
        assert err.splitlines()[-1] == f"amalgam: error: {message}"
    assert {path: path.read_bytes() for path in house.quiet.rglob("*") if path.is_file()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]


def test_two_processes_make_the_student_of_one(house: House, tmp_path: Path) -> None:
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    code, table, err = ended(house.start([*launch, *house.command()], cwd=tmp_path))
    assert code == 0, err
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("*/*")] == ["runs/ant-1"]
    out = tmp_path / "runs" / "ant-1"
    one, two = (load_file(folder / "student" / "model.safetensors") for folder in (house.quiet, out))
    assert one.keys() == two.keys()
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-5
    assert told(out)["data"] == told(house.quiet)["data"]
    assert told(out)["data"]["learnt from"] % 16 == 1
    assert told(out)["history"] == [pytest.approx(epoch, rel=1e-5) for epoch in told(house.quiet)["history"]]
    assert {path.name for path in out.iterdir()} == {path.name for path in house.quiet.iterdir()}
    assert table.count("The run lies in") == table.count("majority vote  ") == 1
    said = err.splitlines()
    assert said.count("run directory: runs/ant-1") == 1
    assert len([line for line in said if line.startswith("training: 1,347 rows")]) == 1
