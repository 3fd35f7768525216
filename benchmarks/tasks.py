"""VENUS on twenty tasks and two teachers, against the floor: a backbone pass each, and a bare PyTorch loop."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from amalgam import student
from amalgam.datasets import shapes3d
from amalgam.losses import stepwise
from amalgam.signals import ProbabilityTargets, TensorRows
from amalgam.training.settings import Training
from amalgam.training.trainer import fit
from benchmarks.common import Result, workplace
from benchmarks.floor import COLUMNS, Job, compared

TITLE = "VENUS on twenty tasks against the floor"
ABOUT = """\
Measured: the whole `amalgam distill` by VENUS on CPU, a fresh process from its first import to its last file: 8,000
drawn pictures of 32 × 32, of which 6,400 are learned from; twenty tasks (the hue of the floor and of the wall, ten
each, yes or no); a DenseNet and a ResNet, small ones, that know fourteen tasks each, eight of them both; a student of
60 thousand weights, batches of 32, no early stopping, no ONNX file, at two lengths, because what a run does once
(imports, test votes, evaluation, report) weighs less the longer it trains. A teacher is asked once for a picture, not
once for a task; its features are kept in half precision.

The floor: a fresh process (`benchmarks/bare_images.py`) that loads the same teachers and pictures, passes each picture
once through each backbone, and trains the same student class and the same adaptors with a bare PyTorch loop: as many
Adam steps on batches of as many pictures, with the same clipping, and nothing else. The goal is a ratio of at most
1.15.

No GPU was at hand: how many pictures a second a student learns from on one, in bf16, with and without
`torch.compile` (`training.precision`, `training.compile`), is not measured."""

LABELS = (*shapes3d.CLASSES["floor hue"], *shapes3d.CLASSES["wall hue"])
SIZE = 32
RESNET = {"name": "timm", "model": "resnet18"}
TEACHERS = (
    (LABELS[:14], {"name": "timm", "model": "densenet121",
                   "arguments": {"growth_rate": 8, "block_config": [2, 2, 2]}}),
    (LABELS[6:], RESNET | {"arguments": {"layers": [1, 1, 1, 1], "channels": [16, 24, 32, 48]}}),
)  # fmt: skip


def measure(quick: bool) -> Result:
    """Pairs of a run and its floor, one after the other, so that both meet the machine in the same mood."""
    rows, lengths, pairs = (600, (1,), 1) if quick else (8000, (10, 30), 2)
    with workplace() as folder:
        results = [compared(_job(folder, rows, epochs), folder, folder / "home", pairs) for epochs in lengths]
    return Result(COLUMNS, [line for line, _ in results], "\n".join(meaning for _, meaning in results))


def _job(folder: Path, rows: int, epochs: int) -> Job:
    teachers = [_teacher(folder / f"teacher-{number}", number) for number in range(len(TEACHERS))]
    data = folder / "rooms.npz"
    inputs, annotated = _rooms(rows, seed=1)
    np.savez(data, inputs=(inputs * 255).round().astype(np.uint8), annotated=annotated, labels=np.array(LABELS))
    content = {
        "name": "tasks",
        "strategy": {"name": "venus", "scaled": True, "activation": "none"},
        "student": RESNET | {"arguments": {"layers": [1, 1, 1, 1], "channels": [8, 16, 24, 48]}},
        "teachers": [str(path) for path in teachers],
        "data": {"source": str(data)},
        "training": {"epochs": epochs, "batch_size": 32, "validation": 0.0, "patience": None},
        "export": False,
    }
    path = folder / "tasks.yaml"
    path.write_text(json.dumps(content))  # JSON is YAML
    name = f"{rows * 4 // 5:,} pictures, {epochs} epochs"
    return Job(name, path, (), teachers, goal=1.15, bare="benchmarks.bare_images")


def _rooms(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (N, 3, 32, 32) from 0 to 1, and their annotations (N, 20)."""
    drawn = shapes3d.read(count, seed, SIZE, tuple(shapes3d.CLASSES))
    assert drawn.annotated is not None
    return drawn.inputs, drawn.annotated[:, [drawn.labels.index(label) for label in LABELS]]


def _teacher(folder: Path, number: int) -> Path:
    """A saved network, trained shortly on 1,000 pictures of its own."""
    torch.set_num_threads(1)
    labels, spec = TEACHERS[number]
    inputs, annotated = _rooms(1000, seed=100 + number)
    torch.manual_seed(number)
    network = student.build(spec, inputs.shape[1:], labels, f"teacher {number}")
    rows = TensorRows(values=torch.from_numpy(inputs))
    network.scaling.fit(rows)
    truth = torch.from_numpy(annotated[:, [LABELS.index(label) for label in labels]])
    settings = Training(epochs=3, batch_size=32, learning_rate=5e-3, validation=0.0, patience=None)
    targets = ProbabilityTargets(truth, torch.ones_like(truth))
    fit(network, rows, targets, stepwise, settings, seed=number, accelerator=Accelerator(cpu=True))
    return network.save(folder)
