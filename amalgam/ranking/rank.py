"""The ranking: sources and teachers in the order in which they promise most for a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from amalgam.errors import RequestError, listed
from amalgam.progress import Progress, Silent
from amalgam.ranking import p2l
from amalgam.ranking.answers import annotated, answers, by_score, table
from amalgam.ranking.checks import check, check_settings, default, require
from amalgam.ranking.distances import Clock, Estimated, Look, distances, drawn
from amalgam.ranking.divergences import Divergence
from amalgam.ranking.entries import BY_ROWS, Candidate, Entry, Ranker, Ranking, kind_of
from amalgam.ranking.reference import Reference, plain
from amalgam.ranking.scores import BY_FEATURES, SCORES, Score
from amalgam.signals import Rows

_SPENT = ("target", "sources", "teachers", "bootstrap")
_DIGITS = 9  # of an estimate
_Scores = Mapping[Score, Sequence[float | None]]


@dataclass(frozen=True)
class _Measured:
    """The candidates that have rows.

    Attributes:
        places: theirs among all candidates, (M,).
        sizes: |s|, (M,).
        far: D(t, s), (M,).
    """

    places: list[int]
    sizes: NDArray[np.float64]
    far: Estimated


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
    check_settings(by=by, divergence=divergence, k=k, trim=trim, most=most, times=times)
    check(target, candidates, usual)
    shown, clock, notes = progress or Silent(), Clock(), list[str]()
    look, told = Look(divergence, trim, most, times, seed), annotated(target)
    chosen = by or default(candidates, told)
    require(chosen, candidates, told, target.name)
    rows = drawn(target, most, seed)
    reader, measured = _measured(rows, candidates, reference, look, clock, shown)
    seats = [one.seat for one in candidates]
    with clock.timed("teachers"):
        said = answers(told, seats, most, seed, shown, notes)
        scores = table(said)
    if chosen in BY_ROWS:
        places, found = measured.places, _by_rows(chosen, measured, k)
    else:
        with clock.timed("bootstrap"):
            places, found = by_score(cast(Score, chosen), said, seed)
    if not places:
        raise RequestError(
            f"none of {listed([one.name for one in candidates])} can be ranked by {chosen}: {_lacks(chosen)}, or all "
            "annotated rows of the target are alike; choose another --by, or leave it out"
        )
    notes += _doubts(candidates, chosen, measured, places, found)
    if left := [one.name for place, one in enumerate(candidates) if place not in places]:
        notes.append(f"{listed(left)} cannot be ranked by {chosen}: {_lacks(chosen)}")
    return Ranking(
        target=target.name,
        rows=len(rows),
        kind=kind_of(target),
        by=chosen,
        reference=reader,
        divergence=divergence,
        k=k,
        entries=_entries(candidates, chosen, k, measured, places, found, scores),
        baselines=_baselines(candidates, measured, scores, usual),
        seconds={what: clock.seconds.get(what, 0.0) for what in _SPENT if what != "teachers" or any(seats)},
        notes=tuple(notes),
    )


def _measured(
    target: Rows,
    candidates: Sequence[Candidate],
    reference: Reference | None,
    look: Look,
    clock: Clock,
    progress: Progress,
) -> tuple[str | None, _Measured]:
    """The name of the reader of rows, and what it finds of the candidates that have some; None where none has."""
    places = [place for place, one in enumerate(candidates) if one.rows is not None]
    sizes = np.array([len(candidates[place].rows or ()) for place in places], dtype=np.float64)
    if not places:
        return None, _Measured(places, sizes, Estimated(np.zeros(0), np.zeros((look.times, 0))))
    with clock.timed("target"):
        reader = reference or plain(target)
    sources = [drawn(one.rows, look.most, look.seed) for one in candidates if one.rows is not None]
    return reader.name, _Measured(places, sizes, distances(target, sources, reader, look, clock, progress))


def _by_rows(by: Ranker, measured: _Measured, k: float) -> Estimated:
    """The estimate of each candidate that has rows; greater is better."""
    sizes, far = measured.sizes, measured.far
    if by == "largest":
        return Estimated(sizes, np.broadcast_to(sizes, far.resampled.shape))
    if by == "least_divergent":
        return Estimated(-far.value, -far.resampled)
    once, often = p2l.estimate(sizes, far.value, k), p2l.estimate(sizes, far.resampled, k)
    return Estimated(once.round(_DIGITS), often.round(_DIGITS))  # what is equal but for rounding is a tie


def _entries(
    candidates: Sequence[Candidate],
    by: Ranker,
    k: float,
    measured: _Measured,
    places: Sequence[int],
    found: Estimated,
    scores: _Scores,
) -> tuple[Entry, ...]:
    """The candidates in their order: those at some places by what is found of them, then the others."""
    (low, high), sign = found.interval(), -1.0 if by == "least_divergent" else 1.0
    ahead = found.resampled == found.resampled.max(1, keepdims=True)  # several share a sample
    leaders = (ahead / ahead.sum(1, keepdims=True)).mean(0)
    terms = (p2l.z(np.log(measured.sizes)), k * p2l.z(measured.far.value) + 0.0) if by == "p2l" else None

    def entry(place: int, at: int | None) -> Entry:
        one = candidates[place]
        among = measured.places.index(place) if place in measured.places else None
        ends = [None, None] if at is None else sorted((sign * float(low[at]) + 0.0, sign * float(high[at]) + 0.0))
        own = [None, None] if terms is None or among is None else [float(term[among]) for term in terms]
        return Entry(
            name=one.name,
            kind="source" if one.seat is None else "teacher",
            estimate=None if at is None else sign * float(found.value[at]) + 0.0,  # which makes 0 of −0
            low=ends[0],
            high=ends[1],
            first=None if at is None else float(leaders[at]),
            size=None if one.rows is None else len(one.rows),
            divergence=None if among is None else float(measured.far.value[among]),
            by_size=own[0],
            by_divergence=own[1],
            scores={score: values[place] for score, values in scores.items() if one.seat is not None},
        )

    order = np.argsort(-found.value, kind="stable")
    ranked = [entry(places[at], int(at)) for at in order]
    return (*ranked, *(entry(place, None) for place in range(len(candidates)) if place not in places))


def _doubts(
    candidates: Sequence[Candidate], by: Ranker, measured: _Measured, places: Sequence[int], found: Estimated
) -> list[str]:
    """What makes an order doubtful: equal estimates at its head, a source that is the target."""
    notes = list[str]()
    best = _greatest(candidates, places, found.value)
    if len(best) > 1:
        notes.append(f"{listed(best)} are estimated the same; compare them by another --by, or add candidates")
    if by == "p2l" and len(places) == 2:
        notes.append(
            "of two candidates z is 1 and −1, whatever lies between them: the estimate knows which is larger and which "
            "is nearer, not by how much; look at rows and divergence yourself, or add candidates"
        )
    same = [candidates[place].name for at, place in enumerate(measured.places) if measured.far.value[at] == 0]
    if same:
        notes.append(f"{listed(same)} cannot be told from the target, which it may well be")
    return notes


def _baselines(
    candidates: Sequence[Candidate], measured: _Measured, scores: _Scores, usual: str | None
) -> dict[str, tuple[str, ...]]:
    """What other ways to choose would: P2L's B1, B5 and B2, and the best by each score; several that are equal."""
    found = dict[str, tuple[str, ...]]()
    if measured.places:
        found["largest"] = _greatest(candidates, measured.places, measured.sizes)
        found["least divergent"] = _greatest(candidates, measured.places, -measured.far.value)
    for score, values in scores.items():
        told = {place: value for place, value in enumerate(values) if value is not None}
        if told:
            found[SCORES[score]] = _greatest(candidates, [*told], np.array([*told.values()]))
    return found if usual is None else {**found, "usual": (usual,)}


def _greatest(candidates: Sequence[Candidate], places: Sequence[int], values: NDArray[np.float64]) -> tuple[str, ...]:
    """The names of the candidates whose value is the greatest, among those at some places."""
    return tuple(candidates[place].name for place, value in zip(places, values, strict=True) if value == values.max())


def _lacks(by: str) -> str:
    """What a candidate lacks that cannot be ranked so."""
    if by in BY_ROWS:
        return "nothing says what they were trained on"
    shows = "show no features" if by in BY_FEATURES else "have no classes of one task"
    return f"they are data sets, or teachers that {shows}"
