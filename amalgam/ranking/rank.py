"""The ranking: sources and teachers in the order in which they promise most for a target."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from amalgam.classes import probabilities
from amalgam.collect import vote
from amalgam.errors import RequestError, listed
from amalgam.fingerprint import of_rows
from amalgam.journal import Journal
from amalgam.panel import Panel, Seat, seat
from amalgam.processes import nonce
from amalgam.progress import Progress, Silent
from amalgam.ranking import p2l
from amalgam.ranking.divergences import Divergence, apart
from amalgam.ranking.reference import Reference, as_positive, plain
from amalgam.ranking.scores import SCORES, Answers, Score, scored
from amalgam.signals import Rows
from amalgam.teacher import FeatureScorer

Ranker = Literal["p2l", "largest", "least_divergent", "log_me", "leep", "nce", "h_score", "trans_rate"]

_P2L = ("p2l", "largest", "least_divergent")
_LOWER = ("least_divergent",)  # rankers by which the smallest comes first
_FEW_TIMES = 20  # resamplings of a score, each of which is a decomposition of the features
_FEW_ROWS = 4096  # rows that a score is told by, at most


@dataclass(frozen=True)
class Candidate:
    """Something that a target may learn from.

    Attributes:
        name: what it is called.
        rows: the data set, or what the teacher was trained on; None where that is not known.
        seat: the teacher; None of a source.
    """

    name: str
    rows: Rows | None = None
    seat: Seat | None = None


@dataclass(frozen=True)
class Entry:
    """A candidate in a ranking.

    Attributes:
        name: of the candidate.
        kind: `source` or `teacher`.
        estimate: what it is ranked by; None where that cannot be told.
        low: the 2.5th percentile of the estimate over bootstrap samples.
        high: the 97.5th.
        first: in which share of the bootstrap samples it is first.
        size: |s|, rows that it was, or would be, trained on.
        divergence: D(t, s).
        scores: of a teacher, by score.
    """

    name: str
    kind: Literal["source", "teacher"]
    estimate: float | None
    low: float | None
    high: float | None
    first: float | None
    size: int | None
    divergence: float | None
    scores: dict[str, float | None]


@dataclass(frozen=True)
class Ranking:
    """Candidates in the order in which they promise most.

    Attributes:
        target: the target's name.
        rows: how many of its rows were looked at.
        by: what they are ranked by.
        reference: the reader of rows; None where none was needed.
        divergence: which D.
        k: of Eq. (2).
        entries: best first; what cannot be ranked comes last.
        baselines: other ways to choose → what they would.
        seconds: what took how long.
        notes: what a reader must know.
    """

    target: str
    rows: int
    by: Ranker
    reference: str | None
    divergence: Divergence
    k: float
    entries: tuple[Entry, ...]
    baselines: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> Entry:
        """The first."""
        return self.entries[0]

    def as_json(self) -> dict[str, Any]:
        """All of it, as plain JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Estimated:
    """Numbers of M candidates, and of R bootstrap samples of them."""

    value: NDArray[np.float64]  # (M,)
    resampled: NDArray[np.float64]  # (R, M)


