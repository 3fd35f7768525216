"""The label space: the union of the teachers' labels by name, who knows what, and in which column.

Labels meet by name alone. A published table of this field was spoilt by columns matched by position, so a label that is
only a position is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from amalgam.errors import RequestError, listed


@dataclass(frozen=True)
class LabelSpace:
    """L labels and what each of K teachers knows of them.

    Attributes:
        names: the L labels, the student's columns.
        columns: K tuples; `columns[k][j]` is the column of teacher k's label j.
    """

    names: tuple[str, ...]
    columns: tuple[tuple[int, ...], ...]

    @property
    def known(self) -> Tensor:
        """(K, L) bool: which labels each teacher knows."""
        known = torch.zeros(len(self.columns), len(self.names), dtype=torch.bool)
        for teacher, columns in enumerate(self.columns):
            known[teacher, list(columns)] = True
        return known

    def overlap(self) -> Tensor:
        """(K, K) long: how many labels each pair of teachers shares; the diagonal counts a teacher's own."""
        known = self.known.long()
        return known @ known.T

    def spread(self, teacher: int, scores: Tensor) -> Tensor:
        """A teacher's scores (B, l) in the columns of the space, (B, L), NaN elsewhere."""
        spread = scores.new_full((len(scores), len(self.names)), torch.nan)
        spread[:, list(self.columns[teacher])] = scores
        return spread

    def own(self, teacher: int, spread: Tensor) -> Tensor:
        """The columns (..., l) of a teacher's own labels, in its own order."""
        return spread[..., list(self.columns[teacher])]


def canonical(labels: Iterable[object], aliases: Mapping[str, Sequence[str]], owner: str) -> tuple[str, ...]:
    """An owner's labels under their common names.

    Args:
        labels: as the owner calls them.
        aliases: common name → other names of it.
        owner: who has the labels, for messages ("teacher 'a'").

    Raises:
        RequestError: labels that are missing, positions instead of names, empty, or twice the same.
    """
    if isinstance(labels, str):
        raise RequestError(f"{owner} gives its labels as one text, {labels!r}; list one name an output")
    labels = tuple(labels)  # an array has no truth value
    if not labels:
        raise RequestError(f"{owner} names no labels; labels are matched by name, so list one name an output")
    if any(not isinstance(label, str) for label in labels):
        raise RequestError(
            f"{owner} numbers its labels ({listed(labels)}); labels are matched by name, never by position: "
            "list their names, and quote a name that is a number"
        )
    common = {other: name for name, others in aliases.items() for other in others}
    names = tuple(common.get(str(label), str(label)) for label in labels)
    if any(not name.strip() for name in names):
        raise RequestError(f"{owner} has a label with an empty name; name every output")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RequestError(f"{owner} has the label {listed(twice)} twice; every output needs a name of its own")
    return names


def unite(
    teachers: Mapping[str, Sequence[object]],
    aliases: Mapping[str, Sequence[str]] | None = None,
    names: Sequence[str] | None = None,
) -> LabelSpace:
    """The label space of some teachers: by name, in alphabetical order, so that the teachers' order does not matter.

    Args:
        teachers: teacher name → its labels.
        aliases: common name → other names of it.
        names: the student's labels, when they are not simply the union; every teacher label must be among them.

    Raises:
        RequestError: a label that is no name, or one that `names` leaves out.
    """
    own = {who: canonical(labels, aliases or {}, f"teacher {who!r}") for who, labels in teachers.items()}
    union = sorted({name for labels in own.values() for name in labels})
    order = tuple(names) if names is not None else tuple(union)
    for who, labels in own.items():
        missing = [label for label in labels if label not in order]
        if missing:
            raise RequestError(
                f"teacher {who!r} knows {listed(missing)}, which the recipe's labels ({listed(order)}) leave out; "
                "add the label, or an alias for it under labels.aliases"
            )
    unknown = [name for name in order if name not in union]
    if unknown:
        raise RequestError(f"no teacher knows {listed(unknown)}; the teachers know {listed(union)}")
    place = {name: column for column, name in enumerate(order)}
    return LabelSpace(order, tuple(tuple(place[label] for label in labels) for labels in own.values()))


def lookalikes(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Names that differ only in case, spaces or punctuation: probably one label; kept apart until an alias says so."""
    spelt: dict[str, list[str]] = {}
    for name in names:
        spelt.setdefault(re.sub(r"[\W_]+", "", name).casefold(), []).append(name)
    return [tuple(same) for key, same in spelt.items() if key and len(same) > 1]
