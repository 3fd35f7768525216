"""Checkpoints: everything a training needs to go on as if it had never stopped, in one file that is whole or absent."""

from __future__ import annotations

import hashlib
import io
import pickle
import time
from pathlib import Path
from typing import Any

import torch

from amalgam.errors import RequestError
from amalgam.files import draft

_NAME = "training.pt"
_DIGEST = hashlib.sha256().digest_size


class Checkpoints:
    """The last checkpoint of a training.

    Args:
        folder: where it lies; None keeps none.
        seconds: the least time between two; saving also never takes more than a fiftieth of the time.
    """

    def __init__(self, folder: Path | None, seconds: float) -> None:
        self.path = None if folder is None else folder / _NAME
        self.seconds = seconds
        self.saved_at = time.monotonic()
        self.cost = 0.0

    def due(self) -> bool:
        """Whether enough time has passed to save again."""
        return self.path is not None and time.monotonic() - self.saved_at >= max(self.seconds, 50 * self.cost)

    def save(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint."""
        if self.path is None:
            return
        began = time.monotonic()
        with draft(self.path) as path:
            torch.save(state, path)
            with path.open("r+b") as file:  # torch notices a file cut short, but not every changed byte
                file.write(hashlib.file_digest(file, "sha256").digest())
        self.saved_at = time.monotonic()
        self.cost = self.saved_at - began if self.seconds else 0.0

    def load(self) -> dict[str, Any] | None:
        """The checkpoint, on the CPU, or None; no code in it is ever run.

        Raises:
            RequestError: the file is damaged.
        """
        if self.path is None or not self.path.is_file():
            return None
        damaged = RequestError(f"the checkpoint {self.path} is damaged; delete it, and --resume trains from the start")
        content = self.path.read_bytes()
        if hashlib.sha256(content[:-_DIGEST]).digest() != content[-_DIGEST:]:
            raise damaged
        try:
            state: dict[str, Any] = torch.load(io.BytesIO(content[:-_DIGEST]), map_location="cpu", weights_only=True)
        except (RuntimeError, pickle.UnpicklingError, EOFError):
            raise damaged from None
        return state
