"""The report of a run: plain data, written as JSON, as a page to look at and as the student's model card."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from amalgam.calibration import Calibration
from amalgam.contributions import Contribution
from amalgam.errors import RequestError
from amalgam.evaluation import Evaluation, Line
from amalgam.files import write_text
from amalgam.known import Known
from amalgam.modelcard import front_matter, learned_from, licence_says, of_report
from amalgam.parts import IN_MEMORY
from amalgam.recipe import written
from amalgam.results import (
    MOST_WALKED,
    WALKS,
    blocks,
    contradictions,
    duration,
    headings,
    lines,
    plain,
    table,
    task_headings,
    tasks,
    verdict,
    walks,
    weights,
)
from amalgam.schema import parse
from amalgam.sheets import fill
from amalgam.strategy import Grid
from amalgam.thumbnails import Thumbnails
from amalgam.timings import Timing, told, weighed
from amalgam.timings import headings as timed
from amalgam.transfer.told import Transferred

ANNOTATED = "annotated, of the student's"
"""The part of the data, among `Report.data`, whose annotations the strategy saw."""
ALIKE = "rows decided alike"
"""The fact of an exported file that is a share."""
_MOST_LABELS = 30  # of a teacher, in the model card

__all__ = ["ANNOTATED", "Known", "Report", "card", "machine", "page", "table", "verdict"]


class Report(BaseModel):
    """What a run did and what came of it.

    Attributes:
        recipe: the recipe's name.
        strategy: the strategy's name.
        created: when, ISO 8601.
        student: what was distilled.
        teachers: whom it learned from.
        machine: facts of the machine, see `machine`.
        seconds: step → how long it took.
        data: part of the data → its rows.
        votes: chunks of votes that were `computed`, `reused`, `repaired`.
        counts: what the strategy counted.
        grid: what of it is a number for each label and teacher.
        contributions: what each teacher adds, where that was asked for.
        history: one mapping an epoch: `epoch`, `loss`, `validation`, `learning_rate`, `seconds`.
        evaluation: the numbers on held-out rows; None when no row is annotated.
        transfer: of a run with a source, what its classes were worth.
        policy: the history of the stage in which they were learned, where the student was then trained anew.
        export: facts of the exported student; empty when it was not exported.
        smaller: facts of a smaller file that was made of it; empty when there is none.
        timings: what its files and its teachers took, measured together when the smaller file was made.
        notes: what a reader must know: what was dropped, repaired, left out.
        settings: the whole recipe, with versions; empty in reports from before it was kept.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipe: str
    strategy: str
    created: str
    student: Known
    teachers: tuple[Known, ...]
    machine: dict[str, str | int | None] = {}
    seconds: dict[str, float] = {}
    data: dict[str, int] = {}
    votes: dict[str, int] = {}
    counts: dict[str, int | float | None] = {}
    grid: Grid | None = None
    contributions: tuple[Contribution, ...] = ()
    history: tuple[dict[str, int | float | None], ...] = ()
    evaluation: Evaluation | None = None
    transfer: Transferred | None = None
    policy: tuple[dict[str, int | float | None], ...] = ()
    export: dict[str, str | int | float | None] = {}
    smaller: dict[str, str | int | float | None] = {}
    timings: tuple[Timing, ...] = ()
    notes: tuple[str, ...] = ()
    settings: dict[str, Any] = {}

    @property
    def in_memory(self) -> bool:
        """Whether teachers or rows were in memory, so that the recipe alone does not make the student again."""
        named = [one.source for one in self.teachers] if self.settings else []
        return not all(named) or any(IN_MEMORY in spec for _, spec in learned_from(self.settings))

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON has it; numbers that are NaN or infinite are None."""
        content: dict[str, Any] = json.loads(self.model_dump_json())
        return content

    @classmethod
    def from_dict(cls, content: dict[str, Any], where: str = "report") -> Self:
        """The report that `to_dict` gave; RequestError names `where` and the first key that is wrong."""
        return parse(cls, content, where)

    def write(self, folder: str | Path, images: Thumbnails | None = None, *, carded: bool = True) -> None:
        """Write `report.html`, `README.md` (the student's model card) and, last, `report.json` into a folder.

        Args:
            folder: the run directory.
            images: of the rows that the page shows; kept in `thumbnails.npz`.
            carded: whether the model card is written.
        """
        folder = Path(folder)
        if images is not None:
            images.write(folder)
        write_text(folder / "report.html", page(self, images))
        if carded:
            write_text(folder / "README.md", card(self))
        # Its presence means that the run is finished.
        write_text(folder / "report.json", json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """The report in a run directory; RequestError when there is none, or it is damaged."""
        path = Path(folder) / "report.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RequestError(f"no report in {folder}: expected report.json; name a finished run") from None
        except ValueError as error:
            raise RequestError(f"{path} is damaged ({error}); run the recipe beside it again") from None
        return cls.from_dict(content, str(path))


def machine(device: str) -> dict[str, str | int | None]:
    """Facts of this machine that a reader of times and numbers needs.

    Args:
        device: what the training ran on.
    """
    import torch

    return {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": device,
        "cpus": os.cpu_count(),
    }


def page(report: Report, images: Thumbnails | None = None) -> str:
    """The report as one HTML page that needs no other file; every name in it is escaped.

    Args:
        report: of a run.
        images: of the rows that it shows, where rows are images.
    """
    from markupsafe import Markup

    from amalgam import figures

    evaluation = report.evaluation
    drawn = {}
    if report.history:
        drawn["training"] = figures.training_curves(report.history)
    if evaluation is not None:
        drawn["labels"] = figures.label_bars(evaluation)
        if evaluation.teachers:
            drawn["teachers"] = figures.teacher_bars(evaluation, _gains(report))
        shades = figures.shades([one.name for one in lines(evaluation)])
        if calibrated := [(one.name, found) for one in lines(evaluation) if (found := _calibrated(one))]:
            drawn["reliability"] = figures.reliability(calibrated, shades)
        if weighing := weights(evaluation):
            drawn["weighing"] = figures.size_latency(weighing, shades)
        exemplified = [one for one in evaluation.walked[:MOST_WALKED] if one.examples]
        if images is not None and exemplified:
            drawn["walked"] = figures.walked(exemplified, images)
    if exported := weighed(report.timings):
        drawn["exported"] = figures.size_latency(exported, {})
    if report.transfer is not None and not math.isnan(report.transfer.alpha):
        drawn["classes"] = figures.class_weights(report.transfer, images)
        drawn["policy"] = figures.policy_curves(report.policy or report.history)
    if report.grid is not None:
        drawn["grid"] = figures.grid(report.grid)
    if len(report.teachers) > 1:
        drawn["overlap"] = figures.overlap({one.name: one.labels for one in report.teachers})
        if evaluation is not None and evaluation.teachers:
            drawn["disagreement"] = figures.disagreement(evaluation)
    # matplotlib has escaped the names in its SVG.
    safe = {name: Markup(svg) for name, svg in drawn.items()}
    return _filled(
        "report.html.jinja",
        report,
        figures=safe,
        most_labels=figures.MOST_LABELS,
        most_classes=figures.MOST_CLASSES,
        fewest_claims=figures.FEWEST,
        holds_back=figures.holds_back(report.history),
        pictured=images is not None,
        recipe=written(report.settings) if report.settings else "",
    )


def card(report: Report, published: bool = False) -> str:
    """The student's model card in the Hub's format: its front matter, and Markdown.

    Args:
        report: of a run; one without a strategy tells of a student of which nobody knows what it learned from.
        published: whether it lies in a folder as the Hub holds it, instead of a run directory.
    """
    return _filled(
        "report.md.jinja",
        report,
        front=front_matter(of_report(report)),
        published=published,
        gains=_gains(report),
        calibration=_calibrated(report.evaluation.student if report.evaluation else None),
        most_labels=_MOST_LABELS,
        data=learned_from(report.settings),
        licences=licence_says([(one.name, one.licence) for one in report.teachers]),
    )


def _calibrated(line: Line | None) -> Calibration | None:
    """How far a model's probabilities can be believed, where it was held to some."""
    return line.calibration if line is not None and line.calibration is not None and line.calibration.claims else None


def _gains(report: Report) -> dict[str, float]:
    """Teacher → what it adds, of those where that is known."""
    return {one.teacher: one.gain for one in report.contributions if not math.isnan(one.gain)}


def _facts(facts: Mapping[str, str | int | float | None]) -> dict[str, str]:
    """Facts of a file as readers see them: what is a share of rows is told in per cent."""
    shares = {name: f"{value:.2%}" for name, value in facts.items() if name == ALIKE and isinstance(value, int | float)}
    return {name: shares.get(name, plain(value)) for name, value in facts.items()}


def _filled(template: str, report: Report, **more: Any) -> str:
    """A template of this package, filled with a report."""
    evaluation = report.evaluation
    return fill(
        template,
        report=report,
        evaluation=evaluation,
        headings=headings(evaluation) if evaluation else [],
        blocks=blocks(evaluation) if evaluation else [],
        tasks=tasks(evaluation) if evaluation else [],
        task_headings=task_headings(evaluation) if evaluation else [],
        walks=walks(evaluation) if evaluation else [],
        walk_headings=WALKS,
        exported=_facts(report.export),
        smaller=_facts(report.smaller),
        timing_headings=timed(),
        timings=told(report.timings),
        most_walked=MOST_WALKED,
        verdict=verdict(evaluation) if evaluation else None,
        contradictions=contradictions(evaluation) if evaluation and evaluation.teachers else None,
        duration=duration,
        annotated=report.data.get(ANNOTATED, 0),
        plain=plain,
        **more,
    )
