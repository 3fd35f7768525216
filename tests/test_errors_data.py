"""Bad data, met on the command line: the whole message, the exit code, what is repaired and noted."""

from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np
import pytest
import yaml

from amalgam import datasets, shelf
from amalgam.datasets.split import split
from amalgam.fingerprint import of_each_row

from .erring import Cli, Distil, arrange, table


@pytest.fixture
def distil(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Distil:
    return arrange(cli, tmp_path, monkeypatch)


def lines(change: dict[int, str] | None = None, rows: int = 30) -> str:
    """A CSV file of `a,b,c,d,big,small`, whose line numbers (from 1) may be replaced."""
    told = [",".join([*(f"{value:g}" for value in row), f"{row.sum() > 200:d}", ""]) for row in table()]
    content = dict(enumerate(["a,b,c,d,big,small", *told[:rows]], start=1)) | (change or {})
    return "".join(f"{line}\n" for line in content.values())


BIG = ("--set", "data.options.labels=[big]", "--set", "data.options.drop=[small]")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "rows.csv is empty; expected a line of column names, then rows"),
        (lines(rows=0), "data 'rows.csv' has no rows"),
        (
            lines(rows=1),
            "part 'test' with a share of 0.2 gets none of the 1 rows of data 'rows.csv' (1 distinct); raise its share "
            "or bring more rows",
        ),
        (
            lines()[:-8],
            "rows.csv line 31 has 3 values, expected 6, one for each column; the line is damaged or the file cut short",
        ),
        (
            lines({5: "1,2,3,4,0,0,7"}),
            "rows.csv line 5 has 7 values, expected 6, one for each column; the line is damaged or the file cut short",
        ),
        (
            lines({5: "1,,3,4,0,0"}),
            "rows.csv line 5: column 'b' has no value, the first of 1; fill them in, or set the data option `missing` "
            "to `mean` (a column's mean) or `drop_rows`",
        ),
        (
            lines({5: "1,many,3,4,0,0"}),
            "rows.csv line 5: column 'b' is 'many', expected a number; encode it as numbers, name it under the "
            "data option `tasks` if it holds classes, or leave it out with `drop`",
        ),
        (
            lines({5: "1,1e99,3,4,0,0"}),
            "rows.csv line 5: column 'b' is infinite or too large for float32; mend the value",
        ),
        (
            lines({5: "1,2,3,4,7,0"}),
            "rows.csv line 5: the label 'big' is 7, expected 0, 1 or nothing where nobody annotated; a column of other "
            "values is no label",
        ),
        (
            lines({1: "a,b,c,d,bigg,small"}),
            "rows.csv has no column 'big', which the data option `labels` names; did you mean 'bigg'? (columns: 'a', "
            "'b', 'c', 'd', 'bigg', 'small')",
        ),
    ],
)
def test_a_table_that_is_wrong(distil: Distil, content: str, message: str) -> None:
    Path("rows.csv").write_text(content)
    assert distil(*BIG, data="rows.csv") == message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            "digit",
            "unknown data 'digit'; did you mean 'digits'? (known: digits, digits-images, digits-numerals, shapes3d, "
            "tslearn:Trace, or the path of a file; set AMALGAM_DATA to a folder of MULAN, UCR or image sets for more)",
        ),
        ("gone.csv", "data gone.csv: no such file"),
        (
            "pair.py",
            "data 'pair.py' is of no kind that can be read; expected a file named .arff, .csv, .tsv, .ts, .txt (also "
            ".xz, .bz2, .gz), .npz, .npy, .parquet or .h5, an image, an archive of images (.tar, .zip), or a folder of "
            "series or of images",
        ),
        ("cut.npz", "cut.npz cannot be read: it is damaged or no NumPy file (File is not a zip file)"),
        ("cut.arff.xz", "cut.arff.xz is cut short: its .xz stream has no end; fetch the file again"),
    ],
)
def test_a_file_that_is_wrong(distil: Distil, data: str, message: str) -> None:
    Path("cut.npz").write_bytes(Path("rows.npz").read_bytes()[:300])
    Path("cut.arff.xz").write_bytes(lzma.compress(b"@relation r\n@attribute a numeric\n@data\n" + b"1\n" * 999)[:-20])
    assert distil(data=data) == message


