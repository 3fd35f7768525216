"""Runs beside each other: the numbers that are there, what was set otherwise, and when they cannot be compared."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from amalgam import pipeline, recipe, sheets
from amalgam.compare import account
from amalgam.compare.runs import compare
from amalgam.errors import RequestError
from amalgam.report import Report, card, page

from ..erring import Cli
from ..test_report import EVIL, FORMULA, NAN, Page, evaluated, reported

FIRST = (0.2, 0.1, 0.8, 0.7)
CHANCE = (
    "on 10 rows a subset loss of 0.200 has a standard error of 0.126, and another seed gives another student; "
    "`amalgam bench` compares over seeds"
)


def saved(folder: Path, *assignments: str, numbers: tuple[float, ...] | None = FIRST, **more: Any) -> Path:
    """A finished run with the student's numbers; without numbers it was not measured."""
    evaluation = more.pop("evaluation", None) or (evaluated(student=numbers) if numbers else None)
    report = reported(evaluation, **{"notes": (), "seconds": {"all": 75.2}, "votes": {}, **more})
    folder.mkdir()
    resolved = recipe.read("ant", assignments=assignments).model_copy(update={"made_with": {"torch": "2.15.0"}})
    (folder / "recipe.yaml").write_text(recipe.dump(resolved), encoding="utf-8")
    report.write(folder)
    return folder


def cells(found: sheets.Sheets) -> dict[str, list[tuple[str, bool, str]]]:
    """Row → its cells as (text, best, under)."""
    (sheet,) = found.sheets
    return {name: [(one.text, one.best, one.under) for one in row] for block in sheet.blocks for name, row in block}


def test_a_row_a_run_with_the_best_marked_and_the_difference_to_the_first(tmp_path: Path) -> None:
    a = saved(tmp_path / "a")
    b = saved(tmp_path / "b", "strategy.clamp=false", "seed=3", numbers=(0.25, 0.1, 0.8004, NAN), notes=("two rows",))
    found = compare([a, b])
    rows = cells(found)
    assert rows["a"] == [
        ("ant", False, "2"),
        ("mlp", False, "1,000"),
        ("0.200", True, ""),
        ("0.100", False, ""),
        ("0.800", False, ""),
        ("0.700", False, ""),
        ("4 kB", False, ""),
        ("1 min 15 s", False, ""),
    ]
    assert rows["b"][2:6] == [
        ("0.250", False, "+0.050"),
        ("0.100", False, "="),
        ("0.800", False, "+0.000"),  # looks alike, so neither is best, but is not identical
        ("–", False, ""),
    ]
    assert rows["majority vote"][1:3] == [("ensemble", False, "5,000"), ("0.300", False, "")]
    assert found.says == ("b ties with a on 2 of 3 measures (loses on 1).",)
    assert found.settings == ("strategy.clamp: true → false", "seed: 0 → 3")
    assert found.notes == (CHANCE, "b: two rows")
    assert found.facts["settings"] == {"strategy.clamp": [True, False], "seed": [0, 3]}
    one = found.facts["runs"][1]
    assert one["difference"] == {
        "subset_loss": pytest.approx(0.05),
        "hamming_loss": 0,
        "f1_micro": pytest.approx(0.0004),
        "f1_macro": None,
    }
    assert one["measures"]["f1_macro"] is None
    assert not one["reproduced"]


def test_a_run_made_twice_is_reproduced_and_another_clamp_is_seen(trained_home: Path, tmp_path: Path) -> None:
    for name, *more in (("a",), ("b",), ("c", "strategy.clamp=false", "seed=1")):
        wanted = recipe.read("ant", assignments=("training.epochs=1", "export=false", *more))
        pipeline.distill(wanted, out=tmp_path / name)
    found = compare([tmp_path / name for name in "abc"])
    same = "b reproduces a: every measure is identical to the last digit, and so is the loss of every epoch."
    assert found.says[0] == same
    assert found.says[1].startswith("c ")
    assert "reproduces" not in found.says[1]
    assert found.settings == ("strategy.clamp: true → true → false", "seed: 0 → 0 → 1")
    assert [one["reproduced"] for one in found.facts["runs"]] == [False, True, False]
    ours = Report.read(tmp_path / "a").evaluation
    assert ours is not None
    assert found.facts["baselines"]["majority vote"]["subset_loss"] == ours.majority.measures.subset_loss
    assert [under for _, _, under in cells(found)["b"][2:6]] == ["="] * 4


