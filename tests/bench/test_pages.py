"""The files of a table: true to the numbers, whole, the same every time, and users' names as they wrote them."""

from __future__ import annotations

import csv
import io
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from amalgam.bench.pages import cells_csv, latex, markdown, page, statistics_csv, write
from amalgam.bench.row_table import RowTable
from amalgam.bench.scope import Scope
from amalgam.bench.shown import sections
from amalgam.bench.standing import Standing, standing
from amalgam.bench.tables import read_table
from amalgam.bench.terminal import rendered

from .made_up import METHODS, cell, real_cells, real_table, score, table

EVIL = r"a_b<&%|"


def real() -> Standing:
    return standing(real_table(), real_cells())


def evil() -> Standing:
    methods = {**METHODS, "ant": {"strategy": "ant", "shown": EVIL, "note": EVIL}}
    of = named(EVIL, table(("yeast",), methods=methods, title=EVIL, protocol=EVIL, paper=EVIL))
    scores = {"bl": score(0.5), "ant": score(0.6, facts={EVIL: 1.0}), f"teacher {EVIL}": score(0.7, labels=3)}
    return standing(of, [cell(EVIL, 0, scores, notes=(EVIL,))])


def named(setting: str, of: RowTable) -> RowTable:
    """A table with its one setting called what no file of a table may call it."""
    return of.model_copy(update={"settings": dict(zip([setting], of.settings.values(), strict=True))})


class Page(HTMLParser):
    """The text of a page's table cells and headings, row by row, and every tag there is."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[str] = []
        self.text: list[str] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._inside = False

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self._inside:
            self.rows[-1][-1] += data


def test_the_files_and_nothing_else(tmp_path: Path) -> None:
    written = write(real_table(), real_cells(), tmp_path)
    names = ["table.html", "table.md", "table.csv", "cells.csv", "table.tex"]
    assert [path.name for path in written] == names
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_the_same_cells_give_the_same_bytes(tmp_path: Path) -> None:
    first = [path.read_bytes() for path in write(real_table(), real_cells(), tmp_path)]
    again = [path.read_bytes() for path in write(real_table(), list(reversed(real_cells())), tmp_path)]
    assert again == first


def test_only_the_page_tells_the_time(tmp_path: Path) -> None:
    """Another machine's times change no other file."""
    slow = [cell(one.setting, one.seed, one.scores, seconds=3600.0) for one in real_cells()]
    before = {path.name: path.read_bytes() for path in write(real_table(), real_cells(), tmp_path)}
    after = {path.name: path.read_bytes() for path in write(real_table(), slow, tmp_path)}
    assert {name for name in before if before[name] != after[name]} == {"table.html"}
    assert b"The cells took 35 h 0 min of computing." in after["table.html"]


def test_statistics_read_back() -> None:
    found = real()
    lines = list(csv.DictReader(io.StringIO(statistics_csv(found))))
    assert len(lines) == len(found.numbers)
    for line in lines:
        key = line["setting"], line["method"], line["measure"]
        assert (float(line["mean"]), float(line["sd"]), int(line["seeds"])) == found.numbers[key]
        assert line["rank"] == (str(found.ranks[key]) if key in found.ranks else "")
        published = tuple(float(line[name]) for name in ("published mean", "published sd", "difference") if line[name])
        assert published == found.published.get(key, ())[:3]
        assert line["role"] == found.role(line["method"])


def test_every_seed_reads_back_to_the_last_digit() -> None:
    third = cell("scene", 4, {"ant": score(1 / 3, math.nan, 0.1 + 0.2, 1.0, labels=5, epochs=7)})
    lines = cells_csv(standing(table(), [third])).split("\n")
    assert lines.pop() == ""
    assert lines == [
        "setting,seed,method,role,labels,epochs,measure,value",
        "scene,4,ant,compared,5,7,subset_loss,0.3333333333333333",
        "scene,4,ant,compared,5,7,hamming_loss,",
        "scene,4,ant,compared,5,7,f1_micro,0.30000000000000004",
        "scene,4,ant,compared,5,7,f1_macro,1.0",
    ]


