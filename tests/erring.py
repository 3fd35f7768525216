"""What the tests of bad input share: teachers that go wrong, tiny data, and a `distil` that returns the message."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amalgam import shelf

Cli = Callable[..., tuple[int, str, str]]

TEACHERS = """
import numpy as np
import torch

class Pair:
    fingerprint = "pair"
    def __init__(self, labels=("big", "small"), change=lambda scores: scores):
        self.labels, self.change = labels, change
    def score(self, inputs):
        total = inputs.float().sum(1, keepdim=True)
        return self.change((total - total.mean()) * torch.tensor([3.0, -3.0]))

def broken(scores):
    raise ValueError("the model is on another planet\\nand does not answer")

good = Pair
def wide(): return Pair(("a", "b", "c"))
def nan(): return Pair(change=lambda scores: scores * np.nan)
def infinite(): return Pair(change=lambda scores: scores / 0)
def probable(): return Pair(change=torch.sigmoid)
def raising(): return Pair(change=broken)
def wordy(): return Pair(change=lambda scores: "dunno")
def absent(): return None
def silent(): return object()
def unable(): raise OSError("no weights at home")
def unlabelled(): return Pair(())
def numbered(): return Pair((0, 1))
def twice(): return Pair(("big", "big"))
def empty(): return Pair(("big", " "))
def text(): return Pair("ab")
def nothing(): return Pair(None)
def array(): return Pair(np.array(["big", "small"]))
"""


class Distil:
    """`amalgam distill` on tiny data, in a folder of its own: what it says when it goes wrong."""

    def __init__(self, cli: Cli, here: Path) -> None:
        self.cli, self.here = cli, here

    def __call__(self, *arguments: object, teacher: str = "custom:pair:good", data: str = "rows.npz") -> str:
        """The message of a wrong request."""
        return self.fails(2, *self.command(*arguments, teacher=teacher, data=data))

    def command(self, *arguments: object, teacher: str = "custom:pair:good", data: str = "rows.npz") -> list[object]:
        fixed = ["--trust-code", "--student", "mlp", "--set", "training.epochs=1", "--set", "export=false"]
        return [
            "distill",
            "--strategy",
            "ant",
            "--teacher",
            teacher,
            "--data",
            data,
            *fixed,
            "--out",
            "run",
            *arguments,
        ]

    def fails(self, code: int, *arguments: object) -> str:
        """The whole message of a command that leaves with `code`: one line, no traceback."""
        found, out, err = self.cli(*arguments)
        assert found == code, err
        assert "Traceback" not in out + err
        last = err.splitlines()[-1]
        start = {1: "amalgam: failed: ", 2: "amalgam: error: "}[code]
        assert last.startswith(start)
        assert err.count("amalgam: ") == 1
        return (
            last.removeprefix(start)
            .replace(f"{self.here}/", "")
            .replace(str(self.here), "HERE")
            .replace(str(shelf.shelf("recipes")), "RECIPES")
        )

    def works(self, *arguments: object, **named: str) -> list[str]:
        """The notes in the report of a run that ends well."""
        code, _, err = self.cli(*self.command(*arguments, **named))
        assert code == 0, err
        return notes(self.here / "run")


def notes(run: Path) -> list[str]:
    """The notes of a finished run."""
    report: dict[str, Any] = json.loads((run / "report.json").read_text(encoding="utf-8"))
    return list(report["notes"])


def arrange(cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch) -> Distil:
    """A folder to work in, with teachers in `pair.py` and 30 unlabelled rows of four columns in `rows.npz`."""
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "path", [str(here), *sys.path])
    monkeypatch.delitem(sys.modules, "pair", raising=False)
    monkeypatch.delenv("AMALGAM_DATA", raising=False)
    (here / "pair.py").write_text(TEACHERS)
    np.savez(here / "rows.npz", inputs=table())
    return Distil(cli, here)


def table() -> np.ndarray[Any, Any]:
    """30 rows of four columns."""
    return np.random.default_rng(0).integers(0, 100, (30, 4)).astype(np.float32)
