"""From the cells of a table to its statistics: means, ranks, tests, and the published numbers beside ours."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from amalgam.bench.comparison import Block, Comparison, Key, Summary, average_ranks, compare, gain, rank_block
from amalgam.bench.scores import Cell
from amalgam.bench.table import Role, Table
from amalgam.bench.tasks import by_task


class Published(NamedTuple):
    """A published mean and standard deviation, ours minus theirs, and the same with better as positive."""

    mean: float
    sd: float
    difference: float
    gain: float


class Recount(NamedTuple):
    """Average ranks among the methods that have published numbers: by their means and by ours, on the same blocks."""

    published: Mapping[str, float]
    ours: Mapping[str, float]
    blocks: int


@dataclass(frozen=True)
class Standing:
    """A table's statistics.

    Of a table that is ranked by task, what is called a setting here is a task of a setting.

    Attributes:
        table: whose.
        cells: what they are from, in the order of the table's settings and of the seeds.
        computed: the cells as they were computed; the same, unless the table is ranked by task.
        tasks: setting → the setting it is of, and its task; none unless the table is ranked by task.
        seeds: that were asked for.
        settings: that have a cell.
        methods: that have a score, bounds that the bench adds among them.
        compared: those of them that are ranked against each other.
        missing: (setting, seed) pairs that were not computed.
        numbers: every mean and deviation; a method that was not measured has none.
        ranks: of the compared methods, among those that have a number there.
        overall: the comparison over settings × measures.
        by_measure: the comparison over settings, for each measure.
        in_its_place: variant → the average rank that it would have if it stood in for the headline.
        published: the published numbers beside ours, where both are known.
        recount: average ranks by the published numbers and by ours; None without them.
        facts: (setting, method) → what the method counted, mean over seeds.
    """

    table: Table
    cells: tuple[Cell, ...]
    computed: tuple[Cell, ...]
    tasks: Mapping[str, tuple[str, str]]
    seeds: tuple[int, ...]
    settings: tuple[str, ...]
    methods: tuple[str, ...]
    compared: tuple[str, ...]
    missing: tuple[tuple[str, int], ...]
    numbers: Mapping[Key, Summary]
    ranks: Mapping[Key, float]
    overall: Comparison
    by_measure: Mapping[str, Comparison]
    in_its_place: Mapping[str, float]
    published: Mapping[Key, Published]
    recount: Recount | None
    facts: Mapping[tuple[str, str], Mapping[str, float]]

    @property
    def unit(self) -> str:
        """What a setting is called here."""
        return "task" if self.table.by_task else "setting"

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The settings that were computed → those that are of each; all of them as `` unless ranked by task."""
        if not self.table.by_task:
            return {"": self.settings}
        found = dict[str, list[str]]()
        for name in self.settings:
            found.setdefault(self.tasks[name][0], []).append(name)
        return {name: tuple(of) for name, of in found.items()}

    def role(self, method: str) -> Role:
        """What a method is in the table; what the bench adds are bounds."""
        return self.table.methods[method].role if method in self.table.methods else "bound"

    def partial(self, method: str) -> bool:
        """Whether a method was measured on some of the labels alone, as a single teacher is."""
        return any(method in cell.scores and cell.scores[method].labels < cell.labels for cell in self.cells)

    def of(self, setting: str) -> tuple[Cell, ...]:
        """The cells of a setting."""
        return tuple(cell for cell in self.cells if cell.setting == setting)

    def rank_in(self, setting: str) -> dict[str, float]:
        """Method → its average rank over the measures of a setting; without the methods that have no rank there."""
        found = {
            method: [rank for key, rank in self.ranks.items() if key[:2] == (setting, method)]
            for method in self.compared
        }
        return {method: statistics.fmean(ranked) for method, ranked in found.items() if ranked}


