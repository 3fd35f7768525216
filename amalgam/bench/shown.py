"""What a table's readers see, whatever it is written in: sections of sheets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Literal

from amalgam.bench import comparison
from amalgam.bench.comparison import MEASURE, Comparison, Says
from amalgam.bench.costs import Cost, costs
from amalgam.bench.notes import caveat
from amalgam.bench.scores import Cell
from amalgam.bench.standing import Standing
from amalgam.bench.word_table import WordTable
from amalgam.bench.words import ABSENT, chance, decimal, rank, span, spread
from amalgam.results import Entry, duration, plain
from amalgam.sheets import Row, Sheet

_ROLES = ("compared", "variant", "bound")
_POOLED = (
    "For Wilcoxon's test over all blocks, the differences by each measure are divided by their root mean square over "
    "the {}s, so that no measure counts for more because its numbers are larger."
)


@dataclass(frozen=True)
class Mark(Entry):
    """An entry that is second best, or better or worse than a published number."""

    mark: Says | Literal["second"] = ""


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        title: what is above it.
        sheets: its tables.
        notes: how to read them.
    """

    title: str
    sheets: tuple[Sheet, ...]
    notes: tuple[str, ...] = field(default=())


def sections(standing: Standing) -> list[Section]:
    """Everything there is to see, in order; sections without numbers are left out."""
    headline, unit, tasks = standing.table.shown(standing.table.headline), standing.unit, standing.table.by_task
    partial = [method for method in standing.methods if standing.partial(method)]
    every = [
        Section(
            "Average ranks",
            (average_ranks(standing),) if standing.overall.blocks else (),
            (f"Over the {unit}s where every compared method has a number; 1 is best.",),
        ),
        Section(
            f"{headline} against each other method",
            (tested(standing),) if standing.overall.pairs else (),
            (
                f"Wins/ties/losses over blocks, a block being a {unit} and a measure, and the p-value of Wilcoxon's "
                "signed-rank test on the means with Holm's correction for the number of methods. Friedman's test asks "
                "whether the methods differ at all; average ranks that differ by less than Nemenyi's critical "
                "difference cannot be told apart.",
                *[_POOLED.format(unit)] * (len(standing.table.measures) > 1),
                *filter(None, [caveat(standing)]),
            ),
        ),
        Section(
            "Results",
            tuple(of_tasks(standing) if tasks else (by_setting(standing, setting) for setting in standing.settings)),
            (
                "Mean ± sample standard deviation over seeds; ↓ lower is better, ↑ higher is better. The best of the "
                "compared methods stands out. The rank is a method's average rank among them over the "
                f"{'tasks' if tasks else 'measures'}; equal means share it. Variants and bounds have none.",
                *(
                    ["A teacher alone is measured on its own labels, which the others' numbers are not."]
                    * bool(partial)
                ),
            ),
        ),
        Section(
            "Beside the published numbers",
            tuple(sheet for group, of in standing.groups.items() for sheet in published(standing, group, of)),
            ("Our mean; below it the published mean ± standard deviation, and by how much ours is better or worse.",),
        ),
        Section(
            "What the methods counted",
            tuple(sheet for method in standing.methods for sheet in counted(standing, method)),
            ("Mean over seeds.",),
        ),
        Section(
            "What it costs",
            tuple(cost(standing)),
            (
                "Mean time over seeds, on the machine of the cells and with what else it did; below it, how many times "
                "the least of the compared methods' it is. A network of the source as it is serves every target.",
            ),
        ),
        Section("Settings", (settings(standing),) if standing.cells else ()),
        Section("Methods", (methods(standing),)),
    ]
    return [section for section in every if section.sheets]


def by_setting(standing: Standing, setting: str) -> Sheet:
    """A setting's methods × measures, and each compared method's rank."""
    ranks = standing.rank_in(setting)
    present = [
        method
        for method in standing.methods
        if method in standing.compared or any(method in cell.scores for cell in standing.of(setting))
    ]
    numbers = _numbers(standing, present, [(setting, measure) for measure in standing.table.measures])
    ranked = _ranked([ranks.get(method) for method in present])
    rows = {
        method: (_called(standing, method, setting), [*ours, one])
        for method, ours, one in zip(present, numbers, ranked, strict=True)
    }
    return Sheet(setting, ("method", *_measures(standing), "rank ↓"), _blocks(standing, rows))


def of_tasks(standing: Standing, digits: int = 4, deviations: bool = True) -> Iterator[Sheet]:
    """For each setting and measure, tasks × methods, and each compared method's average rank over these tasks."""
    order = sorted(standing.methods, key=lambda method: _ROLES.index(standing.role(method)))
    for (setting, names), measure in product(standing.groups.items(), standing.table.measures):
        blocks = [(name, measure) for name in names]
        columns = _numbers(standing, order, blocks, digits, deviations)
        average = comparison.average_ranks(standing.numbers, standing.compared, blocks)[2]
        rows = [(standing.tasks[name][1], list(row)) for name, *row in zip(names, *columns, strict=True)]
        ranked = _ranked([average.get(method) for method in order])
        title = f"{setting}, {MEASURE[measure].name} {MEASURE[measure].arrow}"
        yield Sheet(title, ("task", *map(standing.table.shown, order)), (rows, [("average rank ↓", ranked)]))


