"""What every test shares: a home of its own, quiet libraries, one thread."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)

SHARED_DATA = Path(os.environ.get("AMALGAM_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of the test's own: no test reads or writes the user's cache."""
    folder = tmp_path / "home"
    monkeypatch.setenv("AMALGAM_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def benchmark_data() -> Path:
    """The folder of the public benchmark sets; tests that need it are skipped where it is not."""
    if not (SHARED_DATA / "multilabel").is_dir():
        pytest.skip("the benchmark data is not on this machine; set AMALGAM_DATA to its folder")
    return SHARED_DATA
