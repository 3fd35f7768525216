"""Benches beside each other: settings × methods that all of them have, paired by seed where that is possible."""

from __future__ import annotations

import math
import shlex
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from amalgam.bench.comparison import gain, pooled
from amalgam.bench.significance import signed_rank
from amalgam.bench.words import ABSENT, chance, decimal, of_one_data_set, plural, spread
from amalgam.compare.cells import FEW, Bench, Number, common_settings, numbers_of, obstacles, read_bench, reproduced
from amalgam.compare.common import differences, flat, names, told
from amalgam.errors import RequestError, listed
from amalgam.results import Entry, column
from amalgam.sheets import Row, Sheet, Sheets


def compare(folders: Sequence[Path]) -> Sheets:
    """Benches beside the first of them.

    Args:
        folders: two directories of benches or more.

    Raises:
        RequestError: a directory named twice, one that is damaged or has no finished cell, or nothing in common.
    """
    benches = [read_bench(name, folder) for name, folder in zip(names(folders), folders, strict=True)]
    first, *others = benches
    reasons = {setting: [obstacles(first, one, setting) for one in benches] for setting in common_settings(benches)}
    numbers = [
        number
        for setting, each in reasons.items()
        for number in numbers_of(benches, setting, tuple(not one for one in each))
    ]
    if not numbers:
        have = "; ".join(f"{one.name} has {listed(dict.fromkeys(key[0] for key in one.cells))}" for one in benches)
        raise RequestError(
            f"the benches have no setting, method and measure in common: {have}; to rank methods over the settings of "
            "all of them, use --joined"
        )
    otherwise = differences([_settings(one, numbers) for one in benches])
    same = {one.name: reproduced(first, one, numbers) for one in others}
    return Sheets(
        title=f"{', '.join(one.name for one in others)} beside {first.name}",
        says=tuple(_says(benches, numbers, place) for place in range(1, len(benches))),
        sheets=(
            *(_sheet(benches, setting, numbers) for setting in dict.fromkeys(number.setting for number in numbers)),
            _overall(benches, numbers),
        ),
        settings=tuple(told(key, values) for key, values in otherwise.items()),
        notes=tuple(_notes(benches, numbers, reasons)),
        facts={
            "kind": "benches",
            "benches": [{"name": one.name, "folder": str(one.folder), "missing": one.missing} for one in benches],
            "numbers": [_facts(benches, number) for number in numbers],
            "reproduced": {name: {"identical": len(scores), "of": of} for name, (scores, of) in same.items()},
            "settings": otherwise,
        },
    )


def _sheet(benches: Sequence[Bench], setting: str, numbers: Sequence[Number]) -> Sheet:
    """A setting: for each method a row a bench."""
    own = [number for number in numbers if number.setting == setting]
    measures = list(dict.fromkeys(number.measure for number in own))
    blocks = []
    for method in dict.fromkeys(number.method for number in own):
        columns = {number.measure: _entries(number) for number in own if number.method == method}
        absent = [Entry(ABSENT)] * len(benches)
        cells = zip(*(columns.get(measure, absent) for measure in measures), strict=True)
        rows = [(f"↳ {one.name}", list(entries)) for one, entries in zip(benches, cells, strict=True)]
        blocks.append([(f"{benches[0].table.shown(method)} · {benches[0].name}", rows[0][1]), *rows[1:]])
    seeds = {len(values) for number in own for values in number.values}
    title = f"{setting}, {plural(max(seeds), 'seed') if len(seeds) == 1 else f'{min(seeds)}–{max(seeds)} seeds'}"
    return Sheet(title, ("method", *(f"{one.name} {one.arrow}" for one in measures)), tuple(blocks))


def _entries(number: Number) -> list[Entry]:
    """A cell a bench: mean ± deviation, and below how it differs from the first."""
    means = [statistics.fmean(values.values()) for values in number.values]
    level = [mean if here else None for mean, here in zip(means, number.level, strict=True)]
    best = column(level, decimal, 1 if number.measure.better == "lower" else -1)
    entries = []
    for place, values in enumerate(number.values):
        under = _under(number, place) if place else ""
        entries.append(Entry(spread(means[place], _deviation(values)), best[place].best, under))
    return entries


def _deviation(values: Mapping[int, float]) -> float:
    """The sample standard deviation over seeds; NaN of one."""
    return statistics.stdev(values.values()) if len(values) > 1 else math.nan


def _under(number: Number, place: int) -> str:
    """How a bench differs from the first: `−.0120, 4/5` of the seeds better; with enough of them `−.0120, p=.0312`.

    `=` is no difference on any seed, to the last digit.
    """
    gap, gaps, p = number.gap(place), number.gaps(place), number.p(place)
    if gap is None or not any(gaps or [gap]):
        return "" if gap is None else "="
    signed = f"{'+' if gap > 0 else ''}{decimal(gap)}"
    if not gaps:
        return signed
    return f"{signed}, {number.wins(place)}/{len(gaps)}" if p is None else f"{signed}, p={chance(p)}"


def _overall(benches: Sequence[Bench], numbers: Sequence[Number]) -> Sheet:
    """Every method over settings and measures."""
    first, *others = benches
    rows = list[Row]()
    for method in dict.fromkeys(number.method for number in numbers):
        for place, one in enumerate(others, 1):
            gains = _gains([number for number in numbers if number.method == method], place)
            p = chance(signed_rank(pooled(gains)).p) if len(gains) >= FEW else ABSENT
            rows.append((f"{first.table.shown(method)} · {one.name}", [*map(Entry, (*_tally(gains), p))]))
    headings = ("method", "better", "equal", "worse", "Wilcoxon p")
    return Sheet(f"Means over settings × measures, beside {first.name}", headings, (rows,))


