"""What travels through the house: Rows, Votes, Targets, StudentOutput, Loss.

Conventions, everywhere: scores are logits; unknown is NaN with `known` False; targets are probabilities.
K teachers, N rows, L labels, B rows of a batch, D features.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from amalgam.classes import Spans, by_task

if TYPE_CHECKING:
    from amalgam.tokens import Reading

_PROBABILITIES = "probabilities"
_FEW_ROWS = 32
_FEW_BYTES = 2**21  # what a network computes in between stays near the processor: twice as fast as with 4,096 images
_MOST_BYTES = 2**28  # 32 rows may be large, too

Index = slice | Tensor
"""Which rows: a slice, or a long tensor of row numbers."""


@dataclass(frozen=True)
class Rows(ABC):
    """The data: N rows of inputs, and what somebody said of them.

    Attributes:
        labels: names of the columns of `annotated`.
        annotated: (N, len(labels)) of 0, 1, and NaN where nobody annotated; None for unlabelled data.
        ids: (N,) long, the rows' numbers in the data they were taken from: parts that share a number share a row.
        name: where the rows come from, for messages.
        texts: how the inputs were read where they are texts, series (T, 1) of their words' numbers; else None.
    """

    labels: tuple[str, ...] = ()
    annotated: Tensor | None = None
    ids: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long))
    name: str = "data"
    texts: Reading | None = None

    def __post_init__(self) -> None:
        """Number the rows when nobody has, and hold the columns against each other."""
        if len(self.ids) != len(self):
            object.__setattr__(self, "ids", torch.arange(len(self)))
        if self.annotated is not None and self.annotated.shape != (len(self), len(self.labels)):
            raise ValueError(f"annotated is {tuple(self.annotated.shape)}, expected {(len(self), len(self.labels))}")

    @abstractmethod
    def __len__(self) -> int:
        """How many rows."""

    @abstractmethod
    def inputs(self, index: Index) -> Tensor:
        """The inputs of some rows, (B, ...)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """That of one row's inputs."""
        return tuple(self.inputs(slice(0, 1)).shape[1:])

    @abstractmethod
    def _sources(self, index: Tensor) -> dict[str, Any]:
        """The fields of a subclass after keeping only the rows of `index`."""

    @property
    def resident(self) -> Tensor | None:
        """All inputs as one tensor, when they are one; such rows live on the device whole."""
        return None

    def stamps(self) -> NDArray[np.uint64] | None:
        """A number for each row (N,) that its content decides, where that costs less to read than its inputs."""
        return None

    def take(self, index: Tensor) -> Self:
        """The rows of `index`, in its order."""
        annotated = None if self.annotated is None else self.annotated[index]
        return replace(self, annotated=annotated, ids=self.ids[index], **self._sources(index))

    def unlabelled(self) -> Self:
        """The same rows with the annotations left behind."""
        return replace(self, annotated=None, labels=())

    def chunks(self, size: int, within: slice | None = None) -> Iterator[tuple[slice, Tensor]]:
        """Every row once, in order: (where, inputs); at most `size` rows, and 2 MB of them or 32.

        Args:
            size: how many rows at most.
            within: these rows alone.
        """
        first, last, _ = (within or slice(None)).indices(len(self))
        if first >= last:
            return
        each = max(1, self.inputs(slice(first, first + 1)).nbytes)
        step = max(1, min(size, max(_FEW_ROWS, _FEW_BYTES // each), _MOST_BYTES // each))
        for start in range(first, last, step):
            where = slice(start, min(start + step, last))
            yield where, self.inputs(where)


@dataclass(frozen=True)
class TensorRows(Rows):
    """Rows in memory: `values` is (N, ...) float32."""

    values: Tensor = field(default_factory=lambda: torch.empty(0, 0))

    def __len__(self) -> int:
        """How many rows."""
        return len(self.values)

    def inputs(self, index: Index) -> Tensor:
        """The inputs of some rows, (B, ...)."""
        return self.values[index]

    def _sources(self, index: Tensor) -> dict[str, Any]:
        return {"values": self.values[index]}

    @property
    def resident(self) -> Tensor | None:
        """The values."""
        return self.values


@dataclass(frozen=True)
class FileRows(Rows):
    """Rows of a `.npy` file, read where they are asked for, so that memory stays flat as the file grows."""

    path: Path = Path()
    order: Tensor | None = None  # which rows of the file, None for all of them

    def _map(self) -> np.ndarray[Any, Any]:
        # Opened anew at each call: pages of a mapping that stays open would count as this process's memory.
        opened: np.ndarray[Any, Any] = np.load(self.path, mmap_mode="r", allow_pickle=False)
        return opened

    def __len__(self) -> int:
        """How many rows."""
        return len(self._map()) if self.order is None else len(self.order)

    def inputs(self, index: Index) -> Tensor:
        """The inputs of some rows, (B, ...)."""
        where = index if self.order is None else self.order[index]
        picked = self._map()[where if isinstance(where, slice) else where.numpy()]
        return torch.from_numpy(np.array(picked, dtype=np.float32))

    def _sources(self, index: Tensor) -> dict[str, Any]:
        return {"order": index if self.order is None else self.order[index]}


@dataclass(frozen=True)
class DatasetRows(Rows):
    """Rows of a map-style dataset whose items are input tensors (images on disk), read by a DataLoader in training.

    A dataset may have `__getitems__`, as DataLoaders know it, to read a batch at once (image files: in threads); and
    `stamps`, a number for each of its rows as `Rows.stamps` says.
    """

    dataset: Any = ()
    order: Tensor | None = None

    def __len__(self) -> int:
        """How many rows."""
        return len(self.dataset) if self.order is None else len(self.order)

    def inputs(self, index: Index) -> Tensor:
        """The inputs of some rows, (B, ...)."""
        where = torch.arange(len(self.dataset)) if self.order is None else self.order
        numbers = where[index].tolist()
        batch = getattr(self.dataset, "__getitems__", None)
        items = [self.dataset[row] for row in numbers] if batch is None else batch(numbers)
        return torch.stack([torch.as_tensor(item) for item in items])

    def stamps(self) -> NDArray[np.uint64] | None:
        """The dataset's, of these rows; None where it has none."""
        told = getattr(self.dataset, "stamps", None)
        if told is None:
            return None
        every: NDArray[np.uint64] = told()
        return every if self.order is None else every[self.order.numpy()]

    def _sources(self, index: Tensor) -> dict[str, Any]:
        return {"order": index if self.order is None else self.order[index]}


@dataclass(frozen=True)
class Votes:
    """What the panel said of some rows.

    Attributes:
        scores: (K, B, L) logits, NaN where a teacher does not know the label.
        known: (K, L) bool, which labels each teacher knows.
        spans: of each teacher, where among the L labels the classes of its tasks stand, whose scores are a softmax's;
            its other scores are sigmoids'. Empty when no teacher has such tasks.
        features: K tensors (B, D_k) in half precision, for a strategy that needs them; else none.
    """

    scores: Tensor
    known: Tensor
    spans: tuple[Spans, ...] = ()
    features: tuple[Tensor, ...] = ()

    def read(self, spans: Spans = ()) -> Tensor:
        """The scores as logits of a student's kind, (K, B, L).

        Args:
            spans: the student's tasks of several classes, whose logits are a softmax's. Where a teacher has classes
                and the student has labels that are yes or no, its scores become log p / (1 - p).
        """
        if not any(self.spans):
            return self.scores
        apart = [tuple(one for one in own if one not in spans) for own in self.spans]
        return torch.stack(
            [by_task(said, own, _known_odds, lambda some: some) for said, own in zip(self.scores, apart, strict=True)]
        )


def _known_odds(scores: Tensor) -> Tensor:
    return torch.where(scores.isnan(), torch.nan, odds(scores.nan_to_num(nan=-torch.inf)))


def odds(scores: Tensor) -> Tensor:
    """A softmax's logits (..., l) as one sigmoid logit a label: log p / (1 - p)."""
    log_p = torch.log_softmax(scores, dim=-1)
    log_q = torch.log(-torch.expm1(log_p.clamp(max=-1e-7)))
    return (log_p - log_q).clamp(-30, 30)


class Columns(Protocol):
    """An array read by rows: a tensor in memory, or one of the store's."""

    def __len__(self) -> int:
        """How many rows."""

    def __getitem__(self, where: Any) -> Any:
        """The rows of a slice or of row numbers."""


class Targets(ABC):
    """Anything a student can learn from row by row.

    `counts` are facts that add up over chunks (how many labels were transferred, ...), for the report.
    """

    counts: Mapping[str, Tensor]

    @classmethod
    @abstractmethod
    def of(cls, arrays: Mapping[str, Columns]) -> Self:
        """The targets whose `arrays` were stored."""

    @abstractmethod
    def arrays(self) -> dict[str, Tensor]:
        """What the store keeps of them, by name, one row a row."""

    @abstractmethod
    def __len__(self) -> int:
        """How many rows."""

    def at(self, index: Index) -> Self:
        """The targets of some rows, as tensors."""
        return self.of({name: torch.as_tensor(array[index]) for name, array in self.arrays().items()})

    def to(self, device: torch.device) -> Self:
        """The targets on a device; those that are read from the store stay there."""
        arrays = self.arrays()
        if not all(isinstance(array, Tensor) for array in arrays.values()):
            return self
        return self.of({name: array.to(device) for name, array in arrays.items()})


@dataclass(frozen=True)
class ProbabilityTargets(Targets):
    """Probabilities (N, L) and how much each counts, (N, L); a weight of 0 says: nobody knows, do not learn it.

    Of a task's classes (`spans` says where they stand) the probabilities of a row add up to 1, its weights are equal.
    """

    probabilities: Tensor
    weights: Tensor
    counts: Mapping[str, Tensor] = field(default_factory=dict)
    spans: Spans = ()

    @classmethod
    def of(cls, arrays: Mapping[str, Any]) -> ProbabilityTargets:
        """From `weights`, and `probabilities` under a name that tells the tasks."""
        name = next(one for one in arrays if one.startswith(_PROBABILITIES))
        spans = [tuple(map(int, one.split("-"))) for one in name.split(".")[1:]]
        return cls(arrays[name], arrays["weights"], spans=tuple((first, last) for first, last in spans))

    def arrays(self) -> dict[str, Tensor]:
        """`weights`, and `probabilities`, or `probabilities.0-3.5-9` where columns 0 to 2 and 5 to 8 are tasks."""
        name = ".".join([_PROBABILITIES, *(f"{first}-{last}" for first, last in self.spans)])
        return {name: self.probabilities, "weights": self.weights}

    @property
    def exclusive(self) -> bool:
        """Whether all labels are the classes of one task."""
        return self.spans == ((0, self.probabilities.shape[-1]),)

    def __len__(self) -> int:
        """How many rows."""
        return len(self.probabilities)


@dataclass(frozen=True)
class FeatureTargets(ProbabilityTargets):
    """Probabilities, and the teachers' features that a student is held against: K arrays (N, D_k)."""

    features: tuple[Tensor, ...] = ()

    @classmethod
    def of(cls, arrays: Mapping[str, Any]) -> FeatureTargets:
        """From what probabilities are from, and `features.0`, `features.1`, …."""
        said = ProbabilityTargets.of(arrays)
        shown = tuple(arrays[f"features.{k}"] for k in range(len(arrays) - len(said.arrays())))
        return cls(said.probabilities, said.weights, spans=said.spans, features=shown)

    def arrays(self) -> dict[str, Tensor]:
        """What probabilities are kept as, and `features.0`, `features.1`, …."""
        return super().arrays() | {f"features.{k}": one for k, one in enumerate(self.features)}


@dataclass(frozen=True)
class Decoded:
    """The path that a student which walks down a label graph (`labelgraph.paths`) takes for each row.

    Attributes:
        ends: (B,) the prefix that is the whole path.
        nodes: (B, T) the nodes after the root, as places in the graph's `paths.nodes`; -1 after a path's end.
        probabilities: (B, T) of each step, among what competes with it; 1 after a path's end.
    """

    ends: Tensor
    nodes: Tensor
    probabilities: Tensor


@dataclass(frozen=True)
class StudentOutput:
    """What a student says of a batch.

    Attributes:
        logits: (B, L).
        features: (B, D), the student's last representation, for strategies that compare features.
        steps: (S, B, L), every step's logits of a student that decides step by step; None for the others.
        prefixes: (B, Q), log p of the last step of each prefix (`labelgraph.paths`), of a student that walks down a
            label graph; None for the others.
        decoded: the paths that such a student takes, where its logits are made of them; else None (`Student.walk`).
    """

    logits: Tensor
    features: Tensor
    steps: Tensor | None = None
    prefixes: Tensor | None = None
    decoded: Decoded | None = None


@dataclass(frozen=True)
class Loss:
    """A sum and what it is a sum of, so that ranks and micro-batches add up exactly.

    Attributes:
        sum: (), differentiable.
        count: (), how many rows (or weights) the sum is over.
    """

    sum: Tensor
    count: Tensor
