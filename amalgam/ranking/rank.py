"""The ranking: sources and teachers in the order in which they promise most for a target."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from amalgam.errors import RequestError, listed, nearest
from amalgam.panel import Seat
from amalgam.progress import Progress, Silent
from amalgam.ranking import p2l
from amalgam.ranking.answers import annotated, answers, by_score, table
from amalgam.ranking.distances import Clock, Estimated, Look, distances, drawn
from amalgam.ranking.divergences import Divergence
from amalgam.ranking.reference import Reference, plain
from amalgam.ranking.scores import BY_FEATURES, SCORES, Score
from amalgam.series import alike
from amalgam.signals import Rows
from amalgam.teacher import FeatureScorer

Ranker = Literal["p2l", "largest", "least_divergent", "log_me", "leep", "nce", "h_score", "trans_rate"]

_BY_ROWS: tuple[Ranker, ...] = ("p2l", "largest", "least_divergent")


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
        low: the 2.5th percentile of the estimate over resampled rows.
        high: the 97.5th.
        first: in which share of the resamplings it is first.
        size: |s|, rows that it was, or would be, trained on.
        divergence: D(t, s).
        by_size: z(log |s|) of Eq. (2), where that is what it is ranked by.
        by_divergence: k z(D(t, s)) of Eq. (2), to which the estimate is the sum of both.
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
    by_size: float | None
    by_divergence: float | None
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
        seconds: what took how long: `target`, `sources`, `teachers`, `bootstrap`.
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
        """All of it, as plain JSON: there is no NaN in it, and what cannot be told is null."""
        return asdict(self)


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
        RequestError: no candidates, two of one name, rows of another kind than the target's, none that can be ranked,
            or a setting that is none.
    """
    shown, clock, notes = progress or Silent(), Clock(), list[str]()
    look = Look(divergence, trim, most, times, seed)
    _check_settings(by, look, k)
    _check(target, candidates, usual)
    told = annotated(target)
    chosen: Ranker = by or _default(candidates, told)
    sized = [place for place, one in enumerate(candidates) if one.rows is not None]
    _require(chosen, candidates, told, target.name)
    rows, name, far = drawn(target, most, seed), None, Estimated(np.zeros(0), np.zeros((times, 0)))
    if sized:
        sources = [drawn(one.rows, most, seed) for one in candidates if one.rows is not None]
        with clock.timed("target"):
            reader = reference or plain(rows)
        name, far = reader.name, distances(rows, sources, reader, look, clock, shown)
    sizes = np.array([len(candidates[place].rows or ()) for place in sized], dtype=np.float64)
    with clock.timed("teachers"):
        said = answers(told, [one.seat for one in candidates], most, seed, shown, notes)
        scores = table(said)
    if chosen in _BY_ROWS:
        places, found = sized, _by_rows(chosen, sizes, far, k)
    else:
        with clock.timed("bootstrap"):
            places, found = by_score(chosen, said, seed)  # type: ignore[arg-type]
    if not places:
        raise RequestError(_nothing(chosen, candidates))
    if left := [one.name for place, one in enumerate(candidates) if place not in places]:
        notes.append(f"{listed(left)} cannot be ranked by {chosen}: {_lacks(chosen)}")
    if not any(seated.seat for seated in candidates):
        clock.seconds.pop("teachers")
    return Ranking(
        target=target.name,
        rows=len(rows),
        by=chosen,
        reference=name,
        divergence=divergence,
        k=k,
        entries=_entries(candidates, chosen, k, (sized, sizes, far), (places, found), scores),
        baselines=_baselines(candidates, sized, sizes, far, scores, usual),
        seconds=clock.seconds,
        notes=tuple(notes),
    )


def _check_settings(by: str | None, look: Look, k: float) -> None:
    for what, given, known in (("by", by, get_args(Ranker)), ("divergence", look.divergence, get_args(Divergence))):
        if given is not None and given not in known:
            raise RequestError(f"--{what} {given!r} is none of {', '.join(known)}{nearest(str(given), known)}")
    if not 0 <= look.trim < 0.5:
        raise RequestError(f"--trim {look.trim:g} is a share of values at each end: 0 or more, and below 0.5")
    if look.most < 2:
        raise RequestError(f"--most {look.most} leaves nothing to compare; look at 2 rows of a data set or more")
    if look.times < 1:
        raise RequestError(f"times={look.times} makes no interval; draw a bootstrap sample or more")
    if not math.isfinite(k):
        raise RequestError(f"--k {k} is no number; it says how much the divergence counts, such as {p2l.K:g}")


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
        raise RequestError(f"--usual {usual!r} is none of the candidates ({listed(names)}){nearest(usual, names)}")
    for one in candidates:
        if one.rows is not None:
            _require_alike(one.name, one.rows, target)


def _require_alike(name: str, rows: Rows, target: Rows) -> None:
    """RequestError for a candidate without rows, or with rows of another kind than the target's."""
    if not len(rows):
        raise RequestError(f"{name} has no rows; leave it out, or name a data set that has some")
    if (rows.texts is None) != (target.texts is None):
        texts, numbers = (target.name, name) if rows.texts is None else (name, target.name)
        raise RequestError(
            f"{texts} has texts and {numbers} numbers, which cannot be compared; read both as texts (the data option "
            "`text`), or neither"
        )
    if rows.texts is not None and target.texts is not None and rows.texts.tokenizer != target.texts.tokenizer:
        raise RequestError(
            f"the texts of {name} were read by {rows.texts.tokenizer or 'hashing words'} and those of {target.name} by "
            f"{target.texts.tokenizer or 'hashing words'}; set the data option `tokenizer` alike"
        )
    images = len(rows.shape) == len(target.shape) == 3
    if rows.shape != target.shape and not images and not alike(rows.shape, target.shape):
        raise RequestError(
            f"{name} has rows of the shape {rows.shape} and the target {target.name} of {target.shape}; they must be "
            "of one kind: tables of the same columns, series of the same channels, images, or texts"
        )


