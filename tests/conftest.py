"""What every test shares: a home of its own, quiet libraries, one thread."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"  # in the processes that tests start, too: several run side by side

SHARED_DATA = Path(os.environ.get("AMALGAM_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of the test's own: no test reads or writes the user's cache."""
    folder = tmp_path / "home"
    monkeypatch.setenv("AMALGAM_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True, scope="session")
def _warm_exports() -> Iterator[None]:
    """Exports are traced by processes that have imported what they need."""
    from amalgam.export import trace
    from tests import warm

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trace, "begun", warm.Forked)
        yield


@pytest.fixture(scope="session")
def benchmark_data() -> Path:
    """The folder of the public benchmark sets; tests that need it are skipped where it is not."""
    if not (SHARED_DATA / "multilabel").is_dir():
        pytest.skip("the benchmark data is not on this machine; set AMALGAM_DATA to its folder")
    return SHARED_DATA


@pytest.fixture(scope="session")
def schooled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which the built-in teachers are trained already."""
    from accelerate import Accelerator

    from amalgam.progress import Silent
    from amalgam.registry import find_card
    from amalgam.schooling import school

    folder = tmp_path_factory.mktemp("schooled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AMALGAM_HOME", str(folder))
        for name in ("digits-arithmetic", "digits-shape"):
            school(find_card(name)[0], Accelerator(cpu=True), Silent())
    return folder


@pytest.fixture
def trained_home(schooled: Path, home: Path) -> Path:
    """The test's own store, with trained teachers in it and nothing else."""
    shutil.copytree(schooled / "teachers", home / "teachers")
    return home


Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line in this process: `cli("show", "ant")` → (exit code, standard output, standard error)."""
    from amalgam.cli import main

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["amalgam", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run
