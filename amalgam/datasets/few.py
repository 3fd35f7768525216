"""The few annotated rows that a student may see: a stratified draw, with a row of every class or label that has one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

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