def rank(
    target: Rows,
    candidates: Sequence[Candidate],
    *,
    by: Ranker | None = None,
    reference: Reference | None = None,
    divergence: Divergence = "kl",
    k: float = p2l.K,
    trim: float = 0.0,
    most: int = 20_000,
    times: int = 200,
    seed: int = 0,
    usual: str | None = None,
    progress: Progress | None = None,
) -> Ranking:
    """Rank candidates for a target by what one pass over the target's rows tells of each.

    Args:
        target: its rows; annotated where teachers are to be scored by what they say of annotated rows.
        candidates: data sets, and teachers.
        by: what they are ranked by. By default P2L's estimate where all candidates have rows, else LogME, else LEEP.
        reference: the reader of rows; `reference.plain` by default.
        divergence: D of Eq. (2).
        k: how much it counts.
        trim: of the trimmed mean that sums up a data set.
        most: rows of a data set that are looked at, drawn at random; its size is that of all.
        times: bootstrap samples of all rows, of which the intervals are.
        seed: of what is drawn.
        usual: the candidate that one would take without looking, a baseline.
        progress: who shows the steps.

    Raises:
        RequestError: no candidates, two of one name, or none that can be ranked.
    """
    shown = progress or Silent()
    _check(target, candidates, usual)
    chosen: Ranker = by or _default(target, candidates)
    seconds, notes = dict[str, float](), list[str]()
    rows = drawn(target, most, seed)
    reader = reference or plain(rows)
    far = _far(rows, candidates, reader, divergence, trim, most, times, seed, seconds, shown)
    sized = [place for place, one in enumerate(candidates) if one.rows is not None]
    sizes = np.array([len(candidates[place].rows or ()) for place in sized], dtype=np.float64)
    said = _said(target, candidates, seed, seconds, shown, notes)
    table = {score: [None if one is None else scored(score, one) for one in said] for score in SCORES}
    if chosen in _P2L:
        places, found = sized, _by_rows(chosen, sizes, far, k)
    else:
        places, found = _by_score(chosen, said, min(times, _FEW_TIMES), seed)  # type: ignore[arg-type]
    if not places:
        raise RequestError(_nothing(chosen, candidates))
    order = np.argsort(-found.value, kind="stable")
    first = np.bincount(found.resampled.argmax(1), minlength=len(places)) / len(found.resampled)
    low, high = np.percentile(found.resampled, [2.5, 97.5], axis=0)
    sign = -1.0 if chosen in _LOWER else 1.0

    def entry(place: int, at: int | None) -> Entry:
        one = candidates[place]
        among = sized.index(place) if place in sized else None
        ends = (None, None) if at is None else sorted((sign * float(low[at]), sign * float(high[at])))
        return Entry(
            name=one.name,
            kind="source" if one.seat is None else "teacher",
            estimate=None if at is None else sign * float(found.value[at]),
            low=ends[0],
            high=ends[1],
            first=None if at is None else float(first[at]),
            size=None if one.rows is None else len(one.rows),
            divergence=None if among is None else float(far.value[among]),
            scores={score: values[place] for score, values in table.items() if one.seat is not None},
        )

    ranked = [entry(places[at], int(at)) for at in order]
    left = [entry(place, None) for place in range(len(candidates)) if place not in places]
    if left:
        notes.append(f"{listed([one.name for one in left])} cannot be ranked by {chosen}: {_lacks(chosen)}")
    return Ranking(
        target=target.name,
        rows=len(rows),
        by=chosen,
        reference=None if not sized else reader.name,
        divergence=divergence,
        k=k,
        entries=(*ranked, *left),
        baselines=_baselines(candidates, sized, sizes, far, table, usual),
        seconds=seconds,
        notes=tuple(notes),
    )


def drawn(rows: Rows, most: int, seed: int) -> Rows:
    """Some rows at random, in their order; all where they are not more."""
    if len(rows) <= most:
        return rows
    return rows.take(torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:most].sort().values)


def _check(target: Rows, candidates: Sequence[Candidate], usual: str | None) -> None:
    if len(target) < 2:
        raise RequestError(f"{target.name} has {len(target)} rows; a target needs at least 2")
    names = [one.name for one in candidates]
    if not names:
        raise RequestError("nothing to rank; name sources with --source, or teachers with --teacher")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RequestError(f"two candidates are called {listed(twice)}; give each a name of its own, NAME=SPEC")
    if usual is not None and usual not in names:
        raise RequestError(f"--usual {usual!r} is none of the candidates ({listed(names)})")
    for one in candidates:
        if one.rows is None or one.rows.shape == target.shape:
            continue
        alike = len(one.rows.shape) == len(target.shape) > 1 and (one.rows.texts is None) == (target.texts is None)
        if not alike:
            raise RequestError(
                f"{one.name} has rows of the shape {one.rows.shape} and the target {target.name} of {target.shape}; "
                "they must be of one kind, and tables must have the same columns"
            )


def _default(target: Rows, candidates: Sequence[Candidate]) -> Ranker:
    if all(one.rows is not None for one in candidates) or target.annotated is None:
        return "p2l"
    every = all(isinstance(one.seat.teacher, FeatureScorer) for one in candidates if one.seat is not None)
    return "log_me" if every else "leep"


def _far(
    target: Rows,
    candidates: Sequence[Candidate],
    reader: Reference,
    divergence: Divergence,
    trim: float,
    most: int,
    times: int,
    seed: int,
    seconds: dict[str, float],
    progress: Progress,
) -> _Estimated:
    """D(t, s) of the candidates that have rows, and of bootstrap samples of target and source."""
    sources = [drawn(one.rows, most, seed) for one in candidates if one.rows is not None]
    if not sources:
        return _Estimated(np.zeros(0), np.zeros((times, 0)))
    seen = list[Tensor]()
    with progress.step(f"features by {reader.name}", len(target) + sum(map(len, sources))) as bar:
        for place, rows in enumerate([target, *sources]):
            began = time.monotonic()
            seen.append(reader.features(rows))
            bar.advance(len(rows), rows.name)
            what = "target" if place == 0 else "sources"
            seconds[what] = round(seconds.get(what, 0.0) + time.monotonic() - began, 3)
    began = time.monotonic()
    chance = torch.Generator().manual_seed(seed)
    own, *theirs = as_positive(*seen)
    summed = [(p2l.summary(one, trim), p2l.summary(one, trim, p2l.resampled(len(one), times, chance)))
              for one in (own, *theirs)]  # fmt: skip
    (target_once, target_often), *rest = summed
    once = [float(apart(divergence, target_once, one)) for one, _ in rest]
    often = torch.stack([apart(divergence, target_often, one) for _, one in rest], 1)
    seconds["bootstrap"] = round(time.monotonic() - began, 3)
    return _Estimated(np.array(once), often.numpy())


