"""What benches have in common: the cells that are there, and the numbers of each method, paired by seed."""

from __future__ import annotations

import math
import shlex
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amalgam.bench import folder as kept
from amalgam.bench.comparison import gain
from amalgam.bench.scope import SCOPE, TABLE, Key, Scope
from amalgam.bench.scores import Cell, Score
from amalgam.bench.significance import signed_rank
from amalgam.bench.standing import Standing
from amalgam.bench.table import Table
from amalgam.bench.tables import read_table
from amalgam.bench.verdict import verdict
from amalgam.compare.common import differences, flat, told
from amalgam.errors import RequestError, listed
from amalgam.metrics import BENCHED, Measure
from amalgam.schema import parse, read_yaml

FEW = 6  # with fewer pairs even the smallest p-value of the signed-rank test is above 0.05


@dataclass(frozen=True)
class Bench:
    """A bench, finished or not.

    Attributes:
        name: what it is called among those it is compared with.
        folder: where it lies.
        table: what it runs.
        scope: how much of it.
        cells: the finished ones.
        missing: how many are not finished.
        asked: the seeds that were asked for.
        code: fingerprints of what computed them.
    """

    name: str
    folder: Path
    table: Table
    scope: Scope
    cells: dict[Key, Cell]
    missing: int
    asked: tuple[int, ...]
    code: frozenset[str]

    def methods(self, setting: str) -> list[str]:
        """The methods that have a score in a setting, in the table's order."""
        return list(dict.fromkeys(m for (name, _), cell in self.cells.items() if name == setting for m in cell.scores))


@dataclass(frozen=True)
class Number:
    """A method in a setting by a measure, in every bench.

    Attributes:
        setting: which.
        method: which.
        measure: which.
        values: for each bench, seed → number; without those that are not known.
        level: for each bench, whether it was measured on the rows that the first was measured on.
    """

    setting: str
    method: str
    measure: Measure
    values: tuple[dict[int, float], ...]
    level: tuple[bool, ...]

    def gaps(self, place: int) -> list[float]:
        """Seed by seed, a bench's number less the first's; nothing when their rows or all their seeds are others."""
        first, other = self.values[0], self.values[place]
        return [round(other[seed] - first[seed], 12) for seed in first if seed in other] if self.level[place] else []

    def gap(self, place: int) -> float | None:
        """A bench's mean less the first's, over the seeds both have if there are any; None when their rows differ."""
        if not self.level[place]:
            return None
        means = [statistics.fmean(self.values[one].values()) for one in (0, place)]
        return statistics.fmean(self.gaps(place) or [round(means[1] - means[0], 12)])

    def p(self, place: int) -> float | None:
        """Wilcoxon's signed-rank test over seeds; None with too few for it to tell anything."""
        gaps = self.gaps(place)
        return signed_rank(gaps).p if len(gaps) >= FEW else None

    def wins(self, place: int) -> int:
        """On how many seeds a bench is better than the first."""
        return sum(gain(self.measure.key, gap) > 0 for gap in self.gaps(place))


def read_bench(name: str, folder: Path) -> Bench:
    """The finished cells of a bench.

    Raises:
        RequestError: none is finished, or a file is damaged.
    """
    whole = read_table(str(folder / TABLE))
    scope = parse(Scope, read_yaml(folder / SCOPE, "bench"), f"bench {folder / SCOPE}")
    table = scope.of(whole)
    keys, cells, code = scope.keys(table), dict[Key, Cell](), set[str]()
    again = f"amalgam bench --resume --out {shlex.quote(str(folder))}"
    for key in keys:
        path = kept.Bench(folder, table, keys, {}).path(key)
        try:
            cell, origin = kept.unpacked(path.read_text(encoding="utf-8"))
            if (cell.setting, cell.seed) != key:
                raise ValueError(f"it is of setting {cell.setting!r} and seed {cell.seed}")
        except FileNotFoundError:
            continue
        except ValueError as error:
            reason = str(error).splitlines()[0]
            raise RequestError(f"{path} is damaged ({reason}); run this cell again: {again}") from None
        cells[key] = cell
        code.add(origin.code)
    if not cells:
        raise RequestError(f"{folder} has no finished cell; go on with it: {again}")
    return Bench(
        name,
        folder,
        table,
        scope,
        cells,
        len(keys) - len(cells),
        tuple(sorted({seed for _, seed in keys})),
        frozenset(code),
    )


