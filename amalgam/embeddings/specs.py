"""What a user names as a source: a file, one of gensim's, a finished run, or an embedding in memory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast, get_args
from urllib.parse import parse_qsl

from amalgam.embeddings.source import Form, Source, from_arrays, read
from amalgam.embeddings.words import WordVectors, student_files
from amalgam.errors import RequestError, listed, nearest
from amalgam.files import without_folders
from amalgam.modelcard import license_in
from amalgam.progress import Progress

_GENSIM = "gensim:"
_ENDING = ".vec"  # gensim has a `.w2v`, too, which is a pickle
_KEYS = ("form", "license", "name")


def find(spec: str, progress: Progress | None = None, name: str = "") -> Source:
    """The source of a SPEC.

    Args:
        spec: a path to a file of embeddings, here or below the folder that `AMALGAM_DATA` names; `gensim:NAME`, one of
            the files that gensim brings with it; or the directory of a finished run, whose student it is. After a path,
            `?form=binary` says what the file is where its beginning does not tell, `?name=news` what to call it, and
            `?license=cc-by-4.0` whose terms its vectors are under.
        progress: who shows the reading.
        name: what it is called; by default as the SPEC says.

    Raises:
        RequestError: nothing of that name, or it cannot be read.
    """
    told = dict(parse_qsl(spec.partition("?")[2], keep_blank_values=True))
    for key in told:
        if key not in _KEYS:
            raise RequestError(f"source {spec!r}: unknown key {key!r}{nearest(key, _KEYS)} (known: {', '.join(_KEYS)})")
    form = told.get("form")
    if form is not None and form not in get_args(Form):
        raise RequestError(f"source {spec!r}: form is {form!r}, expected {', '.join(get_args(Form))}")
    file, called = file_of(spec), name or told.get("name", "")
    found = _of_run(file, called) if file.is_dir() else read(file, called, cast("Form | None", form), progress)
    licence = told.get("license") or (license_in(file) if file.is_dir() else None)
    return replace(found, named=without_folders(spec.partition("?")[0]), licence=licence)


def files_of(spec: str) -> list[Path]:
    """What the source of a SPEC is read from; RequestError when there is none."""
    file = file_of(spec)
    return student_files(file) if file.is_dir() else [file]


def file_of(spec: str) -> Path:
    """The file, or run directory, that a SPEC names; RequestError when there is none."""
    path = spec.partition("?")[0]
    if path.startswith(_GENSIM):
        return _of_gensim(path.removeprefix(_GENSIM))
    home = os.environ.get("AMALGAM_DATA")
    places = [Path(path), *([Path(home).expanduser() / path] if home else [])]
    for place in places:
        if place.exists():
            return place
    beside = f"neither here nor in {home}, which AMALGAM_DATA names" if home else "and AMALGAM_DATA names no folder"
    raise RequestError(f"embeddings {path}: no such file, {beside}")


def given(one: Any, number: int, progress: Progress | None = None) -> Source:
    """A source for what the Python API was given.

    Args:
        one: a SPEC or path; a Source; `WordVectors`; gensim's KeyedVectors; or a pair of words and vectors.
        number: its place among the sources, for a name if it has none.

    Raises:
        RequestError: none of these.
    """
    if isinstance(one, Source):
        return one
    if isinstance(one, str | Path):
        return find(str(one), progress)
    name = str(getattr(one, "name", None) or f"source-{number}")
    if isinstance(one, WordVectors):
        return from_arrays(name, one.words, one.vectors)
    if hasattr(one, "index_to_key") and hasattr(one, "vectors"):
        return from_arrays(name, list(one.index_to_key), one.vectors)
    if isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], Iterable):
        return from_arrays(name, list(one[0]), one[1])
    raise RequestError(
        f"source {number} is a {type(one).__name__}, expected a path, a Source, WordVectors, gensim's KeyedVectors, or "
        "a pair of words and vectors"
    )


def bundled() -> list[str]:
    """The embeddings as text that gensim brings with it."""
    return sorted(path.name for path in _gensims().glob(f"*{_ENDING}"))


def _gensims() -> Path:
    """The folder of gensim's own test data, found without importing it."""
    spec = find_spec("gensim")
    if spec is None or spec.origin is None:
        raise RequestError("gensim is not installed, and with it its embeddings; pip install gensim")
    return Path(spec.origin).parent / "test" / "test_data"


def _of_gensim(name: str) -> Path:
    path = _gensims() / name
    if Path(name).name != name or not path.is_file():
        raise RequestError(
            f"gensim brings no embeddings {name!r}{nearest(name, bundled())} (it has: {listed(bundled())})"
        )
    return path


def _of_run(folder: Path, name: str) -> Source:
    """The student of a finished run as a source."""
    found = WordVectors.load(folder)
    own = folder.resolve()
    return from_arrays(name or (own.parent if own.name == "student" else own).name, found.words, found.vectors)
