"""What readers of a table must know: what is missing of it, and what its cells have to say."""

from __future__ import annotations

from amalgam.bench.comparison import MEASURE
from amalgam.bench.standing import Standing
from amalgam.bench.words import among, of_one_data_set, plural


def notes(standing: Standing) -> list[str]:
    """What is missing, and what the cells have to say."""
    said = list[str]()
    table = standing.table
    if standing.missing:
        seeds = {setting: [seed for one, seed in standing.missing if one == setting] for setting, _ in standing.missing}
        asked = len({cell.setting for cell in standing.computed} | seeds.keys())
        lost = (f"{one} (seed{'s' if len(of) > 1 else ''} {among(map(str, of))})" for one, of in seeds.items())
        cells = plural(asked * len(standing.seeds), "cell")
        said.append(f"Missing: {len(standing.missing)} of {cells}: {', '.join(lost)}.")
    never = [table.shown(method) for method in table.methods if method not in standing.methods]
    if never and standing.cells:
        said.append(f"Never measured: {among(never)}.")
    for method in standing.compared:
        absent = {
            setting: [measure for measure in table.measures if (setting, method, measure) not in standing.numbers]
            for setting in standing.settings
        }
        where = (
            setting if len(those) == len(table.measures) else f"{setting} ({among(MEASURE[one].name for one in those)})"
            for setting, those in absent.items()
            if those
        )
        if any(absent.values()):
            said.append(
                f"{table.shown(method)} has no number in {among(where)}: it has no rank there, and average ranks over "
                "settings and tests leave these blocks out."
            )
    for (setting, method), (least, of_seeds) in _fewer(standing).items():
        said.append(f"{table.shown(method)} has numbers of {least} of {plural(of_seeds, 'seed')} in {setting}.")
    return said + _told(standing)


def caveat(standing: Standing) -> str:
    """Why the tests promise too much: they take blocks of one data set for independent; nothing when there are none."""
    blocks = standing.overall.blocks
    several = len({measure for _, measure in blocks}) > 1
    if standing.table.by_task:
        return "Tasks of one data set depend on each other, so all p-values and critical differences are optimistic."
    data = standing.table.settings
    alike = of_one_data_set(data[setting].rows_of for setting in dict.fromkeys(setting for setting, _ in blocks))
    if alike:
        return (
            f"{alike}. {'Settings and measures' if several else 'Settings'} of one data set depend on each other, so "
            "all p-values and critical differences are optimistic."
        )
    over_all = "p-values and the critical difference over all blocks are optimistic."
    return f"Measures of one data set depend on each other, so {over_all}" if several else ""


def _told(standing: Standing) -> list[str]:
    """What cells say, each thing once, with all settings that say it."""
    where = dict[str, dict[str, None]]()
    for cell in standing.computed:
        for note in cell.notes:
            where.setdefault(note, {})[cell.setting] = None
    return [f"{among(settings)}: {note}" for note, settings in where.items()]


def _fewer(standing: Standing) -> dict[tuple[str, str], tuple[int, int]]:
    """Where a compared method's means are over fewer seeds than the setting has."""
    found = dict[tuple[str, str], tuple[int, int]]()
    for (setting, method, _), number in standing.numbers.items():
        of = len(standing.of(setting))
        if method in standing.compared and number.seeds < of:
            least = min(number.seeds, found.get((setting, method), (of, of))[0])
            found[setting, method] = least, of
    return found