def _by_rows(by: str, sizes: NDArray[np.float64], far: _Estimated, k: float) -> _Estimated:
    """The estimate of each candidate that has rows; greater is better."""
    if by == "largest":
        return _Estimated(sizes, np.broadcast_to(sizes, far.resampled.shape))
    if by == "least_divergent":
        return _Estimated(-far.value, -far.resampled)
    return _Estimated(p2l.estimate(sizes, far.value, k), p2l.estimate(sizes, far.resampled, k))


def _said(
    target: Rows,
    candidates: Sequence[Candidate],
    seed: int,
    seconds: dict[str, float],
    progress: Progress,
    notes: list[str],
) -> list[Answers | None]:
    """What each teacher says of the target's annotated rows; None of sources, and where no row is annotated."""
    teachers = [one for one in candidates if one.seat is not None]
    if not teachers or target.annotated is None:
        return [None] * len(candidates)
    there = (~target.annotated.isnan()).all(1).nonzero()[:, 0]
    if not len(there):
        return [None] * len(candidates)
    rows = drawn(target.take(there), _FEW_ROWS, seed)
    assert rows.annotated is not None
    annotated = rows.annotated.double().numpy()
    one_class = annotated.shape[1] > 1 and bool((annotated.sum(1) == 1).all())
    began, found = time.monotonic(), list[Answers | None]()
    with ExitStack() as passing:
        journal = Journal(progress, nonce(), passing)
        for one in candidates:
            found.append(None if one.seat is None else _answers(one.seat, rows, annotated, one_class, journal))
        notes += journal.notes
    seconds["teachers"] = round(time.monotonic() - began, 3)
    return found


def _answers(one: Seat, rows: Rows, annotated: NDArray[np.float64], one_class: bool, journal: Journal) -> Answers:
    panel: Panel = seat([one])
    shows = isinstance(one.teacher, FeatureScorer)
    ballots = vote(panel, rows.unlabelled(), of_rows(rows), journal, features=shows)
    scores = torch.as_tensor(np.asarray(ballots.scores[0][: len(rows)])).float()
    features = torch.as_tensor(np.asarray(ballots.features[0][: len(rows)])).double().numpy() if shows else None
    said = probabilities(scores, one.spans).double().numpy() if one.exclusive else None
    return Answers(annotated, one_class, features, said)


def _by_score(by: Score, said: Sequence[Answers | None], times: int, seed: int) -> tuple[list[int], _Estimated]:
    """The places of the teachers that a score can be told of, and the score of each."""
    once = [None if one is None else scored(by, one) for one in said]
    places = [place for place, value in enumerate(once) if value is not None]
    answers = [one for place, one in enumerate(said) if place in places and one is not None]
    chance, often = np.random.default_rng(seed), list[list[float]]()
    for _ in range(times if answers else 0):
        index = chance.integers(len(answers[0].annotated), size=len(answers[0].annotated))
        often.append([float(scored(by, one.of(index)) or 0.0) for one in answers])
    return places, _Estimated(np.array([once[place] for place in places], dtype=np.float64), np.array(often))


def _baselines(
    candidates: Sequence[Candidate],
    sized: Sequence[int],
    sizes: NDArray[np.float64],
    far: _Estimated,
    table: Mapping[Score, Sequence[float | None]],
    usual: str | None,
) -> dict[str, str]:
    """What other ways to choose would: P2L's B1, B2 and B5, and the best by each score."""
    found = dict[str, str]()
    if sized:
        found["largest"] = candidates[sized[int(sizes.argmax())]].name
        found["least divergent"] = candidates[sized[int(far.value.argmin())]].name
    for score, values in table.items():
        told = {place: value for place, value in enumerate(values) if value is not None}
        if told:
            found[SCORES[score]] = candidates[max(told, key=told.__getitem__)].name
    return found if usual is None else {**found, "usual": usual}


def _lacks(by: str) -> str:
    """What a candidate lacks that cannot be ranked so."""
    if by in _P2L:
        return "nothing says what they were trained on"
    shows = "show no features" if by in ("log_me", "h_score", "trans_rate") else "have no classes of one task"
    return f"they are data sets, or teachers that {shows}"


def _nothing(by: str, candidates: Sequence[Candidate]) -> str:
    names = listed([one.name for one in candidates])
    if by in _P2L:
        return (
            f"nothing says what {names} were trained on, which {by} goes by: name data sets with --source, or rank "
            "teachers by what they say of annotated rows: a target with label columns, and --by log_me or leep"
        )
    return f"none of {names} can be ranked by {by}: {_lacks(by)}, or no row of the target is annotated"
