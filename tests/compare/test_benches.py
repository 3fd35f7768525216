"""Benches beside each other: paired by seed, on the same rows, and what of them is the very same."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from scipy.stats import wilcoxon

from amalgam.bench.folder import Bench, packed
from amalgam.bench.origin import Origin
from amalgam.bench.scope import Scope
from amalgam.bench.scores import Cell, Score
from amalgam.bench.significance import signed_rank
from amalgam.bench.words import chance
from amalgam.compare.benches import compare
from amalgam.compare.cells import read_bench
from amalgam.metrics import Measures
from amalgam.sheets import Sheets

from ..bench.stand_ins import table
from ..erring import Cli
from ..test_report import Page

BELOW = "below a mean is its difference to old; = is none, to the last digit, on any common seed"
TOGETHER = (
    "for p over settings × measures, the differences by each measure are divided by their root mean square over the "
    "settings, so that no measure counts for more because its numbers are larger",
    "2 settings are of one data set (digits); settings and measures of one data set depend on each other: p-values "
    "over all of them are optimistic",
)
Change = Callable[[str, int, str], float]
"""(setting, seed, method) → by how much every measure is greater than in the bench that is not changed."""


def still(setting: str, seed: int, method: str) -> float:
    return 0.0


def settings(*names: str, data: str = "digits") -> dict[str, Any]:
    return {name: {"data": data, "teachers": [{"labels": [0, 1]}, {"labels": [1, 2]}]} for name in names}


def score(base: float, more: float, seconds: float = 1.0) -> Score:
    values = (0.3 + base + more, 0.1 + base + more, 0.7 + base + more, math.nan)
    return Score(Measures(*values, f1_per_label=(0.5, 0.6 + more, math.nan), rows=20), 3, seconds=seconds)


def saved(
    folder: Path,
    more: Change = still,
    seeds: int = 3,
    scored: tuple[str, ...] = ("ant", "bl"),
    rows: Mapping[str, int] | None = None,
    code: str = "code",
    seconds: float = 1.0,
    names: tuple[str, ...] = ("x", "y", "z"),
    test_rows: str = "rows",
    **changes: object,
) -> Path:
    """A finished bench of settings `a` and `b`, where subset loss, Hamming loss and F1 micro are moved by `more`."""
    small = table(**{"settings": settings("a", "b"), "quick": None, **changes})
    scope = Scope(seeds=seeds)
    bench = Bench(folder, small, scope.keys(small), {})
    (folder / "cells").mkdir(parents=True)
    for name, model in (("table.yaml", small), ("bench.yaml", scope)):
        (folder / name).write_text(yaml.safe_dump(model.model_dump(mode="json"), sort_keys=False), encoding="utf-8")
    for setting, seed in bench.keys:
        base = seed / 100 + ("b" in setting) / 10
        scores = {method: score(base, more(setting, seed, method), seconds) for method in scored}
        cell = Cell(setting, seed, 3, rows or {"train": 80, "test": 20}, scores, (), seconds, names, test_rows)
        bench.path((setting, seed)).write_text(packed(cell, Origin(code, "", "")), encoding="utf-8")
    return folder


def cells(found: Sheets, title: str) -> dict[str, list[tuple[str, bool, str]]]:
    """Method and bench → the cells of the sheet that begins with a title, as (text, best, under)."""
    (sheet,) = [one for one in found.sheets if one.title.startswith(title)]
    rows = dict[str, list[tuple[str, bool, str]]]()
    for block in sheet.blocks:
        for name, entries in block:
            lead = block[0][0].split(" · ")[0]
            rows[f"{lead} {name.split(' ')[-1]}"] = [(one.text, one.best, one.under) for one in entries]
    return rows


def overall(found: Sheets) -> dict[str, list[str]]:
    return {name: [one.text for one in entries] for name, entries in found.sheets[-1].blocks[0]}


def moved(setting: str, seed: int, method: str) -> float:
    """`ant` differs in setting `a`: less on two of three seeds, in all by −0.01."""
    return {0: -0.03, 1: -0.02, 2: 0.02}[seed] if (setting, method) == ("a", "ant") else 0.0


def test_means_differences_and_wins_over_the_common_seeds(tmp_path: Path) -> None:
    old, new = saved(tmp_path / "old"), saved(tmp_path / "new", moved)
    found = compare([old, new])
    assert [sheet.title for sheet in found.sheets] == [
        "a, 3 seeds",
        "b, 3 seeds",
        "Means over settings × measures, beside old",
    ]
    rows = cells(found, "a,")
    spread = f"± {statistics.stdev([0.27, 0.29, 0.34]):.4f}".replace("0.", ".")
    assert rows["ant old"] == [
        (".3100 ± .0100", False, ""),
        (".1100 ± .0100", False, ""),
        (".7100 ± .0100", True, ""),  # the F1
    ]
    assert rows["ant new"] == [
        (f".3000 {spread}", True, "−.0100, 2/3"),
        (f".1000 {spread}", True, "−.0100, 2/3"),
        (f".7000 {spread}", False, "−.0100, 1/3"),  # more is better
    ]
    assert [under for _, _, under in rows["bl new"]] == ["="] * 3
    assert [best for _, best, _ in rows["bl new"]] == [False] * 3
    assert overall(found) == {
        "ant · new": ["2", "3", "1", "1.0000"],
        "bl · new": ["0", "6", "0", "1.0000"],
    }
    assert found.says == (
        "new is better than old in 2 of 12 means (methods × settings × measures), equal in 9 and worse in 1. "
        "9 of 12 scores are reproduced to the last digit.",
    )
    assert found.notes == (
        BELOW,
        "k/n is better on k of n seeds; a test needs 6 common seeds to tell anything",
        *TOGETHER,
    )


def test_the_overall_test_is_wilcoxons_on_how_much_better_the_means_are(tmp_path: Path) -> None:
    def more(setting: str, seed: int, method: str) -> float:
        return {"a": -0.01, "b": -0.03}[setting] if method == "ant" else 0.0

    found = compare([saved(tmp_path / "old", seeds=1), saved(tmp_path / "new", more, seeds=1)])
    gains = [0.01, 0.01, -0.01, 0.03, 0.03, -0.03]  # two losses and the F1 in each setting
    assert overall(found)["ant · new"] == ["4", "0", "2", chance(signed_rank(gains).p)]
    assert found.sheets[0].title == "a, 1 seed"
    assert cells(found, "a,")["ant new"][0][0] == ".2900"
    narrow = compare([saved(tmp_path / "x", measures=("subset_loss",)), saved(tmp_path / "y", more)])
    assert overall(narrow)["ant · y"] == ["2", "0", "0", "–"]  # two blocks can tell nothing
    assert narrow.sheets[0].headings == ("method", "subset loss ↓")


def test_no_measure_decides_by_its_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """F1 is better, Hamming loss worse by a tenth of it in each of six settings: scaled, each loss is as large."""

    def ten_to_one(base: float, more: float, seconds: float = 1.0) -> Score:
        return Score(Measures(math.nan, 0.1 + more / 10, 0.5 + more, math.nan, f1_per_label=(), rows=20), 3)

    def more(setting: str, seed: int, method: str) -> float:
        return 0.1 + "abcdef".index(setting) / 100 if method == "ant" else 0.0

    monkeypatch.setitem(globals(), "score", ten_to_one)
    six = settings(*"abcdef")
    found = compare([saved(tmp_path / "old", seeds=1, settings=six), saved(tmp_path / "new", more, 1, settings=six)])
    assert overall(found)["ant · new"] == ["6", "0", "6", "1.0000"]  # each pair of ranks has one sign of either kind


def test_what_rounding_parts_is_equal(tmp_path: Path) -> None:
    def more(setting: str, seed: int, method: str) -> float:
        return {0: 0.1, 1: 0.2, 2: -0.3}[seed]  # whose sum is no 0

    found = compare([saved(tmp_path / "old"), saved(tmp_path / "new", more)])
    assert overall(found)["ant · new"] == ["0", "6", "0", "1.0000"]


def test_settings_of_their_own_data_depend_by_their_measures_alone(tmp_path: Path) -> None:
    own = {**settings("a"), **settings("b", data="other")}
    found = compare([saved(tmp_path / "old", settings=own), saved(tmp_path / "new", moved, settings=own)])
    assert found.notes[-1] == "measures of one data set depend on each other: p-values over all of them are optimistic"


def test_six_common_seeds_are_tested(tmp_path: Path) -> None:
    gaps = [-0.05, -0.04, -0.03, -0.02, -0.01, -0.06, 0.005]

    def more(setting: str, seed: int, method: str) -> float:
        return gaps[seed] if (setting, method) == ("a", "ant") else 0.0

    found = compare([saved(tmp_path / "old", seeds=7), saved(tmp_path / "new", more, seeds=7)])
    p = wilcoxon(gaps, method="exact").pvalue
    mean = f"−{-statistics.fmean(gaps):.4f}".replace("0.", ".")
    assert cells(found, "a,")["ant new"][0][2] == f"{mean}, p={p:.4f}".replace("=0.", "=.")
    number = found.facts["numbers"][0]
    assert (number["setting"], number["method"], number["measure"]) == ("a", "ant", "subset_loss")
    assert number["benches"]["new"]["p"] == pytest.approx(p)
    assert number["benches"]["new"]["wins"] == 6
    assert number["benches"]["new"]["pairs"] == 7
    assert found.notes == (
        BELOW,
        "p is Wilcoxon's signed-rank test over the common seeds, each alone, not corrected for their number",
        *TOGETHER,
    )


def test_a_bench_made_twice_is_reproduced_whatever_time_it_took(tmp_path: Path) -> None:
    found = compare([saved(tmp_path / "old"), saved(tmp_path / "new", seconds=9.0)])
    assert found.says == ("new reproduces old: all 12 scores are identical to the last digit.",)
    assert found.facts["reproduced"] == {"new": {"identical": 12, "of": 12}}
    assert found.settings == ()


def test_the_last_digit_counts(tmp_path: Path) -> None:
    def more(setting: str, seed: int, method: str) -> float:
        return 1e-16 if (setting, seed, method) == ("b", 1, "bl") else 0.0

    found = compare([saved(tmp_path / "old"), saved(tmp_path / "new", more)])
    assert found.facts["reproduced"] == {"new": {"identical": 11, "of": 12}}
    assert found.says[0].endswith("11 of 12 scores are reproduced to the last digit.")


def test_only_common_seeds_settings_and_methods_are_compared(tmp_path: Path) -> None:
    old = saved(tmp_path / "old", seeds=3)
    new = saved(tmp_path / "new", seeds=2, scored=("kd", "ant"), settings=settings("b", "c"))
    found = compare([old, new])
    assert set(cells(found, "b, 2 seeds")) == {"ant old", "ant new"}
    assert cells(found, "b,")["ant old"][0][0] == ".4050 ± .0071"  # seeds 0 and 1 alone
    assert found.settings == ("seeds: 3 → 2",)
    assert found.notes[2:] == (
        "not compared, since not all have it: 'a: ant', 'a: bl', 'b: bl' of old",
        "not compared, since not all have it: 'b: kd', 'c: kd', 'c: ant' of new",
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"test": 0.3}, "test: 0.2 → 0.3"),
        ({"rows": {"train": 80, "test": 21}}, "rows.test: 20 → 21"),
        ({"settings": settings("a", "b", data="/x/other.arff")}, "data: digits → other.arff"),
        ({"test": 0.3, "test_rows": "others"}, "test: 0.2 → 0.3"),
        ({"test_rows": "others"}, "other test rows"),
        ({"names": ("w", "x", "y")}, "labels of old alone: 'z'; labels of new alone: 'w'"),
        ({"names": ("x", "z")}, "labels of old alone: 'y'"),
    ],
    ids=["share", "rows", "data", "known why", "content", "labels", "fewer labels"],
)
def test_other_rows_stand_without_a_difference(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    found = compare([saved(tmp_path / "old"), saved(tmp_path / "new", moved, **changes)])
    assert found.says == ("new cannot be compared with old: it was measured on other rows.",)
    assert [(best, under) for _, best, under in cells(found, "a,")["ant new"]] == [(False, "")] * 3
    note = "new was not measured on the rows of old ({}), so its numbers stand without a difference"
    assert found.notes[:2] == tuple(f"{setting}: {note.format(why)}" for setting in "ab")
    assert found.facts["numbers"][0]["benches"]["new"]["difference"] is None


def test_labels_in_another_order_are_the_same(tmp_path: Path) -> None:
    found = compare([saved(tmp_path / "old"), saved(tmp_path / "new", moved, names=("z", "x", "y"))])
    assert cells(found, "a,")["ant new"][0][2] == "−.0100, 2/3"


def test_the_same_file_in_another_folder_is_the_same_data(tmp_path: Path) -> None:
    old = saved(tmp_path / "old", settings=settings("a", "b", data="/here/rows.npz"))
    new = saved(tmp_path / "new", moved, settings=settings("a", "b", data="/there/rows.npz"))
    assert cells(compare([old, new]), "a,")["ant new"][0][2] == "−.0100, 2/3"


def test_what_was_set_otherwise_without_titles_and_published_numbers(tmp_path: Path) -> None:
    expected = {"a": {**settings("a")["a"], "expected": {"ant": [[math.nan, 0.1]] * 4}}, **settings("b")}
    old = saved(tmp_path / "old", settings=expected)
    new = saved(tmp_path / "new", title="another", training={"epochs": 7}, code="newer")
    found = compare([old, new])
    assert found.settings == ("training.epochs: – → 7",)
    assert found.notes[-1] == "old and new were computed by other code or other versions of libraries"


def test_an_unfinished_bench_says_how_to_go_on(tmp_path: Path) -> None:
    old, new = saved(tmp_path / "old"), saved(tmp_path / "new")
    (new / "cells" / "a-1.json").unlink()
    found = compare([old, new])
    note = "new is not finished, 1 cell missing; go on with it: amalgam bench --resume --out"
    assert found.notes[-1] == f"{note} {new}"
    assert cells(found, "a,")["ant old"][0][0] == ".3100 ± .0141"  # seeds 0 and 2


def test_three_benches_are_held_against_the_first(tmp_path: Path) -> None:
    found = compare([saved(tmp_path / "old"), saved(tmp_path / "same"), saved(tmp_path / "new", moved)])
    assert found.title == "same, new beside old"
    assert [text.split(" ")[0] for text in found.says] == ["same", "new"]
    assert cells(found, "a,")["ant new"][0][2] == "−.0100, 2/3"
    assert cells(found, "a,")["ant same"][0][2] == "="


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the benches `old` and `new`."""
    monkeypatch.chdir(tmp_path)
    saved(Path("old"))
    saved(Path("new"), moved)
    return tmp_path


