"""What is asked once and kept: the panel's votes and a strategy's targets, through the store."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from amalgam import store
from amalgam.fingerprint import fingerprint, of_array, of_code
from amalgam.journal import Journal
from amalgam.panel import Ballots, Panel
from amalgam.processes import processes
from amalgam.signals import Rows, Targets, TensorRows
from amalgam.strategy import Grid, Learn, Strategy
from amalgam.training.settings import CODE as TRAINING
from amalgam.training.settings import Training
from amalgam.training.state import LossFunction
from amalgam.training.trainer import fit

_VOTING = ("amalgam.panel", "amalgam.signals", "amalgam.labels")  # whose change makes other votes
_TARGETS = (
    *_VOTING,
    "amalgam.classes",
    "amalgam.conditional",
    "amalgam.habit",
    "amalgam.losses",
    "amalgam.scaling",
    "amalgam.strategy",
    "amalgam.surprise",
    "amalgam.tokens",
)  # and whose, other targets

_RESIDENT_BYTES = 2**31  # votes or targets up to this size are read into memory whole, beside rows that are in memory
_SMALL_BYTES = 2**24  # and up to this size beside rows that stay on disk, so that memory stays flat as they grow


@dataclass(frozen=True)
class Surrogate:
    """A strategy's targets of N rows, and what it counted on the way.

    Attributes:
        targets: of the N rows.
        facts: numbers by name.
        grid: numbers of labels × teachers, if it has any.
        key: the fingerprint of rows and targets, which a training goes by.
        live: inputs (B, ...) that were never seen before to their targets, from all teachers; kept nowhere.
    """

    targets: Targets
    facts: Mapping[str, float]
    grid: Grid | None
    key: str
    live: Callable[[Tensor], Targets]


def vote(
    panel: Panel, rows: Rows, rows_key: str, journal: Journal, *, features: bool = False, name: str = "votes"
) -> Ballots:
    """What every teacher says of every row: from the store, else asked now, once.

    Args:
        panel: the teachers.
        rows: N rows.
        rows_key: their fingerprint.
        journal: told of what was reused and repaired.
        features: whether the teachers' features are wanted too.
        name: what the step is called.
    """
    stored = []
    for k, one in enumerate(panel.seats):
        key = fingerprint("votes", one.fingerprint or [journal.nonce, one.name], rows_key, features, of_code(*_VOTING))
        about = {"teacher": one.name, "labels": [str(label) for label in one.teacher.labels], "rows": len(rows)}

        def produce(where: slice, k: int = k) -> dict[str, np.ndarray[Any, Any]]:
            said = [panel.vote(k, inputs, features) for _, inputs in rows.chunks(store.CHUNK, where)]
            return {part: torch.cat([one[part] for one in said]).cpu().numpy() for part in said[0]}

        with journal.progress.step(f"{name} {one.name}", len(rows)) as bar:
            stored.append(store.fill("votes", key, len(rows), produce, about=about, bar=bar))
        journal.tell(stored[-1], f"votes of {one.name}")
        if one.fingerprint is None:
            journal.note(f"the votes of {one.name} cannot be reused: it has no `fingerprint`")
            journal.pass_by("votes", key)
        for done in ("computed", "reused", "repaired"):
            journal.votes[done] = journal.votes.get(done, 0) + getattr(stored[-1], done)
    read = _read(stored, rows)
    parts = {part: tuple(one[part] for one in read) for part in ("scores", *(["features"] if features else []))}
    return Ballots(panel, len(rows), **parts)


def surrogate(
    panel: Panel,
    rows: Rows,
    rows_key: str,
    ballots: Ballots,
    strategy: Strategy[Any],
    training: Training,
    seed: int,
    journal: Journal,
    student: Callable[[], nn.Module],
) -> Surrogate:
    """The surrogate targets of every row: from the store, else made now, in chunks.

    Args:
        panel: the teachers.
        rows: N rows, annotated where the strategy may see it, in the panel's columns; else without annotations.
        rows_key: the fingerprint of their inputs.
        ballots: the votes on them.
        strategy: what makes targets of them.
        training: how networks of a strategy's own are trained.
        seed: of them.
        journal: told of what was reused and repaired.
        student: makes one like the run's, for strategies that train such.
    """
    whose = [one.fingerprint or [journal.nonce, one.name] for one in panel.seats]
    spec = {one.name: getattr(strategy, one.name) for one in fields(strategy)}
    columns = [list(own) for own in panel.space.columns]
    code = of_code(*_TARGETS, type(strategy).__module__, *strategy.code)
    name = type(strategy).__module__.rpartition(".")[2]
    how = [training.model_dump(mode="json"), seed, of_code(*TRAINING)] if strategy.trains else []
    if strategy.sees_labels:
        assert rows.annotated is not None
        how.append(of_array(rows.annotated.numpy()))
    key = fingerprint("targets", whose, panel.space.names, columns, name, spec, rows_key, code, how)
    state = _Once(lambda: strategy.prepare(panel, rows, ballots, learner(rows, training, seed, journal, student)))

    def produce(where: slice) -> dict[str, np.ndarray[Any, Any]]:
        chunk = rows.take(torch.arange(where.start, where.stop))
        made = strategy.targets(panel, chunk, ballots.at(where), state())
        counts = {f"count.{name}": count for name, count in made.counts.items()}
        return {name: value.cpu().numpy() for name, value in {**made.arrays(), **counts}.items()}

    about = {"strategy": name, "labels": list(panel.space.names), "rows": len(rows)}
    with journal.progress.step("targets", len(rows)) as bar:
        stored = store.fill("targets", key, len(rows), produce, about=about, bar=bar)
    journal.tell(stored, "targets")
    if not all(one.fingerprint for one in panel.seats):
        journal.pass_by("targets", key)
    counted = {name.removeprefix("count."): torch.as_tensor(stored.total(name)) for name in stored.counts}

    def live(inputs: Tensor) -> Targets:
        votes = panel.ask(inputs, strategy.sees_features())
        made = strategy.targets(panel, TensorRows(values=inputs), votes, state())
        return made.of({name: array.clone() for name, array in made.arrays().items()})  # votes are inference tensors

    content = {part: [of_array(array[start : start + store.CHUNK]) for start in range(0, len(rows), store.CHUNK)]
               for part, array in stored.arrays.items()}  # fmt: skip
    return Surrogate(
        targets=strategy.form.of(_read([stored], rows)[0]),
        facts=strategy.facts(panel, counted),
        grid=strategy.grid(panel, counted),
        key=fingerprint(rows_key, content),
        live=live,
    )


def weighed(rows: Rows, targets: Targets, training: Training) -> tuple[Rows, Targets, Training]:
    """The rows that targets with `weights` give any, these targets, and how they are learned (`Training.of`).

    The other rows would only be carried along.
    """
    weights: Any = targets.weights  # type: ignore[attr-defined]
    chunks = (slice(start, start + store.CHUNK) for start in range(0, len(rows), store.CHUNK))
    where = torch.cat([(torch.as_tensor(weights[one]) > 0).any(1) for one in chunks]).nonzero()[:, 0]
    if len(where) == len(rows):
        return rows, targets, training
    return rows.take(where), targets.at(where), training.of(len(where))


def unlearned(targets: Targets, names: Sequence[str], among: Sequence[str]) -> list[str]:
    """The labels, among some, that no row's target says anything of; `names` are those of its columns."""
    weights: Any = getattr(targets, "weights", None)
    if weights is None:
        return []
    heard = torch.zeros(len(names), dtype=torch.bool)
    for start in range(0, len(weights), store.CHUNK):
        heard |= (torch.as_tensor(weights[start : start + store.CHUNK]) > 0).any(0)
    return [name for name, some in zip(names, heard.tolist(), strict=True) if not some and name in among]


