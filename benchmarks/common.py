"""What the benchmarks share: a task with real contradictions, its teachers, measured processes, and a table's form."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from accelerate import Accelerator

from amalgam.losses import stepwise
from amalgam.signals import ProbabilityTargets, TensorRows
from amalgam.students.label_chain import LabelChain
from amalgam.training.settings import Training
from amalgam.training.trainer import fit

LABELS = tuple(f"label-{number:02}" for number in range(22))
KNOWN = (slice(0, 12), slice(6, 17), slice(10, 22))
"""Which labels each of the three teachers knows: 29 claims on 22 labels, 7 of them known to two teachers."""

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""One thread in every measured process: the operations are too small to share, and threads that wait for each other on
a machine others use measure the others."""


@dataclass(frozen=True)
class Result:
    """What a benchmark found.

    Attributes:
        columns: the table's heads.
        rows: its lines.
        meaning: what the figures say, in sentences that hold for this run.
    """

    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    meaning: str


@dataclass(frozen=True)
class Took:
    """What a process took, its own children included: seconds on the clock and on the processors, and what it said."""

    wall: float
    cpu: float
    said: str


def spread(values: Sequence[float], digits: int = 1, unit: str = "") -> str:
    """The median of some figures with the least and the greatest, `median [min–max]`."""
    if len(values) == 1:
        return f"{values[0]:,.{digits}f}{unit}"
    low, middle, high = min(values), median(values), max(values)
    return f"{middle:,.{digits}f}{unit} [{low:,.{digits}f}–{high:,.{digits}f}]"


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder for everything a benchmark writes, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="amalgam-benchmark-") as name:
        yield Path(name)


def run(*arguments: object, home: Path) -> Took:
    """Run `python -m …` in a fresh process with a store of its own.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    command = [sys.executable, "-m", *map(str, arguments)]
    environment = {**os.environ, **ENVIRONMENT, "AMALGAM_HOME": str(home)}
    with tempfile.TemporaryFile("w+") as said:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=said, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        words = said.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} ended with status {process.returncode}:\n{words}")
    return Took(wall, usage.ru_utime + usage.ru_stime, words)


def timed(work: Callable[[], object], times: int) -> list[float]:
    """The seconds that some work takes, again and again."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return seconds


def task(rows: int, features: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs (N, features) and annotations (N, 22): labels that share hidden causes, each on about a fifth of the rows.

    What causes what is the same for every seed; the rows are the seed's.
    """
    causes = torch.Generator().manual_seed(0)
    mixing = torch.randn(features, 16, generator=causes) / features**0.5
    weights = torch.randn(16, len(LABELS), generator=causes)
    inputs = torch.randn(rows, features, generator=torch.Generator().manual_seed(seed))
    strength = (3 * inputs @ mixing).tanh() @ weights
    return inputs, (strength > 0.8 * weights.norm(dim=0) * 0.8).float()


def make_teachers(folder: Path, features: int, hidden: int) -> list[Path]:
    """Three chains on partly overlapping labels, each trained shortly on 2,000 rows of its own, as saved students."""
    torch.set_num_threads(1)
    saved = []
    for number, known in enumerate(KNOWN):
        inputs, annotated = task(2000, features, seed=100 + number)
        torch.manual_seed(number)
        teacher = LabelChain((features,), LABELS[known], LabelChain.Settings(hidden=hidden))
        rows = TensorRows(values=inputs)
        teacher.scaling.fit(rows)
        truth = annotated[:, known]
        settings = Training(epochs=8, batch_size=64, learning_rate=5e-3, validation=0.0, patience=None)
        targets = ProbabilityTargets(truth, torch.ones_like(truth))
        fit(teacher, rows, targets, stepwise, settings, seed=number, accelerator=Accelerator(cpu=True))
        saved.append(teacher.save(folder / f"teacher-{number}"))
    return saved


def write_data(path: Path, rows: int, features: int) -> Path:
    """An annotated `.npz` file of the task's rows."""
    inputs, annotated = task(rows, features, seed=1)
    np.savez(path, inputs=inputs.numpy(), annotated=annotated.numpy(), labels=np.array(LABELS))
    return path
