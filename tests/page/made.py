"""Small students for pages, their rows, and onnxruntime-web as a tiny package that is none."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from amalgam.labelgraph.graph import LabelGraph
from amalgam.page import runtime
from amalgam.signals import TensorRows
from amalgam.student import Student, build
from amalgam.tokens import Reading, series

Floats = NDArray[np.float32]
HOSTILE = "</script><img src=x onerror=document.title='taken'>"
TEXTS = [
    "A fine &amp; funny film",
    "I don’t know; it's O'Brien's_worst",
    "ΣΊΣΥΦΟΣ rolls the stone &lt;b&gt; again",
    "long " * 30,
]
GRAPH = LabelGraph(
    root="thing",
    edges=(("thing", "round"), ("thing", "long"), ("round", "ball"), ("round", "coin"), ("long", "rope")),
    groups={"form": ("round", "long"), "named": ("ball", "coin", "rope")},
    labels={"form": ("round", "long"), "named": ("ball", "coin", "rope")},
)
FILES = {runtime.SCRIPT: b"export const nothing = 0;\n", runtime.WASM: b"\0asm nothing"}


def rows(*shape: int) -> Floats:
    """40 rows of numbers, some of them large."""
    return torch.randn(40, *shape, generator=torch.Generator().manual_seed(1)).mul(2).numpy()


def images(*shape: int) -> Floats:
    """40 rows of bytes over 255."""
    drawn = np.random.default_rng(0).integers(0, 256, (40, *shape))
    drawn[:, :, [0, -1]] = drawn[:, :, :, [0, -1]] = 0
    return np.divide(drawn, 255, dtype=np.float32)


def student(
    spec: dict[str, Any], values: Floats, labels: tuple[str, ...], tasks: dict[str, tuple[str, ...]] | None = None
) -> Student:
    """A student with random weights whose scaling fits the rows, and whose answers differ from row to row."""
    torch.manual_seed(0)
    made = build(spec, values.shape[1:], labels, "a test")
    made.scaling.fit(TensorRows(values=torch.from_numpy(values)))
    made.tasks = tasks or {}
    with torch.no_grad():
        for weight in made.parameters():
            weight.mul_(1.5)
    return made.eval()


def of_texts() -> Student:
    """A student of texts of up to 12 words."""
    made = student({"name": "text", "vectors": 500, "embedding": 8, "hidden": 8}, rows(12, 1), ("good", "bad", "long"))
    made.reading = Reading(12)
    return made


def of_texts_rows() -> Floats:
    """The texts as that student's rows."""
    found = np.full((len(TEXTS), 12, 1), np.nan, np.float32)
    numbers = series(Reading(12).read(TEXTS).numbers)
    found[:, : numbers.shape[1]] = numbers
    return found


def package(path: Path, files: dict[str, bytes] | None = None, version: str = runtime.VERSION) -> Path:
    """A `.tgz` as npm packs one."""
    content = {f"package/dist/{name}": own for name, own in (FILES if files is None else files).items()}
    content["package/package.json"] = json.dumps({"version": version}).encode()
    with tarfile.open(path, "w:gz") as archive:
        for name, own in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(own)
            archive.addfile(member, io.BytesIO(own))
    return path


def pretend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tiny package pass for onnxruntime-web."""
    monkeypatch.setattr(runtime, "SUMS", {name: hashlib.sha512(own).hexdigest() for name, own in FILES.items()})
