"""Series: the option, text, ARFF and NPZ files of them, what is noted, and every complaint whole."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from amalgam import datasets
from amalgam.datasets import DataOptions, Loaded
from amalgam.datasets import text as reader
from amalgam.errors import RequestError

NAN = np.nan
SERIES = DataOptions(series=True)
TSV = "2\t0.5\t-1e-3\t7\n-1.0\t1\t?\tNaN\n2.0000e+00\t4\t\t6\n"


def write(folder: Path, content: Any, name: str = "x.tsv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def load(path: Path) -> Loaded:
    return datasets.load(str(path), SERIES)


def refused(path: Path, message: str, options: DataOptions = SERIES) -> None:
    with pytest.raises(RequestError, match=f"^{re.escape(message.format(path=path))}$"):
        datasets.load(str(path), options)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.tsv", TSV.encode()),
        ("x.tsv", b"\xef\xbb\xbf" + TSV.replace("\n", "\r\n").encode()),
        ("x.tsv", TSV.replace("\t", " \t ").replace("\n", "\n\n").encode()),
        # Without the time, which would be part of the test's name, and another in each of pytest's processes.
        ("x.tsv.gz", gzip.compress(TSV.encode(), mtime=0)),
        ("x.csv.bz2", bz2.compress(TSV.replace("\t", ",").encode())),
        ("x.csv", TSV.replace("\t", ", \t").encode()),
        ("x.txt", TSV.replace("\t", ",").encode()),
        ("x.txt.xz", lzma.compress(("  " + TSV.replace("\t\t", " ? ").replace("\t", "   ")).encode())),
    ],
)
@pytest.mark.parametrize("block", [1, 2**22])
def test_text_files_hold_a_class_and_its_series_a_line(
    tmp_path: Path, name: str, content: bytes, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_BLOCK", block)
    if name == "x.csv":
        content = content.replace(b", \t\t", b",\t,")
    rows = load(write(tmp_path, content, name)).rows
    expected = np.array([[0.5, -0.001, 7], [1, NAN, NAN], [4, NAN, 6]], dtype=np.float32)[..., None]
    np.testing.assert_array_equal(rows.resident, expected)
    assert (rows.resident.dtype, rows.annotated.dtype) == (torch.float32, torch.float32)
    assert (rows.labels, rows.name) == (("-1", "2"), name)
    assert rows.annotated.tolist() == [[0, 1], [1, 0], [0, 1]]


def test_a_first_value_may_be_missing(tmp_path: Path) -> None:
    for name, content in (("x.csv", "a,,1\nb,2,3\n"), ("x.ts", "@classLabel true a b\n@data\n,1:a\n2,3:b\n")):
        found = load(write(tmp_path, content, name)).rows.resident[..., 0]
        np.testing.assert_array_equal(found, [[NAN, 1], [2, 3]])


def test_lengths_are_held_against_each_other_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_BLOCK", 1)
    message = (
        "{path} line 2 has 3 values, expected 2 as in the first row: shorter series are filled up with NaN; the line "
        "is damaged or the file cut short"
    )
    refused(write(tmp_path, "1\t2\t3\n1\t2\t3\t4\n"), message)


def test_nothing_is_missing_silently(tmp_path: Path) -> None:
    content = "a\t1\t2\t3\nb\t4\t?\t?\n?\t5\t?\t6\na\t7\t7\t?\n\t1\t2\t3\n"
    loaded = load(write(tmp_path, content))
    assert loaded.features == ()
    assert loaded.notes == (
        "series have 1 to 3 steps; shorter ones are masked at their end",
        "1 missing values in 1 series are masked",
        "2 of 5 series are constant",
        "2 of 5 rows have no class",
        "1 of 5 rows repeat the inputs of an earlier row; they are kept",
    )
    np.testing.assert_array_equal(loaded.rows.annotated, [[1, 0], [0, 1], [NAN, NAN], [1, 0], [NAN, NAN]])


def test_a_series_is_constant_if_every_channel_with_a_value_is(tmp_path: Path) -> None:
    values = np.array([[[1, 5], [1, 5]], [[1, NAN], [1, NAN]], [[1, 5], [1, 6]], [[1, 5], [NAN, 6]]])
    np.savez(tmp_path / "x.npz", X=values)
    assert "2 of 4 series are constant" in load(tmp_path / "x.npz").notes


def test_classes_come_in_natural_order(tmp_path: Path) -> None:
    content = "".join(f"{name}\t1\t{row}\n" for row, name in enumerate(["b", "10", "a", "9", "-1", "1.0", "01", "1e1"]))
    rows = load(write(tmp_path, content)).rows
    assert rows.labels == ("-1", "01", "1", "9", "10", "a", "b")
    assert rows.annotated.argmax(1).tolist() == [6, 4, 5, 3, 0, 2, 1, 4]


def test_rows_none_of_which_has_a_class_are_unlabelled(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, "?,1,2\nnan,3,4\n", "x.csv"))
    assert (loaded.rows.annotated, loaded.rows.labels) == (None, ())
    assert loaded.notes == ("no row has a class",)


def test_every_missing_value_is_the_same_bits(tmp_path: Path) -> None:
    values = np.array([[1, NAN, -NAN], [2, 3, 4]], dtype=np.float32)
    values.view(np.uint32)[0, 1] = 0x7FC00123
    np.savez(tmp_path / "x.npz", X=values)
    found = load(tmp_path / "x.npz").rows.resident.numpy()
    assert found.view(np.uint32)[0].ravel().tolist() == [0x3F800000, 0x7FC00000, 0x7FC00000]
    text = load(write(tmp_path, "?\t1\t-nan\tNaN\n?\t2\t3\t4\n")).rows.resident.numpy()
    assert (text.view(np.uint32) == found.view(np.uint32)).all()


def test_npz_of_several_channels(tmp_path: Path) -> None:
    values = np.arange(24.0).reshape(3, 4, 2)
    values[1, 2:], values[2, 1, 0] = NAN, NAN
    np.savez(tmp_path / "x.npz", X=values, y=np.array(["walking", "", "10"]))
    loaded = load(tmp_path / "x.npz")
    np.testing.assert_array_equal(loaded.rows.resident, values)
    np.testing.assert_array_equal(loaded.rows.annotated, [[0, 1], [NAN, NAN], [1, 0]])
    assert loaded.rows.labels == ("10", "walking")
    assert loaded.notes == (
        "series have 2 to 4 steps; shorter ones are masked at their end",
        "1 missing values in 1 series are masked",
        "1 of 3 rows have no class",
    )


@pytest.mark.parametrize("kind", [np.int64, np.float32, np.str_])
def test_npz_of_rows_and_numbered_classes(tmp_path: Path, kind: type) -> None:
    np.savez(tmp_path / "x.npz", inputs=np.eye(3), y=np.array([10, -1, 2]).astype(kind))
    rows = load(tmp_path / "x.npz").rows
    assert (rows.resident.shape, rows.labels) == ((3, 3, 1), ("-1", "2", "10"))
    assert rows.annotated.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]


UNIVARIATE = "% a set\n@relation r\n@attribute t0 numeric\n@attribute t1 real\n@attribute class {b,1.0,'a c'}\n@data\n"
RELATIONAL = (
    "@relation r\n@attribute s relational\n@attribute t0 numeric\n@attribute t1 numeric\n@end s\n"
    "@attribute class {up,down}\n@data\n"
)


def test_arff_of_one_channel(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, UNIVARIATE + "1,2,'a c'\n%\n3, ? ,1.0\n5,6,?\n", "x.arff"))
    np.testing.assert_array_equal(loaded.rows.resident[..., 0], [[1, 2], [3, NAN], [5, 6]])
    assert loaded.rows.labels == ("b", "1", "a c")
    np.testing.assert_array_equal(loaded.rows.annotated, [[0, 0, 1], [0, 1, 0], [NAN, NAN, NAN]])
    assert "no row has the label 'b'" in loaded.notes


def test_arff_of_several_channels(tmp_path: Path) -> None:
    path = write(tmp_path, RELATIONAL + "'1,2\\n3,4\\n5,6',up\n\"7,?\\n9,10\\n11,12\", down\n", "x.arff")
    rows = load(path).rows
    np.testing.assert_array_equal(rows.resident, [[[1, 3, 5], [2, 4, 6]], [[7, 9, 11], [NAN, 10, 12]]])
    assert (rows.labels, rows.annotated.tolist()) == (("up", "down"), [[1, 0], [0, 1]])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.tsv", "", "{path} has no rows: it is empty or cut short"),
        ("x.tsv", "\n \n", "{path} has no rows: it is empty or cut short"),
        (
            "x.tsv",
            "1\t2\t3\n\n1\n",
            "{path} line 3 holds a series of length 0; give its values, or leave the row out",
        ),
        (
            "x.tsv",
            "1\t2\t3\n1\t2\n",
            "{path} line 2 has 1 values, expected 2 as in the first row: shorter series are filled up with NaN; the "
            "line is damaged or the file cut short",
        ),
        (
            "x.txt",
            "1 2 3\n1 2 3 4\n",
            "{path} line 2 has 3 values, expected 2 as in the first row: shorter series are filled up with NaN; the "
            "line is damaged or the file cut short",
        ),
        ("x.tsv", "1\t2\t3\n1\t?\tNaN\n", "{path} line 2: every value is missing; leave the row out"),
        (
            "x.tsv",
            "1\t2\t3\n\n1\t2\t-inf\n",
            "{path} line 3: step 2 is infinite or too large for float32; mend the value, or write ? where "
            "it is missing",
        ),
        (
            "x.tsv",
            "1\t1e39\t3\n",
            "{path} line 1: step 1 is infinite or too large for float32; mend the value, or write ? where "
            "it is missing",
        ),
        (
            "x.csv",
            "class,t0,t1\n1,2,3\n",
            "{path} line 1: value 1 is 't0', expected a number, or ? or NaN for a missing value",
        ),
        (
            "x.csv",
            "1,,3\n1,4 5,\t\n",
            "{path} line 2: value 1 is '4 5', expected a number, or ? or NaN for a missing value",
        ),
        (
            "x.txt",
            "1 2 3\n1 2 3.5.1\n",
            "{path} line 2: value 2 is '3.5.1', expected a number, or ? or NaN for a missing value",
        ),
        (
            "x.tsv",
            "1\t2\t3\n1\t2\t3?\n",
            "{path} line 2: value 2 is '3?', expected a number, or ? or NaN for a missing value",
        ),
        (
            "x.txt",
            " 1 2 3\n 0.25 2 3\n",
            "{path} line 2: the class is '0.25', expected a name or a whole number (rows of .tsv, .txt and .csv files "
            "begin with their class)",
        ),
        ("x.arff", UNIVARIATE, "{path} has no rows after @data: it is empty or cut short"),
        ("x.arff", UNIVARIATE[:-6], "{path} has no @data line: it is cut short, or no ARFF file"),
        (
            "x.arff",
            UNIVARIATE + "1,2,b\n1,2,B\n",
            "{path} line 8: the class 'B' is not among the declared ones (declared: 'b', '1', 'a c')",
        ),
        (
            "x.arff",
            UNIVARIATE + "1,2,3,b\n1,2,3,b\n",
            "{path} line 7 has 3 values, expected 2, one for each numeric attribute",
        ),
        (
            "x.arff",
            UNIVARIATE + "1,2,b\n1,b\n",
            "{path} line 8 has 1 values, expected 2 as in the first row: 2 are declared; the line is damaged or the "
            "file cut short",
        ),
        (
            "x.arff",
            "@relation r\n@attribute a numeric\n@attribute b numeric\n@data\n1,2\n",
            "{path} declares no series: expected numeric attributes and then one nominal class",
        ),
        (
            "x.arff",
            RELATIONAL + "'1,2\\n3,4',up\n'1,2',up\n",
            "{path} line 9 has 1 dimensions, expected 2 as in the first row; the line is damaged or the file cut short",
        ),
        (
            "x.arff",
            RELATIONAL + "'1,2\\n3,4',up\n'1,2\\n3,4\n",
            "{path} line 9: expected `'value,…\\nvalue,…',class`, found \"'1,2\\\\n3,4\"",
        ),
        (
            "x.arff",
            RELATIONAL + "'1,2\\n3,x',up\n",
            "{path} line 8: value 2 of dimension 2 is 'x', expected a number, or ? or NaN for a missing value",
        ),
        (
            "x.arff",
            RELATIONAL + "'1,2\\n3,inf',up\n",
            "{path} line 8: step 2 of channel 2 is infinite or too large for float32; mend the value, or write ? where "
            "it is missing",
        ),
    ],
)
def test_complaints_about_text_name_file_and_line(tmp_path: Path, name: str, content: str, message: str) -> None:
    refused(write(tmp_path, content, name), message)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.ones(2)}, "{path} holds 'a', expected an array `X` of series and an array `y` of classes"),
        (
            {"X": np.ones((2, 0, 1))},
            "{path}: X is an array (2, 0, 1) of type float64, expected numbers (rows, columns, …) with at least one "
            "row",
        ),
        (
            {"X": np.ones((2, 3, 1, 1))},
            "{path}: X is an array (2, 3, 1, 1), expected (rows, steps) or (rows, steps, channels)",
        ),
        (
            {"X": np.ones((2, 3)), "y": np.ones(3)},
            "{path}: y is an array (3,) of type float64, expected (2,) class names or whole numbers",
        ),
        (
            {"X": np.ones((2, 3)), "y": np.eye(2)},
            "{path}: y is an array (2, 2) of type float64, expected (2,) class names or whole numbers",
        ),
        (
            {"X": np.ones((2, 3)), "y": np.array([1, 0.5])},
            "{path} row 1: the class is '0.5', expected a name or a whole number (rows of .tsv, .txt and .csv files "
            "begin with their class)",
        ),
        ({"X": np.array([[1, 2], [NAN, NAN]])}, "{path} row 1: every value is missing; leave the row out"),
        (
            {"X": np.array([[1, None]])},
            "{path} cannot be read: it holds Python objects (a pickle), which may run code; save arrays of numbers and "
            "text instead",
        ),
    ],
)
def test_complaints_about_npz(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "x.npz", **arrays)
    refused(tmp_path / "x.npz", message)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "x.tsv",
            {"series": True, "missing": "mean"},
            "the data option `missing` means nothing for {path}: missing values of series are masked, neither filled "
            "nor left out; leave it out",
        ),
        (
            "x.ts",
            {"missing": "drop_rows"},
            "the data option `missing` means nothing for {path}: missing values of series are masked, neither filled "
            "nor left out; leave it out",
        ),
        (
            "x.npz",
            {"series": True, "labels": ("a",)},
            "the data option `labels` means nothing for {path}; leave it out (known here: series)",
        ),
        (
            "x.parquet",
            {"series": True},
            "the data option `series` means nothing for {path}; leave it out (known here: drop, labels, missing, "
            "primary, tasks)",
        ),
        (
            "x.txt",
            {},
            "data '{path}' can be read as series, or as texts; say --series, or set the data option `series` to true, "
            "or the data option `text` to `lines` for a text a line after its class, `plain` for a text a line",
        ),
        ("x.tsv", {"series": True}, "data {path}: no such file"),
    ],
)
def test_options_that_do_not_fit_series_are_refused(
    tmp_path: Path, name: str, options: dict[str, Any], message: str
) -> None:
    refused(tmp_path / name, message, DataOptions(**options))


def test_without_the_option_a_table_stays_a_table(tmp_path: Path) -> None:
    path = write(tmp_path, "a\tb\n1\t2\n3\t4\n")
    assert datasets.load(str(path)).rows.resident.tolist() == [[1, 2], [3, 4]]
    np.savez(tmp_path / "x.npz", X=np.ones((2, 3)))
    assert datasets.load(str(tmp_path / "x.npz")).rows.resident.shape == (2, 3)
