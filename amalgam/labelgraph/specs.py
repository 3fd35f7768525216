"""What the SPEC of a label graph names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from amalgam.errors import RequestError, nearest
from amalgam.labelgraph.graph import LabelGraph
from amalgam.schema import parse, read_yaml
from amalgam.shelf import names, shelf


def find(spec: Any, where: str = "") -> LabelGraph:
    if isinstance(spec, LabelGraph):
        return spec
    if isinstance(spec, dict):
        return parse(LabelGraph, spec, where)
    path = Path(str(spec))
    if not path.is_file() and spec in names("graphs"):
        path = shelf("graphs") / f"{spec}.yaml"
    if not path.is_file():
        raise RequestError(f"{where}: no label graph {spec!r}{nearest(str(spec), names('graphs'))}")
    return parse(LabelGraph, {"name": path.stem, **read_yaml(path, "label graph")}, f"label graph {path}")
