"""Methods against each other on the same blocks, a block being a setting and a measure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from amalgam.bench.significance import ALPHA, Friedman, critical_difference, friedman, holm, ranks, signed_rank
from amalgam.metrics import BENCHED

MEASURE = {measure.key: measure for measure in BENCHED}
Key = tuple[str, str, str]
"""Setting, method, measure."""
Block = tuple[str, str]
"""Setting, measure."""
Says: TypeAlias = Literal["", "better", "worse"]
"""What a test, or a difference, says of the first of two; nothing when it cannot tell."""


class Summary(NamedTuple):
    """A method in a setting by a measure: mean and sample standard deviation (NaN of one seed) over its seeds."""

    mean: float
    sd: float
    seeds: int


@dataclass(frozen=True)
class Pair:
    """The headline against another method, block by block.

    Attributes:
        rival: the other method.
        wins: blocks where the headline is better; `ties` and `losses` likewise.
        p: Wilcoxon's signed-rank test of the `pooled` differences.
        corrected: p after Holm's correction for the number of rivals.
        effect: the rank-biserial correlation, positive when the headline is better.
    """

    rival: str
    wins: int
    ties: int
    losses: int
    p: float
    corrected: float
    effect: float

    @property
    def says(self) -> Says:
        """`better`, `worse`, or nothing when the test cannot tell."""
        return "" if self.corrected >= ALPHA else "better" if self.effect > 0 else "worse"


@dataclass(frozen=True)
class Comparison:
    """The compared methods on blocks where every one of them has a number.

    Attributes:
        blocks: (setting, measure) pairs.
        left_out: blocks where a method has none.
        average: method → average rank over the blocks; empty without blocks.
        friedman: whether they differ at all.
        distance: Nemenyi's critical difference of the average ranks.
        pairs: the headline against each other method.
    """

    blocks: tuple[Block, ...]
    left_out: tuple[Block, ...]
    average: Mapping[str, float]
    friedman: Friedman
    distance: float
    pairs: tuple[Pair, ...]

    def place(self, method: str) -> int:
        """1 for the least average rank; equal ones share the place."""
        return place(self.average, method)


def place(average: Mapping[str, float], method: str) -> int:
    """A method's place by average rank, 1 for the least; equal ones share the place."""
    return 1 + sum(rank < average[method] - 1e-9 for rank in average.values())


def gain(measure: str, value: float) -> float:
    """A number with better as greater."""
    return -value if MEASURE[measure].better == "lower" else value


def rank_block(numbers: Mapping[Key, Summary], methods: Sequence[str], block: Block) -> dict[Key, float]:
    """The ranks of the methods that have a number in a block."""
    setting, measure = block
    keys = [(setting, method, measure) for method in methods if (setting, method, measure) in numbers]
    return dict(zip(keys, ranks([gain(measure, numbers[key].mean) for key in keys]), strict=True)) if keys else {}


def average_ranks(
    numbers: Mapping[Key, Summary], methods: Sequence[str], blocks: Iterable[Block]
) -> tuple[list[Block], list[list[float]], dict[str, float]]:
    """The blocks where every method has a number, a row of ranks for each, and the methods' average ranks."""
    ranked = {block: list(rank_block(numbers, methods, block).values()) for block in blocks}
    rows = {block: row for block, row in ranked.items() if methods and len(row) == len(methods)}
    averages = [statistics.fmean(column) for column in zip(*rows.values(), strict=True)]
    return list(rows), list(rows.values()), dict(zip(methods, averages, strict=False))


def compare(
    numbers: Mapping[Key, Summary], methods: Sequence[str], headline: str, blocks: Sequence[Block]
) -> Comparison:
    """The comparison of methods over the blocks, of those given, where every one of them has a number."""
    whole, rows, average = average_ranks(numbers, methods, blocks)
    pairs = list[Pair]()
    rivals = [method for method in methods if method != headline] if headline in average else []
    gaps = {rival: [gap(numbers, headline, rival, block) for block in whole] for rival in rivals}
    measures = [measure for _, measure in whole]
    tests = {rival: signed_rank(pooled(list(zip(measures, of, strict=True)))) for rival, of in gaps.items()}
    corrected = holm([test.p for test in tests.values()])
    for (rival, (p, effect)), least in zip(tests.items(), corrected, strict=True):
        pairs.append(Pair(rival, *tally(gaps[rival]), p, least, effect))
    return Comparison(
        blocks=tuple(whole),
        left_out=tuple(block for block in blocks if block not in whole),
        average=average,
        friedman=friedman(rows),
        distance=critical_difference(len(methods), len(whole)),
        pairs=tuple(pairs),
    )


def gap(numbers: Mapping[Key, Summary], one: str, other: str, block: Block) -> float:
    """By how much a method is better than another in a block; what rounding makes of equal means is 0."""
    setting, measure = block
    means = (numbers[setting, method, measure].mean for method in (one, other))
    mine, theirs = (gain(measure, mean) for mean in means)
    return round(mine - theirs, 12)


def pooled(gaps: Sequence[tuple[str, float]]) -> list[float]:
    """Differences by several measures on one scale: each divided by the root mean square of its measure's; 0 stays 0.

    Signed ranks order differences by size: without this the measure with the largest numbers would decide.

    Args:
        gaps: the measure and the difference of each block.
    """
    by_measure = dict[str, list[float]]()
    for measure, difference in gaps:
        by_measure.setdefault(measure, []).append(difference)
    scale = {measure: math.sqrt(statistics.fmean(one * one for one in of)) for measure, of in by_measure.items()}
    return [difference / scale[measure] if difference else 0.0 for measure, difference in gaps]


def tally(gaps: Sequence[float]) -> tuple[int, int, int]:
    """Wins, ties and losses."""
    wins, losses = sum(one > 0 for one in gaps), sum(one < 0 for one in gaps)
    return wins, len(gaps) - wins - losses, losses
