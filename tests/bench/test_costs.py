"""What transfers cost: with a network of the source at hand, and from scratch."""

from __future__ import annotations

from dataclasses import replace

from amalgam.bench.costs import costs
from amalgam.bench.pages import markdown
from amalgam.bench.scores import Cell
from amalgam.bench.standing import Standing, standing
from tests.bench.made_up import cell, score
from tests.bench.made_up import table as rows_table
from tests.bench.test_transfer_cell import DIGITS, small

WAYS = {
    "l2tl": {"strategy": "l2tl", "shown": "L2TL"},
    "tuned": {"strategy": "fine_tuning", "shown": "Fine-tuning"},
    "datl": {"strategy": "datl", "shown": "DATL"},
    "alone": {"strategy": {"name": "fine_tuning", "pretraining": 0}, "role": "bound"},
}
TOOK = {"l2tl": (40.0, 100.0, 0.0), "tuned": (10.0, 100.0, 0.0), "datl": (12.0, 100.0, 98.0), "alone": (5.0, 0.0, 0.0)}


def transfers(seed: int, slower: float = 1.0) -> Cell:
    """A cell whose ways took so many seconds."""
    return cell("one", seed, {
        key: score(0.5, seconds=slower * own, before={"source": source, "redrawn": redrawn})
        for key, (own, source, redrawn) in TOOK.items()
    })  # fmt: skip


def found(*cells: Cell) -> Standing:
    return standing(small(methods=WAYS, settings={"one": DIGITS, "two": DIGITS}), cells)


def test_a_network_that_is_redrawn_for_a_target_is_not_at_hand() -> None:
    of = found(transfers(0), transfers(1, slower=3.0))
    assert costs(of, at_hand=True)["one"] == {
        "l2tl": (80, 4), "tuned": (20, 1), "datl": (122, 6.1), "alone": (10, 0.5),
    }  # fmt: skip
    assert costs(of, at_hand=False)["one"] == {
        "l2tl": (180, 1.5), "tuned": (120, 1), "datl": (222, 1.85), "alone": (10, 10 / 120),
    }  # fmt: skip


def test_the_page_shows_both_and_where_a_way_has_no_time() -> None:
    other = replace(transfers(0), setting="two")
    other = replace(other, scores={key: one for key, one in other.scores.items() if key != "datl"})
    page = markdown(found(transfers(0), other)).partition("## What it costs")[2]
    at_hand, _, scratch = page.partition("### from scratch")
    assert "| L2TL | 40.0 s (4.0 ×) | 40.0 s (4.0 ×) |" in at_hand
    assert "| DATL | 3 min 30 s (1.9 ×) | – |" in scratch
    assert "| alone | 5.0 s (0.05 ×) |" in scratch


def test_what_is_no_transfer_has_no_costs() -> None:
    of = standing(rows_table(), [cell("emotions", 0, {"ant": 0.5, "bl": 0.4})])
    assert not costs(of, at_hand=True)
    assert "What it costs" not in markdown(of)
    assert "What it costs" not in markdown(found())
