"""From cells to statistics: every number against one worked out by hand."""

from __future__ import annotations

import math
import statistics

import pytest

from amalgam.bench.row_table import RowTable
from amalgam.bench.scores import Cell
from amalgam.bench.significance import holm, signed_rank
from amalgam.bench.standing import Standing, standing

from .made_up import METHODS, cell, score, table

NAN = math.nan
FOUR = ("subset_loss", "hamming_loss", "f1_micro", "f1_macro")


def stood(*cells: Cell, of: RowTable | None = None) -> Standing:
    return standing(of or table(), cells)


EMOTIONS = cell("emotions", 0, {"bl": 0.5, "aka": 0.6, "tc_mean": 0.6, "ant": 0.9})
SCENE = cell("scene", 0, {"bl": 0.9, "aka": 0.8, "tc_mean": 0.7, "ant": 0.6})


def test_mean_and_sample_deviation() -> None:
    found = stood(*(cell("scene", seed, {"ant": good}) for seed, good in enumerate((0.5, 0.6, 0.8))))
    number = found.numbers["scene", "ant", "f1_micro"]
    assert number.mean == pytest.approx(1.9 / 3)
    assert number.sd == pytest.approx(math.sqrt(((0.4 / 3) ** 2 + (0.1 / 3) ** 2 + (0.5 / 3) ** 2) / 2))
    assert number.seeds == 3


def test_one_seed_has_no_deviation() -> None:
    number = stood(EMOTIONS).numbers["emotions", "bl", "subset_loss"]
    assert number.mean == 0.5
    assert math.isnan(number.sd)


def test_losses_are_ranked_from_below_and_ties_share() -> None:
    found = stood(EMOTIONS)
    for measure in FOUR:
        ranked = [found.ranks["emotions", method, measure] for method in METHODS]
        assert ranked == [4.0, 2.5, 2.5, 1.0]


def test_a_measure_may_rank_otherwise() -> None:
    scores = {"bl": score(0.1, 0.2, 0.9, 0.5), "ant": score(0.2, 0.1, 0.9, 0.6)}
    found = stood(cell("scene", 0, scores))
    assert [found.ranks["scene", "ant", measure] for measure in FOUR] == [2.0, 1.0, 1.5, 1.0]
    assert found.rank_in("scene") == {"bl": 6.5 / 4, "ant": 5.5 / 4}
    assert found.by_measure["subset_loss"].average == {"bl": 1.0, "ant": 2.0}
    assert found.overall.average == {"bl": 6.5 / 4, "ant": 5.5 / 4}


def test_average_ranks_over_settings() -> None:
    found = stood(EMOTIONS, SCENE)
    assert found.overall.average == {"bl": 2.5, "aka": 2.25, "tc_mean": 2.75, "ant": 2.5}
    assert [found.overall.place(method) for method in METHODS] == [2, 1, 4, 2]
    assert len(found.overall.blocks) == 8
    assert found.by_measure["f1_macro"].blocks == (("emotions", "f1_macro"), ("scene", "f1_macro"))


def test_the_order_of_cells_and_seeds_does_not_matter() -> None:
    again = cell("emotions", 1, {"bl": 0.4, "aka": 0.6, "tc_mean": 0.7, "ant": 0.9})
    assert stood(SCENE, again, EMOTIONS) == stood(EMOTIONS, again, SCENE)


def test_variants_and_bounds_are_not_ranked() -> None:
    methods = {**METHODS, "ant-paper": {"strategy": "ant", "role": "variant"}}
    scores = {**EMOTIONS.scores, "oracle": score(1.0), "teacher x": score(1.0, labels=3), "ant-paper": score(0.95)}
    found = stood(cell("emotions", 0, scores), of=table(methods=methods))
    assert found.methods == ("bl", "aka", "tc_mean", "ant", "ant-paper", "oracle", "teacher x")
    assert found.compared == ("bl", "aka", "tc_mean", "ant")
    assert found.overall.average["ant"] == 1.0
    assert [found.role(method) for method in found.methods[3:]] == ["compared", "variant", "bound", "bound"]
    assert [found.partial(method) for method in found.methods[3:]] == [False, False, False, True]


