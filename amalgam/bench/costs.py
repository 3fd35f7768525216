"""What the ways to transfer cost in time (L2TL, Table 5)."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, NamedTuple

from amalgam.bench.transfer_table import TransferTable

if TYPE_CHECKING:
    from amalgam.bench.scores import Score
    from amalgam.bench.standing import Standing


class Cost(NamedTuple):
    """What a way to transfer takes in a setting.

    Attributes:
        seconds: the mean over seeds.
        times: how many times the least of the compared methods' that is.
    """

    seconds: float
    times: float


def costs(standing: Standing, at_hand: bool) -> dict[str, dict[str, Cost]]:
    """Setting → method → what it takes; nothing for a table that is not of transfers.

    Args:
        standing: of cells.
        at_hand: whether somebody has a network of the source as it is, which serves any target.
    """
    if not isinstance(standing.table, TransferTable):
        return {}
    found = dict[str, dict[str, Cost]]()
    for setting in standing.settings:
        took = dict[str, list[float]]()
        for cell in standing.of(setting):
            for method, score in cell.scores.items():
                took.setdefault(method, []).append(seconds(score, at_hand))
        means = {method: statistics.fmean(of) for method, of in took.items()}
        least = min(means[method] for method in standing.compared if method in means)
        found[setting] = {method: Cost(mean, mean / least) for method, mean in means.items()}
    return found


def seconds(score: Score, at_hand: bool) -> float:
    """What a way took: the transfer, the network of a source that it redrew, and, unless at hand, that of the source.

    Args:
        score: of a method in a cell of transfers.
        at_hand: as `costs` has it.
    """
    return score.seconds + score.before["redrawn"] + (0 if at_hand else score.before["source"])