def _read(stored: Sequence[store.Stored], rows: Rows) -> list[dict[str, Any]]:
    """The arrays of entries: whole in memory where all fit beside the rows, else read where they lie."""
    most = _SMALL_BYTES if rows.resident is None else _RESIDENT_BYTES
    if sum(array.dtype.itemsize * math.prod(array.shape) for one in stored for array in one.arrays.values()) > most:
        return [dict(one.arrays) for one in stored]
    return [{name: torch.from_numpy(one.whole(name)) for name in one.arrays} for one in stored]


def learner(everyone: Rows, training: Training, seed: int, journal: Journal, student: Callable[[], nn.Module]) -> Learn:
    """Trains a strategy's own networks as the student is trained."""

    def learn(
        make: Callable[[], nn.Module] | None,
        targets: Targets,
        loss: LossFunction,
        name: str,
        *,
        rows: Rows | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = (make or student)()
        usual = training if rows is None else training.of(len(rows))
        how = Training.model_validate({**usual.model_dump(), **(settings or {})})
        fit(
            network, everyone if rows is None else rows, targets, loss, how,
            seed=seed, accelerator=processes(how), progress=journal.progress, name=name,
        )  # fmt: skip
        return network.eval()

    return learn


class _Once:
    """A value that is made when it is first asked for, and then kept: nothing is prepared for stored targets."""

    def __init__(self, make: Any) -> None:
        self.make, self.made = make, False

    def __call__(self) -> Any:
        if not self.made:
            self.value, self.made = self.make(), True
        return self.value
