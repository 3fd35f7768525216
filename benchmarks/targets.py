"""ANT's targets in batches against the transcription of the paper in plain loops, and against one row at a time."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch

from amalgam.panel import Ballots, Panel, Seat, seat
from amalgam.signals import ProbabilityTargets, TensorRows
from amalgam.strategies.ant import ANT, Learned
from amalgam.student import Student, load
from benchmarks.common import Result, make_teachers, spread, task, timed, workplace
from tests.reference.ant import amalgamate
from tests.reference.chain import ChainWeights, chain

TITLE = "ANT's targets against plain loops"
ABOUT = """\
Measured: the votes of three chain teachers (32 units, 12, 11 and 12 of 22 labels) on rows of 64 features in memory, and
ANT's targets from them (`indicator: confidence, clamp: true, contradiction: mean`), with every revision that transfers
ask of the teachers' own chains; in chunks of 4,096 rows, without the store.

The peers: `tests/reference`, the paper's equations for one instance at a time in plain Python (teachers' chains
included), and the product's own code given one row at a time, which is how the published script works. Both ran on
fewer rows and are scaled by the number of rows. All three must agree on the rows they share, or there are no figures.
The goal is 100 times the plain loops."""

STRATEGY = ANT(indicator="confidence", clamp=True, contradiction="mean")
CHUNK = 4096


@dataclass
class SlowTeacher:
    """A saved chain before one instance, in plain loops: an `InstanceTeacher` of `tests/reference/ant.py`."""

    labels: list[str]
    weights: ChainWeights
    inputs: np.ndarray

    def logits(self) -> dict[str, float]:
        """Its logits."""
        return self.logits_given({}, clamp=False)

    def logits_given(self, believed: dict[str, float], clamp: bool) -> dict[str, float]:
        """Its logits given beliefs."""
        told = {self.labels.index(label): logit for label, logit in believed.items()}
        final, _ = chain(self.inputs, self.weights, accept="joint", unchosen="first", believed=told, clamp=clamp)
        return dict(zip(self.labels, final.tolist(), strict=True))


def measure(quick: bool) -> Result:
    """The three ways on the same panel, and where they must agree."""
    torch.set_num_threads(1)
    many, some, times = (4096, 10, 1) if quick else (30_000, 300, 5)
    with workplace() as folder:
        teachers = [load(path) for path in make_teachers(folder, 64, hidden=32)]
    panel = seat([Seat(f"teacher-{k}", teacher) for k, teacher in enumerate(teachers)])
    inputs, _ = task(many, 64, seed=2)

    fast = _batched(panel, inputs, CHUNK)
    seconds = timed(lambda: _batched(panel, inputs, CHUNK), times)
    single = timed(lambda: _batched(panel, inputs[:some], 1), 1)[0]
    began = time.perf_counter()
    slow, told = _plain(panel, teachers, inputs[:some])
    plain = time.perf_counter() - began

    alone = _batched(panel, inputs[:some], 1)[0]
    worst = max(_differ(fast[0][:some], slow), _differ(fast[0][:some], alone))
    moved = _batched(panel, inputs[:some], CHUNK)[1]
    if moved != told:
        raise RuntimeError(f"{moved} rows have transfers in batches, {told} in plain loops")
    rate = [many / one for one in seconds]
    columns = ("how", "rows", "seconds", "rows/s", "times slower")
    rows = [
        ("in batches", f"{many:,}", spread(seconds, 2), spread(rate, 0), "1"),
        _peer("one row at a time", some, single, rate),
        _peer("plain loops", some, plain, rate),
    ]
    meaning = (
        f"{fast[1] / many:.0%} of the rows have transfers, {fast[2] / many:.1f} a row. On the {some} shared rows the "
        f"probabilities differ by at most {worst:.1e}, and the same rows have transfers."
    )
    return Result(columns, rows, meaning)


def _peer(name: str, rows: int, seconds: float, rate: list[float]) -> tuple[str, ...]:
    slower = [one * seconds / rows for one in rate]
    return name, f"{rows:,}", f"{seconds:.2f}", f"{rows / seconds:,.1f}", spread(slower, 0)


def _batched(panel: Panel, inputs: torch.Tensor, chunk: int) -> tuple[torch.Tensor, int, int]:
    """Targets (N, L), how many rows have transfers, and how many transfers there are."""
    rows = TensorRows(values=inputs)
    made, moved, transfers = [], 0, 0
    for where, some in rows.chunks(chunk):
        scores = tuple(panel.vote(k, some)["scores"] for k in range(len(panel.seats)))
        votes = Ballots(panel, len(some), scores).at(slice(0, len(some)))
        targets = STRATEGY.targets(panel, TensorRows(values=inputs[where]), votes, Learned({}, {}))
        assert isinstance(targets, ProbabilityTargets)
        made.append(targets.probabilities)
        hard = votes.read() > 0  # confidence transfers wherever two teachers contradict each other
        known = votes.known[:, None]
        moved += int(((hard & known).any(0) & (~hard & known).any(0)).any(1).sum())
        transfers += int(targets.counts["transfers"].sum())
    return torch.cat(made), moved, transfers


def _plain(panel: Panel, teachers: list[Student], inputs: torch.Tensor) -> tuple[torch.Tensor, int]:
    """The same by the transcription: targets (N, L), and how many rows have transfers."""
    weights = [_weights(teacher) for teacher in teachers]
    made, moved = torch.empty(len(inputs), len(panel.space.names)), 0
    for row, one in enumerate(inputs):
        seats = [
            SlowTeacher(list(teacher.labels), weight, teacher.scaling(one[None])[0].double().numpy())
            for teacher, weight in zip(teachers, weights, strict=True)
        ]
        found = amalgamate(seats, indicator="confidence", clamp=True, rounds=None, contradiction="mean")
        made[row] = torch.tensor([found.integrated[label] for label in panel.space.names])
        moved += bool(found.transfers)
    return made, moved


def _weights(teacher: Student) -> ChainWeights:
    state = {name: value.double().numpy() for name, value in teacher.state_dict().items()}
    labels, of_state = len(teacher.labels), state["gates_of_state.weight"]
    return ChainWeights(
        W=state["start.weight"],
        b=state["start.bias"],
        W_x=state["gates_of_inputs.weight"],
        W_l=of_state[:, :labels],
        W_y=of_state[:, labels : 2 * labels],
        W_h=of_state[:, 2 * labels :],
        bias=state["gates_of_inputs.bias"],
        W_out=state["decide.weight"],
        b_out=state["decide.bias"],
    )


def _differ(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference of two tables of probabilities; RuntimeError where it is more than rounding."""
    worst = float((one - other).abs().max())
    if worst > 1e-4:
        raise RuntimeError(f"the targets differ by {worst:.2g} between two ways that must agree")
    return worst
