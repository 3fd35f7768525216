"""Rows of several data sets, or of parts that were labelled by different people, as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from amalgam.errors import RequestError, listed
from amalgam.signals import Index, Rows, TensorRows


@dataclass(frozen=True)
class JoinedRows(Rows):
    """Rows that lie in several places, some of them not in memory.

    Attributes:
        parts: where they lie.
        order: (N,) which of all of them, one part after the other; None for all.
    """

    parts: tuple[Rows, ...] = ()
    order: Tensor | None = None

    def __len__(self) -> int:
        """How many rows."""
        return sum(map(len, self.parts)) if self.order is None else len(self.order)

    def inputs(self, index: Index) -> Tensor:
        """The inputs of some rows, (B, ...)."""
        order = torch.arange(sum(map(len, self.parts))) if self.order is None else self.order
        numbers, first, found = order[index], 0, None
        for part in self.parts:
            here = ((numbers >= first) & (numbers < first + len(part))).nonzero()[:, 0]
            if len(here):
                own = part.inputs(numbers[here] - first)
                found = own.new_empty(len(numbers), *own.shape[1:]) if found is None else found
                found[here] = own
            first += len(part)
        return self.parts[0].inputs(slice(0, 0)) if found is None else found

    def stamps(self) -> Any:
        """The parts', one after the other; None where one has none."""
        told = [part.stamps() for part in self.parts]
        if any(one is None for one in told):
            return None
        every = torch.cat([torch.from_numpy(one.view("int64")) for one in told if one is not None])
        return (every if self.order is None else every[self.order]).numpy().view("uint64")

    def _sources(self, index: Tensor) -> dict[str, Any]:
        return {"order": index if self.order is None else self.order[index]}


def join(parts: Sequence[Rows], name: str) -> Rows:
    """Rows one after the other; each is annotated with its own labels alone.

    Args:
        parts: with inputs of one shape; their `ids` stay as they are.
        name: where they come from, for messages.

    Raises:
        RequestError: inputs of different shapes.
    """
    if len(parts) == 1:
        return parts[0]
    for one in parts[1:]:
        require_alike(parts[0], one)
    parts = _as_long(parts)
    shapes = {one.shape: one.name for one in parts}
    if len(shapes) > 1:
        (shape, of), (other, of_other), *_ = shapes.items()
        raise RequestError(
            f"the rows of {of} have the shape {shape} and those of {of_other} {other}; bring them to one, as with the "
            "data options `size` and `channels` of images"
        )
    labels = tuple(dict.fromkeys(label for one in parts for label in one.labels))
    place = {label: column for column, label in enumerate(labels)}
    annotated = torch.full((sum(map(len, parts)), len(labels)), torch.nan)
    first = 0
    for one in parts:
        if one.annotated is not None:
            annotated[first : first + len(one), [place[label] for label in one.labels]] = one.annotated.float()
        first += len(one)
    about: dict[str, Any] = {
        "labels": labels if labels else (),
        "annotated": annotated if labels else None,
        "ids": torch.cat([one.ids for one in parts]),
        "name": name,
        "texts": parts[0].texts,
    }
    whole = [one.resident for one in parts]
    if all(one is not None for one in whole):
        return TensorRows(values=torch.cat([one for one in whole if one is not None]), **about)
    return JoinedRows(parts=tuple(parts), **about)


def require_alike(one: Rows, other: Rows) -> None:
    """RequestError where texts meet numbers, or texts that another tokenizer read."""
    if (one.texts is None) != (other.texts is None):
        texts, numbers = (one, other) if one.texts is not None else (other, one)
        raise RequestError(
            f"{texts.name} has texts and {numbers.name} numbers, and no student reads both; read both as texts (the "
            "data option `text`), or neither"
        )
    if one.texts is not None and other.texts is not None and one.texts.tokenizer != other.texts.tokenizer:
        raise RequestError(
            f"the texts of {one.name} were read by {one.texts.tokenizer or 'hashing words'} and those of {other.name} "
            f"by {other.texts.tokenizer or 'hashing words'}; set the data option `tokenizer` alike"
        )


def _as_long(parts: Sequence[Rows]) -> Sequence[Rows]:
    """Series and texts filled up with NaN to the longest of all; other rows as they are."""
    held = [one.resident for one in parts]
    if any(one is None or one.ndim != 3 for one in held):
        return parts
    steps = max(one.shape[1] for one in held if one is not None)
    return [
        replace(part, values=nn.functional.pad(one, (0, 0, 0, steps - one.shape[1]), value=torch.nan))
        if isinstance(part, TensorRows) and one is not None and one.shape[1] < steps
        else part
        for part, one in zip(parts, held, strict=True)
    ]


def shown(rows: Rows, labels: Sequence[str]) -> Rows:
    """Rows whose annotations are those of some labels alone.

    Raises:
        RequestError: a label that the rows do not know.
    """
    missing = [label for label in labels if label not in rows.labels]
    if missing or rows.annotated is None:
        raise RequestError(
            f"{rows.name} is not annotated with {listed(missing)}; its labels are {listed(rows.labels) or 'none'}"
        )
    columns = [rows.labels.index(label) for label in labels]
    return replace(rows, labels=tuple(labels), annotated=rows.annotated[:, columns])


def shown_as(rows: Rows, labels: Sequence[str], implied: Mapping[str, Sequence[str]]) -> Rows:
    """Rows whose annotations are which of a source's labels each has: its own, or one that its own imply.

    Args:
        rows: annotated.
        labels: the source's, of which a row has one. Those that the rows' labels never imply are left out.
        implied: label → what all its rows have, too.

    Raises:
        RequestError: none of the labels is the rows' or implied by theirs.
    """
    follows = [[float(one == label or one in implied.get(label, ())) for label in rows.labels] for one in labels]
    kept = [number for number, own in enumerate(follows) if any(own)]
    if not kept or rows.annotated is None:
        raise RequestError(
            f"{rows.name} is annotated with none of {listed(labels)}, nor with labels that imply one; its labels are "
            f"{listed(rows.labels) or 'none'}"
        )
    found = ((rows.annotated == 1).float() @ torch.tensor(follows)[kept].T > 0).float()
    annotated = torch.where(found.any(1, keepdim=True), found, torch.nan)
    return replace(rows, labels=tuple(labels[number] for number in kept), annotated=annotated)
