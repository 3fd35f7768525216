"""A whole `amalgam distill` against the floor: one teacher pass and a bare PyTorch loop of as many steps."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from accelerate import Accelerator

from amalgam import parts, recipe, registry
from amalgam.progress import Silent
from amalgam.schooling import school
from benchmarks.common import Result, Took, make_teachers, run, spread, workplace, write_data

TITLE = "A whole run against the floor"
ABOUT = """\
Measured: the whole `amalgam distill`, a fresh process from its first import to its last file: reading the data, loading
the teachers, votes, transfers and targets into an empty store, training with checkpoints, evaluation beside the
teachers, report with its figures, the saved student, and where it says so the ONNX file with its parity check.

The floor: a fresh process (`benchmarks/bare.py`) that loads the same teachers and rows, asks the teachers once,
and trains the same student class with a bare PyTorch loop: as many Adam steps on batches of as many rows, with the same
clipping, and nothing else. The goal is a ratio of at most 1.15 for work that is no toy.

The large job: 20,000 rows of 64 features, three chain teachers on 22 partly overlapping labels, a chain of 64 units,
batches of 32, at two lengths, because what a run does once (imports, evaluation, export) weighs less the longer it
trains (the paper's students train for 200 epochs); no early stopping in either. The small job is
`recipes/ant.yaml` on the built-in digits with its teachers trained before, and the floor takes as many steps as early
stopping left it."""

SPECS = {
    "strategy": {"name": "ant", "indicator": "surprise", "clamp": True, "contradiction": "mean"},
    "student": {"name": "label_chain", "hidden": 64},
}

COLUMNS = ("job", "run, s", "floor, s", "ratio", "run, CPU s", "floor, CPU s", "ratio of CPU s")


@dataclass(frozen=True)
class Job:
    """A run to measure.

    Attributes:
        name: what it is called in the table.
        recipe: its file.
        changes: to it, as `--set` has them.
        teachers: saved students.
        goal: the ratio that is wanted.
        bare: the module that is its floor.
    """

    name: str
    recipe: Path
    changes: tuple[str, ...]
    teachers: list[Path]
    goal: float | None = None
    bare: str = "benchmarks.bare"


def measure(quick: bool) -> Result:
    """Pairs of a run and its floor, one after the other, so that both meet the machine in the same mood."""
    rows, lengths, pairs = (2500, (1,), 1) if quick else (25_000, (15, 30), 2)
    with workplace() as folder:
        home = folder / "home"
        small = _small(home)
        results = [compared(_large(folder, rows, epochs), folder, home, pairs) for epochs in lengths]
        for export in ("false", "true"):
            name = f"recipes/ant.yaml, {'with' if export == 'true' else 'without'} ONNX"
            job = Job(name, small.recipe, (f"export={export}",), small.teachers)
            results.append(compared(job, folder, home, 1 if quick else 3))
    return Result(COLUMNS, [line for line, _ in results], "\n".join(meaning for _, meaning in results))


def _large(folder: Path, rows: int, epochs: int) -> Job:
    teachers = make_teachers(folder, 64, hidden=64)
    content = {
        "name": "large",
        **SPECS,
        "teachers": [str(path) for path in teachers],
        "data": {"source": str(write_data(folder / "data.npz", rows, 64))},
        "training": {"epochs": epochs, "batch_size": 32, "validation": 0.0, "patience": None},
    }
    path = folder / "large.yaml"
    path.write_text(json.dumps(content))  # JSON is YAML
    return Job(f"{rows * 4 // 5:,} rows, {epochs} epochs, with ONNX", path, (), teachers, goal=1.15)


def _small(home: Path) -> Job:
    """The default recipe, its teachers trained already, in the store they will be found in."""
    os.environ["AMALGAM_HOME"] = str(home)
    path = Path(__file__).parents[1] / "recipes" / "ant.yaml"
    cards = [registry.find_card(name)[0] for name in recipe.read(str(path)).teachers]
    return Job("small", path, (), [school(card, Accelerator(cpu=True), Silent()) for card in cards])


def compared(job: Job, folder: Path, home: Path, pairs: int) -> tuple[tuple[str, ...], str]:
    """A job's runs beside its floors, one after the other: a line of the `COLUMNS`, and what it means."""
    runs, floors, reports = list[Took](), list[Took](), list[dict[str, dict[str, float]]]()
    for _ in range(pairs):
        for kind in ("votes", "targets"):
            shutil.rmtree(home / kind, ignore_errors=True)
        shutil.rmtree(folder / "run", ignore_errors=True)
        changes = [part for change in job.changes for part in ("--set", change)]
        runs.append(run("amalgam", "distill", job.recipe, *changes, "--out", folder / "run", home=home))
        reports.append(json.loads((folder / "run" / "report.json").read_text()))
        floors.append(run(job.bare, _told(job, folder, reports[-1]), home=home))
    wall = [one.wall / floor.wall for one, floor in zip(runs, floors, strict=True)]
    cpu = [one.cpu / floor.cpu for one, floor in zip(runs, floors, strict=True)]
    line = (
        job.name,
        spread([one.wall for one in runs]),
        spread([one.wall for one in floors]),
        spread(wall, 2),
        spread([one.cpu for one in runs]),
        spread([one.cpu for one in floors]),
        spread(cpu, 2),
    )
    seconds = reports[-1]["seconds"]
    inside = ", ".join(f"{step} {seconds[step]:.1f}" for step in seconds if step != "all")
    outside = f"{runs[-1].wall - seconds['all']:.1f}"
    meaning = f"- {job.name}: where the last run's seconds went: {inside}; imports, start and end {outside}."
    if "export" in seconds:
        exports = [one["seconds"]["export"] for one in reports]
        rest = [(one.wall - spent) / floor.wall for one, spent, floor in zip(runs, exports, floors, strict=True)]
        meaning += f" Without the time of the export the ratio is {spread(rest, 2)}."
    if job.goal is not None:
        meaning += f" The goal of {job.goal} is {'met' if median(wall) <= job.goal else 'missed'}."
    return line, meaning


def _told(job: Job, folder: Path, report: dict[str, dict[str, float]]) -> Path:
    """What the floor must do to do the run's work: the rows it learned from, and as many epochs."""
    read = recipe.read(str(job.recipe))
    learn = parts.apportion(read).learn
    rows = folder / "rows.npy"
    np.save(rows, learn.inputs(slice(0, int(report["data"]["learnt from"]))).numpy())
    told = {
        "rows": str(rows),
        "teachers": [str(path) for path in job.teachers],
        "student": read.student,
        "seed": read.seed,
        "epochs": len(report["history"]),
        **read.training.model_dump(include={"batch_size", "learning_rate", "clip_norm"}),
    }
    path = folder / "floor.json"
    path.write_text(json.dumps(told))
    return path
