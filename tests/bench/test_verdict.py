"""The verdict: whole sentences, true of a headline that wins, ties and loses."""

from __future__ import annotations

import math

import pytest

from amalgam.bench.notes import notes
from amalgam.bench.row_table import RowTable
from amalgam.bench.scores import Cell
from amalgam.bench.standing import standing
from amalgam.bench.verdict import verdict
from amalgam.bench.words import among, chance, decimal, ordinal, plural, span, spread

from .made_up import METHODS, cell, score, table

EIGHT = tuple(f"s{number}" for number in range(8))


def said(*cells: Cell, of: RowTable | None = None) -> list[str]:
    return verdict(standing(of or table(), cells))


def of_eight(ant: float, rival: float = 0.5) -> list[Cell]:
    """ANT beside BL and AKA, which are alike, on eight settings."""
    return [cell(name, 0, {"bl": rival, "aka": rival, "ant": ant + 0.001 * place}) for place, name in enumerate(EIGHT)]


def test_a_winner() -> None:
    sentences = said(*of_eight(0.6), of=table(EIGHT))
    assert sentences == [
        "ANT has the best average rank of 3 methods, 1.00 over 32 blocks (8 settings × 4 measures); BL and AKA follow "
        "with 2.50.",
        "Friedman's test finds that the methods differ (χ² = 64.0, p < .0001). ANT is significantly better than BL and "
        "AKA (Wilcoxon's signed-rank test, Holm's correction, at .05). Measures of one data set depend on each other, "
        "so p-values and the critical difference over all blocks are optimistic.",
        *(
            f"{name}: first of 3 methods by average rank (1.00); first in all 8 settings, last nowhere; significantly "
            "better than BL and AKA."
            for name in ("Subset loss", "Hamming loss", "F1 micro", "F1 macro")
        ),
        "By average rank over the measures, it is first in all 8 settings, last nowhere.",
    ]


def test_a_loser() -> None:
    sentences = said(*of_eight(0.4), of=table(EIGHT))
    assert sentences[0] == (
        "ANT is third of 3 methods by average rank, 3.00 over 32 blocks (8 settings × 4 measures); BL and AKA are "
        "first with 1.50."
    )
    assert "ANT is significantly worse than BL and AKA (Wilcoxon's" in sentences[1]
    assert sentences[2] == (
        "Subset loss: third of 3 methods by average rank (3.00); first nowhere, last in all 8 settings; significantly "
        "worse than BL and AKA."
    )
    assert sentences[-1] == "By average rank over the measures, it is first nowhere, last in all 8 settings."


def test_a_tie_is_none_of_both() -> None:
    cells = [cell(name, 0, {"bl": 0.5, "ant": 0.5}) for name in ("emotions", "scene")]
    assert said(*cells) == [
        "ANT shares the best average rank of 2 methods, 1.50 over 8 blocks (2 settings × 4 measures), level with BL.",
        "ANT is not distinguishable from BL (Wilcoxon's signed-rank test, Holm's correction, at .05). Measures of one "
        "data set depend on each other, so p-values and the critical difference over all blocks are optimistic.",
        *(
            f"{name}: shared first of 2 methods by average rank (1.50); first nowhere, last nowhere."
            for name in ("Subset loss", "Hamming loss", "F1 micro", "F1 macro")
        ),
        "On one measure alone, 2 settings and 1 rival cannot show significance: the smallest corrected p-value that is "
        "possible is .500.",
        "By average rank over the measures, it is first nowhere, last nowhere.",
    ]


def test_level_in_the_middle() -> None:
    cells = [cell("emotions", 0, {"bl": 0.9, "aka": 0.5, "ant": 0.5})]
    assert said(*cells)[0] == (
        "ANT is second of 3 methods by average rank, 2.50 over 4 blocks (1 setting × 4 measures), level with AKA; BL "
        "is first with 1.00."
    )


def test_wins_and_losses_by_measure() -> None:
    cells = [
        cell("emotions", 0, {"bl": score(0.1, 0.1, 0.9, 0.9), "ant": score(0.2, 0.1, 0.95, 0.9)}),
        cell("scene", 0, {"bl": score(0.1, 0.1, 0.9, 0.9), "ant": score(0.05, 0.2, 0.95, 0.8)}),
    ]
    assert said(*cells)[2:6] == [
        "Subset loss: shared first of 2 methods by average rank (1.50); first in 1 of 2 settings (scene), last in 1 of "
        "2 settings (emotions).",
        "Hamming loss: second of 2 methods by average rank (1.75); first nowhere, last in 1 of 2 settings (scene).",
        "F1 micro: first of 2 methods by average rank (1.00); first in all 2 settings, last nowhere.",
        "F1 macro: second of 2 methods by average rank (1.75); first nowhere, last in 1 of 2 settings (scene).",
    ]


def test_blocks_that_are_no_rectangle_are_only_counted() -> None:
    cells = [
        cell("emotions", 0, {"bl": score(math.nan, 0.1, 0.9, 0.9), "ant": score(math.nan, 0.1, 0.95, 0.9)}),
        cell("scene", 0, {"bl": 0.5, "ant": 0.6}),
    ]
    assert said(*cells)[0] == "ANT has the best average rank of 2 methods, 1.14 over 7 blocks; BL follows with 1.86."


