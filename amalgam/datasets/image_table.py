"""Tables of images: a CSV or TSV file with a column of paths; its other columns are labels."""

from __future__ import annotations

import os
from pathlib import Path

from amalgam.datasets import table
from amalgam.datasets.images import Album, encoded
from amalgam.datasets.loaded import DataOptions
from amalgam.errors import RequestError
from amalgam.files import inside


def read(path: Path, options: DataOptions) -> Album:
    """The images that the column `options.image` names, relative to the file's folder, and their labels.

    Raises:
        RequestError: names file, line and column: no such column, one that is neither a label nor dropped, a path that
            leads out of the folder.
    """
    column = options.image
    assert column is not None
    frame, notes = table.read_frame(path, text=(column, *options.tasks))
    others = [name for name in table.features(frame, path, options) if name != column]
    if others:
        raise RequestError(
            f"{path} has the column {others[0]!r} beside the images in {column!r}; if it is a label (0 or 1) name it "
            "under the data option `labels`, if it holds classes under `tasks`, else under `drop`"
        )
    root = path.resolve().parent
    lines = frame.index.to_numpy()
    names = [
        os.fspath(inside(root, name, f"{path} line {line}").relative_to(root)) if name else ""
        for name, line in zip(frame[column].fillna("").str.strip(), lines, strict=True)
    ]
    frame, labels = table.by_class(frame, path, options)
    return Album(
        name=path.name,
        root=root,
        names=encoded(names),
        labels=labels,
        annotated=table.numbers(frame, labels, lambda line: f"{path} line {line}") if labels else None,
        where=lambda row: f"{path} line {lines[row]}",
        notes=(*notes, *table.dropped(options)),
    )


def paths(path: Path, options: DataOptions) -> list[Path]:
    """The table, and the images that it names."""
    if not path.exists():
        return [path]
    return [path, *read(path, options).paths()]