def test_the_last_digit_counts(tmp_path: Path) -> None:
    a = saved(tmp_path / "a")
    b = saved(tmp_path / "b", numbers=(math.nextafter(0.2, 1), 0.1, 0.8, 0.7))
    assert compare([a, b]).says == ("b ties with a on 4 of 4 measures.",)
    per_label = evaluated()
    moved = per_label.student.measures.f1_per_label[::-1]
    content = reported(per_label).to_dict()
    content["evaluation"]["student"]["measures"]["f1_per_label"] = list(moved)
    c = saved(tmp_path / "c", evaluation=content["evaluation"])
    assert compare([a, c]).says == ("c ties with a on 4 of 4 measures.",)


def test_other_losses_are_no_reproduced_training(tmp_path: Path) -> None:
    a, b = saved(tmp_path / "a"), saved(tmp_path / "b", history=({"epoch": 1, "loss": 9.0},))
    assert compare([a, b]).says == ("b reproduces a: every measure is identical to the last digit.",)


@pytest.mark.parametrize(
    ("assignments", "more", "why"),
    [
        ((), {"evaluation": {"rows": 99}}, "it was measured on 99 rows instead of 1,234"),
        (
            (),
            {"labels": (FORMULA, "sea", "sky")},
            f"it was measured on other labels (only a: {EVIL!r}; only b: 'sky')",
        ),
        (("data.split_seed=4",), {}, "its test rows were chosen otherwise (data.split_seed: 0 → 4)"),
        (
            ("data.held_out=other.npz", "data.student=test"),
            {},
            "its test rows were chosen otherwise (data.held_out: null → other.npz)",
        ),
        ((), {"numbers": None}, "it was not measured, since no annotated rows were held out"),
    ],
    ids=["rows", "labels", "split", "held out", "not measured"],
)
def test_runs_that_cannot_be_compared(
    tmp_path: Path, assignments: tuple[str, ...], more: dict[str, Any], why: str
) -> None:
    a = saved(tmp_path / "a")
    if "labels" in more:
        more = {"evaluation": evaluated(labels=more["labels"])}
    elif "evaluation" in more:
        more = {"evaluation": {**reported(evaluated()).to_dict()["evaluation"], **more["evaluation"]}}
    b = saved(tmp_path / "b", *assignments, **more)
    found = compare([a, b])
    assert found.says == (f"b cannot be compared with a: {why}.",)
    rows = cells(found)
    assert set(rows) == {"a", "b"}  # no common majority vote
    assert all(not best and not under for one in rows for _, best, under in rows[one][2:])
    assert found.facts["runs"][1]["obstacles"] == [why]
    assert found.facts["runs"][1]["difference"] is None
    assert compare([b, a]).says[0].startswith("a cannot be compared with b: ")


def test_one_that_cannot_be_compared_leaves_the_others_alone(tmp_path: Path) -> None:
    a, worse = saved(tmp_path / "a"), saved(tmp_path / "worse", numbers=(0.3, 0.2, 0.7, 0.6))
    odd = saved(tmp_path / "odd", "data.split_seed=4", numbers=(0.1, 0.0, 1.0, 1.0))
    rows = cells(compare([a, odd, worse]))
    assert [best for _, best, _ in rows["a"][2:6]] == [True] * 4
    assert [(best, under) for _, best, under in rows["odd"][2:6]] == [(False, "")] * 4
    assert [under for _, _, under in rows["worse"][2:6]] == ["+0.100", "+0.100", "−0.100", "−0.100"]


def test_the_same_held_out_file_decides_whatever_the_split_was(tmp_path: Path) -> None:
    a = saved(tmp_path / "a", "data.held_out=other.npz")
    b = saved(tmp_path / "b", "data.held_out=other.npz", "data.split_seed=4", numbers=(0.1, 0.1, 0.8, 0.7))
    assert compare([a, b]).says == ("b ties with a on 3 of 4 measures (beats on 1).",)


