"""Runs: distil, report, explain, evaluate, predict."""

from __future__ import annotations

import csv
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from amalgam import shelf
from amalgam.errors import RequestError, WorkError
from amalgam.progress import shown
from amalgam.views.console import console, options
from amalgam.views.words import distill_words, evaluate_words, none_of

if TYPE_CHECKING:
    from amalgam.evaluation import Evaluation
    from amalgam.recipe import Recipe, Run
    from amalgam.signals import StudentOutput


def distill_and_show(
    name: str | None,
    strategy: str | None,
    teachers: Sequence[str],
    best: str | None,
    data: str | None,
    sources: Sequence[str],
    series: bool,
    student: str | None,
    assignments: Sequence[str],
    extend: Path | None,
    out: Path | None,
    resume: bool,
    trust: bool,
) -> None:
    """`amalgam distill`."""
    from amalgam import recipe as recipes
    from amalgam import run
    from amalgam.strategies import method_class, names

    changes: dict[str, Any] = {"teachers": list(teachers)} if teachers else {}
    if data is not None:
        changes["data"] = {"source": data} | ({"options": {"series": True}} if series else {})
    elif series:
        raise RequestError("--series says how the file of --data is read; name one")
    if sources:
        changes["sources"] = [{"source": one} for one in sources]
    if extend is not None:
        changes["extend.run"] = str(extend)
        if not teachers and not resume and (name is None or name in shelf.names("recipes")):
            changes["teachers"] = []  # those of a recipe that ships are examples, which nobody asked to add
    changes |= {key: given for key, given in (("strategy", strategy), ("student", student)) if given is not None}
    if strategy is not None:
        method_class(strategy)
    if resume:
        run.require(out)
    if resume and name is None:
        name = str(out)
    elif name is None and strategy is None:
        raise RequestError(
            f"nothing says what to distil: name a recipe ({', '.join(shelf.names('recipes'))}, or a path) or "
            f"--strategy ({', '.join(names())})"
        )
    recipe = recipes.read_any(name or str(strategy), changes, assignments)
    if best is not None:
        _require_teachers(recipe, best)
    if isinstance(recipe, recipes.WordRecipe):
        distill_words(recipe, out, resume)
        return
    if isinstance(recipe, recipes.TransferRecipe):
        from amalgam.transferring import distill as transfer

        _distill_rows(transfer, recipe, out, resume, trust)
        return
    from amalgam.pipeline import distill

    told: tuple[str, ...] = ()
    if best is not None and not resume:
        recipe, told = _best(recipe, best, trust)
    _distill_rows(partial(distill, told=told), recipe, out, resume, trust)


def _require_teachers(recipe: Run, given: str) -> None:
    """RequestError for `--teachers` of a run in which no teachers say what the student learns of a row."""
    from amalgam.recipe import TransferRecipe, WordRecipe

    method = recipe.strategy["name"]
    if isinstance(recipe, WordRecipe):
        raise RequestError(
            f"--teachers {given} ranks teachers by what they say of rows, and strategy {method!r} makes one embedding "
            "of several, which has none; leave it out, and name the embeddings with --teacher"
        )
    if isinstance(recipe, TransferRecipe):
        raise RequestError(
            f"--teachers {given} ranks the teachers that a student learns from, and strategy {method!r} learns from a "
            "source; leave it out (amalgam rank --target DATA --source SOURCE ranks sources)"
        )
    if not recipe.teachers:
        raise RequestError(
            f"--teachers {given} ranks the teachers of the recipe {recipe.name}, which has none; leave it out, or name "
            "some with --teacher"
        )


