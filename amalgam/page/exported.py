"""An exported file: what it says of itself, and what it says of rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from amalgam.edge import opened
from amalgam.errors import RequestError
from amalgam.tokens import Reading

Floats = NDArray[np.float32]
_BATCH = 64  # rows at a time


@dataclass(frozen=True)
class Group:
    """Labels that stand side by side.

    Attributes:
        name: of the task; "" where they are no task, or where all labels are one.
        first: the first of them, by its place among the labels.
        last: the place after the last.
        classes: whether a row has just one of them; else each is yes or no.
    """

    name: str
    first: int
    last: int
    classes: bool


@dataclass(frozen=True, eq=False)
class Exported:
    """A file that `amalgam export` wrote.

    Attributes:
        path: where it lies.
        words: whether it is an embedding, ids to vectors, and no student of rows.
        about: its metadata, without `amalgam.` before the keys.
        shape: of one row; None for an axis of any length. Of an embedding: the numbers of a vector.
        session: onnxruntime's.
    """

    path: Path
    words: bool
    about: dict[str, str]
    shape: tuple[int | None, ...]
    session: Any

    @classmethod
    def read(cls, path: Path) -> Self:
        """Open a file; RequestError for none, or one that is not amalgam's."""
        session, every = opened(path)
        about = {key.removeprefix("amalgam."): said for key, said in every.items() if key.startswith("amalgam.")}
        words = "ids" in about
        if not words and not {"labels", "preprocessing", "exclusive"} <= set(about):
            raise RequestError(
                f"{path} does not say what it is, so no page can be made of it; make the file with `amalgam export`"
            )
        read = session.get_outputs()[0] if words else session.get_inputs()[0]
        shape = tuple(side if isinstance(side, int) else None for side in read.shape[1:])
        return cls(path, words, about, shape, session)

    @property
    def labels(self) -> tuple[str, ...]:
        """Its labels, in the order of its logits."""
        return tuple(json.loads(self.about["labels"]))

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes of the label graph that it walks down, the root first; none of a student that does not."""
        return tuple(json.loads(self.about.get("nodes", "[]")))

    @property
    def longest(self) -> int:
        """How many steps the longest path has; 0 where there is none."""
        return next((int(one.shape[1]) for one in self.session.get_outputs() if one.name == "path"), 0)

    @property
    def masks(self) -> bool:
        """Whether NaN in its inputs means a missing value."""
        return bool(json.loads(self.about["preprocessing"])["nan"] == "missing")

    @cached_property
    def reading(self) -> Reading | None:
        """How it reads texts; None where its inputs are numbers.

        Raises:
            RequestError: texts that a tokenizer reads, which no page can run.
        """
        told = json.loads(self.about.get("texts", "null"))
        if told is None:
            return None
        reading = Reading(**told)
        if reading.tokenizer is not None:
            raise RequestError(
                f"{self.path} reads texts with a tokenizer; a page can hash words but runs no tokenizer, so distil a "
                "student of words (without the data option `tokenizer`)"
            )
        return reading

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """All its labels, in order: each task of several classes, and the labels between them."""
        labels, tasks = self.labels, dict(json.loads(self.about.get("tasks", "{}")))
        if json.loads(self.about["exclusive"]):
            return (Group(next(iter(tasks), ""), 0, len(labels), True),)
        places = {name: place for place, name in enumerate(labels)}
        starts = {places[own[0]]: (task, places[own[0]] + len(own)) for task, own in tasks.items()}
        found, at = list[Group](), 0
        while at < len(labels):
            task, last = starts.get(at, ("", min((one for one in starts if one > at), default=len(labels))))
            found.append(Group(task, at, last, at in starts))
            at = last
        return tuple(found)

    def fitted(self, rows: Floats) -> Floats:
        """Rows (N, *shape) as the file reads them: shorter series are filled up with NaN, longer texts cut.

        Raises:
            RequestError: rows of another shape.
        """
        longest = self.shape[0] if len(self.shape) == 2 else None
        if longest is not None and self.masks and rows.ndim == 3 and rows.shape[1] != longest:
            if self.reading is not None:
                rows = rows[:, :longest]
            missing = max(0, longest - rows.shape[1])
            rows = np.pad(rows, ((0, 0), (0, missing), (0, 0)), constant_values=np.nan)
        if rows.ndim != len(self.shape) + 1 or not _agree(self.shape, rows.shape[1:]):
            sides = ", ".join("any" if side is None else str(side) for side in self.shape)
            raise RequestError(
                f"the rows for the page have the shape {rows.shape[1:]}, and {self.path} reads ({sides}); give it rows "
                "such as it learned from"
            )
        return rows

    def logits(self, rows: Floats) -> Floats:
        """What it says of rows (N, *shape): (N, L)."""
        parts = [
            self.session.run(["logits"], {"inputs": rows[start : start + _BATCH]})[0]
            for start in range(0, len(rows), _BATCH)
        ]
        found: Floats = np.concatenate(parts)
        return found

    def decided(self, logits: Floats) -> NDArray[np.bool_]:
        """Which labels logits (N, L) stand for: each task's likeliest class, and every label above one half."""
        hard = logits > 0
        for one in self.groups:
            if one.classes:
                own = logits[:, one.first : one.last]
                hard[:, one.first : one.last] = np.arange(own.shape[1]) == own.argmax(1)[:, None]
        return hard


def _agree(wanted: Sequence[int | None], given: Sequence[int]) -> bool:
    return all(side in (None, there) for side, there in zip(wanted, given, strict=True))
