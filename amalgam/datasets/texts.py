"""Texts with their classes: columns of a CSV or TSV file, or a text a line; read as series of their words' numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from amalgam.datasets import table
from amalgam.datasets.compressed import opened
from amalgam.datasets.loaded import DataOptions, Loaded, Table, described, refuse_wrong_annotations
from amalgam.errors import RequestError
from amalgam.labels import canonical, class_name
from amalgam.signals import TensorRows
from amalgam.tokens import Reading, series

_MARK = "__label__"


def read_table(path: Path, options: DataOptions) -> Loaded:
    """A CSV or TSV file, which may be compressed: the columns `options.text` of a row are its text.

    Raises:
        RequestError: names file, line and column: no such column, one that is neither text, label nor dropped.
    """
    columns = options.columns_of_text
    frame, notes = table.read_frame(path, text=(*columns, *options.tasks))
    if others := [name for name in table.features(frame, path, options) if name not in columns]:
        raise RequestError(
            f"{path} has the column {others[0]!r} beside the texts in {', '.join(map(repr, columns))}; if it is a "
            "label (0 or 1) name it under the data option `labels`, if it holds classes under `tasks`, else under "
            "`drop`"
        )
    texts = ["\n".join(cells) for cells in zip(*(frame[name].fillna("") for name in columns), strict=True)]
    lines = frame.index.to_numpy()
    frame, labels = table.by_class(frame, path, options)
    annotated = table.numbers(frame, labels, lambda line: f"{path} line {line}") if labels else None
    notes = (*notes, *table.dropped(options))
    found = Table(
        path.name, np.empty(0), columns, labels, annotated, lambda row: f"{path} line {lines[row]}", tuple(notes)
    )
    return _finish(found, texts, options)


def read_lines(path: Path, options: DataOptions) -> Loaded:
    """A text a line: after its class, as TREC's questions are (`DESC:manner How …`), or fastText's; or by itself.

    Raises:
        RequestError: names file and line: one without a class or a text, or of another form, or a file without lines.
    """
    texts, said, lines, strange, marked = list[str](), list[list[str]](), list[int](), 0, False
    for line, text, known in _decoded(path):
        if options.text == "lines" and lines and text.startswith(_MARK) != marked:
            raise RequestError(f"{path} line {line} {'lacks' if marked else 'has'} a mark {_MARK}, unlike those before")
        marked = text.startswith(_MARK)
        classes, rest = ([], text) if options.text == "plain" else _parted(text, f"{path} line {line}")
        texts.append(rest)
        said.append(classes)
        lines.append(line)
        strange += not known
    if not lines:
        raise RequestError(f"{path} has no rows: it is empty or cut short")
    labels = sorted({one for own in said for one in own})
    place = {name: column for column, name in enumerate(labels)}
    annotated = np.zeros((len(said), len(labels)), dtype=np.float32)
    for row, own in enumerate(said):
        annotated[row, [place[one] for one in own]] = 1
    notes = (f"{strange} of {len(lines)} lines are not UTF-8 and were read as Latin-1",) if strange else ()
    found = Table(
        path.name, np.empty(0), (), tuple(labels), annotated if labels else None,
        lambda row: f"{path} line {lines[row]}", notes,
    )  # fmt: skip
    return _finish(found, texts, options)


def _decoded(path: Path) -> Iterator[tuple[int, str, bool]]:
    """The lines of a file that are not empty: number, text, and whether it is UTF-8; any other is read as Latin-1."""
    with opened(path) as stream:
        for number, line in enumerate(stream, start=1):
            try:
                text, known = line.decode("utf-8-sig" if number == 1 else "utf-8"), True
            except UnicodeDecodeError:
                text, known = line.decode("latin-1"), False
            if text.strip():
                yield number, text.strip(), known


def _parted(text: str, where: str) -> tuple[list[str], str]:
    """The classes of a line and its text."""
    cells = text.split(None, 1)
    if text.startswith(_MARK):
        cells = text.split()
        count = next((place for place, cell in enumerate(cells) if not cell.startswith(_MARK)), len(cells))
        cells = [*cells[:count], " ".join(cells[count:])]
    *classes, rest = cells if len(cells) > 1 else (*cells, "")
    if not rest:
        raise RequestError(f"{where}: {text[:60]!r} has no text after its class; write `class text`")
    names = [class_name(one.removeprefix(_MARK)) for one in classes]
    if not all(names):
        raise RequestError(f"{where}: {text[:60]!r} begins with a class without a name; write `class text`")
    return names, rest


def _finish(found: Table, texts: Sequence[str], options: DataOptions) -> Loaded:
    """Texts as checked rows, with notes of what was done."""
    labels = canonical(found.labels, {}, f"data {found.name!r}") if found.annotated is not None else ()
    if found.annotated is not None:
        refuse_wrong_annotations(found.annotated, labels, found.where)
    here = options.tokenizer is not None and Path(options.tokenizer).is_dir()
    reading = Reading(options.longest, str(Path(str(options.tokenizer)).resolve()) if here else options.tokenizer)
    (words, cut), notes = reading.read(texts), [*found.notes]
    there = np.array([bool(own) for own in words])
    if not there.all() and (options.missing != "drop_rows" or not there.any()):
        raise RequestError(
            f"{found.where(int(np.argmin(there)))}: the text has no words, the first of {int((~there).sum())}; leave "
            "such rows out, or set the data option `missing` to `drop_rows`"
        )
    if not there.all():
        notes.append(f"{int((~there).sum())} of {len(there)} texts have no words and were left out")
    if cut:
        notes.append(
            f"{cut} of {len(there)} texts have more than {options.longest} words, of which the first are read; the "
            "data option `longest` says how many"
        )
    kept = np.flatnonzero(there)
    rows = TensorRows(
        labels=labels,
        annotated=None if found.annotated is None else torch.from_numpy(found.annotated[kept]),
        ids=torch.from_numpy(kept),
        name=found.name,
        texts=reading,
        values=torch.from_numpy(series([own for own in words if own])),
    )
    return Loaded(rows, found.features, (*notes, *described(rows)), tuple(texts))
