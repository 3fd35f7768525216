"""Measures of different scales in one test, and blocks that depend on each other."""

from __future__ import annotations

import math

import pytest
from markupsafe import escape
from scipy.stats import wilcoxon

from amalgam.bench.comparison import pooled
from amalgam.bench.notes import caveat
from amalgam.bench.pages import latex, markdown, page
from amalgam.bench.shown import sections
from amalgam.bench.standing import Standing, standing
from amalgam.bench.verdict import verdict
from amalgam.bench.words import of_one_data_set

from .made_up import cell, score, table

POOLED = (
    "For Wilcoxon's test over all blocks, the differences by each measure are divided by their root mean square over "
    "the settings, so that no measure counts for more because its numbers are larger."
)
MEASURES_DEPEND = (
    "Measures of one data set depend on each other, so p-values and the critical difference over all blocks are "
    "optimistic."
)


def hamming_and_f1(hamming: list[float], f1: list[float]) -> Standing:
    """ANT beside BL, in settings where it is better by so much Hamming loss and so much F1 micro."""
    names = tuple(f"s{number}" for number in range(len(f1)))
    cells = [
        cell(name, 0, {"bl": score(0.5, 0.2, 0.5, 0.5), "ant": score(0.5, 0.2 - less, 0.5 + more, 0.5)})
        for name, less, more in zip(names, hamming, f1, strict=True)
    ]
    return standing(table(names), cells)


def test_pooled_by_hand() -> None:
    # a: √((.09 + .16) / 2) = .5 / √2; b: √((.0001 + .0049) / 2) = .05; c has no difference.
    gaps = [("a", 0.3), ("b", -0.01), ("c", 0.0), ("a", -0.4), ("b", 0.07)]
    root = math.sqrt(2)
    assert pooled(gaps) == pytest.approx([0.6 * root, -0.2, 0.0, -0.8 * root, 1.4])
    assert pooled([("a", 0.0), ("a", -0.2)]) == pytest.approx([0.0, -root])  # a tie is a block of its measure, too
    assert pooled([]) == []


def test_the_scale_of_a_measure_decides_nothing() -> None:
    """14 wins by the measure with large numbers and 14 losses by the other: nothing can be told."""
    wins, losses = [0.020 + 0.001 * place for place in range(14)], [0.003 + 0.0001 * place for place in range(14)]
    found = hamming_and_f1([-one for one in losses], wins)
    (pair,) = found.overall.pairs
    assert (pair.wins, pair.ties, pair.losses) == (14, 28, 14)
    roots = [math.sqrt(sum(one**2 for one in of) / 14) for of in (wins, losses)]
    scaled = [one / roots[0] for one in wins] + [-one / roots[1] for one in losses]
    assert pair.p == pytest.approx(wilcoxon(scaled, method="exact").pvalue)
    assert pair.p > 0.9
    assert pair.says == ""
    # The signs alone decide on a measure of its own: 14 of 14 wins.
    by_f1, by_hamming = (found.by_measure[one].pairs[0] for one in ("f1_micro", "hamming_loss"))
    assert (by_f1.p, by_f1.says) == (pytest.approx(2 / 2**14), "better")
    assert (by_hamming.p, by_hamming.says) == (pytest.approx(2 / 2**14), "worse")


def test_ranks_of_pooled_differences_by_hand() -> None:
    # F1 .3, .4 over .3536: .85, 1.13; Hamming −.01, −.07 over .05: −.2, −1.4. Ranks 2, 3 against 1, 4: 5 of 10.
    (pair,) = hamming_and_f1([-0.01, -0.07], [0.3, 0.4]).overall.pairs
    assert (pair.p, pair.effect) == (1.0, 0.0)


def test_pages_say_what_is_pooled() -> None:
    cells = [cell(name, 0, {"bl": 0.5, "ant": 0.6}) for name in ("emotions", "scene")]
    two, one = standing(table(), cells), standing(table(measures=("f1_micro",)), cells)
    for text in (markdown(two), page(two).replace("&#39;", "'"), latex(two)):
        assert text.count(POOLED) == 1
    for text in (markdown(one), page(one).replace("&#39;", "'"), latex(one)):
        assert POOLED not in text


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ([], ""),
        (["scene", "yeast"], ""),
        (["scene", "scene"], "2 settings are of one data set (scene)"),
        (["/a/x.arff", "y", "/b/x.arff"], ""),  # two files of one name
        (
            ["a", "b/c.npz", "a", "d", "b/c.npz", "a", "e", "e"],
            "3 settings are of one data set (a), 2 of another (c.npz) and 2 of another (e)",
        ),
    ],
)
def test_settings_of_one_data_set(data: list[str], says: str) -> None:
    assert of_one_data_set(data) == says


def of(*data: str, measures: tuple[str, ...] = ("subset_loss", "f1_micro")) -> Standing:
    """A setting of each data SPEC; where ANT is better."""
    names = tuple(f"s{number}" for number in range(len(data)))
    whole = table(names, measures=measures)
    settings = {
        name: whole.settings[name].model_copy(update={"data": one}) for name, one in zip(names, data, strict=True)
    }
    return standing(
        whole.model_copy(update={"settings": settings}), [cell(name, 0, {"bl": 0.5, "ant": 0.6}) for name in names]
    )


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (of("scene", "yeast"), MEASURES_DEPEND),
        (
            of("scene", "yeast", "scene"),
            "2 settings are of one data set (scene). Settings and measures of one data set depend on each other, so "
            "all p-values and critical differences are optimistic.",
        ),
        (
            of("<b>", "<b>", measures=("f1_micro",)),
            "2 settings are of one data set (<b>). Settings of one data set depend on each other, so all p-values and "
            "critical differences are optimistic.",
        ),
    ],
    ids=["measures", "both", "settings"],
)
def test_every_p_value_says_what_depends_on_what(found: Standing, says: str) -> None:
    assert caveat(found) == says
    assert verdict(found)[1].endswith(f"(Wilcoxon's signed-rank test, Holm's correction, at .05). {says}")
    (section,) = [one for one in sections(found) if one.title == "ANT against each other method"]
    assert section.notes[-1] == says
    shown = page(found)
    caption = shown[shown.index("<figcaption>") : shown.index("</figcaption>")]
    assert caption.endswith(f"Nemenyi's critical difference. {escape(says)}")
    assert shown.count(str(escape(says))) == 3  # the verdict, the caption and the notes


def test_blocks_that_depend_on_nothing_need_no_caveat() -> None:
    found = of("scene", "yeast", measures=("f1_micro",))
    assert caveat(found) == ""
    assert verdict(found)[1].endswith("at .05).")
    assert "Nemenyi's critical difference.</figcaption>" in page(found)
    assert [len(one.notes) for one in sections(found) if one.title == "ANT against each other method"] == [1]


def test_a_setting_that_no_test_counts_needs_no_caveat() -> None:
    """It lacks a number of a compared method."""
    found = of("scene", "scene", "yeast")
    lone = cell("s1", 0, {"ant": 0.6})
    assert caveat(standing(found.table, [found.cells[0], lone, found.cells[2]])) == MEASURES_DEPEND
