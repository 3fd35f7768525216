"""The conductor: a bench's cells in parallel processes, each with one thread; what is finished is kept.

The parent hands each worker one cell at a time through a pipe of its own and writes what comes back. A worker that dies
closes its pipe, a parent that dies is noticed by a thread in each worker: neither leaves the other waiting.
"""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process, resource_tracker
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from amalgam.bench.folder import Bench, packed
from amalgam.bench.origin import Origin
from amalgam.bench.scope import Key
from amalgam.bench.scores import Cell, Tell
from amalgam.bench.table import Table
from amalgam.bench.words import plural
from amalgam.errors import AmalgamError, WorkError
from amalgam.files import write_text
from amalgam.progress import Bar, Progress

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

Run: TypeAlias = Callable[[Any, str, int, Tell], Cell]
"""How the cell of a table in a setting under a seed is computed; a module's function, which other processes import."""
Cost: TypeAlias = Callable[[Any, str], float]
"""The work of a setting's cell, beside other settings'."""

_PARTS = 1000
_PATIENCE = 10.0  # seconds that a worker may take to leave
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)


def conduct(bench: Bench, run: Run, cost: Cost, jobs: int, progress: Progress) -> list[Cell]:
    """Compute the cells of a bench that are not there, the longest first.

    Args:
        bench: its open directory.
        run: what computes a cell.
        cost: how long a cell takes, in any unit.
        jobs: how many processes at most.
        progress: who shows it.

    Returns:
        All cells, in the table's order.

    Raises:
        AmalgamError: what a cell raised, with its setting and seed; the other processes are stopped.
        WorkError: a process died.
    """
    kept = bench.kept()
    missing = [key for key in bench.keys if key not in kept.cells]
    for keys, why in (
        (kept.damaged, "the files are damaged"),
        (kept.foreign, "other code or other libraries computed them"),
        (kept.altered, "the table asks otherwise now"),
        (kept.stale, "the data has changed"),
    ):
        if keys:
            progress.say(f"computed again since {why}, {plural(len(keys), 'cell')}: {'; '.join(map(called, keys))}")
    jobs = min(jobs, len(missing))
    there = f"{len(kept.cells)} of them there already; {jobs} at a time" if missing else "all there already"
    progress.say(f"{len(bench.keys)} cells, {there}")
    if missing:
        costs = {key: max(cost(bench.table, key[0]), 1e-9) for key in missing}
        order = sorted(missing, key=lambda key: -costs[key])
        with progress.step("cells", _PARTS, "‰") as bar, _workers(jobs, bench, run) as workers:
            _compute(bench, workers, order, _Meter(bar, costs, len(bench.keys)))
        kept = bench.kept()
    return list(kept.cells.values())


def called(key: Key) -> str:
    """A cell as messages name it."""
    return f"{key[0]}, seed {key[1]}"


class _Told(NamedTuple):
    share: float
    note: str


class _Done(NamedTuple):
    text: str


class _Failed(NamedTuple):
    kind: type[AmalgamError] | None
    text: str


@dataclass(frozen=True)
class _Worker:
    process: SpawnProcess
    pipe: Connection


class _Meter:
    """The share of the work that is done and what is under way, on one bar."""

    def __init__(self, bar: Bar, costs: Mapping[Key, float], cells: int) -> None:
        self.bar, self.costs, self.cells = bar, costs, cells
        self.finished = cells - len(costs)
        self.shares = dict.fromkeys(costs, 0.0)
        self.notes: dict[Key, str] = {}
        self.shown = 0

    def told(self, key: Key, share: float, note: str) -> None:
        self.shares[key], self.notes[key] = min(max(share, 0.0), 1.0), note
        self._show()

    def done(self, key: Key) -> None:
        self.shares[key], self.finished = 1.0, self.finished + 1
        self.notes.pop(key, None)
        self._show()

    def _show(self) -> None:
        done = sum(cost * self.shares[key] for key, cost in self.costs.items()) / sum(self.costs.values())
        more = max(int(_PARTS * done + 1e-6) - self.shown, 0)
        self.shown += more
        under_way = (f"{setting} {seed}: {note}" for (setting, seed), note in self.notes.items())
        self.bar.advance(more, " · ".join([f"{self.finished} of {self.cells}", *under_way]))


