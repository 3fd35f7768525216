"""The critical-difference diagram: whose bar joins whom, and names as they are."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from amalgam.bench.diagram import critical_differences
from amalgam.bench.row_table import RowTable
from amalgam.bench.scores import Cell
from amalgam.bench.standing import standing

from .made_up import METHODS, cell, real_cells, real_table, table

SVG = "{http://www.w3.org/2000/svg}"


def drawn(cells: list[Cell], of: RowTable | None = None) -> str:
    return critical_differences(standing(of or table(), cells))


def texts(svg: str) -> list[str]:
    return ["".join(one.itertext()).strip() for one in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def bars(svg: str) -> int:
    return len(re.findall(r"stroke: #4c7ef3", svg))


def test_every_method_stands_with_its_average_rank() -> None:
    shown = texts(drawn(real_cells(), real_table()))
    assert shown[:7] == list("1234567")
    assert shown[7] == "critical difference 1.84"
    assert shown[8:] == ["ANT 1.17", "KD 2.83", "TC 2.88", "CFL 4.17", "BL 4.62", "AKA 5.58", "FKA 6.75"]


def test_a_bar_for_each_clique() -> None:
    assert bars(drawn(real_cells(), real_table())) == 4
    names = tuple(f"s{number}" for number in range(9))  # 36 blocks of ranks 1, 2: the critical difference is .33
    assert bars(drawn([cell(name, 0, {"bl": 0.4, "ant": 0.5}) for name in names], table(names))) == 0
    assert bars(drawn([cell("scene", 0, {"bl": 0.5, "ant": 0.5})])) == 1


def test_the_headline_is_bold() -> None:
    svg = drawn([cell("scene", 0, {"bl": 0.5, "aka": 0.7, "ant": 0.6})])
    bold = [
        "".join(one.itertext()).strip()
        for one in ElementTree.fromstring(svg).iter(f"{SVG}text")
        if "700" in one.get("style", "")
    ]
    assert bold == ["ANT 2.00"]


def test_names_are_names() -> None:
    evil = {**METHODS, "ant": {"strategy": "ant", "shown": r"$\frac$_b<&%|"}}
    svg = drawn([cell("scene", 0, {"bl": 0.5, "ant": 0.6})], table(methods=evil))
    assert r"$\frac$_b<&%| 1.00" in texts(svg)


def test_the_same_cells_give_the_same_bytes() -> None:
    assert drawn(real_cells(), real_table()) == drawn(real_cells(), real_table())


def test_the_pages_ink_is_used() -> None:
    svg = drawn(real_cells(), real_table())
    assert "var(--ink)" in svg
    assert "#010203" not in svg