def by_measure(standing: Standing, measure: str, digits: int = 4, deviations: bool = True) -> Sheet:
    """A measure's methods × settings, and each compared method's average rank; without single teachers."""
    present = [method for method in standing.methods if not standing.partial(method)]
    average = standing.by_measure[measure].average
    blocks = [(setting, measure) for setting in standing.settings]
    numbers = _numbers(standing, present, blocks, digits, deviations)
    ranked = _ranked([average.get(method) for method in present])
    rows = {
        method: (standing.table.shown(method), [*ours, one])
        for method, ours, one in zip(present, numbers, ranked, strict=True)
    }
    name = MEASURE[measure]
    return Sheet(f"{name.name} {name.arrow}", ("method", *standing.settings, "rank"), _blocks(standing, rows))


def average_ranks(standing: Standing) -> Sheet:
    """The compared methods, the best first, by average rank over everything and by each measure."""
    comparisons = [standing.overall, *standing.by_measure.values()]
    order = sorted(standing.compared, key=lambda method: standing.overall.average[method])
    columns = [_ranked([one.average.get(method) for method in order]) for one in comparisons]
    rows = [(standing.table.shown(method), row) for method, *row in zip(order, *columns, strict=True)]
    return Sheet("", ("method", "over all", *(MEASURE[one].name for one in standing.table.measures)), (rows,))


def tested(standing: Standing) -> Sheet:
    """Wins, ties, losses and the corrected p-value against each rival; Friedman's test and the critical difference."""
    comparisons = [standing.overall, *standing.by_measure.values()]
    rivals = [pair.rival for pair in standing.overall.pairs]
    against = [
        (standing.table.shown(rival), [_against(one, place) for one in comparisons])
        for place, rival in enumerate(rivals)
    ]
    every: list[Row] = [
        (
            "Friedman's χ²",
            [
                Mark(ABSENT) if math.isnan(chi_square) else Mark(f"{chi_square:.1f}", under=_p(p))
                for chi_square, p in (one.friedman for one in comparisons)
            ],
        ),
        ("critical difference", [Mark(rank(one.distance)) for one in comparisons]),
        ("blocks", [Mark(str(len(one.blocks))) for one in comparisons]),
    ]
    return Sheet("", ("against", "over all", *(MEASURE[one].name for one in standing.table.measures)), (against, every))


def published(standing: Standing, group: str, settings: Sequence[str]) -> Iterator[Sheet]:
    """The published numbers beside ours, if there are any: of each setting, or by measure of a setting's tasks."""
    known = [method for method in standing.methods if any(key[1] == method for key in standing.published)]
    tasks = standing.table.by_task
    for one in standing.table.measures if tasks else settings:
        keys = {method: [(name, method, one) for name in settings] if tasks else
                [(one, method, measure) for measure in standing.table.measures] for method in known}  # fmt: skip
        entries = {method: [_beside(standing, key) for key in of] for method, of in keys.items()}
        entries = {method: of for method, of in entries.items() if any(entry.under for entry in of)}
        shown = [standing.table.shown(method) for method in entries]
        if entries and tasks:
            rows = list(
                zip((standing.tasks[name][1] for name in settings), zip(*entries.values(), strict=True), strict=True)
            )
            yield Sheet(f"{group}, {MEASURE[one].name} {MEASURE[one].arrow}", ("task", *shown), (rows,))
        elif entries:
            yield Sheet(one, ("method", *_measures(standing)), (list(zip(shown, entries.values(), strict=True)),))


def counted(standing: Standing, method: str) -> list[Sheet]:
    """What a method counted in each setting, if anything."""
    found = {one: facts for (one, counter), facts in standing.facts.items() if counter == method}
    names = list(dict.fromkeys(name for facts in found.values() for name in facts))
    rows = [
        (one, [Mark(plain(facts[name]) if name in facts else ABSENT) for name in names]) for one, facts in found.items()
    ]
    return [Sheet(standing.table.shown(method), ("setting", *names), (rows,))] if names else []


def cost(standing: Standing) -> Iterator[Sheet]:
    """Transfers' methods × settings in time: with a network of the source at hand, and without."""

    def entry(one: Cost | None) -> Mark:
        if one is None:
            return Mark(ABSENT)
        return Mark(duration(one.seconds), under=f"{one.times:.{1 if one.times >= 1 else 2}f} ×")

    for title, at_hand in (("with a network of the source at hand", True), ("from scratch", False)):
        if took := costs(standing, at_hand):
            rows = {
                method: (standing.table.shown(method), [entry(of.get(method)) for of in took.values()])
                for method in standing.methods
            }
            yield Sheet(title, ("method", *took), _blocks(standing, rows))