def _compute(bench: Bench, workers: Sequence[_Worker], order: Sequence[Key], meter: _Meter) -> None:
    waiting, idle = list(reversed(order)), list(workers)
    busy: dict[Connection, tuple[_Worker, Key]] = {}
    while waiting or busy:
        while waiting and idle:
            worker, key = idle.pop(), waiting.pop()
            busy[worker.pipe] = worker, key
            with suppress(OSError):  # it died already, which its pipe tells
                worker.pipe.send(key)
        for pipe in connection.wait(list(busy)):
            worker, key = busy[pipe]  # type: ignore[index]
            try:
                said = worker.pipe.recv()
            except (EOFError, OSError):
                raise _died(worker, key) from None
            if isinstance(said, _Told):
                meter.told(key, *said)
            elif isinstance(said, _Failed):
                raise _failure(key, said)
            else:
                write_text(bench.path(key), said.text)
                meter.done(key)
                del busy[worker.pipe]
                idle.append(worker)


def _failure(key: Key, said: _Failed) -> Exception:
    if said.kind is None:
        return RuntimeError(f"the cell {called(key)} met what nobody foresaw:\n{said.text}")
    return said.kind(f"cell {called(key)}: {said.text}")


def _died(worker: _Worker, key: Key) -> WorkError:
    worker.process.join()
    code = worker.process.exitcode or 0
    if code < 0:
        how = f"was killed ({signal.Signals(-code).name})"
        how += ", which the system does when memory is short: take fewer --jobs" if -code == signal.SIGKILL else ""
    else:
        how = f"ended with exit code {code}"
    return WorkError(f"cell {called(key)}: its process {how}")


@contextmanager
def _workers(number: int, bench: Bench, run: Run) -> Iterator[list[_Worker]]:
    """Processes that compute cells; they end with the body, at once when it fails or is interrupted."""
    workers: list[_Worker] = []
    try:
        for _ in range(number):
            with _one_thread(), _interrupts_later():
                workers.append(_hired(bench, run))
        yield workers
    except BaseException:
        for worker in workers:
            worker.process.kill()
        raise
    finally:
        for worker in workers:
            worker.pipe.close()
        for worker in workers:
            worker.process.join(_PATIENCE)
            worker.process.kill()


def _hired(bench: Bench, run: Run) -> _Worker:
    # Spawned, for a fork of a process that has used CUDA or threads is broken.
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, bench.table, bench.origins, run), name="amalgam bench")
    process.start()
    theirs.close()  # so that the worker's death ends the pipe
    return _Worker(process, ours)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes started meanwhile use one thread: libraries read these names when they are loaded, before any code."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _interrupts_later() -> Iterator[None]:
    """An interrupt waits until the body is over; processes started meanwhile see none, for the parent ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # it would unblock them
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection, table: Table, origins: Mapping[str, Origin], run: Run) -> None:
    """A worker's life: cells, one after the other, until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()

    def say(what: _Told | _Done | _Failed) -> None:
        try:
            pipe.send(what)
        except OSError:  # the parent is gone
            os._exit(1)

    while True:
        try:
            setting, seed = pipe.recv()
        except EOFError:
            return
        try:
            cell = run(table, setting, seed, lambda share, note: say(_Told(share, note)))
            say(_Done(packed(cell, origins[setting])))
        except AmalgamError as error:
            kind = next(one for one in type(error).__mro__ if one.__module__ == AmalgamError.__module__)
            say(_Failed(kind, str(error)))
        except Exception as error:
            say(_Failed(None, traceback.format_exc()))
            raise SystemExit(1) from error


def _leave_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