def test_a_setting_in_markdown() -> None:
    cells = [
        cell("scene", seed, {"bl": 0.5 + 0.1 * seed, "aka": 0.7, "ant": 0.9, "teacher x": score(0.8, labels=4)})
        for seed in (0, 1)
    ]
    text = markdown(standing(table(), cells))
    assert (
        "### scene\n\n"
        "| method | subset loss ↓ | Hamming loss ↓ | F1 micro ↑ | F1 macro ↑ | rank ↓ |\n"
        "|---|---:|---:|---:|---:|---:|\n"
        "| BL | .4500 ± .0707 | .4500 ± .0707 | .5500 ± .0707 | .5500 ± .0707 | 3.00 |\n"
        "| AKA | .3000 ± .0000 | .3000 ± .0000 | .7000 ± .0000 | .7000 ± .0000 | 2.00 |\n"
        "| ANT | **.1000 ± .0000** | **.1000 ± .0000** | **.9000 ± .0000** | **.9000 ± .0000** | **1.00** |\n"
        "| teacher x (4 of 6 labels) | .2000 ± .0000 | .2000 ± .0000 | .8000 ± .0000 | .8000 ± .0000 |  |\n"
    ) in text
    assert "- Missing: 2 of 4 cells: emotions (seeds 0 and 1)." in text
    assert text.endswith("- Run it again: `amalgam bench table.yaml --seeds 2`\n")


@pytest.mark.parametrize(
    ("scope", "says"),
    [
        (Scope(seeds=2), "ant-digits --seeds 2"),
        (Scope(seeds=3, quick=True), "ant-digits --seeds 3 --quick"),
        (Scope(seeds=1, settings=("digits-random",)), "ant-digits --seeds 1 --settings digits-random"),
        (Scope(seeds=9, quick=True, settings=("digits",)), "ant-digits --seeds 9 --quick --settings digits"),
    ],
)
def test_it_is_run_again_as_it_was(scope: Scope, says: str, tmp_path: Path) -> None:
    shelf = read_table("ant-digits")
    ran = scope.of(shelf)
    cells = [cell(*key, {"ant": 0.5}) for key in scope.keys(ran)]
    other = ran.model_copy(update={"test": 0.3})  # of the same name, as a file that was copied and changed
    for of, line in ((ran, says), (other, says.replace("ant-digits", "table.yaml"))):
        write(of, cells, tmp_path, scope)
        found = standing(of, cells)
        assert (tmp_path / "table.md").read_text(encoding="utf-8") == markdown(found, scope.command(of))
        assert markdown(found, scope.command(of)).endswith(f"- Run it again: `amalgam bench {line}`\n")
        assert f"<li>Run it again: <code>amalgam bench {line}</code>." in page(found, scope.command(of))
        assert f"<code>amalgam bench {line}</code>" in (tmp_path / "table.html").read_text(encoding="utf-8")


def test_the_command_is_code_whatever_a_setting_is_called() -> None:
    found = standing(named("a`b``|*c*", table(("yeast",))), [cell("a`b``|*c*", 0, {"ant": 0.5})])
    text = markdown(found, Scope(seeds=1, settings=("a`b``|*c*",)).command(found.table))
    assert text.endswith("- Run it again: ```amalgam bench table.yaml --seeds 1 --settings 'a`b``|*c*'```\n")


def test_notes_keep_every_word() -> None:
    """A ± in words is no deviation."""
    note = "1 ± 2 ± 3 of the labels"
    methods = {**METHODS, "ant": {"strategy": "ant", "shown": "ANT", "note": note}}
    scores = {"ant": score(0.5, facts={"f": 1.0})}
    shown = page(standing(table(methods=methods), [cell("scene", seed, scores) for seed in (0, 1)]))
    assert f'<td class="left">{note}</td>' in shown
    assert ["ANT", "compared", note] in Page(shown).rows
    assert '.5000<span class="sd"> ± .0000</span>' in shown


