"""How a run of rows ends, whichever it is: its student is measured, kept and told of."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from amalgam import run
from amalgam.collect import vote
from amalgam.evaluation import Evaluation, evaluate
from amalgam.fingerprint import of_file, of_rows
from amalgam.journal import Journal
from amalgam.panel import Panel, Seat
from amalgam.parts import Parts
from amalgam.recipe import Recipe
from amalgam.report import Known, Report, machine
from amalgam.signals import Rows
from amalgam.student import Student


def measure(student: Student, panel: Panel, test: Rows | None, journal: Journal) -> Evaluation | None:
    """The student beside its teachers on the test rows; None without annotated rows."""
    if test is None:
        journal.note("no annotated rows to measure on; name some with data.held_out")
        return None
    ballots = vote(panel, test.unlabelled(), of_rows(test), replace(journal, votes={}), name="test votes")
    return evaluate(student, panel, test, ballots, progress=journal.progress)


def kept(
    student: Student, recipe: Recipe, folder: Path | None, parts: Parts, seats: Sequence[Seat], journal: Journal
) -> dict[str, Any]:
    """Save a student, brought to the CPU, in the directory of its run, with its ONNX file where the recipe wants one.

    Args:
        student: trained.
        recipe: the run.
        folder: its directory; None keeps nothing.
        parts: real rows that the file is checked on.
        seats: the teachers that it names.
        journal: of the run.

    Returns:
        Facts of the file; empty where there is none.
    """
    student.to("cpu")
    if folder is None:
        return {}
    student.save(folder / run.STUDENT)
    if not recipe.export:
        return {}
    with journal.timed("export"), journal.progress.step("export", 1, "model") as bar:
        exported = _export(student, recipe, folder, parts, seats)
        bar.advance(1)
    return exported


def _export(student: Student, recipe: Recipe, folder: Path, parts: Parts, seats: Sequence[Seat]) -> dict[str, Any]:
    """The ONNX file of a run, checked on real rows, and its facts."""
    from amalgam.export import Provenance, export, facts

    keys = ("name", "licence", "fingerprint")
    teachers = tuple({key: getattr(one, key, None) for key in keys} for one in seats)
    made = Provenance(recipe.strategy["name"], of_file(folder / run.RECIPE), teachers)
    rows = parts.learn if parts.test is None else parts.test
    return facts(export(student, folder / run.ONNX, rows, made=made, force=True))


def reported(recipe: Recipe, student: Student, accelerator: Accelerator, journal: Journal, **own: Any) -> Report:
    """The report of a run that is over.

    Args:
        recipe: the run.
        student: what came of it.
        accelerator: where it was.
        journal: what was noted down on the way.
        own: what a run of this kind has to tell besides.
    """
    return Report(
        recipe=recipe.name,
        strategy=recipe.strategy["name"],
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        student=Known.of(student, recipe.student["name"]),
        machine=machine(str(accelerator.device)),
        seconds={**journal.seconds, "all": round(time.monotonic() - journal.began, 3)},
        notes=tuple(journal.notes),
        settings=run.resolved(recipe).model_dump(mode="json"),
        **own,
    )