@pytest.mark.parametrize(
    ("missing", "note"),
    [
        ("mean", "1 missing values were filled with their column's mean"),
        ("drop_rows", "1 of 31 rows were left out for missing values"),
    ],
)
def test_what_was_repaired_is_noted(distil: Distil, missing: str, note: str) -> None:
    Path("rows.csv").write_text(lines({32: "1,,3,4,0,"}))
    options = ("--set", "data.options.drop=[big, small]", "--set", f"data.options.missing={missing}")
    assert note in distil.works(*options, data="rows.csv")


def test_duplicate_rows_and_a_class_without_an_annotated_row_are_noted(distil: Distil) -> None:
    content = lines()
    Path("rows.csv").write_text(content + "".join(content.splitlines(keepends=True)[1:8]))
    found = distil.works("--set", "data.options.labels=[big, small]", data="rows.csv")
    assert "7 of 37 rows repeat the inputs of an earlier row; they are kept" in found
    assert "no row has the label 'small'" in found


def test_labels_that_do_not_meet_are_refused_before_the_work(distil: Distil) -> None:
    Path("rows.csv").write_text(lines().replace("big,small", "large,tiny"))
    options = ("--set", "data.options.labels=[large]", "--set", "data.options.drop=[tiny]")
    assert distil(*options, data="rows.csv", teacher="custom:pair:raising") == (
        "rows.csv annotates 'large' and the teachers know 'big', 'small': no label in common; labels are matched by "
        "name, so rename the data's columns or add aliases under labels.aliases"
    )
    Path("rows.csv").write_text(lines())
    options = ("--set", "data.options.labels=[small]", "--set", "data.options.drop=[big]")
    assert distil(*options, data="rows.csv", teacher="custom:pair:raising") == (
        "rows.csv leaves every row of 'small' without an annotation; evaluation needs some"
    )


def test_test_rows_of_another_width_are_refused_before_the_work(distil: Distil) -> None:
    np.savez("held.npz", inputs=np.ones((9, 5)), annotated=np.ones((9, 1)), labels=np.array(["big"]))
    assert distil("--set", "data.held_out=held.npz", teacher="custom:pair:raising") == (
        "rows.npz has rows of shape (4,) and held.npz of shape (5,); give both the same columns"
    )


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ("{unlabelled: 1.5}", "part 'unlabelled' has a share of 1.5; a share is above 0 and at most 1"),
        (
            "{unlabelled: 0.5, test: 0.6}",
            "the parts' shares add up to 1.1 ('test' 0.6, 'unlabelled' 0.5), expected at most 1; lower one of them",
        ),
        ("{unlabelled: 0.5, tests: 0.5}", "data.parts has no part 'test'; it has 'unlabelled', 'tests'"),
        (
            "{unlabelled: 0.001, test: 0.5}",
            "part 'unlabelled' with a share of 0.001 gets none of the 30 rows of data 'rows.npz' (30 distinct); raise "
            "its share or bring more rows",
        ),
        (
            "{unlabelled: 0.03, test: 0.9}",
            "rows.npz leaves the student 1 rows to learn from; it needs at least 2",
        ),
    ],
)
def test_parts(distil: Distil, parts: str, message: str) -> None:
    assert distil("--set", f"data.parts={parts}") == message


def test_a_teacher_that_was_trained_on_test_rows(distil: Distil) -> None:
    content = yaml.safe_load((shelf.shelf("teachers") / "digits-shape.yaml").read_text(encoding="utf-8"))
    content["schooling"]["training"]["epochs"] = 1
    Path("shape.yaml").write_text(yaml.safe_dump(content))
    rows = datasets.load("digits").rows
    test = of_each_row(split(rows, {"unlabelled": 0.05, "test": 0.05}, 0)["test"])
    own = of_each_row(split(rows, content["schooling"]["parts"], 0)["teacher-shape"])
    assert distil("--set", "data.parts={unlabelled: 0.05, test: 0.05}", teacher="shape.yaml", data="digits") == (
        f"{np.isin(test, own).sum()} of {len(test)} test rows are among the rows that teacher 'digits-shape' learns "
        "from, so nothing measured on them would be true; split them apart (data.parts must be the teachers' own, see "
        "their cards)"
    )