def test_equal_looks_get_equal_marks_and_variants_and_a_lone_method_none() -> None:
    tied = [cell("scene", 0, {"bl": 0.50001, "aka": 0.5, "ant": 0.4})]
    assert markdown(standing(table(), tied)).count("| **.5000** | **.5000** | **.5000** | **.5000** |") == 2
    methods = {**METHODS, "ant-paper": {"strategy": "ant", "role": "variant"}}
    level = markdown(standing(table(methods=methods), [cell("scene", 0, {"bl": 0.4, "ant": 0.5, "ant-paper": 0.5})]))
    assert "| ant-paper | .5000 | .5000 | .5000 | .5000 |  |" in level
    lone = markdown(standing(table(), [cell("scene", 0, {"ant": 0.4})]))
    assert "| ANT | .6000 | .6000 | .4000 | .4000 | 1.00 |" in lone


def test_published_beside_ours() -> None:
    expected = {"scene": {"bl": [[0.7, 0.01], [0.4, 0.02], [0.5, 0.03], [0.6, 0.04]]}}
    found = standing(table(expected=expected), [cell("scene", 0, {"bl": 0.5, "ant": 0.6})])
    row = (
        "| BL | .5000 (.7000 ± .0100; .2000 better) | .5000 (.4000 ± .0200; .1000 worse) "
        "| .5000 (.5000 ± .0300; the same) | .5000 (.6000 ± .0400; .1000 worse) |"
    )
    assert row in markdown(found)
    shown = page(found)
    assert shown.count('<small class="better">.2000 better</small>') == 1
    assert shown.count('<small class="worse">.1000 worse</small>') == 2
    assert "<small>the same</small>" in shown


def test_tests_are_shown_with_what_they_say() -> None:
    text = markdown(real())
    assert r"| KD | 22/0/2 (p \< .0001; better) | 6/0/0 (p = .1875) | 4/0/2 (p = .3125) |" in text
    assert r"| Friedman's χ² | 108.7 (p \< .0001) | 32.4 (p \< .0001) | 12.9 (p = .0442) |" in text
    assert "| critical difference | 1.84 | 3.68 | 3.68 | 3.68 | 3.68 |" in text
    assert "| blocks | 24 | 6 | 6 | 6 | 6 |" in text


def test_what_was_counted() -> None:
    text = markdown(real())
    heading, _, first, *_ = text[text.index("### ANT\n\n") :].removeprefix("### ANT\n\n").splitlines()
    assert heading == "| setting | transfers | transfers that were right |"
    assert first == "| emotions | 122 | 0.52 |"


def test_sections_without_numbers_are_left_out() -> None:
    text = markdown(standing(table(), []))
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == ["## How it is measured", "## Methods", "## Notes"]
    assert "**ANT, the method that the others are compared with, has no number yet.**" in text
    assert "<figure>" not in page(standing(table(), []))


def test_the_page_holds_the_numbers_and_the_marks() -> None:
    shown = page(real())
    rows = Page(shown).rows
    ant = ["ANT", ".7710 ± .0056", ".2375 ± .0082", ".6593 ± .0051", ".6227 ± .0103", "1.00"]
    assert ant in rows
    assert '<b>.7710<span class="sd"> ± .0056</span></b>' in shown
    assert '<u>.7784<span class="sd"> ± .0063</span></u>' in shown
    assert ["teacher 0 (4 of 6 labels)", *rows[rows.index(ant) + 4][1:]] == rows[rows.index(ant) + 4]
    assert ["FKA", "–", "–", "–", "–", ""] in rows


def test_the_page_is_one_file() -> None:
    shown = page(real())
    tags = Page(shown).tags
    assert tags.count("svg") == 1
    assert not {"script", "link", "img", "iframe"} & set(tags)
    assert re.findall(r'(?:src|href)="(?!#)[^"]*"|@import|url\((?!#)', shown) == []
    assert "prefers-color-scheme: dark" in shown
    assert 'name="viewport" content="width=device-width, initial-scale=1"' in shown


def test_names_are_names_on_the_page() -> None:
    shown = page(evil())
    body = "".join(Page(shown).text)
    assert EVIL not in shown
    places = ["title", "title again", "paper", "protocol", "method", "note of the method", "setting", "fact", "note"]
    assert body.count(EVIL) > len(places)
    assert f"teacher {EVIL} (3 of 6 labels)" in body


