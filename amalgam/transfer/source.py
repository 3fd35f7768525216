"""The source: rows of classes that are not the target's, said by annotators or by teachers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from amalgam.classes import Spans
from amalgam.errors import RequestError, listed
from amalgam.joining import join
from amalgam.labels import Tasks, class_label, class_of, spans_of
from amalgam.signals import Rows, Targets


@dataclass(frozen=True)
class Source:
    """N rows and what is said of each.

    Attributes:
        rows: their inputs; annotated with the C classes, each named after who says it (`class_label`).
        said: (N, C) half-precision probabilities, which share 1 in each span that says anything of a row, else 0.
        tasks: who says it → its classes.
    """

    rows: Rows
    said: Tensor
    tasks: Tasks

    @property
    def spans(self) -> Spans:
        """Where among the C classes those of each task stand."""
        return spans_of(self.tasks, self.rows.labels)

    @property
    def classes(self) -> Tensor:
        """Each row's likeliest class in each of T tasks, as a column, (N, T) long; -1 where nothing is said."""
        found = [
            torch.where(self.said[:, first:last].any(1), self.said[:, first:last].argmax(1) + first, -1)
            for first, last in self.spans
        ]
        return torch.stack(found, 1)

    @property
    def counts(self) -> Tensor:
        """How many rows are of each class, (C,)."""
        classes = self.classes.flatten()
        return torch.bincount(classes[classes >= 0], minlength=self.said.shape[1])

    def take(self, index: Tensor) -> Source:
        """The rows of `index`, in its order; one may come more than once."""
        return replace(self, rows=self.rows.take(index), said=self.said[index])


def annotated(parts: Mapping[str, Rows]) -> Source:
    """Data sets that somebody annotated, one beside the other, each with classes of its own.

    Args:
        parts: name → rows, each of one class; rows without an annotation are left out.

    Raises:
        RequestError: no rows, no annotations, rows of several labels, or fewer than two classes.
    """
    named = list[Rows]()
    tasks = dict[str, tuple[str, ...]]()
    for name, rows in parts.items():
        if rows.annotated is None or not bool((~rows.annotated.isnan()).any()):
            raise RequestError(
                f"the source {name} has no annotated rows; name its label columns, or teachers that can label it"
            )
        told = rows.take((~rows.annotated.isnan()).all(1).nonzero()[:, 0])
        assert told.annotated is not None
        wrong = (told.annotated.sum(1) != 1).nonzero()[:, 0]
        if len(wrong):
            raise RequestError(
                f"row {int(told.ids[wrong[0]])} of the source {name} has {int(told.annotated[wrong[0]].sum())} labels, "
                "expected one class for each row: the weights are those of classes"
            )
        there = told.annotated.any(0)
        if int(there.sum()) < 2:
            raise RequestError(f"the source {name} has rows of {int(there.sum())} class; it needs at least two")
        own = tuple(class_label(name, label) for label, some in zip(told.labels, there.tolist(), strict=True) if some)
        named.append(replace(told, labels=own, annotated=told.annotated[:, there]))
        tasks[name] = own
    rows = join(named, " and ".join(parts))
    assert rows.annotated is not None
    return Source(rows, rows.annotated.nan_to_num().half(), tasks)


def by_teachers(rows: Rows, said: Mapping[str, Tensor], labels: Mapping[str, Sequence[str]]) -> Source:
    """Rows that teachers label, each with classes of its own; a class's weight is then what the teacher's is worth.

    Args:
        rows: N of them.
        said: teacher → (N, c) probabilities.
        labels: teacher → its classes.
    """
    tasks = {name: tuple(class_label(name, label) for label in labels[name]) for name in said}
    every = torch.cat(list(said.values()), 1)
    likeliest = [torch.nn.functional.one_hot(one.argmax(1), one.shape[1]).float() for one in said.values()]
    names = tuple(label for own in tasks.values() for label in own)
    return Source(replace(rows, labels=names, annotated=torch.cat(likeliest, 1)), every.half(), tasks)


def prior_matched(source: Source, wanted: Tensor, seed: int) -> Source:
    """As many rows of a source, drawn so that its classes come as often as a target asks for them (DATL).

    Ngiam and others, "Domain adaptive transfer learning with specialist models" (2018): a row counts P_t(y) / P_s(y),
    its class's share among what a model of the source says of the target, over that in the source.

    Args:
        source: of one task.
        wanted: P_t(y), (C,), the mean probability that the model gives each class on the target's rows.
        seed: of the draw.
    """
    chances = importance(wanted, source.counts)[source.classes].sum(1)
    drawn = torch.multinomial(
        chances.double(), len(source.rows), replacement=True, generator=torch.Generator().manual_seed(seed)
    )
    return source.take(drawn)


def importance(wanted: Tensor, counts: Tensor) -> Tensor:
    """P_t(y) / P_s(y) of each class (C,), the largest of them 1; a class without rows has 0."""
    share = counts.double() / counts.sum()
    weights = torch.where(counts > 0, wanted.double() / share.clamp_min(1e-300), 0.0)
    return (weights / weights.max().clamp_min(1e-300)).float()


def unknown_to(source: Source, names: Sequence[str]) -> list[str]:
    """The target's classes that no source has by name: nothing is wrong with them, but a reader may want to know."""
    there = set(map(class_of, source.rows.labels))
    return [name for name in names if name not in there]


@dataclass(frozen=True)
class Further(Targets):
    """What a step learns of the source's rows: B_S rows, weighed.

    Attributes:
        said: (B, C) probabilities.
        weights: (B, T) λ of the class that each task says.
        scale: (B,) α, the same for all.
        spans: of the tasks.
    """

    said: Tensor
    weights: Tensor
    scale: Tensor
    spans: Spans = ()
    counts: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, arrays: Mapping[str, Any]) -> Further:
        """From `said`, `weights` and `scale`."""
        return cls(arrays["said"], arrays["weights"], arrays["scale"])

    def arrays(self) -> dict[str, Tensor]:
        """`said`, `weights` and `scale`."""
        return {"said": self.said, "weights": self.weights, "scale": self.scale}

    def __len__(self) -> int:
        """How many rows."""
        return len(self.said)


def listed_tasks(tasks: Tasks) -> str:
    """The tasks and how many classes each has, for messages."""
    return listed([f"{name} ({len(classes)} classes)" for name, classes in tasks.items()])
