"""`amalgam`, whose cells are stand-ins: `python -m tests.bench.command STAND_IN bench …`."""

from __future__ import annotations

import sys

import pytest

from tests.bench import stand_ins


def put(patch: pytest.MonkeyPatch, name: str) -> None:
    """A stand-in where the command looks for what computes a cell."""
    patch.setattr("amalgam.bench.cell.run", getattr(stand_ins, name))
    patch.setattr("amalgam.bench.cell.cost", stand_ins.cost)


if __name__ == "__main__":
    from amalgam.cli import main

    put(pytest.MonkeyPatch(), sys.argv.pop(1))
    main()