def test_names_are_names_in_markdown() -> None:
    text = markdown(evil())
    escaped = r"a\_b\<\&%\|"
    assert EVIL not in text
    assert f"# {escaped}\n" in text
    assert f"| {escaped} | **.4000** | **.4000** | **.6000** | **.6000** | **1.00** |" in text
    cells = {line: len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("| ")}
    assert {count for line, count in cells.items() if ".4000" in line} == {7}


def test_names_are_names_in_csv() -> None:
    lines = list(csv.DictReader(io.StringIO(statistics_csv(evil()))))
    assert {line["setting"] for line in lines} == {EVIL}
    assert f"teacher {EVIL}" in {line["method"] for line in lines}


def test_a_setting_in_latex() -> None:
    cells = [cell("scene", 0, {"bl": 0.5, "aka": 0.7, "ant": 0.9, "oracle": 0.95})]
    assert (
        "\n\n\\begin{table}\n\\centering\n\\caption{A made-up table: Results, scene.}\n"
        "\\label{tab:made-up-Results-scene-1}\n"
        "\\begin{tabular}{lrrrrr}\n\\toprule\n"
        "method & subset loss $\\downarrow$ & Hamming loss $\\downarrow$ & F1 micro $\\uparrow$ & F1 macro $\\uparrow$ "
        "& rank $\\downarrow$ \\\\\n"
        "\\midrule\n"
        "BL & .5000 & .5000 & .5000 & .5000 & 3.00 \\\\\n"
        "AKA & \\underline{.3000} & \\underline{.3000} & \\underline{.7000} & \\underline{.7000} & \\underline{2.00} "
        "\\\\\n"
        "ANT & \\textbf{.1000} & \\textbf{.1000} & \\textbf{.9000} & \\textbf{.9000} & \\textbf{1.00} \\\\\n"
        "\\midrule\n"
        "oracle & .0500 & .0500 & .9500 & .9500 &  \\\\\n"
        "\\bottomrule\n\\end{tabular}\n\\end{table}\n\n"
    ) in latex(standing(table(), cells))


def test_the_statistics_in_latex() -> None:
    text = latex(standing(table(), [cell("scene", 0, {"bl": 0.5, "aka": 0.7, "ant": score(0.1, 0.4, 0.9, 0.9)})]))
    assert text.startswith("% Needs \\usepackage{booktabs}.\n\n\\paragraph{Average ranks.} Over the settings where ")
    ranks = text[text.index("\\caption{A made-up table: Average ranks.}") :]
    assert ranks.splitlines()[2:8] == [
        r"\begin{tabular}{lrrrrr}",
        r"\toprule",
        r"method & over all & subset loss & Hamming loss & F1 micro & F1 macro \\",
        r"\midrule",
        r"ANT & \textbf{1.25} & \textbf{1.00} & \underline{2.00} & \textbf{1.00} & \textbf{1.00} \\",
        r"AKA & \underline{1.75} & \underline{2.00} & \textbf{1.00} & \underline{2.00} & \underline{2.00} \\",
    ]
    text = latex(real())

    def small(*lines: str) -> str:
        return r"\begin{tabular}[t]{@{}r@{}}" + r" \\ \scriptsize ".join(lines) + r"\end{tabular}"

    against = small("22/0/2", r"p \textless{} .0001", "better"), small("6/0/0", "p = .1875")
    assert f"\nKD & {' & '.join(against)} & " in text
    friedman = small("108.7", r"p \textless{} .0001")
    assert rf"Friedman's $\chi$$^2$ & {friedman} & " in text
    assert r"critical difference & 1.84 & 3.68 & 3.68 & 3.68 & 3.68 \\" in text


def test_published_numbers_in_latex() -> None:
    expected = {"scene": {"bl": [[0.7, 0.01], [0.4, 0.02], [0.5, 0.03], [0.6, 0.04]]}}
    found = standing(table(expected=expected), [cell("scene", 0, {"bl": 0.5, "ant": 0.6})])
    theirs = [
        (".7000 $\\pm$ .0100", ".2000 better"),
        (".4000 $\\pm$ .0200", ".1000 worse"),
        (".5000 $\\pm$ .0300", "the same"),
        (".6000 $\\pm$ .0400", ".1000 worse"),
    ]
    cells = (
        rf"\begin{{tabular}}[t]{{@{{}}r@{{}}}}.5000 \\ \scriptsize {mean} \\ \scriptsize {says}\end{{tabular}}"
        for mean, says in theirs
    )
    text = latex(found)
    assert f"\nBL & {' & '.join(cells)} \\\\\n\\bottomrule" in text
    assert r"\caption{A made-up table: Beside the published numbers, scene.}" in text