def facts(standing: Standing) -> dict[str, Any]:
    """A bench alone for programs: every mean with its rank and the published one; None where there is none."""

    def known(value: float) -> float | None:
        return None if math.isnan(value) else value

    numbers = list[dict[str, Any]]()
    for key, (mean, sd, seeds) in standing.numbers.items():
        published = standing.published.get(key)
        numbers.append(
            {
                **dict(zip(("setting", "method", "measure"), key, strict=True)),
                "role": standing.role(key[1]),
                "mean": mean,
                "sd": known(sd),
                "seeds": seeds,
                "rank": standing.ranks.get(key),
                "published": None if published is None else [known(published.mean), known(published.sd)],
            }
        )
    missing = [{"setting": setting, "seed": seed} for setting, seed in standing.missing]
    table = {"table": standing.table.name, "title": standing.table.title, "seeds": list(standing.seeds)}
    return {"kind": "bench", **table, "verdict": verdict(standing), "missing": missing, "numbers": numbers}


def common_settings(benches: Sequence[Bench]) -> list[str]:
    """The settings in which every bench has a finished cell, in the order of the first."""
    every = [{setting for setting, _ in one.cells} for one in benches]
    return [setting for setting in benches[0].table.settings if all(setting in one for one in every)]


def obstacles(first: Bench, other: Bench, setting: str) -> list[str]:
    """Why the numbers of two benches in a setting were not measured alike, on the same rows; nothing when they were."""
    keys = (f"settings.{setting}.data", f"settings.{setting}.options", "test", "apart")
    every = [flat(one.table.model_dump(mode="json")) for one in (first, other)]
    for one in every:  # a folder's name says nothing of the file in it
        one[keys[0]] = Path(one[keys[0]]).name
    otherwise = differences([{k: v for k, v in one.items() if k.startswith(keys)} for one in every])
    found = [told(key.removeprefix(f"settings.{setting}."), values) for key, values in otherwise.items()]
    common = [(cell, other.cells[key]) for key, cell in first.cells.items() if key[0] == setting and key in other.cells]
    for cells in common:
        counts = differences([flat(dict(one.rows), "rows") for one in cells])
        found += [told(what, values) for what, values in counts.items()]
    if not found and any(before.test != now.test for before, now in common):
        found.append("other test rows")
    for before, now in common:
        for bench, alone in ((first, {*before.names} - {*now.names}), (other, {*now.names} - {*before.names})):
            found += [f"labels of {bench.name} alone: {listed(sorted(alone))}"] * bool(alone)
    return list(dict.fromkeys(found))


def numbers_of(benches: Sequence[Bench], setting: str, level: tuple[bool, ...]) -> list[Number]:
    """The numbers of a setting that every bench has; over the seeds that all have, if there are any."""
    seeds = [{seed for name, seed in one.cells if name == setting} for one in benches]
    common = set.intersection(*seeds)
    methods = [one.methods(setting) for one in benches]
    found = []
    for method in (one for one in methods[0] if all(one in others for others in methods)):
        for measure in (one for one in BENCHED if all(one.key in bench.table.measures for bench in benches)):
            values = tuple(
                _values(one, setting, method, measure.key, common or own)
                for one, own in zip(benches, seeds, strict=True)
            )
            if all(values):
                found.append(Number(setting, method, measure, values, level))
    return found


def _values(bench: Bench, setting: str, method: str, measure: str, seeds: set[int]) -> dict[int, float]:
    """Seed → a method's number in a setting, where it is known."""
    found = {
        seed: getattr(bench.cells[setting, seed].scores[method].measures, measure)
        for seed in sorted(seeds)
        if method in bench.cells[setting, seed].scores
    }
    return {seed: value for seed, value in found.items() if not math.isnan(value)}


def reproduced(first: Bench, other: Bench, numbers: Sequence[Number]) -> tuple[list[tuple[str, int, str]], int]:
    """The (setting, seed, method) scores that are identical to the last digit, and how many both benches have."""
    compared = {(number.setting, number.method) for number in numbers}
    both = [
        (setting, seed, method)
        for (setting, seed), cell in first.cells.items()
        for method in cell.scores
        if (setting, method) in compared and method in _scores(other, (setting, seed))
    ]
    # Unlike numbers, the text of a NaN is equal to itself.
    same = [
        one for one in both if len({repr(_scores(bench, one[:2])[one[2]].measures) for bench in (first, other)}) == 1
    ]
    return same, len(both)


def _scores(bench: Bench, key: Key) -> Mapping[str, Score]:
    """The scores of a cell; none when it is not finished."""
    return bench.cells[key].scores if key in bench.cells else {}
