"""How long an exported student takes, beside a smaller file of it and beside its teachers, on this machine's CPU."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from amalgam.errors import RequestError, WorkError
from amalgam.timings import BATCHES, Latency, Timing

if TYPE_CHECKING:
    from amalgam.panel import Panel

Floats = NDArray[np.float32]
LEAST = 20
"""Calls at least, of what takes longer than all of its seconds: of fewer, 95 of 100 would be all but none."""


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


@contextmanager
def _failing(path: Path) -> Iterator[None]:
    """What onnxruntime raises, as a sentence."""
    try:
        yield
    except Exception as error:  # its exceptions have no class in common
        said = " ".join(str(error).split())[:300]
        raise WorkError(f"onnxruntime cannot run {path}: {said}") from error
