"""The processes of a run and their device, through Accelerate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list

from amalgam.errors import RequestError
from amalgam.training.settings import Training


def processes(wanted: Training | None = None, folder: Path | None = None) -> Accelerator:
    """The processes and the device; with a trainer's settings, their precision, and their tracker's folder.

    Raises:
        RequestError: a precision that this machine does not have.
    """
    wanted = wanted or Training()
    if AcceleratorState._shared_state and AcceleratorState().mixed_precision != wanted.precision:
        AcceleratorState._reset_state()  # Accelerate keeps the precision it was first asked for
    try:
        accelerator = Accelerator(mixed_precision=wanted.precision)
    except ValueError as error:
        raise RequestError(f"training.precision {wanted.precision!r} cannot be had here: {error}") from None
    if wanted.tracker is None or folder is None or not accelerator.is_main_process:
        return accelerator
    return Accelerator(mixed_precision=wanted.precision, log_with=wanted.tracker, project_dir=folder)


@contextmanager
def tracked(wanted: Training, name: str, folder: Path | None) -> Iterator[Accelerator]:
    """The processes for a training, whose tracker, if the settings name one, logs it under a name in a folder."""
    accelerator = processes(wanted, folder)
    if wanted.tracker is not None:
        accelerator.init_trackers(name)
    try:
        yield accelerator
    finally:
        for one in accelerator.trackers:  # Accelerate's own `end_training` would end the processes, too
            one.finish()


def nonce() -> str:
    """A name that only this run has, the same in all its processes."""
    name = [uuid4().hex]
    broadcast_object_list(name)
    return name[0]