def _default(candidates: Sequence[Candidate], told: Rows | None) -> Ranker:
    if told is None or all(one.rows is not None for one in candidates):
        return "p2l"
    every = all(isinstance(one.seat.teacher, FeatureScorer) for one in candidates if one.seat is not None)
    return "log_me" if every and any(one.seat for one in candidates) else "leep"


def _require(by: Ranker, candidates: Sequence[Candidate], told: Rows | None, target: str) -> None:
    """RequestError where no candidate can be ranked, as far as that is known before any work."""
    names = listed([one.name for one in candidates])
    if by in _BY_ROWS and all(one.rows is None for one in candidates):
        raise RequestError(
            f"nothing says what {names} were trained on, which {by} goes by: name data sets with --source, or rank "
            "teachers by what they say of annotated rows: a target with label columns (--labels), and --by log_me or "
            "leep"
        )
    if by not in _BY_ROWS and not any(one.seat for one in candidates):
        raise RequestError(
            f"--by {by} ranks teachers by what they say of annotated rows, and {names} are data sets; name teachers "
            f"with --teacher, or choose --by {', '.join(_BY_ROWS)}"
        )
    if by not in _BY_ROWS and told is None:
        raise RequestError(
            f"--by {by} goes by annotated rows of the target, and {target} has none; name its label columns with "
            "--labels, or another target"
        )


def _by_rows(by: Ranker, sizes: NDArray[np.float64], far: Estimated, k: float) -> Estimated:
    """The estimate of each candidate that has rows; greater is better."""
    if by == "largest":
        return Estimated(sizes, np.broadcast_to(sizes, far.resampled.shape))
    if by == "least_divergent":
        return Estimated(-far.value, -far.resampled)
    return Estimated(p2l.estimate(sizes, far.value, k), p2l.estimate(sizes, far.resampled, k))


def _entries(
    candidates: Sequence[Candidate],
    by: Ranker,
    k: float,
    measured: tuple[Sequence[int], NDArray[np.float64], Estimated],
    ranked: tuple[Sequence[int], Estimated],
    scores: Mapping[Score, Sequence[float | None]],
) -> tuple[Entry, ...]:
    """The candidates in their order.

    Args:
        candidates: in any order.
        by: what they are ranked by.
        k: of Eq. (2).
        measured: the places of those that have rows, their sizes and their divergences.
        ranked: the places of those that are ranked, and their estimates, greater is better.
        scores: of all candidates.
    """
    (sized, sizes, far), (places, found) = measured, ranked
    (low, high), sign = found.interval(), -1.0 if by == "least_divergent" else 1.0
    leaders = np.bincount(found.resampled.argmax(1), minlength=len(places)) / len(found.resampled)
    terms = (p2l.z(np.log(sizes)), k * p2l.z(far.value)) if by == "p2l" else None

    def entry(place: int, at: int | None) -> Entry:
        one = candidates[place]
        among = sized.index(place) if place in sized else None
        ends = [None, None] if at is None else sorted((sign * float(low[at]), sign * float(high[at])))
        own = (None, None) if terms is None or among is None else [float(term[among]) for term in terms]
        return Entry(
            name=one.name,
            kind="source" if one.seat is None else "teacher",
            estimate=None if at is None else sign * float(found.value[at]),
            low=ends[0],
            high=ends[1],
            first=None if at is None else float(leaders[at]),
            size=None if one.rows is None else len(one.rows),
            divergence=None if among is None else float(far.value[among]),
            by_size=own[0],
            by_divergence=own[1],
            scores={score: values[place] for score, values in scores.items() if one.seat is not None},
        )

    order = np.argsort(-found.value, kind="stable")
    ranking = [entry(places[at], int(at)) for at in order]
    return (*ranking, *(entry(place, None) for place in range(len(candidates)) if place not in places))


def _baselines(
    candidates: Sequence[Candidate],
    sized: Sequence[int],
    sizes: NDArray[np.float64],
    far: Estimated,
    scores: Mapping[Score, Sequence[float | None]],
    usual: str | None,
) -> dict[str, str]:
    """What other ways to choose would: P2L's B1, B2 and B5, and the best by each score."""
    found = dict[str, str]()
    if sized:
        found["largest"] = candidates[sized[int(sizes.argmax())]].name
        found["least divergent"] = candidates[sized[int(far.value.argmin())]].name
    for score, values in scores.items():
        told = {place: value for place, value in enumerate(values) if value is not None}
        if told:
            found[SCORES[score]] = candidates[max(told, key=told.__getitem__)].name
    return found if usual is None else {**found, "usual": usual}


def _lacks(by: str) -> str:
    """What a candidate lacks that cannot be ranked so."""
    if by in _BY_ROWS:
        return "nothing says what they were trained on"
    shows = "show no features" if by in BY_FEATURES else "have no classes of one task"
    return f"they are data sets, or teachers that {shows}"


def _nothing(by: str, candidates: Sequence[Candidate]) -> str:
    names = listed([one.name for one in candidates])
    return f"none of {names} can be ranked by {by}: {_lacks(by)}, or all annotated rows of the target are alike"
