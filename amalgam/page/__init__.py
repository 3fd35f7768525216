"""A page that runs a student in a browser: a folder of plain files, for any static server, without a network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from amalgam.errors import RequestError
from amalgam.page import folders, runtime
from amalgam.page.examples import chosen
from amalgam.page.exported import Exported
from amalgam.page.inputs import way_in, word_in
from amalgam.page.samples import About, Samples, Vocabulary
from amalgam.page.together import together
from amalgam.page.written import write
from amalgam.progress import Progress, Silent

__all__ = ["About", "Built", "Samples", "Vocabulary", "build"]


@dataclass(frozen=True)
class Built:
    """A page that was made.

    Attributes:
        folder: where it lies.
        kind: how people give it inputs: `pixels`, `table`, `series`, `text` or `words`.
        bytes: of all its files.
    """

    folder: Path
    kind: str
    bytes: int


def build(
    graph: Path,
    folder: Path,
    content: Samples | Vocabulary,
    about: About | None = None,
    *,
    package: Path | None = None,
    progress: Progress | None = None,
) -> Built:
    """Write a folder that runs an exported student in a browser.

    A page of amalgam's own making is replaced; it appears whole, in place of the older one.

    Args:
        graph: the exported file, of a student or of an embedding of words; the page has a copy of it.
        folder: where the page goes.
        content: rows like those that the student learned from, some of which the page shows; or the words of an
            embedding, in the order of their ids.
        about: what the page says of the run; None says no more than the file.
        package: onnxruntime-web as a `.tgz` or a folder; None takes it from the cache, or from npm.
        progress: who shows the steps.

    Raises:
        RequestError: no such file, or not one of amalgam's; rows of another shape, or none; inputs that no page can
            take; a folder that holds anything but a page; no onnxruntime-web.
        WorkError: npm fails, or the disk is full.
    """
    progress = progress or Silent()
    folders.refuse_others(folder)
    student = Exported.read(graph)
    if student.words != isinstance(content, Vocabulary):
        raise RequestError(
            f"{graph} is an embedding, whose page needs its words; give a Vocabulary"
            if student.words
            else f"{graph} is a student of rows, and words alone were given; give Samples of its rows"
        )
    shown = dependence = None
    with progress.step("page", 3, "parts") as bar:
        if isinstance(content, Vocabulary):
            way = word_in(student, content.words)
        else:
            rows = content.rows(student)
            way = way_in(student, content.features, rows)
            shown, dependence = chosen(student, rows, content), together(student, rows)
        bar.advance(1, "what the student says of the rows")
        files = runtime.found(package)
        bar.advance(1, "onnxruntime-web")
        with folders.replaced(folder) as draft:
            write(draft, student, way, shown, dependence, content, about or About(), files)
        bar.advance(1)
    return Built(folder, way["kind"], sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()))