def test_a_variant_in_the_headlines_place() -> None:
    methods = {**METHODS, "ant-paper": {"strategy": "ant", "role": "variant"}}
    cells = (
        cell("emotions", 0, {**EMOTIONS.scores, "ant-paper": score(0.55)}),
        cell("scene", 0, {**SCENE.scores, "ant-paper": score(1.0)}),
    )
    assert stood(*cells, of=table(methods=methods)).in_its_place == {"ant-paper": 2.0}
    assert stood(cells[0], SCENE, of=table(methods=methods)).in_its_place == {}


def test_what_is_missing_is_named() -> None:
    found = standing(table(), [EMOTIONS], seeds=[0, 1])
    assert found.missing == (("emotions", 1), ("scene", 0), ("scene", 1))
    assert found.settings == ("emotions",)
    assert stood(EMOTIONS).missing == (("scene", 0),)


def test_a_method_without_a_number_has_no_rank_and_its_block_no_test() -> None:
    gap = cell("scene", 0, {"bl": 0.9, "tc_mean": 0.7, "ant": 0.6})
    found = stood(EMOTIONS, gap)
    assert ("scene", "aka", "f1_micro") not in found.ranks
    assert found.ranks["scene", "ant", "f1_micro"] == 3.0
    assert found.overall.average == {"bl": 4.0, "aka": 2.5, "tc_mean": 2.5, "ant": 1.0}
    assert {setting for setting, _ in found.overall.left_out} == {"scene"}
    assert len(found.overall.left_out) == 4


def test_a_method_that_was_never_measured_is_no_rival() -> None:
    found = stood(cell("scene", 0, {"bl": 0.5, "ant": 0.6}))
    assert found.compared == ("bl", "ant")
    assert found.overall.average == {"bl": 2.0, "ant": 1.0}


def test_an_unknown_measure_is_no_number() -> None:
    """Rows that are annotated in part have no subset loss."""
    scores = {method: score(NAN, 0.1, 0.5, 0.5) for method in ("bl", "ant")}
    found = stood(cell("emotions", 0, scores), cell("scene", 0, {"bl": 0.5, "ant": 0.6}))
    assert ("emotions", "bl", "subset_loss") not in found.numbers
    assert found.overall.left_out == (("emotions", "subset_loss"),)
    assert found.by_measure["subset_loss"].blocks == (("scene", "subset_loss"),)


def test_seeds_without_a_number_are_not_counted() -> None:
    unknown = cell("scene", 1, {"ant": score(NAN, 0.1, 0.5, 0.5)})
    number = stood(cell("scene", 0, {"ant": 0.7}), unknown).numbers["scene", "ant", "subset_loss"]
    assert (number.mean, number.seeds) == (pytest.approx(0.3), 1)


def test_the_headline_against_each_other() -> None:
    names = tuple(f"s{number}" for number in range(8))
    # ant − bl: .01 to .08, one negative; ant − aka: always ahead; tc_mean is the same.
    gaps = [0.01, 0.02, -0.03, 0.04, 0.05, 0.06, 0.07, 0.08]
    cells = [
        cell(name, 0, {"bl": 0.5 - gap, "aka": 0.4 - 0.01 * place, "tc_mean": 0.5, "ant": 0.5})
        for place, (name, gap) in enumerate(zip(names, gaps, strict=True))
    ]
    pairs = stood(*cells, of=table(names)).by_measure["f1_micro"].pairs
    p = [signed_rank(gaps).p, 2 / 2**8, 1.0]
    assert [(pair.rival, pair.wins, pair.ties, pair.losses) for pair in pairs] == [
        ("bl", 7, 0, 1),
        ("aka", 8, 0, 0),
        ("tc_mean", 0, 8, 0),
    ]
    assert [pair.p for pair in pairs] == pytest.approx(p)
    assert [pair.corrected for pair in pairs] == pytest.approx(holm(p))
    assert [pair.says for pair in pairs] == ["", "better", ""]


def test_what_rounding_parts_is_a_tie() -> None:
    scores = {"bl": score(0.5, 0.5, 0.1 + 0.2, 0.5), "ant": score(0.5, 0.5, 0.3, 0.5)}
    (pair,) = stood(cell("scene", 0, scores)).overall.pairs
    assert (pair.wins, pair.ties, pair.losses) == (0, 4, 0)