def test_latex_has_every_table_of_the_page() -> None:
    found = real()
    text, sheets = latex(found), [sheet for section in sections(found) for sheet in section.sheets]
    floats = re.findall(r"\\begin\{table\}\n.*?\\end\{table\}\n", text, re.DOTALL)
    assert len(floats) == len(sheets) == text.count(r"\begin{table}")
    for one, sheet in zip(floats, sheets, strict=True):
        rows = [line for line in one.splitlines() if line.endswith(r" \\")]
        assert len(rows) == 1 + sum(map(len, sheet.blocks))
        assert {row.count(" & ") for row in rows} == {len(sheet.headings) - 1}
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert len(set(labels)) == len(floats)
    assert r"\begin{tabular}{llp{.5\linewidth}}" in floats[-1]  # what a method is may be a sentence
    assert [letter for letter in text if ord(letter) > 127] == []  # so that every TeX reads it
    assert text.count("{") == text.count("}")


def test_names_are_names_in_latex() -> None:
    text = latex(evil())
    assert EVIL not in text
    safe = r"a\_b\textless{}\&\%\textbar{}"
    assert rf"\caption{{{safe}: Results, {safe}.}}" in text
    assert r"\label{tab:made-up-Results-a-b-1}" in text
    assert rf"\paragraph{{{safe} against each other method.}} " in text
    assert f"{safe} & compared & {safe} \\\\" in text  # the note of a method
    assert f"setting & {safe} \\\\" in text  # what was counted
    rest = text.partition("\n")[2].replace(r"$\chi$$^2$", "")
    assert re.findall(r"(?<!\\)[_%#~^<>|]", rest) == []


def test_every_sign_of_latex_is_escaped() -> None:
    methods = {**METHODS, "ant": {"strategy": "ant", "shown": '*\\{}$#~^[x]±−–`"×χ²'}}
    text = latex(standing(table(methods=methods), [cell("scene", 0, {"ant": 0.5})]))
    escaped = r"{*}\textbackslash{}\{\}\$\#\textasciitilde{}\textasciicircum{}{[}x{]}$\pm$$-$--{`}\symbol{34}"
    assert rf"{escaped}$\times$$\chi$$^2$ & " in text


@pytest.mark.parametrize(
    ("width", "row"),
    [
        (100, "ANT         .771±.006 .443±.006 .856±.006 .516±.004 .057±.006 .416±.004 .738±.008 1.00"),
        (80, "ANT             .771  .443  .856  .516    .057    .416    .738 1.00"),
        (60, "ANT          .771  .443  .856  .516  .057  .416  .738 1.00"),
    ],
)
def test_the_terminal_gives_way_in_good_order(width: int, row: str) -> None:
    lines = _printed(real(), width).splitlines()
    assert row in lines
    assert all(len(line) <= width for line in lines)


def test_the_terminal_ends_with_the_verdict() -> None:
    text = _printed(real(), 300)
    assert text.index("average rank ↓") < text.index("ANT has the best average rank of 7 methods, 1.17 over 24 blocks")
    assert text.rstrip().endswith("average ranks over settings and tests leave these blocks out.")


def test_names_are_names_in_the_terminal() -> None:
    methods = {**METHODS, "ant": {"strategy": "ant", "shown": "[red]x[/red]"}}
    of = named("[bold]y", table(("yeast",), methods=methods))
    found = standing(of, [cell("[bold]y", 0, {"bl": 0.5, "ant": 0.6})])
    text = _printed(found, 200)
    assert "[red]x[/red]" in text
    assert "[bold]y" in text


def _printed(found: Standing, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), highlight=False)
    console.print(*rendered(found), sep="\n")
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