def settings(standing: Standing) -> Sheet:
    """What each setting is: its labels, the rows of each part, and the seeds it was run under."""
    every = dict[str, list[Cell]]()
    for cell in standing.computed:
        every.setdefault(cell.setting, []).append(cell)
    parts = list(dict.fromkeys(part for cell in standing.computed for part in cell.rows))
    rows = list[Row]()
    for setting, cells in every.items():
        counts = [[cell.labels for cell in cells]]
        counts += [[cell.rows[part] for cell in cells if part in cell.rows] for part in parts]
        rows.append((setting, [Mark(span(one) if one else ABSENT) for one in counts] + [Mark(str(len(cells)))]))
    named = (
        ("tests", *parts) if isinstance(standing.table, WordTable) else ("labels", *(f"{part} rows" for part in parts))
    )
    return Sheet("", ("setting", *named, "seeds"), (rows,))


def methods(standing: Standing) -> Sheet:
    """What each method of the table is."""
    rows = [
        (standing.table.shown(key), [Mark(method.role), Mark(method.note)])
        for key, method in standing.table.methods.items()
    ]
    return Sheet("", ("method", "role", "what it is"), (rows,))


def _measures(standing: Standing) -> tuple[str, ...]:
    return tuple(f"{MEASURE[one].name} {MEASURE[one].arrow}" for one in standing.table.measures)


def _called(standing: Standing, method: str, setting: str) -> str:
    """A method's name, and on how many labels it was measured when it was not on all."""
    name = standing.table.shown(method)
    cells = [cell for cell in standing.of(setting) if method in cell.scores]
    if not cells or not standing.partial(method):
        return name
    own, every = [cell.scores[method].labels for cell in cells], [cell.labels for cell in cells]
    return f"{name} ({span(own)} of {span(every)} labels)"


def _blocks(standing: Standing, rows: Mapping[str, Row]) -> tuple[Sequence[Row], ...]:
    """Rows in a block for each role."""
    every = ([row for method, row in rows.items() if standing.role(method) == role] for role in _ROLES)
    return tuple(block for block in every if block)


def _numbers(
    standing: Standing,
    methods: Sequence[str],
    blocks: Sequence[tuple[str, str]],
    digits: int = 4,
    deviations: bool = True,
) -> list[list[Mark]]:
    """A row of entries for each method, a column for each block; marked among the compared, as they are shown."""
    columns = list[list[Mark]]()
    for setting, measure in blocks:
        found = [standing.numbers.get((setting, method, measure)) for method in methods]
        means = [None if one is None else decimal(one.mean, digits) for one in found]
        sign = 1 if MEASURE[measure].better == "lower" else -1
        rivals = {
            text: sign * one.mean
            for text, one, method in zip(means, found, methods, strict=True)
            if one is not None and text is not None and method in standing.compared
        }
        column = list[Mark]()
        for method, one, text in zip(methods, found, means, strict=True):
            full = ABSENT if one is None else spread(one.mean, one.sd, digits) if deviations else str(text)
            column.append(_marked(full, text if method in standing.compared else None, rivals))
        columns.append(column)
    return [list(row) for row in zip(*columns, strict=True)]


def _ranked(averages: Sequence[float | None]) -> list[Mark]:
    """Average ranks, the best and the second marked."""
    rivals = {rank(one): one for one in averages if one is not None}
    return [Mark("") if one is None else _marked(rank(one), rank(one), rivals) for one in averages]


def _marked(full: str, text: str | None, rivals: dict[str, float]) -> Mark:
    """An entry, marked by its place among what is shown of its rivals (lower is better); equal looks, equal marks."""
    order = sorted(rivals, key=rivals.__getitem__)
    if text is None or len(order) < 2:
        return Mark(full)
    return Mark(full, best=text == order[0], mark="second" if text == order[1] else "")


def _against(comparison: Comparison, place: int) -> Mark:
    if place >= len(comparison.pairs):
        return Mark(ABSENT)
    pair = comparison.pairs[place]
    return Mark(
        f"{pair.wins}/{pair.ties}/{pair.losses}",
        under=f"{_p(pair.corrected)}{f'; {pair.says}' if pair.says else ''}",
        mark=pair.says,
    )


def _beside(standing: Standing, key: tuple[str, str, str]) -> Mark:
    ours, theirs = standing.numbers.get(key), standing.published.get(key)
    if ours is None or theirs is None:
        return Mark(ABSENT if ours is None else decimal(ours.mean))
    difference = decimal(abs(theirs.gain))
    says: Says = "" if not float(difference) else "better" if theirs.gain > 0 else "worse"
    return Mark(
        decimal(ours.mean),
        under=f"{spread(theirs.mean, theirs.sd)}; {f'{difference} {says}' if says else 'the same'}",
        mark=says,
    )


def _p(p: float) -> str:
    return f"p {chance(p)}" if p < 0.0001 else f"p = {chance(p)}"
