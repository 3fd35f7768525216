"""The report of a run of embeddings: plain data, written as JSON, as a page to look at and as a model card."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from amalgam.errors import RequestError
from amalgam.files import write_text
from amalgam.modelcard import README, front_matter, licence_says, of_words
from amalgam.recipe import written
from amalgam.results import Entry, column, duration, plain
from amalgam.schema import parse
from amalgam.sheets import Picture, Row, Sheet, Sheets, fill, page

_FROZEN = ConfigDict(extra="forbid", frozen=True)
STUDENT = "student"
"""What the meta-embedding is called among its sources."""


class Known(BaseModel):
    """An embedding that was learned from.

    Attributes:
        name: what it is called.
        words: how many it has.
        dimensions: how many numbers each.
        shared: how many of its words the student has.
        source: what the user named, of files their names alone; empty where it was in memory.
        licence: of its vectors; None where it is unknown.
        fingerprint: of its words and vectors.
    """

    model_config = _FROZEN

    name: str
    words: int
    dimensions: int
    shared: int
    source: str = ""
    licence: str | None = None
    fingerprint: str | None = None


class Measured(BaseModel):
    """How the student and its sources did in a word test.

    Attributes:
        set: the test.
        measure: what it is measured by; more is better.
        items: how many it has.
        asked: how many were asked, of everyone the same.
        missing: what was done with items that an embedding does not know.
        values: embedding → its measure; None where it cannot be told.
        covered: embedding → how many of the asked items it knows.
        others: other measure → embedding → its value, as `values`.
        parts: section of the test → embedding → its measure there.
        notes: what a reader should know.
        which: a fingerprint of what was asked, equal where the same was.
    """

    model_config = _FROZEN

    set: str
    measure: str
    items: int
    asked: int
    missing: str
    values: dict[str, float | None]
    covered: dict[str, int]
    others: dict[str, dict[str, float | None]] = {}
    parts: dict[str, dict[str, float | None]] = {}
    notes: tuple[str, ...] = ()
    which: str = ""


class WordReport(BaseModel):
    """What a run of embeddings did and what came of it.

    Attributes:
        recipe: the recipe's name.
        strategy: the strategy's name.
        created: when, ISO 8601.
        words: V, how many the student has.
        width: d, how many numbers each.
        sources: whom it learned from.
        in_memory: whether any of them was, so that the recipe alone does not make it again.
        error: the mean squared difference between its cosines and the sources', over the pairs that SimME's training
            leaves out; None where there are none.
        error_without: the same, of the sources as the method takes them: without what their words have in common; None
            where it takes nothing off.
        curve: what the losses of the history are of.
        machine: facts of the machine, see `report.machine`.
        seconds: step → how long it took.
        history: of the training, an epoch a mapping; empty where nothing was trained.
        tests: the word tests.
        export: facts of the exported student; empty when it was not exported.
        notes: what a reader must know.
        settings: the whole recipe, with versions; empty in reports from before it was kept.
        fingerprint: of the student's vectors; None in these, too.
    """

    model_config = _FROZEN

    recipe: str
    strategy: str
    created: str
    words: int
    width: int
    sources: tuple[Known, ...]
    in_memory: bool = False
    error: float | None
    error_without: float | None = None
    curve: str = ""
    machine: dict[str, str | int | None] = {}
    seconds: dict[str, float] = {}
    history: tuple[dict[str, int | float | None], ...] = ()
    tests: tuple[Measured, ...] = ()
    export: dict[str, str | int | float | None] = {}
    notes: tuple[str, ...] = ()
    settings: dict[str, Any] = {}
    fingerprint: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""
        content: dict[str, Any] = json.loads(self.model_dump_json())
        return content

    def write(self, folder: Path) -> None:
        """Write `report.html`, `README.md` (the student's model card) and, last, `report.json` into a folder."""
        told = sheets(self)
        write_text(folder / "report.html", page(told))
        write_text(folder / README, card(self))
        # Its presence means that the run is finished.
        write_text(folder / "report.json", json.dumps(told.facts, indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The report in a run directory; RequestError when there is none, or it is damaged."""
        path = folder / "report.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RequestError(f"no report in {folder}: expected report.json; name a finished run") from None
        except ValueError as error:
            raise RequestError(f"{path} is damaged ({error}); run the recipe beside it again") from None
        return parse(cls, content, str(path))


def card(report: WordReport, published: bool = False) -> str:
    """The embedding's model card in the Hub's format: its front matter, and Markdown.

    Args:
        report: of a run; one without a strategy tells of an embedding of which nobody knows what it learned from.
        published: whether it lies in a folder as the Hub holds it, instead of a run directory.
    """
    return fill(
        "words.md.jinja",
        report=report,
        told=sheets(report, pictures=False),
        front=front_matter(of_words(report, STUDENT)),
        published=published,
        place="" if published else "student/",
        licences=licence_says([(one.name, one.licence) for one in report.sources], "source"),
    )


def sheets(report: WordReport, pictures: bool = True) -> Sheets:
    """A report for readers, with its pictures or without."""
    from amalgam import figures

    drawn = pictures and bool(report.history)
    tables = (*_tests(report), _sources(report), _work(report))
    return Sheets(
        title=f"{report.recipe}: one embedding of {len(report.sources)} by {report.strategy}",
        says=tuple(says(report)),
        sheets=tuple(one for one in tables if one.blocks[0]),
        settings=(),
        notes=(
            *(f"{test.set}: {said}" for test in report.tests for said in (test.missing, *test.notes)),
            *report.notes,
        ),
        facts=report.to_dict(),
        pictures=(Picture(report.curve, figures.training_curves(report.history)),) if drawn else (),
        recipe=written(report.settings) if report.settings else "",
    )


def says(report: WordReport) -> Iterator[str]:
    """The result, in sentences."""
    yield f"The student has {plain(report.words)} words of {report.width} numbers."
    if report.error is not None:
        whole = f"{math.sqrt(report.error):.3f} from the sources'"
        without = "" if report.error_without is None else (
            f"{math.sqrt(report.error_without):.3f} from what it learns, the sources' without what all of their words "
            "have in common, and by "
        )  # fmt: skip
        yield (
            f"Its cosines differ by {without}{whole} (root mean square over pairs that SimME's training leaves out)."
        )
    told = [test for test in report.tests if _best(test.values)]
    if not told:
        return
    wins = [test.set for test in told if STUDENT in _best(test.values)]
    which = f" ({', '.join(wins)})" if 0 < len(wins) < len(told) else ""
    tests = "word test" if len(told) == 1 else "word tests"
    yield f"It is first in {len(wins)} of {len(told)} {tests} beside its sources{which}."


def _best(values: Mapping[str, float | None]) -> list[str]:
    """Who is first, as the numbers are shown."""
    known = {name: round(value, 3) for name, value in values.items() if value is not None}
    return [name for name, value in known.items() if value == max(known.values())]


def _tests(report: WordReport) -> Iterator[Sheet]:
    if not report.tests:
        return
    names = list(report.tests[0].values)

    def row(test: Measured) -> Row:
        entries = column([test.values[name] for name in names], "{:.3f}".format, -1)
        covered = [
            "" if test.covered[name] == test.asked else f"{plain(test.covered[name])} of {plain(test.asked)}"
            for name in names
        ]
        shown = [Entry(one.text, one.best, under) for one, under in zip(entries, covered, strict=True)]
        return test.set, [Entry(test.measure), Entry(plain(test.asked), under=f"of {plain(test.items)}"), *shown]

    def beside(test: Measured) -> Iterator[Row]:
        for what, values in (*test.others.items(), *test.parts.items()):
            yield f"{test.set}: {what}", column([values[name] for name in names], "{:.3f}".format, -1)

    yield Sheet("Word tests", ("set", "measure", "asked", *names), ([row(test) for test in report.tests],))
    further = [one for test in report.tests for one in beside(test)]
    if further:
        yield Sheet("Other measures and sections", ("what", *names), (further,))


def _sources(report: WordReport) -> Sheet:
    rows: list[Row] = [
        (
            one.name,
            [
                Entry(plain(one.words)), Entry(str(one.dimensions)), Entry(plain(one.shared)),
                Entry(one.source or ("in memory" if report.settings else "–")), Entry(one.licence or "unknown"),
                Entry((one.fingerprint or "–")[:12]),
            ],
        )
        for one in report.sources
    ]  # fmt: skip
    headings = ("source", "words", "dimensions", "the student's words", "from", "licence", "hash")
    return Sheet("Sources", headings, (rows,))


def _work(report: WordReport) -> Sheet:
    rows: list[Row] = [(step, [Entry(duration(seconds))]) for step, seconds in report.seconds.items()]
    rows += [(name, [Entry(plain(value))]) for name, value in report.export.items()]
    return Sheet("The run", ("what", "is"), (rows,))
