"""What teachers say of the target's annotated rows, and how they are ranked by it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
import torch
from numpy.typing import NDArray

from amalgam.classes import probabilities
from amalgam.collect import vote
from amalgam.fingerprint import of_each_row, of_rows
from amalgam.journal import Journal
from amalgam.panel import Seat, seat
from amalgam.processes import nonce
from amalgam.progress import Progress
from amalgam.ranking.distances import Estimated, around, drawn
from amalgam.ranking.scores import SCORES, Answers, Score, scored
from amalgam.signals import Rows
from amalgam.teacher import FeatureScorer

_MOST_ROWS = 4096  # that a score is told by
_TIMES, _SOME_ROWS = 40, 512  # resamplings of a score, each of which is a decomposition of the features of some rows


def annotated(target: Rows) -> Rows | None:
    """The target's rows whose every label is known; None where there is none."""
    if target.annotated is None or not target.labels:
        return None
    there = (~target.annotated.isnan()).all(1).nonzero()[:, 0]
    return target.take(there) if len(there) else None


def answers(
    target: Rows | None, seats: Sequence[Seat | None], most: int, seed: int, progress: Progress, notes: list[str]
) -> list[Answers | None]:
    """What each teacher says of annotated rows; None of no teacher, and where no row is annotated.

    Args:
        target: its annotated rows.
        seats: the teachers.
        most: rows that are looked at.
        seed: of which.
        progress: who shows the votes.
        notes: what a reader must know is added.
    """
    if target is None or not any(seats):
        return [None] * len(seats)
    rows = drawn(target, min(most, _MOST_ROWS), seed)
    assert rows.annotated is not None
    marks = rows.annotated.double().numpy()
    one_class = marks.shape[1] > 1 and bool((marks.sum(1) == 1).all())
    key, own = of_rows(rows), of_each_row(rows)
    with ExitStack() as passing:
        journal = Journal(progress, nonce(), passing)
        found = [None if one is None else _asked(one, rows, key, marks, one_class, journal) for one in seats]
    notes += journal.notes
    for one in seats:
        met = 0 if one is None or one.seen is None else int(np.isin(own, one.seen).sum())
        if one is not None and met:
            notes.append(
                f"{one.name} was trained on {met} of the {len(rows)} annotated rows that it was asked about, so its "
                "scores are better than those of new rows would be"
            )
    return found


def _asked(one: Seat, rows: Rows, key: str, marks: NDArray[np.float64], one_class: bool, journal: Journal) -> Answers:
    shows = isinstance(one.teacher, FeatureScorer)
    ballots = vote(seat([one]), rows.unlabelled(), key, journal, features=shows)
    scores = torch.as_tensor(np.asarray(ballots.scores[0][: len(rows)])).float()
    features = torch.as_tensor(np.asarray(ballots.features[0][: len(rows)])).double().numpy() if shows else None
    said = probabilities(scores, one.spans).double().numpy() if one.exclusive else None
    return Answers(marks, one_class, features, said)


def by_score(by: Score, said: Sequence[Answers | None], seed: int) -> tuple[list[int], Estimated]:
    """The places of the teachers that a score can be told of, their scores, and those of some of the rows.

    The spread is that of rows drawn without replacement, m of n, which is √(m / (n − m)) times as wide: features
    explain a row that comes twice the better, so that scores of samples with replacement mean something else.
    """
    once = [None if one is None else scored(by, one) for one in said]
    places = [place for place, value in enumerate(once) if value is not None]
    value = np.array([once[place] for place in places], dtype=np.float64)
    own = [one for place, one in enumerate(said) if place in places and one is not None]
    chance, often = np.random.default_rng(seed), list[list[float]]()
    rows = len(own[0].annotated) if own else 0
    some = max(min(rows // 2, _SOME_ROWS), 1)
    for _ in range(_TIMES if own and rows > 1 else 0):
        index = chance.choice(rows, some, replace=False)
        found = [scored(by, one.of(index)) for one in own]
        often.append([one for one in found if one is not None])
    often = [one for one in often if len(one) == len(own)]  # a draw may be all of one class
    if not often:
        return places, Estimated(value, value[None])
    return places, around(value, np.array(often), float(np.sqrt(some / (rows - some))))


def table(said: Sequence[Answers | None]) -> dict[Score, list[float | None]]:
    """Each score of each teacher; None where it cannot be told."""
    return {score: [None if one is None else scored(score, one) for one in said] for score in SCORES}
