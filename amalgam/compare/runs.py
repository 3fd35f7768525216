"""Finished runs beside each other: their numbers, what was set otherwise, and whether they can be compared at all."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amalgam import run, strategies
from amalgam.compare.common import ABSENT, differences, flat, names, told
from amalgam.errors import RequestError, listed
from amalgam.evaluation import Line
from amalgam.metrics import EVERY, MEASURES, Measure
from amalgam.parts import IN_MEMORY
from amalgam.recipe import Recipe, read
from amalgam.report import Report
from amalgam.results import Entry, against, column, duration, storage, thousands
from amalgam.sheets import Sheet, Sheets
from amalgam.student import settings_of


@dataclass(frozen=True)
class Finished:
    """A finished run.

    Attributes:
        name: what it is called among those it is compared with.
        folder: where it lies.
        report: its numbers.
        settings: its recipe, flat, defaults filled in: `strategy.clamp` → True.
    """

    name: str
    folder: Path
    report: Report
    settings: dict[str, Any]

    @property
    def line(self) -> Line | None:
        """The student's measures and cost, where it was measured."""
        return self.report.evaluation.student if self.report.evaluation else None

    @property
    def measured(self) -> Sequence[Measure]:
        """The measures that say something of its labels."""
        return self.report.evaluation.measured if self.report.evaluation else MEASURES


def read_report(folder: Path) -> Report:
    """The report of a finished run.

    Raises:
        RequestError: the run is not finished, or its report is damaged.
    """
    if not run.finished(folder):
        raise RequestError(
            f"{folder} is not finished; go on with it: amalgam distill --resume --out {shlex.quote(str(folder))}"
        )
    return Report.read(folder)


def compare(folders: Sequence[Path]) -> Sheets:
    """Finished runs beside the first of them.

    Args:
        folders: two run directories or more.

    Raises:
        RequestError: a directory named twice, a run that is not finished, or one that is damaged.
    """
    runs = [
        Finished(name, folder, read_report(folder), settings(_recipe(folder)))
        for name, folder in zip(names(folders), folders, strict=True)
    ]
    first, *others = runs
    obstacles = {one.name: _obstacles(first, one) for one in others}
    level = [one for one in runs if not obstacles.get(one.name)]
    otherwise = differences([one.settings for one in runs])
    baselines = _baselines(level) if len(level) == len(runs) else {}
    measures = list(dict.fromkeys(measure for one in runs for measure in one.measured))
    blocks = [_rows(runs, level, measures)]
    if baselines:
        blocks.append([(name, _entries(line, measures)) for name, line in baselines.items()])
    return Sheets(
        title=f"{', '.join(one.name for one in others)} beside {first.name}",
        says=tuple(_says(first, one, obstacles[one.name]) for one in others),
        sheets=(
            Sheet(
                f"Students, and their difference to {first.name} (= is identical to the last digit)",
                _headings(measures),
                tuple(blocks),
            ),
        ),
        settings=tuple(told(key, values) for key, values in otherwise.items()),
        notes=(*_cautions(level), *(f"{one.name}: {note}" for one in runs for note in one.report.notes)),
        facts={
            "kind": "runs",
            "runs": [_facts(first, one, obstacles.get(one.name, [])) for one in runs],
            "baselines": {name: _measures(line, measures) for name, line in baselines.items()},
            "settings": otherwise,
        },
    )


def _recipe(folder: Path) -> Recipe:
    """The recipe that a run was made with."""
    if not (folder / run.RECIPE).is_file():
        raise RequestError(f"{folder} has a report but no {run.RECIPE}; put back the recipe that the run was made with")
    return read(str(folder / run.RECIPE))


def settings(recipe: Recipe) -> dict[str, Any]:
    """A recipe as flat keys, with the defaults of its strategy and student; its name and description say nothing.

    Raises:
        RequestError: a strategy or student that this version does not have.
    """
    content = recipe.model_dump(mode="json", exclude={"name", "description"})
    strategy = strategies.build(recipe.strategy, f"recipe {recipe.name}")
    _, student = settings_of(recipe.student, f"recipe {recipe.name}, student")
    content["strategy"] = {"name": recipe.strategy["name"], **dataclasses.asdict(strategy)}
    content["student"] = {"name": recipe.student["name"], **student.model_dump(mode="json")}
    return flat(content)