def standing(table: Table, cells: Iterable[Cell], seeds: Sequence[int] | None = None) -> Standing:
    """The statistics of the cells that are there.

    Args:
        table: whose cells they are.
        cells: in any order; some may be missing.
        seeds: that were asked for; by default those that any cell has.
    """
    order = {name: place for place, name in enumerate(table.settings)}
    computed = there = tuple(sorted(cells, key=lambda cell: (order[cell.setting], cell.seed)))
    wanted = tuple(sorted({cell.seed for cell in there} if seeds is None else set(seeds)))
    done = {(cell.setting, cell.seed) for cell in there}
    missing = tuple((name, seed) for name in table.settings for seed in wanted if (name, seed) not in done)
    tasks: Mapping[str, tuple[str, str]] = {}
    if table.by_task:
        apart = by_task(table, there)
        table, there, tasks = apart.table, apart.cells, apart.places
    found = dict.fromkeys(method for cell in computed for method in cell.scores)
    methods = (*(key for key in table.methods if key in found), *(key for key in found if key not in table.methods))
    settings = tuple(dict.fromkeys(cell.setting for cell in there))
    numbers = _numbers(table, there, methods)
    compared = tuple(method for method in table.compared if any(key[1] == method for key in numbers))
    blocks = [(setting, measure) for setting in settings for measure in table.measures]
    overall = compare(numbers, compared, table.headline, blocks)
    variants = [key for key, method in table.methods.items() if method.role == "variant"]
    return Standing(
        table=table,
        cells=there,
        computed=computed,
        tasks=tasks,
        seeds=wanted,
        settings=settings,
        methods=methods,
        compared=compared,
        missing=missing,
        numbers=numbers,
        ranks={key: rank for block in blocks for key, rank in rank_block(numbers, compared, block).items()},
        overall=overall,
        by_measure={
            measure: compare(numbers, compared, table.headline, [block for block in blocks if block[1] == measure])
            for measure in table.measures
        },
        in_its_place=_in_its_place(table, numbers, overall, variants),
        published=_published(table, numbers),
        recount=_recount(table, numbers, blocks),
        facts=_facts(computed),
    )


def _numbers(table: Table, cells: Sequence[Cell], methods: Sequence[str]) -> dict[Key, Summary]:
    """Means and deviations over the seeds whose measure is known."""
    values = dict[Key, list[float]]()
    for cell in cells:
        for method in methods:
            if method in cell.scores:
                for measure in table.measures:
                    value = getattr(cell.scores[method].measures, measure)
                    if not math.isnan(value):
                        values.setdefault((cell.setting, method, measure), []).append(value)
    return {
        key: Summary(statistics.fmean(of), statistics.stdev(of) if len(of) > 1 else math.nan, len(of))
        for key, of in values.items()
    }


def _in_its_place(
    table: Table, numbers: Mapping[Key, Summary], overall: Comparison, variants: Iterable[str]
) -> dict[str, float]:
    """Each variant's average rank if it stood in the headline's place, where it has a number in every block."""
    found = dict[str, float]()
    for variant in variants:
        stand_ins = [variant if method == table.headline else method for method in overall.average]
        blocks, _, average = average_ranks(numbers, stand_ins, overall.blocks)
        if variant in average and tuple(blocks) == overall.blocks:
            found[variant] = average[variant]
    return found


def _published(table: Table, numbers: Mapping[Key, Summary]) -> dict[Key, Published]:
    found = dict[Key, Published]()
    for (setting, method, measure), ours in numbers.items():
        theirs = table.expected(setting, method, measure)
        if theirs is not None and not math.isnan(theirs[0]):
            difference = round(ours.mean - theirs[0], 12)
            found[setting, method, measure] = Published(*theirs, difference, gain(measure, difference))
    return found


def _recount(table: Table, numbers: Mapping[Key, Summary], blocks: Sequence[Block]) -> Recount | None:
    """Average ranks of the methods with published numbers, bounds aside, over the blocks where all have both."""
    ours, theirs = dict[Key, Summary](), dict[Key, Summary]()
    for key, one in _published(table, numbers).items():
        if table.methods[key[1]].role != "bound":
            ours[key], theirs[key] = numbers[key], Summary(one.mean, one.sd, 0)
    methods = [method for method in table.methods if any(key[1] == method for key in theirs)]
    whole, _, published = average_ranks(theirs, methods, blocks)
    if len(methods) < 2 or not whole:
        return None
    return Recount(published, average_ranks(ours, methods, whole)[2], len(whole))


def _facts(cells: Sequence[Cell]) -> dict[tuple[str, str], dict[str, float]]:
    """The mean of every fact over the seeds that have it."""
    values = dict[tuple[str, str], dict[str, list[float]]]()
    for cell in cells:
        for method, score in cell.scores.items():
            for fact, value in score.facts.items():
                if not math.isnan(value):
                    values.setdefault((cell.setting, method), {}).setdefault(fact, []).append(value)
    return {key: {fact: statistics.fmean(of) for fact, of in facts.items()} for key, facts in values.items()}
