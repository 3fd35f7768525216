"""What can be refused before anything is asked, and what candidates are ranked by where nobody says it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from amalgam.errors import RequestError, listed, nearest
from amalgam.joining import require_alike
from amalgam.ranking import p2l
from amalgam.ranking.divergences import Divergence
from amalgam.ranking.entries import BY_ROWS, Candidate, Ranker
from amalgam.series import alike
from amalgam.signals import Rows
from amalgam.teacher import FeatureScorer


def check_settings(
    *,
    by: str | None = None,
    divergence: str = "kl",
    k: float = p2l.K,
    trim: float = 0.0,
    most: int = 2,
    times: int = 1,
    **_: object,
) -> None:
    """RequestError for a setting of `rank` that is none; its other arguments are not looked at."""
    for what, given, known in (("by", by, get_args(Ranker)), ("divergence", divergence, get_args(Divergence))):
        if given is not None and given not in known:
            raise RequestError(f"--{what} {given!r} is none of {', '.join(known)}{nearest(str(given), known)}")
    if not 0 <= trim < 0.5:
        raise RequestError(f"--trim {trim:g} is a share of values at each end: 0 or more, and below 0.5")
    if most < 2:
        raise RequestError(f"--most {most} leaves nothing to compare; look at 2 rows of a data set or more")
    if times < 1:
        raise RequestError(f"times={times} makes no interval; draw a bootstrap sample or more")
    if not math.isfinite(k):
        raise RequestError(f"--k {k} is no number; it says how much the divergence counts, such as {p2l.K:g}")


def check(target: Rows, candidates: Sequence[Candidate], usual: str | None) -> None:
    """RequestError for candidates that cannot be told apart, or compared with the target."""
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
            require_comparable(one.name, one.rows, target)


def require_comparable(name: str, rows: Rows, target: Rows) -> None:
    """RequestError for a candidate without rows, or with rows of another kind than the target's."""
    if not len(rows):
        raise RequestError(f"{name} has no rows; leave it out, or name a data set that has some")
    require_alike(replace(rows, name=name), target)
    images = len(rows.shape) == len(target.shape) == 3
    if rows.shape != target.shape and not images and not alike(rows.shape, target.shape):
        raise RequestError(
            f"{name} has rows of the shape {rows.shape} and the target {target.name} of {target.shape}; they must be "
            "of one kind: tables of the same columns, series of the same channels, images, or texts"
        )


def default(candidates: Sequence[Candidate], told: Rows | None) -> Ranker:
    """What candidates are ranked by where nobody says it.

    Args:
        candidates: all.
        told: the target's annotated rows, if there are any.
    """
    if told is None or all(one.rows is not None for one in candidates):
        return "p2l"
    every = all(isinstance(one.seat.teacher, FeatureScorer) for one in candidates if one.seat is not None)
    return "log_me" if every and any(one.seat for one in candidates) else "leep"


def require(by: Ranker, candidates: Sequence[Candidate], told: Rows | None, target: str) -> None:
    """RequestError where no candidate can be ranked, as far as that is known before any work."""
    names = listed([one.name for one in candidates])
    if by in BY_ROWS and all(one.rows is None for one in candidates):
        raise RequestError(
            f"nothing says what {names} were trained on, which {by} goes by: name data sets with --source, or rank "
            "teachers by what they say of annotated rows: a target with label columns (--labels), and --by log_me or "
            "leep"
        )
    if by not in BY_ROWS and not any(one.seat for one in candidates):
        raise RequestError(
            f"--by {by} ranks teachers by what they say of annotated rows, and there is none among {names}; name some "
            f"with --teacher, or choose --by {', '.join(BY_ROWS)}"
        )
    if by not in BY_ROWS and told is None:
        raise RequestError(
            f"--by {by} goes by annotated rows of the target, and {target} has none; name its label columns with "
            "--labels, or another target"
        )
