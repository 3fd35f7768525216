"""Splitting rows into parts: stratified over all labels at once, reproducible, and with twins kept together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from amalgam.errors import RequestError
from amalgam.fingerprint import of_each_row
from amalgam.signals import Rows

_TOLERANCE = 1e-9


def split(rows: Rows, parts: Mapping[str, float], seed: int) -> dict[str, Rows]:
    """Rows in parts with the same share of every label, by iterative stratification.

    K. Sechidis, G. Tsoumakas, I. Vlahavas, "On the Stratification of Multi-label Data", ECML PKDD 2011, Algorithm 1:
    again and again the label with the fewest rows left gives each of its rows to the part that still wants it most.
    Here the rows of a label are given out at once, in the same counts (see `_greedy`); which row goes where, which the
    algorithm leaves open, is chosen so that rows with the same labels spread evenly. scikit-multilearn's version takes
    the label it finds first instead of the rarest, ignores its seed, knows no groups, and is ten times slower.

    Rows with identical inputs (twins) go to the same part, so that no test row reaches training through its twin: rows
    are grouped by `twins`, and what is given to a part is a group, which counts as many times as it has rows. A label
    that is not annotated counts as absent; unlabelled rows are split at random, in the shares asked for.

    Args:
        rows: N rows.
        parts: part name → its share of the rows; where the shares add up to less than 1, the rest is left out.
        seed: the same rows, parts (in whatever order) and seed give the same split.

    Returns:
        Part name → its rows, in ascending order of `ids`.

    Raises:
        RequestError: a share that is not above 0, shares above 1 together, or a part that would get no row.
    """
    names = sorted(parts)
    shares = _shares({name: parts[name] for name in names})
    groups = twins(rows)
    place = _stratify(_evidence(rows, groups), shares, np.random.default_rng(seed))[groups]
    ids = rows.ids.numpy()
    divided: dict[str, Rows] = {}
    for name in parts:
        members = np.flatnonzero(place == names.index(name))
        if not len(members):
            raise RequestError(
                f"part {name!r} with a share of {parts[name]:g} gets none of the {len(rows)} rows of data "
                f"{rows.name!r} ({len(np.unique(groups))} distinct); raise its share or bring more rows"
            )
        divided[name] = rows.take(torch.from_numpy(members[np.argsort(ids[members], kind="stable")]))
    return divided


def twins(rows: Rows) -> NDArray[np.int64]:
    """Each row's group, (N,): rows with identical inputs share one; groups are numbered as they first appear.

    Rows are compared by `fingerprint.of_each_row`. A chance collision (one in about 2^64 / N^2) would merely keep two
    different rows in one part.
    """
    _, first, group = np.unique(of_each_row(rows), return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[group]


def _shares(parts: Mapping[str, float]) -> NDArray[np.float64]:
    """The shares (P,) of the parts, and as the last one what they leave over."""
    if not parts:
        raise RequestError("no part to split the data into; name at least one with its share, such as train: 0.6")
    for name, share in parts.items():
        if not 0 < share <= 1 + _TOLERANCE:
            raise RequestError(f"part {name!r} has a share of {share:g}; a share is above 0 and at most 1")
    total = sum(parts.values())
    if total > 1 + _TOLERANCE:
        told = ", ".join(f"{name!r} {share:g}" for name, share in parts.items())
        raise RequestError(f"the parts' shares add up to {total:g} ({told}), expected at most 1; lower one of them")
    rest = 1 - total
    return np.array([*parts.values(), rest if rest > _TOLERANCE else 0.0])


def _evidence(rows: Rows, groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """(L + 1, G): how many rows of each group have each label, and last how many rows it has."""
    size = np.bincount(groups)
    if rows.annotated is None:
        return size[None]
    positive = (rows.annotated == 1).numpy().T
    return np.stack([*(np.bincount(groups[column], minlength=len(size)) for column in positive), size])


def _stratify(
    evidence: NDArray[np.int64], shares: NDArray[np.float64], chance: np.random.Generator
) -> NDArray[np.int64]:
    """The part of each group, (G,).

    Args:
        evidence: (L + 1, G), from `_evidence`; a group without a label is given out by its size alone, at the end.
        shares: (P,), which add up to 1.
        chance: decides what the rule leaves open.
    """
    demand = shares[:, None] * evidence.sum(1)  # what each part still wants of each label, and of rows
    left = evidence.sum(1)
    combination = chance.integers(2**32, size=len(left) - 1) @ (evidence[:-1] > 0)
    order = np.lexsort((chance.random(len(combination)), combination))  # the same labels side by side, else by chance
    place = np.full(len(order), -1)
    while left[-1]:
        rarest = int(np.argmin(np.where(left[:-1] > 0, left[:-1], left.max() + 1))) if left[:-1].any() else -1
        having = order[(place[order] < 0) & (evidence[rarest, order] > 0)]
        weights = evidence[rarest, having]
        for weight in np.unique(weights)[::-1]:  # large groups first, while there is most room to make up for them
            members = having[weights == weight]
            ties = np.where(shares > 0, demand[:, -1], -np.inf)
            counts = _greedy(np.where(shares > 0, demand[:, rarest], -np.inf), ties, int(weight), len(members), chance)
            place[members] = _interleaved(counts, chance)
            for part in range(len(shares)):
                given = evidence[:, members[place[members] == part]].sum(1)
                demand[part] -= given
                left -= given
    return place


def _greedy(
    demand: NDArray[np.float64], rows_wanted: NDArray[np.float64], weight: int, count: int, chance: np.random.Generator
) -> NDArray[np.int64]:
    """How many of `count` groups of one weight each part gets, (P,): one after the other, to the part that wants most.

    A part's demand falls by `weight` with each group it gets, so the greedy choices are simply the `count` largest of
    all values demand - weight * t, t = 0, 1, …; ties go to the part that wants more rows, then by chance.
    """
    steps = demand[:, None] - weight * np.arange(count)
    wanted = np.broadcast_to(rows_wanted[:, None], steps.shape)
    ties = chance.random(steps.shape)
    chosen = np.lexsort((ties.ravel(), -wanted.ravel().round(6), -steps.ravel().round(6)))[:count] // count
    return np.bincount(chosen, minlength=len(demand))


def _interleaved(counts: NDArray[np.int64], chance: np.random.Generator) -> NDArray[np.int64]:
    """Part numbers, part p `counts[p]` times, evenly spread: every run of the same labels is divided alike."""
    at = [(np.arange(count) + chance.random()) / count for count in counts if count]
    return np.repeat(np.arange(len(counts)), counts)[np.argsort(np.concatenate(at), kind="stable")]
