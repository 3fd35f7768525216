"""What a table shows, in plain words: true of a headline that loses, too."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from amalgam.bench.comparison import MEASURE, Pair, gap, place, tally
from amalgam.bench.notes import caveat
from amalgam.bench.significance import ALPHA, least_holm
from amalgam.bench.standing import Standing
from amalgam.bench.words import among, chance, decimal, ordinal, plural, rank

_NAMED = 6  # tasks, at most, that a sentence names


def verdict(standing: Standing) -> list[str]:
    """Sentences on the headline: the first tells its place, the others against whom, where, and beside what."""
    table, overall = standing.table, standing.overall
    headline = table.shown(table.headline)
    if table.headline not in standing.compared:
        return [f"{headline}, the method that the others are compared with, has no number yet."]
    if len(standing.compared) < 2:
        return [f"{headline} has numbers, but no other method to be compared with has one yet."]
    if not overall.blocks:
        unit = standing.unit
        return [f"No {unit} has a number of every compared method yet, so nothing is ranked over {unit}s."]
    return [
        _lead(standing),
        *_tests(standing),
        *(_by_measure(standing, measure) for measure in table.measures if standing.by_measure[measure].blocks),
        *_too_few(standing),
        _by_setting(standing),
        *_variants(standing),
        *_bounds(standing),
        *_published(standing),
    ]


def _lead(standing: Standing) -> str:
    overall, headline = standing.overall, standing.table.headline
    name, average = standing.table.shown(headline), overall.average
    others = {method: one for method, one in average.items() if method != headline}
    level = [method for method, one in others.items() if abs(one - average[headline]) < 1e-9]
    best = min(others.values())
    leaders = [method for method, one in others.items() if one - best < 1e-9]
    own, methods, over = rank(average[headline]), plural(len(average), "method"), f"over {_blocks(standing)}"
    with_them = f"level with {_names(standing, level)}" if level else ""
    if overall.place(headline) > 1:
        return (
            f"{name} is {ordinal(overall.place(headline))} of {methods} by average rank, {own} {over}"
            f"{with_them and f', {with_them}'}; {_names(standing, leaders)} "
            f"{'are' if len(leaders) > 1 else 'is'} first with {rank(best)}."
        )
    if level:
        return f"{name} shares the best average rank of {methods}, {own} {over}, {with_them}."
    return (
        f"{name} has the best average rank of {methods}, {own} {over}; {_names(standing, leaders)} "
        f"{'follow' if len(leaders) > 1 else 'follows'} with {rank(best)}."
    )


def _tests(standing: Standing) -> list[str]:
    overall, name = standing.overall, standing.table.shown(standing.table.headline)
    chi_square, p = overall.friedman
    sentences = []
    if p == p:
        finds = "finds that the methods differ" if p < ALPHA else "finds no difference between the methods"
        sentences.append(f"Friedman's test {finds} (χ² = {chi_square:.1f}, p {_p(p)}).")
    against = _against(standing, overall.pairs)
    sentences.append(f"{name} is {against} (Wilcoxon's signed-rank test, Holm's correction, at {decimal(ALPHA, 2)}).")
    return [" ".join(filter(None, [*sentences, caveat(standing)]))]


def _against(standing: Standing, pairs: Sequence[Pair]) -> str:
    """`significantly better than A, significantly worse than B and not distinguishable from C`."""
    words = {"better": "significantly better than", "worse": "significantly worse than", "": "not distinguishable from"}
    said = {word: [pair.rival for pair in pairs if pair.says == says] for says, word in words.items()}
    return ", ".join(f"{word} {_names(standing, rivals)}" for word, rivals in said.items() if rivals)


def _by_measure(standing: Standing, measure: str) -> str:
    comparison, headline = standing.by_measure[measure], standing.table.headline
    own = {
        setting: {method: standing.ranks[setting, method, measure] for method in standing.compared}
        for setting, _ in comparison.blocks
    }
    first, last = _ends(own, headline)
    name = MEASURE[measure].name
    methods = plural(len(comparison.average), "method")
    average = comparison.average[headline]
    shared = "shared " if sum(abs(one - average) < 1e-9 for one in comparison.average.values()) > 1 else ""
    tested = [pair for pair in comparison.pairs if pair.says]
    significant = f"; {_against(standing, tested)}" if tested else ""
    return (
        f"{name[0].upper()}{name[1:]}: {shared}{ordinal(comparison.place(headline))} of {methods} "
        f"by average rank ({rank(average)}); "
        f"first {_where(standing, first, len(own))}, last {_where(standing, last, len(own))}{significant}."
    )


def _too_few(standing: Standing) -> list[str]:
    """That so few settings cannot show a difference on one measure, however clear it is."""
    rivals = len(standing.compared) - 1
    settings = max(len(one.blocks) for one in standing.by_measure.values())
    least = least_holm(settings, rivals)
    if least < ALPHA:
        return []
    return [
        f"On one measure alone, {plural(settings, standing.unit)} and {plural(rivals, 'rival')} cannot show "
        f"significance: the smallest corrected p-value that is possible is {decimal(least, 3)}."
    ]


def _by_setting(standing: Standing) -> str:
    headline = standing.table.headline
    averages = {setting: standing.rank_in(setting) for setting in standing.settings}
    own = {setting: average for setting, average in averages.items() if headline in average}
    first, last = _ends(own, headline)
    first_in, last_in = (_where(standing, some, len(own)) for some in (first, last))
    return f"By average rank over the measures, it is first {first_in}, last {last_in}."


def _ends(ranked: Mapping[str, Mapping[str, float]], method: str) -> tuple[list[str], list[str]]:
    """The settings where a method is first, alone or not, and where it is last; none where all are equal."""
    first, last = list[str](), list[str]()
    for setting, ranks in ranked.items():
        if max(ranks.values()) - min(ranks.values()) > 1e-9:
            if place(ranks, method) == 1:
                first.append(setting)
            if ranks[method] > max(ranks.values()) - 1e-9:
                last.append(setting)
    return first, last


def _where(standing: Standing, settings: Sequence[str], of: int) -> str:
    """`nowhere`, `in all 7 settings`, `in 2 of 7 settings (scene and yeast)`; many tasks are not named."""
    if not settings:
        return "nowhere"
    if len(settings) == of > 1:
        return f"in all {of} {standing.unit}s"
    named = f" ({among(settings)})" if len(settings) <= _NAMED or standing.unit == "setting" else ""
    return f"in {len(settings)} of {plural(of, standing.unit)}{named}"


def _variants(standing: Standing) -> list[str]:
    table, said = standing.table, []
    name = table.shown(table.headline)
    for variant in standing.methods:
        if standing.role(variant) != "variant":
            continue
        gaps = _gaps(standing, variant, table.measures)
        wins, ties, losses = tally(gaps)
        sentence = (
            f"Beside its variant {table.shown(variant)}, {name} is better in {wins}, equal in {ties} and worse in "
            f"{losses} of {plural(len(gaps), 'block')}"
        )
        if variant in standing.in_its_place:
            theirs, ours = standing.in_its_place[variant], standing.overall.average[table.headline]
            sentence += f"; in its place the variant would have the average rank {rank(theirs)} instead of {rank(ours)}"
        said.append(f"{sentence}.")
    return said


def _bounds(standing: Standing) -> list[str]:
    """How far the headline is from the bounds that are measured on every label."""
    table, said = standing.table, []
    for bound in standing.methods:
        if standing.role(bound) != "bound" or standing.partial(bound):
            continue
        gaps = {measure: _gaps(standing, bound, [measure]) for measure in table.measures}
        parts = [f"{MEASURE[one].name} {_better(statistics.fmean(of))}" for one, of in gaps.items() if of]
        counts = {len(of) for of in gaps.values() if of}
        if parts:
            over = plural(counts.pop(), standing.unit) if len(counts) == 1 else f"the {standing.unit}s that have both"
            said.append(
                f"Beside the bound {table.shown(bound)}, {table.shown(table.headline)} has, on average over {over}: "
                f"{among(parts)}."
            )
    return said


def _gaps(standing: Standing, other: str, measures: Sequence[str]) -> list[float]:
    """By how much the headline is better than another method, wherever both have a number."""
    headline, numbers = standing.table.headline, standing.numbers
    return [
        gap(numbers, headline, other, (setting, measure))
        for setting in standing.settings
        for measure in measures
        if {(setting, headline, measure), (setting, other, measure)} <= numbers.keys()
    ]


def _better(difference: float) -> str:
    """`.0120 better`, `.0120 worse`, `the same`."""
    shown = decimal(abs(difference))
    return "the same" if not float(shown) else f"{shown} {'better' if difference > 0 else 'worse'}"


def _published(standing: Standing) -> list[str]:
    table, said = standing.table, []
    if standing.published:
        parts = []
        for measure in table.measures:
            differences = [one.gain for key, one in standing.published.items() if key[2] == measure]
            if differences:
                parts.append(f"{MEASURE[measure].name} {_better(statistics.fmean(differences))}")
        numbers = plural(len(standing.published), "published number")
        said.append(f"Beside the {numbers}, ours are on average: {among(parts)}.")
    if standing.recount:
        theirs, ours, blocks = standing.recount
        firsts = [
            f"{_names(standing, (one for one in ranks if place(ranks, one) == 1))} ({rank(min(ranks.values()))})"
            for ranks in (theirs, ours)
        ]
        said.append(
            f"Among the {plural(len(theirs), 'method')} with published numbers, the best average rank over "
            f"{plural(blocks, 'block')} is that of {firsts[0]} by the published means and of {firsts[1]} by ours."
        )
    return said


def _blocks(standing: Standing) -> str:
    comparison = standing.overall
    settings = len({setting for setting, _ in comparison.blocks})
    measures = len({measure for _, measure in comparison.blocks})
    count = plural(len(comparison.blocks), "block")
    product = f" ({plural(settings, standing.unit)} × {plural(measures, 'measure')})"
    return count + (product if settings * measures == len(comparison.blocks) else "")


def _names(standing: Standing, methods: Iterable[str]) -> str:
    return among(standing.table.shown(method) for method in methods)


def _p(p: float) -> str:
    return chance(p) if p < 0.0001 else f"= {chance(p)}"