def test_variants_and_bounds() -> None:
    methods = {**METHODS, "ant-paper": {"strategy": "ant", "role": "variant", "shown": "ANT (paper)"}}
    extra = {"oracle": score(0.5, 0.6, 0.7, 0.6), "teacher x": score(0.9, labels=3), "ant-paper": score(0.5)}
    cells = [cell("emotions", 0, {"bl": 0.55, "ant": 0.6, **extra}), cell("scene", 0, {"bl": 0.55, "ant": 0.4})]
    assert said(*cells, of=table(methods=methods))[-2:] == [
        "Beside its variant ANT (paper), ANT is better in 4, equal in 0 and worse in 0 of 4 blocks.",
        "Beside the bound oracle, ANT has, on average over 1 setting: subset loss .1000 better, Hamming loss .2000 "
        "better, F1 micro .1000 worse and F1 macro the same.",
    ]
    cells[1] = cell("scene", 0, {"bl": 0.55, "ant": 0.4, "ant-paper": 0.7})
    assert said(*cells, of=table(methods=methods))[-2] == (
        "Beside its variant ANT (paper), ANT is better in 4, equal in 0 and worse in 4 of 8 blocks; in its place the "
        "variant would have the average rank 1.50 instead of 1.50."
    )


def test_published_numbers() -> None:
    expected = {"emotions": {"bl": [[0.3, 0.0]] * 2 + [[0.7, 0.0]] * 2, "ant": [[0.4, 0.0]] * 2 + [[0.6, 0.0]] * 2}}
    cells = [cell("emotions", 0, {"bl": 0.5, "ant": 0.9})]
    assert said(*cells, of=table(expected=expected))[-2:] == [
        "Beside the 8 published numbers, ours are on average: subset loss .0500 better, Hamming loss .0500 better, F1 "
        "micro .0500 better and F1 macro .0500 better.",
        "Among the 2 methods with published numbers, the best average rank over 4 blocks is that of BL (1.00) by the "
        "published means and of ANT (1.00) by ours.",
    ]


@pytest.mark.parametrize(
    ("scores", "sentence"),
    [
        ({}, "ANT, the method that the others are compared with, has no number yet."),
        ({"bl": 0.5}, "ANT, the method that the others are compared with, has no number yet."),
        ({"ant": 0.5}, "ANT has numbers, but no other method to be compared with has one yet."),
    ],
)
def test_too_little_to_say(scores: dict[str, float], sentence: str) -> None:
    assert said(cell("scene", 0, scores)) == [sentence]


def test_no_block_is_whole() -> None:
    assert said(cell("scene", 0, {"ant": 0.5}), cell("emotions", 0, {"bl": 0.5})) == [
        "No setting has a number of every compared method yet, so nothing is ranked over settings."
    ]


def test_notes_name_what_is_missing() -> None:
    full = {"bl": score(0.5), "aka": score(0.5), "ant": score(0.5)}
    cells = [
        cell("emotions", 0, full, notes=("two rows were dropped",)),
        cell(
            "emotions",
            1,
            {"bl": 0.5, "ant": 0.5, "aka": score(math.nan, 0.5, 0.5, 0.5)},
            notes=("two rows were dropped",),
        ),
        cell("scene", 0, {"bl": 0.5, "ant": 0.5}, notes=("of class 1", "two rows were dropped")),
        cell("yeast", 0, {"bl": 0.5, "ant": 0.5, "aka": score(math.nan, 0.5, 0.5, 0.5)}),
    ]
    assert notes(standing(table(("emotions", "scene", "yeast")), cells, seeds=[0, 1, 2])) == [
        "Missing: 5 of 9 cells: emotions (seed 2), scene (seeds 1 and 2), yeast (seeds 1 and 2).",
        "Never measured: TC.",
        "AKA has no number in scene and yeast (subset loss): it has no rank there, and average ranks over settings and "
        "tests leave these blocks out.",
        "AKA has numbers of 1 of 2 seeds in emotions.",
        "emotions and scene: two rows were dropped",
        "scene: of class 1",
    ]


def test_nothing_to_note() -> None:
    full = dict.fromkeys(METHODS, 0.5)
    assert notes(standing(table(), [cell("emotions", 0, full), cell("scene", 0, full)])) == []


def test_numbers_as_papers_print_them() -> None:
    assert [decimal(one) for one in (0.93021, 1.0, 0.0, -0.012, -0.00001, math.nan)] == [
        ".9302", "1.0000", ".0000", "−.0120", ".0000", "–",
    ]  # fmt: skip
    assert spread(0.5, 0.01234, 3) == ".500 ± .012"
    assert spread(0.5, math.nan) == ".5000"
    assert [chance(one) for one in (0.03125, 0.00002, 1.0)] == [".0312", "< .0001", "1.0000"]
    assert [ordinal(one) for one in (1, 10, 11, 12, 21, 22, 113)] == [
        "first", "tenth", "11th", "12th", "21st", "22nd", "113th",
    ]  # fmt: skip
    assert (plural(1, "setting"), plural(1200, "setting")) == ("1 setting", "1,200 settings")
    assert [among(one) for one in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]
    assert (span([3, 3]), span([4, 3])) == ("3", "3–4")
