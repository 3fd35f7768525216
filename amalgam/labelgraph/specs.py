"""What a user names as a label graph: a file, one on the shelf, or a taxonomy to make it of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from amalgam import shelf
from amalgam.errors import RequestError, listed, nearest
from amalgam.labelgraph import files
from amalgam.labelgraph.graph import LabelGraph
from amalgam.labelgraph.taxonomies import from_arxiv, from_names, from_superclasses
from amalgam.labelgraph.texts import find_file, read_names
from amalgam.labelgraph.wordnet import from_wordnet, read_words
from amalgam.schema import parse

_Options = Mapping[str, str]


def find(spec: str | Mapping[str, Any] | LabelGraph, where: str = "label graph") -> LabelGraph:
    """The label graph of a SPEC.

    Args:
        spec: a path to a file of a label graph; the name of one on the shelf (`pets`); or a taxonomy and its file, here
            or below the folder that `AMALGAM_DATA` names: `superclasses:PATH` (JSON, super-class → classes),
            `arxiv:PATH` (arXiv's taxonomy; `?categories=FILE` names some, one a line), `names:PATH` (a name a line,
            whose beginnings are kinds; `?separator=:`), `wordnet:PATH` (a noun a line, and perhaps its synset after a
            tab). Or a graph told whole, by the keys of its file in YAML.
        where: who asks, for messages about a graph told whole.

    Raises:
        RequestError: nothing of that name, an unknown key, or what the file's reader refuses.
    """
    if isinstance(spec, LabelGraph):
        return spec
    if isinstance(spec, Mapping):
        return parse(LabelGraph, dict(spec), where)
    kind, colon, rest = spec.partition(":")
    if colon and kind in _TAXONOMIES:
        path, _, query = rest.partition("?")
        make, known = _TAXONOMIES[kind]
        told = dict(parse_qsl(query, keep_blank_values=True))
        for key in told:
            if key not in known:
                keys = f"known: {', '.join(known)}" if known else "none is known here"
                raise RequestError(f"label graph {spec!r}: unknown key {key!r}{nearest(key, known)} ({keys})")
        if not path:
            raise RequestError(f"label graph {spec!r} names no file; write {kind}:PATH")
        return make(find_file(path, "taxonomy"), told)
    return files.read(file_of(spec))


def file_of(spec: str) -> Path:
    """The file of a graph that is a path or on the shelf.

    Raises:
        RequestError: there is none; the nearest names are told.
    """
    path, known = Path(spec).expanduser(), shelf.names("graphs")
    if path.is_file():
        return path
    if spec in known:
        return shelf.shelf("graphs") / f"{spec}.yaml"
    kind, colon, _ = spec.partition(":")
    if path.exists() or (path.suffix in files.READ and not colon):
        what = "is a folder; name a file in it" if path.is_dir() else "no such file"
        raise RequestError(f"label graph {spec}: {what}{nearest(path.stem, known)}")
    taxonomies = [f"{one}:" for one in _TAXONOMIES]
    hint = nearest(kind + colon, [*known, *taxonomies])
    raise RequestError(
        f"no label graph {spec!r}{hint} (built in: {', '.join(known)}; or a path to a file, {', '.join(files.READ)}; "
        f"or a taxonomy, {listed(taxonomies)} and its file)"
    )


def _of_superclasses(path: Path, _: _Options) -> LabelGraph:
    return from_superclasses(path)


def _of_arxiv(path: Path, told: _Options) -> LabelGraph:
    chosen = told.get("categories")
    return from_arxiv(path, None if chosen is None else read_names(find_file(chosen, "categories"), "categories"))


def _of_names(path: Path, told: _Options) -> LabelGraph:
    return from_names(read_names(path, "names"), told.get("separator", "."), path.stem)


def _of_wordnet(path: Path, _: _Options) -> LabelGraph:
    words, senses = read_words(path)
    return from_wordnet(words, senses, path.stem)


_TAXONOMIES: dict[str, tuple[Callable[[Path, _Options], LabelGraph], tuple[str, ...]]] = {
    "superclasses": (_of_superclasses, ()),
    "arxiv": (_of_arxiv, ("categories",)),
    "names": (_of_names, ("separator",)),
    "wordnet": (_of_wordnet, ()),
}