def _obstacles(first: Finished, other: Finished) -> list[str]:
    """Why the measures of two runs cannot be held against each other; nothing when they can."""
    if first.report.evaluation is None or other.report.evaluation is None:
        name = first.name if first.report.evaluation is None else "it"
        return [f"{name} was not measured, since no annotated rows were held out"]
    ours, theirs = first.report.evaluation, other.report.evaluation
    found = []
    if set(ours.student.labels) != set(theirs.student.labels):
        only = _only(first.name, ours.student.labels, other.name, theirs.student.labels)
        found.append(f"it was measured on other labels ({only})")
    if ours.exclusive != theirs.exclusive:
        found.append(
            f"it chooses {'one class a row' if theirs.exclusive else 'label by label'} and {first.name} does not"
        )
    elif {frozenset(one) for one in ours.tasks.values()} != {frozenset(one) for one in theirs.tasks.values()}:
        found.append(
            f"its tasks are {listed(theirs.tasks) or 'none'}, those of {first.name} {listed(ours.tasks) or 'none'}"
        )
    if ours.rows != theirs.rows:
        found.append(f"it was measured on {theirs.rows:,} rows instead of {ours.rows:,}")
    chosen = _chosen_otherwise(first.settings, other.settings)
    if chosen:
        found.append(f"its test rows were chosen otherwise ({'; '.join(chosen)})")
    return found


def _chosen_otherwise(*every: dict[str, Any]) -> list[str]:
    """The settings that decide which rows are measured on, where they differ."""
    named = all(one["data.held_out"] is not None for one in every)
    deciding = ("data.held_out",) if named else ("data.",)
    return [
        told(key, values)
        for key, values in differences(every).items()
        if key.startswith(deciding) and key != "data.student"
    ]


def _only(first: str, ours: Sequence[str], other: str, theirs: Sequence[str]) -> str:
    """What only one of two runs has: `only a: 'x', 'y'; only b: 'z'`."""
    each = ((first, [one for one in ours if one not in theirs]), (other, [one for one in theirs if one not in ours]))
    return "; ".join(f"only {name}: {listed(some)}" for name, some in each if some)


def _says(first: Finished, other: Finished, obstacles: Sequence[str]) -> str:
    """How a run does beside the first, in a sentence or two."""
    if obstacles or first.line is None or other.line is None:
        return f"{other.name} cannot be compared with {first.name}: {'; '.join(obstacles)}."
    if _reproduced(first, other):
        too = [one.get("loss") for one in first.report.history] == [one.get("loss") for one in other.report.history]
        epochs = ", and so is the loss of every epoch" if too and first.report.history else ""
        said = f"{other.name} reproduces {first.name}: every measure is identical to the last digit{epochs}."
    else:
        said = f"{other.name} {' '.join(against(other.line, first.line, first.name, first.measured))}."
    ours, theirs = ([teacher.name for teacher in one.report.teachers] for one in (first, other))
    if set(ours) != set(theirs):
        said += f" It learned from other teachers ({_only(first.name, ours, other.name, theirs)})."
    return said


def _reproduced(first: Finished, other: Finished) -> bool:
    """Whether two runs were measured to the same numbers, digit by digit."""
    return first.line is not None and other.line is not None and _digits(first.line) == _digits(other.line)


def _digits(line: Line) -> str:
    """Every digit of a model's measures; unlike numbers, NaN among them is equal to itself."""
    return repr((_measures(line, EVERY), sorted(zip(line.labels, line.measures.f1_per_label, strict=True))))


def _baselines(level: Sequence[Finished]) -> dict[str, Line]:
    """The majority vote and the mean logit, where they are the same to the last digit in every run."""
    found = [one.report.evaluation for one in level if one.report.evaluation is not None]
    if not found or any(not one.ensembles for one in found):
        return {}
    lines = {line.name: [one.ensembles[place] for one in found] for place, line in enumerate(found[0].ensembles)}
    same = all(len({_digits(line) for line in each}) == 1 for each in lines.values())
    return {name: each[0] for name, each in lines.items()} if same else {}


def _headings(measures: Sequence[Measure]) -> tuple[str, ...]:
    shown = (f"{one.name} {one.arrow}" for one in measures)
    return ("run", "strategy, teachers", "student, parameters", *shown, "size", "time")


