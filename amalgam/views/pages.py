"""Pages that run an exported student in a browser."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from amalgam.errors import RequestError
from amalgam.progress import shown
from amalgam.views.console import console

if TYPE_CHECKING:
    from amalgam.finished import Real
    from amalgam.page import About, Samples, Vocabulary
    from amalgam.student import Student

_SHOWN = 256  # rows that a page knows of; a dozen are its examples


@dataclass(frozen=True)
class Page:
    """What is asked of a page.

    Attributes:
        folder: where it goes; None wants none.
        package: onnxruntime-web, a `.tgz` or a folder; None takes it from npm.
    """

    folder: Path | None
    package: Path | None


def ready(asked: Page) -> None:
    """What a page needs is fetched into the cache, before any work that would be in vain without.

    Raises:
        RequestError: something else is in the folder, or there is no onnxruntime-web.
        WorkError: npm fails.
    """
    if asked.folder is None:
        return
    from amalgam.page import folders, runtime

    folders.refuse_others(asked.folder)
    runtime.found(asked.package)


def rows_page(folder: Path, student: Student, graph: Path, real: Callable[[], Real], asked: Page) -> None:
    """A page that runs a file of a student, with some of its rows to begin with."""
    import torch

    from amalgam.export.rows import annotated_as, spread
    from amalgam.finished import texts_behind
    from amalgam.page import About, Samples

    whole = real().measured
    rows = whole.take(spread(len(whole), _SHOWN))
    texts = texts_behind(rows, real().sources) if rows.texts is not None else []
    if any(texts):  # such as somebody can read; of further data nobody knows what it was
        kept = [place for place, text in enumerate(texts) if text]
        rows, texts = rows.take(torch.tensor(kept)), [texts[place] for place in kept]
    told = annotated_as(rows, student.labels)
    said = () if told is None else [", ".join(student.labels[at] for at in (row == 1).nonzero()[0]) for row in told]
    samples = Samples(
        inputs=rows.inputs(slice(None)).numpy(), features=student.features, texts=[text for text in texts if text],
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
        made = build(graph, asked.folder, content, about, progress=progress)
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
