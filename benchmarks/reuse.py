"""A second run with the same teachers and data against the first."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from benchmarks.common import Result, Took, make_teachers, run, spread, workplace, write_data
from benchmarks.floor import SPECS

TITLE = "A second run with the same teachers and data"
ABOUT = """\
Measured: two whole `amalgam distill` one after the other, fresh processes that share a store: 20,000 rows of 64
features, three chain teachers of 64 units, 22 labels, one epoch, no ONNX file. The second finds the votes, the targets
and the votes on the test rows in the store, verifies their checksums and says so. It has a run directory of its own and
trains again. The steps are those of the runs' own reports, on the clock."""

STEPS = ("teachers", "data", "votes", "targets", "training", "evaluation")


def measure(quick: bool) -> Result:
    """Pairs of a first and a second run, each pair with a store of its own."""
    rows, pairs = (2500, 1) if quick else (25_000, 3)
    firsts, seconds = list[tuple[Took, dict[str, float]]](), list[tuple[Took, dict[str, float]]]()
    with workplace() as folder:
        recipe = folder / "reuse.yaml"
        content = {
            "name": "reuse",
            **SPECS,
            "teachers": [str(path) for path in make_teachers(folder, 64, hidden=64)],
            "data": {"source": str(write_data(folder / "data.npz", rows, 64))},
            "training": {"epochs": 1, "batch_size": 32, "validation": 0.0, "patience": None},
            "export": False,
        }
        recipe.write_text(json.dumps(content))
        for _ in range(pairs):
            home = folder / "home"
            shutil.rmtree(home, ignore_errors=True)
            firsts.append(_run(recipe, folder / "first", home))
            seconds.append(_run(recipe, folder / "second", home))
            said = seconds[-1][0].said
            for what in ("votes of teacher-0", "votes of teacher-1", "votes of teacher-2", "targets"):
                if f"{what}: reused from the store" not in said:
                    raise RuntimeError(f"the second run does not say that it reused the {what}:\n{said}")
    lines = [_line("whole run, CPU s", [one.cpu for one, _ in firsts], [one.cpu for one, _ in seconds])]
    lines += [_line("whole run", [one.wall for one, _ in firsts], [one.wall for one, _ in seconds])]
    lines += [_line(step, [of[step] for _, of in firsts], [of[step] for _, of in seconds]) for step in STEPS]
    asked = [[of["votes"] + of["targets"] for _, of in runs] for runs in (firsts, seconds)]
    lines.append(_line("votes + targets", *asked))
    meaning = "Every second run says of each teacher's votes and of the targets that they were `reused from the store`."
    return Result(("step", "first, s", "second, s", "second / first"), lines, meaning)


def _line(name: str, first: list[float], second: list[float]) -> tuple[str, ...]:
    ratios = [after / before for before, after in zip(first, second, strict=True) if before > 0]
    return name, spread(first, 2), spread(second, 2), spread(ratios, 2) if ratios else "–"


def _run(recipe: Path, out: Path, home: Path) -> tuple[Took, dict[str, float]]:
    shutil.rmtree(out, ignore_errors=True)
    took = run("amalgam", "distill", recipe, "--out", out, home=home)
    return took, json.loads((out / "report.json").read_text())["seconds"]