def test_other_teachers_are_named(tmp_path: Path) -> None:
    a = saved(tmp_path / "a")
    b = saved(tmp_path / "b", teachers=({"name": "b", "labels": ("sea",)}, {"name": "z", "labels": (EVIL, FORMULA)}))
    said = compare([a, b]).says[0]
    first = Report.read(a).teachers[0].name
    assert said.endswith(f" It learned from other teachers (only a: {first!r}; only b: 'z').")
    assert "teachers" not in compare([a, saved(tmp_path / "c")]).says[0]


def test_a_majority_that_differs_is_no_common_baseline(tmp_path: Path) -> None:
    a = saved(tmp_path / "a")
    b = saved(tmp_path / "b", evaluation=evaluated(majority=(0.3, 0.2, 0.7, math.nextafter(0.6, 1))))
    assert set(cells(compare([a, b]))) == {"a", "b"}
    assert compare([a, b]).facts["baselines"] == {}


def test_settings_left_at_their_default_are_no_difference_and_another_student_is_one(tmp_path: Path) -> None:
    a = saved(tmp_path / "a", "strategy={name: ant, clamp: true, indicator: confidence}")
    b = saved(tmp_path / "b", "strategy={name: ant, indicator: confidence, rounds: 3}", "student=mlp", "export=false")
    assert compare([a, b]).settings == (
        "strategy.clamp: true → false",  # ANT's own default
        "strategy.rounds: null → 3",
        "student.name: label_chain → mlp",
        "student.hidden: 32 → [128]",
        "export: true → false",
    )