def test_a_significant_loss_is_worse() -> None:
    names = tuple(f"s{number}" for number in range(6))
    cells = [cell(name, 0, {"bl": 0.9, "ant": 0.5 + 0.01 * place}) for place, name in enumerate(names)]
    (pair,) = stood(*cells, of=table(names)).by_measure["subset_loss"].pairs
    assert (pair.wins, pair.losses, pair.effect, pair.says) == (0, 6, -1.0, "worse")
    assert pair.p == pytest.approx(2 / 64)


def test_friedman_and_the_critical_difference_are_of_whole_blocks() -> None:
    names = ("a", "b", "c")
    cells = [cell(name, 0, {"bl": 0.5, "aka": 0.6, "ant": 0.9}) for name in names]
    cells[2] = cell("c", 0, {"bl": 0.5, "ant": 0.9})
    overall = stood(*cells, of=table(names)).overall
    # 8 blocks of ranks 3, 2, 1: 12 / (8·3·4) · (24² + 16² + 8²) − 3·8·4 = 16.
    assert overall.friedman.chi_square == pytest.approx(16.0)
    assert overall.distance == pytest.approx(2.3437 * math.sqrt(12 / 48), rel=1e-4)


def test_published_numbers_beside_ours() -> None:
    expected = {"emotions": {"bl": [[0.7, 0.01], [0.4, 0.02], [0.5, 0.03], [0.6, 0.04]]}}
    found = stood(EMOTIONS, SCENE, of=table(expected=expected))
    assert found.published == {
        ("emotions", "bl", "subset_loss"): (0.7, 0.01, -0.2, 0.2),
        ("emotions", "bl", "hamming_loss"): (0.4, 0.02, 0.1, -0.1),
        ("emotions", "bl", "f1_micro"): (0.5, 0.03, 0.0, 0.0),
        ("emotions", "bl", "f1_macro"): (0.6, 0.04, -0.1, -0.1),
    }
    assert found.recount is None  # one method has no rank


def test_ranks_by_the_published_means_and_by_ours() -> None:
    def pairs(good: float) -> list[list[float]]:
        return [[round(1 - good, 2), 0.0], [round(1 - good, 2), 0.0], [good, 0.0], [good, 0.0]]

    expected = {"emotions": {"bl": pairs(0.9), "aka": pairs(0.2), "ant": pairs(0.8)}, "scene": {"bl": pairs(0.9)}}
    recount = stood(EMOTIONS, SCENE, of=table(expected=expected)).recount
    assert recount is not None
    assert recount.published == {"bl": 1.0, "aka": 3.0, "ant": 2.0}
    assert recount.ours == {"bl": 3.0, "aka": 2.0, "ant": 1.0}  # without tc_mean, which has no published numbers
    assert recount.blocks == 4


def test_published_bounds_are_not_ranked() -> None:
    methods = {**METHODS, "supervised": {"strategy": "supervised", "role": "bound"}}
    expected = {"scene": dict.fromkeys(("bl", "ant", "supervised"), [[0.5, 0.0]] * 4)}
    found = stood(
        cell("scene", 0, {"bl": 0.5, "ant": 0.6, "supervised": 0.9}), of=table(methods=methods, expected=expected)
    )
    assert found.recount is not None
    assert found.recount.ours == {"bl": 2.0, "ant": 1.0}
    assert ("scene", "supervised", "f1_micro") in found.published


def test_facts_are_means_over_the_seeds_that_have_them() -> None:
    cells = [
        cell("scene", seed, {"ant": score(0.5, facts={"transfers": count, "right": right})})
        for seed, (count, right) in enumerate([(10, 0.5), (13, NAN), (19, 0.7)])
    ]
    assert stood(*cells).facts == {("scene", "ant"): {"transfers": 14.0, "right": statistics.fmean([0.5, 0.7])}}


def test_no_cells_at_all() -> None:
    found = standing(table(), [], seeds=[0])
    assert found.missing == (("emotions", 0), ("scene", 0))
    assert found.overall.average == {}
    assert found.overall.pairs == ()
