"""The `.ts` format: what is read, and every complaint whole."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from amalgam import datasets
from amalgam.datasets import DataOptions
from amalgam.errors import RequestError

NAN = np.nan
HEAD = "# what it is\n@problemName Toy\n@timeStamps false\n@univariate true\n@classLabel true b a 1.0\n\n@data\n"
PAIRS = "@dimensions 2\n@classLabel true up down\n@data\n"


def write(folder: Path, content: str | bytes, name: str = "x.ts") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("form", ["plain", "windows", "compressed"])
def test_series_of_one_channel(tmp_path: Path, form: str) -> None:
    content = HEAD + "1,2.5,?,4:a\n# a comment\n\n-1e1, NaN :1\n7,8,?,9:?\n"
    if form == "compressed":
        path = write(tmp_path, gzip.compress(content.encode()), "x.ts.gz")
    else:
        path = write(tmp_path, content.replace("\n", "\r\n") if form == "windows" else content)
    loaded = datasets.load(str(path))
    np.testing.assert_array_equal(
        loaded.rows.resident[..., 0], [[1, 2.5, NAN, 4], [-10, NAN, NAN, NAN], [7, 8, NAN, 9]]
    )
    np.testing.assert_array_equal(loaded.rows.annotated, [[0, 1, 0], [0, 0, 1], [NAN, NAN, NAN]])
    assert loaded.rows.labels == ("b", "a", "1")
    assert loaded.notes == (
        "series have 2 to 4 steps; shorter ones are masked at their end",
        "3 missing values in 3 series are masked",
        "1 of 3 series are constant",
        "1 of 3 rows have no class",
        "no row has the label 'b'",
    )


def test_series_of_several_channels(tmp_path: Path) -> None:
    rows = datasets.load(str(write(tmp_path, PAIRS + "1,2,3:4,5,?:up\n6:7,8:down\n"))).rows
    np.testing.assert_array_equal(rows.resident, [[[1, 4], [2, 5], [3, NAN]], [[6, 7], [NAN, 8], [NAN, NAN]]])
    assert rows.annotated.tolist() == [[1, 0], [0, 1]]
    untold = datasets.load(str(write(tmp_path, "@classLabel true\n@data\n1:2:3:b\n4:5:6:10\n"))).rows
    assert (untold.resident.shape, untold.labels) == ((2, 1, 3), ("10", "b"))


def test_series_without_classes(tmp_path: Path) -> None:
    loaded = datasets.load(
        str(write(tmp_path, "@classLabel false\n@data\n1,2:3,4\n5,6:7,8\n")), DataOptions(series=True)
    )
    assert loaded.rows.annotated is None
    assert loaded.rows.resident.tolist() == [[[1, 3], [2, 4]], [[5, 7], [6, 8]]]
    assert loaded.notes == ("no row has a class",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "{path} has no @data line: it is cut short, or no .ts file"),
        (HEAD[:-6], "{path} has no @data line: it is cut short, or no .ts file"),
        (HEAD, "{path} has no rows after @data: it is empty or cut short"),
        ("1,2:a\n", "{path} line 1: expected a keyword such as @classLabel, or @data, found '1,2:a'"),
        (
            "@clasLabel true a\n",
            "{path} line 1: unknown keyword '@clasLabel'; did you mean 'classlabel'?; leave the line out",
        ),
        ("@missing maybe\n", "{path} line 1: @missing is 'maybe', expected true or false"),
        ("@univariate\n", "{path} line 1: @univariate is '', expected true or false"),
        ("@dimensions 0\n", "{path} line 1: @dimensions is '0', expected a number above 0"),
        (
            "@timestamps true\n",
            "{path} line 1: series with timestamps are not read; resample them to steps of equal length",
        ),
        (
            "@targetLabel true\n",
            "{path} line 1: the targets are numbers to predict (@targetLabel), expected classes",
        ),
        ("@classLabel true 1 2 1.0\n", "{path} line 1 declares the same class twice; leave one"),
        (
            HEAD + "1,2:a\n(0,1),(1,2):a\n",
            "{path} line 9 holds timestamps, (time,value), which are not read; resample the series to steps of equal "
            "length",
        ),
        (HEAD + "1,2:a\n:a\n", "{path} line 9 holds a series of length 0; give its values, or leave the row out"),
        (
            PAIRS + "1,2:3:up\n1,2: :up\n",
            "{path} line 5 holds a series of length 0 in dimension 2; give its values, or leave the row out",
        ),
        (HEAD + "1,2:a\n?,?:a\n", "{path} line 9: every value is missing; leave the row out"),
        (
            PAIRS + "1,2:3,4:up\n1,2:3,inf:up\n",
            "{path} line 5: step 2 of channel 2 is infinite or too large for float32; mend the value, or write ? where "
            "it is missing",
        ),
        (
            HEAD + "1,2:a\n1,2:c\n",
            "{path} line 9: the class 'c' is not among the declared ones (declared: 'b', 'a', '1')",
        ),
        (
            HEAD + "1,2:3,4:a\n",
            "{path} line 8 has 2 dimensions before its class, expected 1; the line is damaged or the file cut short",
        ),
        (
            HEAD + "1,2:a\n1,2\n",
            "{path} line 9 has 0 dimensions before its class, expected 1; the line is damaged or the file cut short",
        ),
        (
            "@classLabel true\n@data\n1:2:a\n1:a\n",
            "{path} line 4 has 1 dimensions before its class, expected 2; the line is damaged or the file cut short",
        ),
        (
            "@classLabel true\n@data\n1,2,3\n",
            "{path} line 3 has 0 dimensions before its class, expected 1; the line is damaged or the file cut short",
        ),
        (
            "@classLabel false\n@data\n1:2\n1\n",
            "{path} line 4 has 1 dimensions, expected 2; the line is damaged or the file cut short",
        ),
        (
            PAIRS + "1:2:3:up\n",
            "{path} line 4 has 3 dimensions before its class, expected 2; the line is damaged or the file cut short",
        ),
        (
            HEAD + "1,2:a\n1,x:a\n",
            "{path} line 9: value 2 is 'x', expected a number, or ? or NaN for a missing value",
        ),
        (
            PAIRS + "1,2:3,4:up\n1,2:3 4,5:up\n",
            "{path} line 5: value 1 of dimension 2 is '3 4', expected a number, or ? or NaN for a missing value",
        ),
        (
            "@equalLength true\n@dimensions 2\n@classLabel true a\n@data\n1,2:3,4:a\n1,2:3:a\n",
            "{path} line 6 has 1 values in dimension 2, expected 2 as in the first row: @equalLength is true; the line "
            "is damaged or the file cut short",
        ),
    ],
)
def test_complaints_name_file_and_line(tmp_path: Path, content: str, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(RequestError, match=f"^{re.escape(message.format(path=path))}$"):
        datasets.load(str(path))


def test_melbourne_is_read_like_a_slow_reader_does(benchmark_data: Path) -> None:
    folder = benchmark_data / "timeseries" / "MelbournePedestrian"
    values, names, cut = [], [], 0
    for part in ("TRAIN", "TEST"):
        for line in (folder / f"MelbournePedestrian_{part}.ts").read_text().split("@data\n")[1].split():
            series, name = line.split(":")
            numbers = [NAN if cell == "?" else float(cell) for cell in series.split(",")]
            cut += len(numbers) < 24
            values.append(numbers + [NAN] * (24 - len(numbers)))
            names.append(name)
    loaded = datasets.load(str(folder))
    np.testing.assert_array_equal(loaded.rows.resident[..., 0], np.array(values, dtype=np.float32))
    assert loaded.rows.labels == tuple(map(str, range(1, 11)))
    assert [loaded.rows.labels[one] for one in loaded.rows.annotated.argmax(1)] == names
    assert cut == 2
    assert loaded.notes == (
        "1194 rows from MelbournePedestrian_TRAIN.ts, 2439 rows from MelbournePedestrian_TEST.ts",
        "series have 9 to 24 steps; shorter ones are masked at their end",
        "235 missing values in 176 series are masked",
    )