def test_notes_on_what_numbers_cannot_tell(tmp_path: Path) -> None:
    a = saved(tmp_path / "a", "data.source=rows in memory", votes={"reused": 2})
    b = saved(tmp_path / "b", "data.source=rows in memory")
    assert compare([a, b]).notes == (
        "rows were in memory, so nothing can tell whether the runs were measured on the same ones",
        "a run that found votes in the store took less time than one that asked the teachers",
    )


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the runs `a` and `b`."""
    monkeypatch.chdir(tmp_path)
    saved(Path("a"))
    saved(Path("b"), "strategy.clamp=false", numbers=(0.25, 0.1, 0.8, 0.7), notes=(f"label {EVIL}",))
    return tmp_path


def test_the_command_shows_what_the_comparison_has(cli: Cli, here: Path) -> None:
    code, out, err = cli("report", "a", "b")
    assert (code, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "a ant mlp 0.200 0.100 0.800 0.700 4 kB 1 min 15 s" in lines
    assert "2 1,000 +0.050 = = =" in lines
    assert lines[-5:] == [
        "b ties with a on 3 of 4 measures (loses on 1).",
        "Set otherwise:",
        "strategy.clamp: true → false",
        f"note: {CHANCE}",
        f"note: b: label {EVIL}",
    ]


def test_a_terminal_of_80_columns_has_room_for_it_and_the_best_is_bold(here: Path) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system="standard")
    console.print(*sheets.shown(compare([Path("a"), Path("b")])), sep="\n")
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "\x1b[1m0.200\x1b[0m" in text
    assert "\x1b[1m0.250\x1b[0m" not in text
    assert "\x1b[2m+0.050\x1b[0m" in text
    assert "…" not in text
    assert "1 min 15 s" in text


def test_the_command_writes_json(cli: Cli, here: Path) -> None:
    code, out, err = cli("report", "a", "b", "--json")
    assert (code, err) == (0, "")
    content = json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert content == compare([Path("a"), Path("b")]).facts
    code, out, _ = cli("report", "a", "--json")
    assert json.loads(out) == Report.read("a").to_dict()


def test_the_command_writes_markdown_and_a_page(cli: Cli, here: Path) -> None:
    assert cli("report", "a", "b", "--out", "c.md")[1].endswith("It lies in c.md\n")
    text = Path("c.md").read_text(encoding="utf-8")
    row = (
        "| `b` | ant<br>2 | mlp<br>1,000 | 0.250<br>+0.050 | 0.100<br>= | 0.800<br>= | 0.700<br>= | 4 kB | 1 min 15 s |"
    )
    assert row in text.splitlines()
    assert "| **0.200** |" in text
    assert "- `strategy.clamp: true → false`" in text.splitlines()
    assert r"Note: b: label \[red\]\<b\>\&amp;" in text
    assert cli("report", "a", "b", "--out", "c.html", "--json")[1].endswith("}\n")  # nothing but JSON
    html = Path("c.html").read_text(encoding="utf-8")
    assert "<td><b>0.200</b></td>" in html
    assert '<td>0.250<br><span class="note">+0.050</span></td>' in html
    assert "[red]&lt;b&gt;&amp;amp;" in html
    assert "<b>&amp;" not in html
    assert "--paper: #fcfcfd" in html
    assert Page(html).tags["tr"] == 5  # well nested


def test_one_run_is_shown_again(cli: Cli, here: Path) -> None:
    code, out, err = cli("report", "b")
    assert (code, err) == (0, "")
    report = Report.read("b")
    assert out.splitlines()[-2:] == [
        "The student beats the majority vote on 4 of 4 measures and the mean logit on 4 of 4 measures, with 1/5 of the "
        "ensemble's parameters.",
        f"note: label {EVIL}",
    ]
    assert "majority vote" in out
    cli("report", "b", "--out", "b.md")
    assert Path("b.md").read_text(encoding="utf-8") == card(report)
    cli("report", "b", "--out", "b.html")
    assert Path("b.html").read_text(encoding="utf-8").split("<body>")[0] == page(report).split("<body>")[0]
    assert "<h2>Training</h2>" in Path("b.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "a nothing",
            "nothing is not there; name the directory of a run, such as runs/ant-1, or --out of `amalgam bench`",
        ),
        (
            "a a/report.json",
            "a/report.json is a file; name the directory of a run, such as runs/ant-1, or --out of `amalgam bench`",
        ),
        (
            "others",
            "others holds neither a run (recipe.yaml) nor a bench (table.yaml); name the directory of a run, such as "
            "runs/ant-1, or --out of `amalgam bench`",
        ),
        ("a begun", "begun is not finished; go on with it: amalgam distill --resume --out begun"),
        ("begun", "begun is not finished; go on with it: amalgam distill --resume --out begun"),
        ("a b ./a", "a is named twice; name each run or bench once"),
        (
            "a torn",
            "torn/report.json is damaged (Expecting value: line 1 column 1 (char 0)); run the recipe beside it again",
        ),
        ("a keyless", "keyless/report.json: the key 'strategy' is missing"),
        ("a bare", "bare has a report but no recipe.yaml; put back the recipe that the run was made with"),
        ("a old", "recipe old/recipe.yaml: unknown key 'epochs' (known: KNOWN)"),
        ("a b --out c.txt", "--out c.txt should end in .md (Markdown) or .html (a page)"),
        ("a b --out others/c.md", "--out others/c.md is there already and is never overwritten; name a new file"),
        (
            "a b --out a/report.json/c.md",
            "a/report.json/c.md cannot be written (File exists); name a file in a folder of yours",
        ),
        (
            "a bench",
            "a is a run and bench a bench, which have no numbers in common; compare like with like",
        ),
    ],
)
def test_what_cannot_be_reported(cli: Cli, here: Path, arguments: str, message: str) -> None:
    for name in ("others", "begun", "bench", "torn", "keyless", "bare", "old"):
        Path(name).mkdir()
    Path("others/c.md").write_text("mine")
    Path("bench/table.yaml").write_text("name: small")
    for name in ("begun", "torn", "keyless"):
        Path(name, "recipe.yaml").write_bytes(Path("a/recipe.yaml").read_bytes())
    Path("torn/report.json").write_text("torn")
    Path("keyless/report.json").write_text('{"recipe": "ant"}')
    for name in ("bare", "old"):
        Path(name, "report.json").write_bytes(Path("a/report.json").read_bytes())
    Path("old/recipe.yaml").write_text(Path("a/recipe.yaml").read_text() + "epochs: 3\n")
    known = ", ".join(sorted(recipe.Recipe.model_fields))
    code, out, err = cli("report", *arguments.split())
    assert (code, out, err) == (2, "", f"amalgam: error: {message.replace('KNOWN', known)}\n")
    assert Path("others/c.md").read_text() == "mine"


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    a, b = saved(tmp_path / "x" / "run"), saved(tmp_path / "y" / "run")
    assert compare([a, b]).title == f"{b} beside {a}"


def test_nothing_is_written_when_the_request_is_wrong(here: Path) -> None:
    with pytest.raises(RequestError):
        account([Path("a"), Path("nothing")])
    assert {path.name for path in here.iterdir()} - {"home"} == {"a", "b"}