def _gains(numbers: Sequence[Number], place: int) -> list[tuple[str, float]]:
    """Each measure by which a bench can be compared with the first, and by how much it is better; rounding is not."""
    gaps = [(number.measure.key, number.gap(place)) for number in numbers]
    return [(measure, round(gain(measure, gap), 12)) for measure, gap in gaps if gap is not None]


def _tally(gains: Sequence[tuple[str, float]]) -> tuple[str, str, str]:
    """How many are better, equal and worse."""
    better, worse = sum(one > 0 for _, one in gains), sum(one < 0 for _, one in gains)
    return str(better), str(len(gains) - better - worse), str(worse)


def _says(benches: Sequence[Bench], numbers: Sequence[Number], place: int) -> str:
    """How a bench does beside the first, and what of it is the very same."""
    first, one = benches[0], benches[place]
    gains = _gains(numbers, place)
    if not gains:
        return f"{one.name} cannot be compared with {first.name}: it was measured on other rows."
    same, of = reproduced(first, one, numbers)
    if of and len(same) == of:
        return f"{one.name} reproduces {first.name}: all {of:,} scores are identical to the last digit."
    better, equal, worse = _tally(gains)
    said = (
        f"{one.name} is better than {first.name} in {better} of {len(gains):,} means "
        f"(methods × settings × measures), equal in {equal} and worse in {worse}."
    )
    return said if not same else f"{said} {len(same):,} of {of:,} scores are reproduced to the last digit."


def _settings(bench: Bench, numbers: Sequence[Number]) -> dict[str, Any]:
    """What a bench runs, flat, as far as it is compared; titles and published numbers say nothing."""
    table = bench.table.model_dump(mode="json", exclude={"name", "title", "paper", "protocol", "quick"})
    for part, compared in (
        ("settings", {one.setting for one in numbers}),
        ("methods", {one.method for one in numbers}),
    ):
        table[part] = {name: one for name, one in table[part].items() if name in compared}
    for one in table["settings"].values():
        one.pop("expected", None)
    for one in table["methods"].values():
        del one["shown"], one["note"]
    return flat({**table, "seeds": bench.scope.seeds})


def _notes(
    benches: Sequence[Bench], numbers: Sequence[Number], reasons: Mapping[str, Sequence[Sequence[str]]]
) -> list[str]:
    """What a reader must know to read the tables."""
    first = benches[0]
    said = [
        f"{setting}: {one.name} was not measured on the rows of {first.name} ({'; '.join(why)}), so its numbers "
        "stand without a difference"
        for setting, each in reasons.items()
        for one, why in zip(benches, each, strict=True)
        if why
    ]
    pairs = {len(number.gaps(place)) for number in numbers for place in range(1, len(benches)) if number.level[place]}
    if pairs:
        said.append(f"below a mean is its difference to {first.name}; = is none, to the last digit, on any common seed")
    if pairs and 0 < max(pairs) < FEW:
        said.append(f"k/n is better on k of n seeds; a test needs {FEW} common seeds to tell anything")
    if pairs and max(pairs) >= FEW:
        said.append(
            "p is Wilcoxon's signed-rank test over the common seeds, each alone, not corrected for their number"
        )
    if pairs == {0}:
        said.append("no seed is common, so nothing is paired")
    if pairs and len(numbers) >= FEW:
        said += _over_all(first, [number for number in numbers if any(number.level[1:])])
    compared = {(number.setting, number.method) for number in numbers}
    for one in benches:
        alone = [
            f"{s}: {m}"
            for s in dict.fromkeys(key[0] for key in one.cells)
            for m in one.methods(s)
            if (s, m) not in compared
        ]
        if alone:
            said.append(f"not compared, since not all have it: {listed(alone)} of {one.name}")
        if one.missing:
            said.append(
                f"{one.name} is not finished, {plural(one.missing, 'cell')} missing; go on with it: "
                f"amalgam bench --resume --out {shlex.quote(str(one.folder))}"
            )
        if one.code != first.code:
            said.append(f"{first.name} and {one.name} were computed by other code or other versions of libraries")
    return said


def _over_all(first: Bench, numbers: Sequence[Number]) -> list[str]:
    """What the test over settings × measures does, and what it takes for granted."""
    data = first.table.settings
    alike = of_one_data_set(data[setting].rows_of for setting in dict.fromkeys(number.setting for number in numbers))
    return [
        "for p over settings × measures, the differences by each measure are divided by their root mean square over "
        "the settings, so that no measure counts for more because its numbers are larger",
        f"{alike}; settings and measures of one data set depend on each other: p-values over all of them are optimistic"
        if alike
        else "measures of one data set depend on each other: p-values over all of them are optimistic",
    ]


def _facts(benches: Sequence[Bench], number: Number) -> dict[str, Any]:
    """A number for programs."""
    every = {
        one.name: {
            "mean": statistics.fmean(values.values()),
            "sd": _deviation(values) if len(values) > 1 else None,
            "seeds": list(values),
            "difference": number.gap(place) if place else None,
            "pairs": len(number.gaps(place)) if place else None,
            "wins": number.wins(place) if place else None,
            "p": number.p(place) if place else None,
        }
        for place, (one, values) in enumerate(zip(benches, number.values, strict=True))
    }
    return {"setting": number.setting, "method": number.method, "measure": number.measure.key, "benches": every}