def _best(recipe: Recipe, given: str, trust: bool) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe with the teachers that rank best, and why; the ranking is shown."""
    from amalgam.ranking.choice import asked, best
    from amalgam.views.ranks import show

    with shown() as progress:
        recipe, ranking, why = best(recipe, asked(given), trust=trust, progress=progress)
    show(ranking)
    return recipe, (why,)


def _distill_rows(distill: Any, recipe: Recipe, out: Path | None, resume: bool, trust: bool) -> None:
    """`amalgam distill` of rows: from teachers that answer them, or from a source to a target."""
    from amalgam import run

    with run.placed(out, recipe.name, run.chief() and not resume) as folder, shown(run.chief()) as progress:
        if folder is not None:
            progress.say(f"run directory: {folder}")
        try:
            _, report = distill(recipe, out=folder, resume=resume, trust=trust, progress=progress)
        except KeyboardInterrupt:
            raise WorkError(f"stopped; go on with: amalgam distill --resume --out {folder}") from None
    if folder is not None and run.chief():
        show_report(report, folder)


def show_report(report: Any, folder: Path) -> None:
    """The end of a run: the table, the verdict, and where everything lies."""
    if report.evaluation is not None:
        _show(report.evaluation)
    ship = "student.onnx to ship, " if report.export else ""
    console().print(Text(f"The run lies in {folder}: report.html to look at, {ship}README.md to read."))


def _show(evaluation: Evaluation) -> None:
    """The tables of an evaluation, what could not be measured, and the verdict."""
    from amalgam.results import tables, verdict

    to = console()
    to.print(*tables(evaluation), sep="\n")
    for note in evaluation.notes:
        to.print(Text(note))
    to.print(Text(verdict(evaluation)))


def report_on(folders: Sequence[Path], joined: bool, as_json: bool, out: Path | None) -> None:
    """`amalgam report`."""
    import json

    from amalgam.compare import account
    from amalgam.files import writable, write_text
    from amalgam.sheets import ending

    written_as = None if out is None else ending(out)
    found = account(folders, joined)
    if out is not None:
        with writable(out):
            write_text(out, found.page() if written_as == ".html" else found.markdown())
    if as_json:
        sys.stdout.write(json.dumps(found.facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        return
    to = console()
    to.print(*found.shown, sep="\n")
    if out is not None:
        to.print(Text(f"It lies in {out}"))


def explain_row(folder: Path, row: int, trust: bool) -> None:
    """`amalgam explain`."""
    from amalgam import finished, run
    from amalgam.explain import sheets
    from amalgam.sheets import shown as as_tables

    if run.is_of_words(folder):
        raise RequestError(f"{folder} is a run of words, which has no rows to explain; its report.html says what it is")
    with shown() as progress:
        found = finished.explain(folder, row, trust=trust, progress=progress)
    console().print(*as_tables(sheets(found)), sep="\n")


def evaluate_run(folder: Path, data: str | None, labels: str | None, given: Sequence[str], trust: bool) -> None:
    """`amalgam evaluate`."""
    from amalgam import run
    from amalgam.finished import evaluate_again

    if run.is_of_words(folder):
        none_of({"--labels": labels, "--option": given or None}, folder)
        evaluate_words(folder, data)
        return
    if data is None and given:
        raise RequestError("--option says what the file of --data does not say itself; name one")
    with shown() as progress:
        evaluation = evaluate_again(folder, data, options(labels, assignments=given), trust=trust, progress=progress)
    _show(evaluation)


def predict_rows(folder: Path, data: str | None, labels: str | None, given: Sequence[str], out: Path | None) -> None:
    """`amalgam predict`: a header of label names, then a line of probabilities a row, and its path if it has one."""
    from amalgam import run
    from amalgam.classes import probabilities
    from amalgam.files import draft, writable
    from amalgam.labelgraph.walked import in_words
    from amalgam.parts import rows_for
    from amalgam.student import load

    if run.is_of_words(folder):
        raise RequestError(
            f"{folder} is a run of words, which has no rows; ask for a word's neighbours: amalgam predict "
            f"{shlex.quote(str(folder))} --nearest WORD"
        )
    if data is None:
        raise RequestError(f"nothing says which rows to predict: name them after {folder}, as a file or a name")
    if out is not None and out.is_file():
        raise RequestError(f"--out {out} is there already and is never overwritten; name a new file")
    student = load(folder)
    rows, graph = rows_for(student, data, options(labels, assignments=given)), student.graph

    def lines_of(output: StudentOutput) -> list[list[str]]:
        chances, path = probabilities(output.logits.cpu(), student.spans).tolist(), student.walk(output)
        told = [""] * len(chances) if graph is None or path is None else in_words(graph, path)
        return [
            [*(f"{one:.6f}" for one in row), *([way] if way else [])] for row, way in zip(chances, told, strict=True)
        ]

    def write(stream: Any) -> None:
        lines = csv.writer(stream)
        lines.writerow([*student.labels, *([] if graph is None else ["(path)"])])
        for _, inputs in rows.chunks(4096):
            for some in student.each(inputs, lines_of):
                lines.writerows(some)

    if out is None:
        write(sys.stdout)
        return
    with writable(out), draft(out) as path, path.open("w", newline="", encoding="utf-8") as stream:
        write(stream)
    console().print(Text(f"{len(rows):,} rows of probabilities lie in {out}"))
