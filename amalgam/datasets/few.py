"""The few annotated rows that a student may see: a stratified draw, or so many rows of every class or label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from amalgam.datasets.split import split
from amalgam.errors import RequestError
from amalgam.signals import Rows


def few(rows: Rows, share: float, seed: int) -> Rows:
    """The same rows, annotated in a share of those that are annotated.

    Drawn as parts are (see `split`). A label that would be left without a positive row keeps one, for from none
    nothing can be learned.

    Args:
        rows: N rows, annotated all or in part.
        share: of the annotated rows, above 0 and at most 1.
        seed: the same rows, share and seed give the same draw.

    Raises:
        RequestError: nothing is annotated, or a share that is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise RequestError(f"a share of {share:g} labelled rows; expected one above 0 and at most 1")
    there = torch.empty(0, dtype=torch.long)
    if rows.annotated is not None:
        there = (~rows.annotated.isnan()).any(1).nonzero()[:, 0]
    if rows.annotated is None or not len(there):
        raise RequestError(f"{rows.name} has no annotated rows to draw labelled ones from; name its label columns")
    known = replace(rows.take(there), ids=there)
    drawn = split(known, {"labelled": share}, seed)["labelled"].ids if share < 1 else there
    chosen = torch.zeros(len(rows), dtype=torch.bool)
    chosen[drawn] = True
    chance = np.random.default_rng(seed)
    positive = rows.annotated == 1
    for label in ((positive & chosen[:, None]).sum(0) == 0).nonzero()[:, 0]:
        having = positive[:, label].nonzero()[:, 0]
        if len(having):
            chosen[having[int(chance.integers(len(having)))]] = True
    return replace(rows, annotated=rows.annotated.masked_fill(~chosen[:, None], torch.nan))


def few_of_each(rows: Rows, shots: int, seed: int) -> Rows:
    """The same rows, annotated in so many of every label that has them, drawn at random.

    A row of several labels counts for each; rarer labels choose first.

    Args:
        rows: N rows, annotated all or in part.
        shots: rows of every label, at least; all where there are fewer.
        seed: the same rows, shots and seed give the same draw.

    Raises:
        RequestError: nothing is annotated.
    """
    if rows.annotated is None or not bool((rows.annotated == 1).any()):
        raise RequestError(f"{rows.name} has no annotated rows to draw labelled ones from; name its label columns")
    kept = torch.zeros(len(rows), dtype=torch.bool)
    kept[drawn(rows.annotated == 1, [shots] * len(rows.labels), seed)] = True
    return replace(rows, annotated=rows.annotated.masked_fill(~kept[:, None], torch.nan))


def drawn(positive: Tensor, wanted: Sequence[int], seed: int) -> Tensor:
    """Some rows of every class at random, by their numbers, in the order of a shuffle of all rows.

    A row of several classes counts for each; rarer classes choose first.

    Args:
        positive: which of N rows have which of C classes, (N, C) bool.
        wanted: how many of each of the C, at least; all where there are fewer.
        seed: of the shuffle.
    """
    order = torch.randperm(len(positive), generator=torch.Generator().manual_seed(seed))
    shuffled, chosen = positive[order], torch.zeros(len(order), dtype=torch.bool)
    for one in positive.sum(0).argsort(stable=True).tolist():
        missing = wanted[one] - int((shuffled[:, one] & chosen).sum())
        chosen[(shuffled[:, one] & ~chosen).nonzero()[: max(missing, 0), 0]] = True
    return order[chosen]
