"""The best few of many teachers, for a run: ranked by what they say of its labelled rows, or by what they learned."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from amalgam.errors import RequestError, listed
from amalgam.feasibility import feasible
from amalgam.parts import apportion
from amalgam.progress import Progress
from amalgam.ranking.answers import annotated
from amalgam.ranking.candidates import seats_of
from amalgam.ranking.checks import default
from amalgam.ranking.entries import Candidate, Ranking
from amalgam.ranking.rank import rank
from amalgam.ranking.scores import SCORES, Score
from amalgam.recipe import Recipe

_AUTO = re.compile(r"auto:([1-9]\d*)")


def asked(given: str) -> int:
    """How many teachers `auto:3` asks for; RequestError for anything else."""
    found = _AUTO.fullmatch(given)
    if found is None:
        raise RequestError(f"--teachers is {given!r}, expected auto:N, the best N of those that --teacher names")
    return int(found[1])


def best(recipe: Recipe, count: int, *, trust: bool, progress: Progress) -> tuple[Recipe, Ranking, str]:
    """A recipe with the best of its teachers alone, how they rank, and why they were kept, in a sentence.

    Teachers are ranked on the student's rows: by LogME, or LEEP where not all show features, if some rows show their
    annotations, else by P2L, if every teacher's card tells what it was trained on. No test row is looked at.

    Args:
        recipe: the run.
        count: how many are kept.
        trust: the user's word that code which cards name may run.
        progress: who shows the steps.

    Raises:
        RequestError: no more teachers than are to be kept, or nothing to rank them by.
    """
    if len(recipe.teachers) <= count:
        raise RequestError(
            f"--teachers auto:{count} keeps the best {count} of more, and there are {len(recipe.teachers)} "
            f"({listed(recipe.teachers)}); name more with --teacher"
        )
    strategy = feasible(recipe, keep=True)
    rows = apportion(recipe, progress=progress, own=strategy.labels()).learn
    candidates = [Candidate(seat.name, own, seat) for seat, own in seats_of(recipe.teachers, trust, progress)]
    told = annotated(rows)
    if told is None and any(one.rows is None for one in candidates):
        missing = listed([one.name for one in candidates if one.rows is None])
        raise RequestError(
            f"--teachers auto:{count} has nothing to rank by: none of the student's rows shows its annotations, and "
            f"nothing says what {missing} learned from; show a few, such as --set data.labelled=0.05"
        )
    by = "p2l" if told is None else default([replace(one, rows=None) for one in candidates], told)
    found = rank(rows, candidates, by=by, progress=progress)
    names = [one.name for one in found.entries if one.estimate is not None][:count]
    kept = tuple(spec for spec, one in zip(recipe.teachers, candidates, strict=True) if one.name in names)
    return recipe.model_copy(update={"teachers": kept}), found, _why(found, candidates, names)


def _why(found: Ranking, candidates: Sequence[Candidate], names: Sequence[str]) -> str:
    """Which teachers were kept, and which labels nobody knows without the others."""
    by = "P2L's estimate" if found.by == "p2l" else SCORES[cast(Score, found.by)]
    order = ", ".join(f"{one.name} {one.estimate:.3f}" for one in found.entries if one.estimate is not None)
    said = f"of {len(candidates)} teachers the {len(names)} best by {by} are kept: {listed(names)} (in order: {order})"
    labels = {one.name: set(map(str, one.seat.teacher.labels)) for one in candidates if one.seat is not None}
    known = set[str]().union(*(labels[name] for name in names))
    lost = sorted(set[str]().union(*labels.values()) - known)
    return f"{said}; without the others nobody knows {listed(lost)}" if lost else said
