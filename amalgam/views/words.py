"""Runs of words: distil, measure again, ask for neighbours, export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from amalgam.errors import RequestError, WorkError
from amalgam.progress import shown
from amalgam.views.console import columns, console

if TYPE_CHECKING:
    from amalgam.recipe import WordRecipe
    from amalgam.wordreport import WordReport


def distill_words(recipe: WordRecipe, out: Path | None, resume: bool) -> None:
    """`amalgam distill` of embeddings."""
    from amalgam import run
    from amalgam.lexical import distill

    with run.placed(out, recipe.name, not resume) as folder, shown() as progress:
        progress.say(f"run directory: {folder}")
        try:
            _, report = distill(recipe, out=folder, resume=resume, progress=progress)
        except KeyboardInterrupt:
            raise WorkError(f"stopped; go on with: amalgam distill --resume --out {folder}") from None
    _show(report)
    ship = "student.onnx to ship, " if report.export else ""
    console().print(Text(f"The run lies in {folder}: report.html to look at, {ship}README.md to read."))


def evaluate_words(folder: Path, tests: str | None) -> None:
    """`amalgam evaluate` of a run of words."""
    from amalgam.lexical import evaluate_again

    names = None if tests is None else tuple(name.strip() for name in tests.split(","))
    with shown() as progress:
        report = evaluate_again(folder, names, progress)
    _show(report)


def none_of(given: Mapping[str, object], folder: Path) -> None:
    """Refuse options that speak of rows, option → what was given, of a run of words."""
    for option in (option for option, value in given.items() if value is not None):
        raise RequestError(f"{option} is of runs of rows, and {folder} is a run of words; leave it out")


def nearest_words(folder: Path, words: Sequence[str], count: int, rows: Mapping[str, object]) -> None:
    """`amalgam predict --nearest`: the words whose cosine with one is largest.

    Args:
        folder: a run of words.
        words: that are asked for.
        count: how many neighbours of each.
        rows: options that speak of rows → what was given.
    """
    from amalgam.embeddings.words import WordVectors

    none_of(rows, folder)
    embedding = WordVectors.load(folder)
    table = columns("word", "nearest", "cosine")
    for word in words:
        for place, (other, cosine) in enumerate(embedding.nearest(word, count)):
            table.add_row(Text("" if place else word), Text(other), Text(f"{cosine:.3f}"))
    console().print(table)


def export_words(folder: Path, out: Path | None, force: bool) -> Path:
    """`amalgam export` of a run of words: by its ending an ONNX file, or word2vec's text or binary form; which file."""
    if out is not None and out.is_file() and not force:
        raise RequestError(f"{out} is there already; name another file, or replace it with --force")
    from amalgam.embeddings.words import WordVectors
    from amalgam.files import writable

    embedding, path = WordVectors.load(folder), out if out is not None else folder / "student.onnx"
    to = console()
    if path.suffix == ".onnx":
        from amalgam.embeddings.graph import export

        for key, value in export(embedding, path).items():
            to.print(Text(f"{key}: {value}"))
    elif path.suffix in {".txt", ".vec", ".bin"}:
        with writable(path):
            left = embedding.write_word2vec(path, binary=path.suffix == ".bin")
        if left:
            to.print(Text(f"note: {len(left):,} words were left out, since another is written like them: {left[0]!r}"))
    else:
        raise RequestError(
            f"{path} should end in .onnx (a graph), .bin (word2vec's binary form), .txt or .vec (its text)"
        )
    to.print(Text(f"The embedding lies in {path}"))
    return path


def _show(report: WordReport) -> None:
    """The tables and sentences of a report."""
    from amalgam.sheets import shown as as_tables
    from amalgam.wordreport import sheets

    console().print(*as_tables(sheets(report)), sep="\n")
