"""The files of a page, written into a folder: the page itself, what it knows, the student, and what runs it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from html.entities import html5
from importlib.resources import files
from pathlib import Path
from typing import Any

from amalgam import __version__
from amalgam.page import runtime
from amalgam.page.examples import Examples
from amalgam.page.exported import Exported
from amalgam.page.folders import PAGE
from amalgam.page.samples import About, Samples, Vocabulary
from amalgam.results import storage
from amalgam.sheets import fill

STUDENT, EXAMPLES, WORDS, ENTITIES = "student.onnx", "examples.bin", "words.txt", "entities.json"
_OWN = Path(str(files("amalgam.page")))


def write(
    folder: Path,
    student: Exported,
    way: Mapping[str, Any],
    examples: Examples | None,
    dependence: Mapping[str, Any] | None,
    content: Samples | Vocabulary,
    about: About,
    runs: Mapping[str, Path],
) -> None:
    """Write a page into an empty folder.

    Args:
        folder: it.
        student: the exported file.
        way: how people give it inputs (`inputs.ways_in`).
        examples: the rows to begin with; None for an embedding.
        dependence: how labels go together (`together.together`), where that is known.
        content: the rows or the words.
        about: what is said of the run.
        runs: the files of onnxruntime-web.
    """
    shutil.copytree(_OWN / "assets", folder, dirs_exist_ok=True)
    shutil.copyfile(student.path, folder / STUDENT)
    # Plain names: every server knows what a .js is, and some do not know .mjs.
    shutil.copyfile(runs[runtime.SCRIPT], folder / "runtime" / "ort.js")
    shutil.copyfile(runs[runtime.WASM], folder / "runtime" / "ort.wasm")
    if examples is not None:
        (folder / EXAMPLES).write_bytes(examples.numbers)
    if isinstance(content, Vocabulary):
        (folder / WORDS).write_text("".join(f"{word}\n" for word in content.words), encoding="utf-8", newline="\n")
    if way["kind"] == "text":
        (folder / ENTITIES).write_text(json.dumps(html5), encoding="ascii")
    known = _known(student, way, examples, dependence, about, folder)
    (folder / "index.html").write_text(
        fill("index.html.jinja", _OWN / "templates", _FILTERS, page=known), encoding="utf-8"
    )
    listed = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} | {PAGE}
    told = json.dumps({**known, "files": sorted(listed)}, ensure_ascii=False, allow_nan=False)
    (folder / PAGE).write_text(told, encoding="utf-8")


def _known(
    student: Exported,
    way: Mapping[str, Any],
    examples: Examples | None,
    dependence: Mapping[str, Any] | None,
    about: About,
    folder: Path,
) -> dict[str, Any]:
    """All that the page knows, as JSON holds it."""
    parity = json.loads(student.about.get("parity", "null"))
    return {
        "version": __version__,
        "title": about.title or student.path.stem,
        "strategy": about.strategy,
        "teachers": list(about.teachers),
        "student": student.about.get("student", "an embedding"),
        "input": dict(way),
        "reads": _reads(student, way),
        "shape": list(student.shape),
        "labels": [] if student.words else list(student.labels),
        "groups": [] if student.words else [vars(one) for one in student.groups],
        "nodes": list(student.nodes),
        "longest": student.longest,
        "decision": "" if student.words else _decision(student),
        "parity": parity and {"difference": parity["largest_difference"], "rows": parity["rows"]},
        "examples": [] if examples is None else examples.told,
        "packed": None if examples is None else {"shape": list(examples.shape), "dtype": examples.dtype},
        "together": dependence,
        "bytes": student.path.stat().st_size,
        "runtime": {
            "name": f"{runtime.NAME} {runtime.VERSION}",
            "bytes": sum(path.stat().st_size for path in (folder / "runtime").iterdir()),
        },
    }


def _reads(student: Exported, way: Mapping[str, Any]) -> str:
    """What the student reads, in words."""
    if way["kind"] == "pixels":
        return f"{way['width']} × {way['height']} pixels, {'grey' if way['channels'] == 1 else 'colour'}"
    if way["kind"] == "series":
        steps = f"{way['steps']} steps" if way["steps"] else "any number of steps"
        return steps if way["channels"] == 1 else f"{steps}, {way['channels']} channels"
    if way["kind"] == "text":
        return f"up to {way['longest']} words"
    return f"{student.shape[0]} features" if way["kind"] == "table" else f"one of {way['count']:,} words"


def _decision(student: Exported) -> str:
    """Which labels are marked, in words."""
    kinds = {one.classes for one in student.groups}
    if kinds == {True}:
        each = "" if len(student.groups) == 1 else " of each task"
        return f"Marked is the likeliest{each}."
    if kinds == {False}:
        return "Marked is every label above 50 %."
    return "Marked is the likeliest of each task, and every other label above 50 %."


def _breakable(name: str) -> str:
    """A name that may be broken after its underscores, where a phone has no room for it; escaped."""
    from markupsafe import Markup

    return Markup("_<wbr>").join(name.split("_"))


def _without(label: str, task: str) -> str:
    """The label of a class without the name of its task, below which it stands."""
    return label.removeprefix(f"{task}: ") if task else label


def _signed(value: float | None) -> str:
    """A correlation with its sign; a dash where there is none."""
    if value is None:
        return "–"
    return "0.00" if abs(value) < 0.005 else f"{value:+.2f}".replace("-", "−")


_FILTERS: Mapping[str, Callable[..., str]] = {
    "breakable": _breakable,
    "signed": _signed,
    "size": storage,
    "without": _without,
}