def test_the_command_compares_benches(cli: Cli, here: Path) -> None:
    code, out, err = cli("report", "old", "new", "--out", "both.html")
    assert (code, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "ant · old .3100 ± .0100 .1100 ± .0100 .7100 ± .0100" in lines
    assert "−.0100, 2/3 −.0100, 2/3 −.0100, 1/3" in lines
    assert lines[-1] == "It lies in both.html"
    assert '<td><b>.3000 ± .0361</b><br><span class="note">−.0100, 2/3</span></td>' in Path("both.html").read_text()
    Page(Path("both.html").read_text(encoding="utf-8"))  # well nested
    _, out, _ = cli("report", "old", "new", "--json")
    content = json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert content == compare([Path("old"), Path("new")]).facts


def test_one_bench_is_shown_again_as_its_own_page(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the byte, with the line that runs it again."""
    from amalgam.bench.pages import write

    monkeypatch.chdir(tmp_path)
    saved(Path("part"), seeds=5, settings=settings("a", "b"))
    asked = Scope(seeds=5, settings=("b",))
    Path("part/bench.yaml").write_text(yaml.safe_dump(asked.model_dump(mode="json")), encoding="utf-8")
    bench = read_bench("part", Path("part"))
    write(bench.table, list(bench.cells.values()), Path("part"), asked)
    assert b"`amalgam bench table.yaml --seeds 5 --settings b`" in Path("part/table.md").read_bytes()
    for ending in ("md", "html"):
        assert cli("report", "part", "--out", f"again.{ending}")[0] == 0
        assert Path(f"again.{ending}").read_bytes() == Path(f"part/table.{ending}").read_bytes()


def test_one_bench_is_shown_again(cli: Cli, here: Path) -> None:
    from amalgam.bench.pages import markdown
    from amalgam.bench.standing import standing
    from amalgam.bench.verdict import verdict

    bench = read_bench("new", Path("new"))
    found = standing(bench.table, bench.cells.values())
    code, out, err = cli("report", "new", "--out", "new.md")
    assert (code, err) == (0, "")
    assert " ".join(verdict(found)[0].split()) in " ".join(out.split())
    assert Path("new.md").read_text(encoding="utf-8") == markdown(found)
    cli("report", "new", "--out", "new.html")
    assert verdict(found)[0] in Path("new.html").read_text(encoding="utf-8")
    (Path("new") / "cells" / "b-2.json").unlink()
    content = json.loads(cli("report", "new", "--json")[1], parse_constant=lambda word: pytest.fail(word))
    assert content["missing"] == [{"setting": "b", "seed": 2}]
    assert content["seeds"] == [0, 1, 2]
    first = content["numbers"][0]
    assert (first["setting"], first["method"], first["measure"], first["seeds"]) == ("a", "ant", "subset_loss", 3)
    assert first["mean"] == pytest.approx(0.3)
    assert first["rank"] == 1
    assert first["published"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("old empty", "empty has no finished cell; go on with it: amalgam bench --resume --out empty"),
        ("empty", "empty has no finished cell; go on with it: amalgam bench --resume --out empty"),
        (
            "old torn",
            "torn/cells/a-0.json is damaged (the checksum differs); run this cell again: amalgam bench --resume --out "
            "torn",
        ),
        (
            "old swapped",
            "swapped/cells/a-0.json is damaged (it is of setting 'b' and seed 1); run this cell again: amalgam bench "
            "--resume --out swapped",
        ),
        ("old bare", "bench bare/bench.yaml: no such file"),
        ("old old/../old", "old is named twice; name each run or bench once"),
        (
            "old other",
            "the benches have no setting, method and measure in common: old has 'a', 'b'; other has 'z'; to rank "
            "methods over the settings of all of them, use --joined",
        ),
    ],
)
def test_benches_that_cannot_be_reported(cli: Cli, here: Path, arguments: str, message: str) -> None:
    for name in ("empty", "torn", "swapped", "bare"):
        saved(Path(name))
    for path in Path("empty/cells").iterdir():
        path.unlink()
    torn = Path("torn/cells/a-0.json")
    torn.write_text(torn.read_text().replace("0.3", "0.2", 1))
    Path("swapped/cells/a-0.json").write_bytes(Path("swapped/cells/b-1.json").read_bytes())
    Path("bare/bench.yaml").unlink()
    saved(Path("other"), settings=settings("z"))
    code, out, err = cli("report", *arguments.split())
    assert (code, out, err) == (2, "", f"amalgam: error: {message}\n")
