"""How long an exported student takes, beside a smaller file of it and beside its teachers, on this machine's CPU."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from amalgam.errors import RequestError, WorkError

if TYPE_CHECKING:
    from amalgam.panel import Panel

Floats = NDArray[np.float32]
BATCHES = (1, 32)
"""The batch sizes that are timed: a device's single row, and a server's batch."""
LEAST = 5
"""Repeats at least, of what takes longer than all of its seconds."""


@dataclass(frozen=True)
class Latency:
    """How long one call took, in seconds.

    Attributes:
        batch: rows of the call.
        median: of all calls.
        p95: what 95 of 100 calls did not exceed.
        calls: how many were timed.
    """

    batch: int
    median: float
    p95: float
    calls: int


@dataclass(frozen=True)
class Timing:
    """What a model takes to keep and to ask, on the CPU.

    Attributes:
        name: of the model.
        bytes: of its file, or of what it keeps in memory; None where that is not known.
        threads: that it computes with.
        latencies: of `BATCHES`, in that order.
    """

    name: str
    bytes: int | None
    threads: int
    latencies: tuple[Latency, ...]


def opened(path: Path, threads: int = 1) -> Callable[[Floats], Floats]:
    """An exported student as a function of inputs (B, *shape) to logits (B, L), with a stated number of threads.

    Raises:
        WorkError: onnxruntime cannot run the file, or not on these inputs.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # a failure is raised, it need not be printed as well
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    with _failing(path):
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(inputs: Floats) -> Floats:
        with _failing(path):
            logits: Floats = session.run(["logits"], {"inputs": inputs})[0]
        return logits

    return run


def of_file(name: str, path: Path, rows: Floats, *, threads: int = 1, seconds: float = 1.0) -> Timing:
    """The timing of an ONNX file on rows (N, *shape), about `seconds` a batch size; raises what `opened` does."""
    return Timing(name, path.stat().st_size, threads, _latencies(opened(path, threads), rows, seconds))


def of_callable(
    name: str,
    ask: Callable[[Floats], object],
    rows: Floats,
    *,
    bytes: int | None = None,
    threads: int = 1,
    seconds: float = 1.0,
) -> Timing:
    """The timing of anything that is asked about rows, such as the `ensemble`; torch computes with so many threads.

    Args:
        name: of the model.
        ask: what is timed; what it returns is on the CPU.
        rows: (N, *shape).
        bytes: that it takes to keep, where that is known.
        threads: of torch, while it is timed; other libraries keep theirs.
        seconds: about, for each batch size.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return Timing(name, bytes, threads, _latencies(ask, rows, seconds))
    finally:
        torch.set_num_threads(before)


def ensemble(panel: Panel) -> Callable[[Floats], list[Any]]:
    """The teachers of a panel, asked one after another about inputs (B, *shape); what each says comes to the CPU."""
    import torch

    def ask(inputs: Floats) -> list[Any]:
        with torch.inference_mode():
            some = torch.from_numpy(inputs)
            return [torch.as_tensor(seat.teacher.score(some)).cpu() for seat in panel.seats]

    return ask


def _latencies(ask: Callable[[Floats], object], rows: Floats, seconds: float) -> tuple[Latency, ...]:
    if not len(rows):
        raise RequestError("there are no rows to time a model on; give at least one")
    some = np.asarray(rows, dtype=np.float32)
    batches = [np.ascontiguousarray(some[np.arange(batch) % len(some)]) for batch in BATCHES]
    return tuple(_latency(ask, batch, seconds) for batch in batches)


def _latency(ask: Callable[[Floats], object], inputs: Floats, seconds: float) -> Latency:
    """How long one call takes: two to warm up, then as many as there is time for, `LEAST` at least."""
    times = list[float]()
    for _ in range(2):
        ask(inputs)
    stop = time.perf_counter() + seconds
    while len(times) < LEAST or time.perf_counter() < stop:
        begin = time.perf_counter()
        ask(inputs)
        times.append(time.perf_counter() - begin)
    return Latency(len(inputs), float(np.median(times)), float(np.quantile(times, 0.95)), len(times))


def shown(timings: Sequence[Timing]) -> tuple[list[str], list[list[str]]]:
    """Headings and a row of texts for each timing, for a table in a terminal or a report."""
    from amalgam.results import duration, storage

    headings = ["model", "size", *(f"{batch} row{'s' * (batch > 1)}: median, p95" for batch in BATCHES), "threads"]
    return headings, [
        [
            one.name,
            "–" if one.bytes is None else storage(one.bytes),
            *(f"{duration(at.median)}, {duration(at.p95)}" for at in one.latencies),
            str(one.threads),
        ]
        for one in timings
    ]


@contextmanager
def _failing(path: Path) -> Iterator[None]:
    """What onnxruntime raises, as a sentence."""
    try:
        yield
    except Exception as error:  # its exceptions have no class in common
        said = " ".join(str(error).split())[:300]
        raise WorkError(f"onnxruntime cannot run {path}: {said}") from error
