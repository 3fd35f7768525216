"""Anchors: paths in recipes and tables made absolute, so that these mean the same wherever they are read.

A path counts from the folder of the file that names it, or from the one where the user typed it, if something lies
there; what lies in neither stays as it is, and may be a name, or lie below `$AMALGAM_DATA`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from amalgam.teacher import NETWORKS

OF_FILES = ("list", "texts", "graph")
"""The settings of a strategy that are files: pairs of words, a label graph."""


def anchor_recipe(content: dict[str, Any], folder: Path) -> None:
    """Make a recipe's paths absolute that exist in a folder: its own, or the one where the user typed them."""
    if isinstance(content.get("teachers"), list):
        of = anchored_file if "vocabulary" in content else anchored
        content["teachers"] = [of(spec, folder) for spec in content["teachers"]]
    for part, keys in (("vocabulary", ("words",)), ("extend", ("run",)), ("strategy", OF_FILES)):
        anchor_files(content.get(part), keys, folder)
    for student in (content.get("student"), _below(content.get("student"), "encoder")):
        anchor_files(student, ("source",), folder)
    data = content.get("data")
    if isinstance(data, dict):
        data.update({key: anchored(data[key], folder) for key in ("source", "held_out") if key in data})
        joined = [*(data.get("join") or ()), *(content.get("sources") or ())]
        further = [one for one in joined if isinstance(one, dict)]
        for one in further:
            one.update({"source": anchored(one["source"], folder)} if "source" in one else {})
        for options in (data.get("options"), data.get("held_out_options"), *(one.get("options") for one in further)):
            if isinstance(options, dict) and "xml" in options:
                options["xml"] = anchored(options["xml"], folder)


def _below(content: object, key: str) -> object:
    return content.get(key) if isinstance(content, dict) else None


def anchor_files(content: object, keys: Iterable[str], folder: Path) -> None:
    """Make the paths under some keys absolute that exist in a folder."""
    for key in keys:
        if isinstance(content, dict) and isinstance(content.get(key), str) and (folder / content[key]).exists():
            content[key] = str((folder / content[key]).resolve())


def anchored(spec: object, folder: Path) -> object:
    """A SPEC `[adapter:]path[@labels][?key=value]` with absolute paths; what is no path there stays as it is."""
    if not isinstance(spec, str) or spec.startswith("custom:"):
        return spec
    head, question, query = spec.partition("?")
    adapter, colon, source = head.rpartition(":")
    path, at, labels = source.partition("@")
    looks = bool(path) and (colon or "/" in path or Path(path).suffix)
    if looks and adapter not in NETWORKS and not Path(path).is_absolute() and (folder / path).exists():
        path = str((folder / path).resolve())
    if labels and (folder / labels).is_file():
        labels = str((folder / labels).resolve())
    told = dict(parse_qsl(query, keep_blank_values=True))
    if "source" in told and (folder / told["source"]).is_file():  # the weights of a network that has a name
        query = urlencode({**told, "source": str((folder / told["source"]).resolve())}, safe="/")
    return f"{adapter}{colon}{path}{at}{labels}{question}{query}"


def anchored_file(spec: object, folder: Path) -> object:
    """The SPEC of an embedding, `path?key=value`, with an absolute path; what is no path there stays as it is."""
    path, question, query = spec.partition("?") if isinstance(spec, str) else ("", "", "")
    if not path or path.startswith("gensim:") or not (folder / path).exists():
        return spec
    return f"{(folder / path).resolve()}{question}{query}"