def _rows(
    runs: Sequence[Finished], level: Sequence[Finished], measures: Sequence[Measure]
) -> list[tuple[str, list[Entry]]]:
    """A row a run; the best of the runs that can be compared is marked, their difference to the first below."""
    first, rows = runs[0], []
    lines = [one.line for one in level]
    best = {measure.key: dict[str, bool]() for measure in measures}
    for measure in measures:
        values = [getattr(line.measures, measure.key) if line else None for line in lines]
        cells = column(values, "{:.3f}".format, 1 if measure.better == "lower" else -1)
        best[measure.key] = {one.name: cell.best for one, cell in zip(level, cells, strict=True)}
    for one in runs:
        under = _unders(first, one) if one in level and one is not first else {}
        entries = _entries(one.line, measures)
        entries[0] = Entry(one.report.strategy, under=str(len(one.report.teachers)))
        entries[1] = dataclasses.replace(entries[1], text=one.report.student.name)
        for place, measure in enumerate(measures, 2):
            mark = best[measure.key].get(one.name, False)
            entries[place] = Entry(entries[place].text, mark, under.get(measure.key, ""))
        entries[-1] = Entry(duration(one.report.seconds["all"]) if "all" in one.report.seconds else ABSENT)
        rows.append((one.name, entries))
    return rows


def _entries(line: Line | None, measures: Sequence[Measure]) -> list[Entry]:
    """The cells of a model under the headings after the first, its own names left out."""
    if line is None:
        return [Entry(""), Entry(""), *[Entry(ABSENT)] * (len(measures) + 1), Entry("")]
    numbers = [getattr(line.measures, measure.key) for measure in measures]
    shown = [Entry(ABSENT if math.isnan(number) else f"{number:.3f}") for number in numbers]
    parameters = "" if line.cost.parameters is None else thousands(line.cost.parameters)
    size = ABSENT if line.cost.bytes is None else storage(line.cost.bytes)
    return [Entry(""), Entry("ensemble", under=parameters), *shown, Entry(size), Entry("")]


def _unders(first: Finished, other: Finished) -> dict[str, str]:
    """Measure → how a run differs from the first: `+0.012`, or `=` when the two are identical to the last digit."""
    return {key: "" if gap is None else _signed(gap) for key, gap in _gaps(first, other).items()}


def _signed(gap: float) -> str:
    """A difference as readers see it: `+0.012`, `−0.012`; `=` is none at all, to the last digit."""
    return f"{gap:+.3f}".replace("-", "−") if gap else "="


def _gaps(first: Finished, other: Finished) -> dict[str, float | None]:
    """Measure → a run's number less the first's; None where one is unknown."""
    ours, theirs = (_measures(one.line, first.measured) for one in (first, other))
    return {
        key: None if ours[key] is None or theirs[key] is None else theirs[key] - ours[key]  # type: ignore[operator]
        for key in ours
    }


def _measures(line: Line | None, measures: Sequence[Measure]) -> dict[str, float | None]:
    """Measure → number; None where it is not known."""
    found = {one.key: math.nan if line is None else getattr(line.measures, one.key) for one in measures}
    return {key: None if math.isnan(value) else value for key, value in found.items()}


def _cautions(level: Sequence[Finished]) -> list[str]:
    """What the numbers of single runs cannot tell."""
    first = level[0]
    if len(level) < 2 or first.line is None:
        return []
    said = []
    if any(one.settings["data.source"] == IN_MEMORY for one in level):
        said.append("rows were in memory, so nothing can tell whether the runs were measured on the same ones")
    if any(one.report.votes.get("reused") for one in level):
        said.append("a run that found votes in the store took less time than one that asked the teachers")
    loss, rows = first.line.measures.subset_loss, first.line.measures.rows
    if not math.isnan(loss) and not all(_reproduced(first, one) for one in level):
        error = math.sqrt(loss * (1 - loss) / rows)
        said.append(
            f"on {rows:,} rows a subset loss of {loss:.3f} has a standard error of {error:.3f}, and another seed gives "
            "another student; `amalgam bench` compares over seeds"
        )
    return said


def _facts(first: Finished, one: Finished, obstacles: Sequence[str]) -> dict[str, Any]:
    """A run for programs."""
    report, line = one.report, one.line
    return {
        "name": one.name,
        "folder": str(one.folder),
        "strategy": report.strategy,
        "teachers": [teacher.name for teacher in report.teachers],
        "student": report.student.name,
        "parameters": line.cost.parameters if line else None,
        "bytes": line.cost.bytes if line else None,
        "seconds": report.seconds.get("all"),
        "measures": _measures(line, one.measured),
        "difference": None if obstacles or one is first else _gaps(first, one),
        "reproduced": one is not first and not obstacles and _reproduced(first, one),
        "obstacles": list(obstacles),
    }
