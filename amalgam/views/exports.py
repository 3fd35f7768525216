"""Exports: a run's student as one ONNX file, and how it compares with torch."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from amalgam.errors import RequestError
from amalgam.progress import shown
from amalgam.views.console import columns, console, options
from amalgam.views.words import export_words, none_of

if TYPE_CHECKING:
    from amalgam.export.quantise import How
    from amalgam.export.timing import Timing
    from amalgam.finished import Real
    from amalgam.page import About, Samples, Vocabulary
    from amalgam.progress import Progress
    from amalgam.student import Student

_SHOWN = 256  # rows that a page knows of; a dozen are its examples
DRAWN = "drawn"
"""What `--check` takes for rows that are no real ones."""


def export_run(
    folder: Path,
    out: Path | None,
    check: str | None,
    given: Sequence[str],
    opset: int | None,
    force: bool,
    smaller: Smaller,
    page: Page,
) -> None:
    """`amalgam export`."""
    from amalgam import run

    if page.folder is None and page.package is not None:
        raise RequestError("--runtime is onnxruntime-web for a page; say where the page goes with --page DIR")
    if run.is_of_words(folder):
        none_of({"--check": check, "--option": given or None, "--opset": opset, "--quantize": smaller.how}, folder)
        made = export_words(folder, out, force)
        if page.folder is not None:
            words_page(folder, made, page)
        return
    if given and check in (None, DRAWN):
        raise RequestError("--option says what the file of --check does not say itself; name one")
    from amalgam.export import export, facts
    from amalgam.export.trace import refuse_opset
    from amalgam.finished import provenance
    from amalgam.student import load

    refuse_opset(opset)
    student, path = load(folder), out if out is not None else folder / run.ONNX
    with shown() as progress:
        real = _real(folder, student, check, given, progress)
        refuse_early(student, path, real, smaller, page, force)
        with progress.step("export", 1, "model") as bar:
            rows = None if real is None else lambda: real().measured
            export(student, path, rows, opset=opset, made=provenance(folder), force=force)
            bar.advance(1)
    show([facts(path)])
    console().print(Text(f"The student lies in {path}"))
    if smaller.how is not None and real is not None:
        path = quantise(folder, student, path, real, smaller)
    if page.folder is not None and real is not None:
        rows_page(folder, student, path, real, page)


def _real(
    folder: Path, student: Student, check: str | None, given: Sequence[str], progress: Progress
) -> Callable[[], Real] | None:
    """Who reads real rows, once; None for drawn ones, as of a student that no run made."""
    from amalgam import run
    from amalgam.finished import Real, real_rows
    from amalgam.parts import rows_for

    def others(data: str) -> Real:
        rows = rows_for(student, data, options(None, assignments=given))
        return Real(rows, rows)

    if check is not None and check != DRAWN:
        return cache(lambda: others(check))
    if check == DRAWN or not (folder / run.RECIPE).is_file():
        return None
    return cache(lambda: real_rows(folder, progress))


@dataclass(frozen=True)
class Smaller:
    """What is asked of a smaller file.

    Attributes:
        how: `int8` or `fp16`; None wants none.
        max_drop: how much of the task's measure it may lose.
        trust: the user's word that code which cards name may run, for the teachers are timed beside it.
    """

    how: How | None
    max_drop: float
    trust: bool


@dataclass(frozen=True)
class Page:
    """What is asked of a page.

    Attributes:
        folder: where it goes; None wants none.
        package: onnxruntime-web, a `.tgz` or a folder; None takes it from npm.
    """

    folder: Path | None
    package: Path | None


def refuse_early(
    student: Student, path: Path, real: Callable[[], Real] | None, smaller: Smaller, page: Page, force: bool
) -> None:
    """What can be refused before any work: no real rows where they are needed, and outputs that are there."""
    from amalgam.export.described import refuse_another
    from amalgam.page import folders

    if smaller.how is not None:
        if real is None:
            raise RequestError(
                "what a smaller file loses is measured on real rows, and there are none; name some with --check DATA"
            )
        if not force:
            refuse_another(_smaller(path, smaller.how), student)
    if page.folder is not None:
        if real is None:
            raise RequestError("a page begins with some real rows, and there are none; name some with --check DATA")
        folders.refuse_others(page.folder)


def _smaller(path: Path, how: How) -> Path:
    """Where the smaller file of a file goes."""
    return path.with_suffix(f".{how}.onnx")


def quantise(folder: Path, student: Student, graph: Path, real: Callable[[], Real], asked: Smaller) -> Path:
    """A smaller file beside the fp32 one, what it loses, and what both and the teachers take; where it lies."""
    from amalgam.export.rows import MEASURED, annotated_as, spread
    from amalgam.export.shrink import shrink
    from amalgam.export.timing import shown as as_rows

    assert asked.how is not None
    path, measured = _smaller(graph, asked.how), real().measured
    some = spread(len(measured), MEASURED)
    rows, learned = measured.inputs(some).numpy(), real().learned
    with shown() as progress, progress.step(asked.how, 2, "models") as bar:
        found = shrink(
            graph, path, asked.how, rows, annotated_as(measured.take(some), student.labels),
            calibration=learned.inputs(spread(len(learned), MEASURED)).numpy(), max_drop=asked.max_drop,
        )  # fmt: skip
        bar.advance(1, asked.how)
        teachers, why = _teachers(folder, rows, asked.trust, progress)
        bar.advance(1, "teachers")
    to = console()
    headings, lines = as_rows([*found.timings, *teachers])
    table = columns(*headings)
    for line in lines:
        table.add_row(*line)
    to.print(table)
    if why:
        to.print(Text(f"note: the teachers are not timed: {why}"))
    lost = found.drop
    to.print(
        Text(
            f"{found.how}: {lost.measure} {lost.after:.4f}, before {lost.before:.4f}, on {lost.rows:,} rows, of which "
            f"{lost.alike:.2%} are decided alike"
        )
    )
    to.print(Text(f"The smaller file lies in {path}"))
    return path


def _teachers(folder: Path, rows: Any, trust: bool, progress: Progress) -> tuple[list[Timing], str]:
    """What all teachers of a run take, asked one after another; or why nobody knows."""
    from amalgam.costs import bytes_of
    from amalgam.export.timing import ensemble, of_callable
    from amalgam.finished import teachers_of

    try:
        panel = teachers_of(folder, trust=trust, progress=progress)
    except RequestError as error:
        return [], str(error)
    name = "teacher" if len(panel.seats) == 1 else f"{len(panel.seats)} teachers"
    return [of_callable(name, ensemble(panel), rows, bytes=bytes_of(panel))], ""


def rows_page(folder: Path, student: Student, graph: Path, real: Callable[[], Real], asked: Page) -> None:
    """A page that runs a file of a student, with some of its rows to begin with."""
    from amalgam.export.rows import annotated_as, spread
    from amalgam.page import About, Samples

    whole = real().measured
    rows = whole.take(spread(len(whole), _SHOWN))
    told = annotated_as(rows, student.labels)
    said = () if told is None else [", ".join(student.labels[at] for at in (row == 1).nonzero()[0]) for row in told]
    samples = Samples(
        inputs=rows.inputs(slice(None)).numpy(), features=student.features,
        names=[f"row {number}" for number in rows.ids.tolist()], said=said,
    )  # fmt: skip
    _page(graph, samples, About(*_of(folder)), asked)


def words_page(folder: Path, graph: Path, asked: Page) -> None:
    """A page that finds the nearest words of an embedding."""
    from amalgam.embeddings.words import WordVectors
    from amalgam.page import About, Vocabulary

    if graph.suffix != ".onnx":
        raise RequestError(f"a page runs an ONNX file, and {graph} is none; leave --out out, or name an .onnx file")
    _page(graph, Vocabulary(WordVectors.load(folder).words), About(*_of(folder)), asked)


def _page(graph: Path, content: Samples | Vocabulary, about: About, asked: Page) -> None:
    from amalgam.page import build

    assert asked.folder is not None
    with shown() as progress:
        made = build(graph, asked.folder, content, about, package=asked.package, progress=progress)
    console().print(Text(f"A page of {made.bytes / 1e6:.1f} MB lies in {made.folder}; look at it with"))
    console().print(Text(f"    python -m http.server --directory {shlex.quote(str(made.folder))}"))


def _of(folder: Path) -> tuple[str, str, tuple[str, ...]]:
    """The name of a run, its strategy and its teachers; as little as is known of a saved student."""
    from amalgam import run

    if not (folder / run.REPORT).is_file():
        return "", "", ()
    told = json.loads((folder / run.REPORT).read_text(encoding="utf-8"))
    sources = told.get("teachers") or told.get("sources") or ()
    return told["recipe"], told["strategy"], tuple(one["name"] for one in sources)


def show(files: Sequence[Mapping[str, Any]]) -> None:
    """Exported files in a table, and what a reader must know of them.

    Args:
        files: the facts of each (`export.facts`).
    """
    from amalgam.export.described import are_drawn

    table = columns("file", "size", "largest error", "mean error", "decided alike", "rows", "batches", "lengths")
    for told in files:
        table.add_row(
            told["file"], f"{told['bytes']:,} B", f"{told['largest difference from torch']:.1e}",
            f"{told['mean difference from torch']:.1e}", f"{told['rows decided alike']:.2%}",
            f"{told['rows checked']:,}", told["batch sizes checked"], told.get("lengths checked", "–"),
        )  # fmt: skip
    to = console()
    to.print(table)
    for told in files:
        if "reads" in told:
            to.print(Text(f"note: {told['file']} reads {told['reads']}"))
        if are_drawn(told):
            to.print(
                Text(
                    f"note: {told['file']} was checked on {told['rows checked']} rows that were {told['rows are']}: no "
                    "real ones; name some with --check DATA"
                )
            )
        else:
            to.print(Text(f"Checked against torch on {told['rows checked']:,} {_whose(told['rows are'])}"))


def _whose(source: str) -> str:
    """`rows of digits`, however the file says it."""
    return source if source.startswith("rows") else f"{source} rows"
