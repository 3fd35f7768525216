"""CSV, TSV, Parquet, NPZ and NPY files: what is read, and every complaint whole."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from amalgam import datasets
from amalgam.datasets import DataOptions, table
from amalgam.errors import RequestError
from amalgam.signals import FileRows, TensorRows

CSV = "a,even,who,b\n1,0,x,2.5\n3,1,y,4\n5,,z,-6e-1\n"
OPTIONS = DataOptions(labels=("even",), drop=("who",))


def write(folder: Path, content: Any, name: str = "x.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(path: Path, message: str, options: DataOptions | None = None) -> None:
    with pytest.raises(RequestError, match=f"^{re.escape(message.format(path=path))}$"):
        datasets.load(str(path), options)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv", CSV.encode()),
        ("x.csv", b"\xef\xbb\xbf" + CSV.encode()),
        ("x.csv", CSV.replace("\n", "\r\n").encode()),
        ("x.csv.xz", lzma.compress(CSV.encode())),
        ("x.csv.bz2", bz2.compress(CSV.encode())),
        # Without the time, which would be part of the test's name, and another in each of pytest's processes.
        ("x.tsv.gz", gzip.compress(CSV.replace(",", "\t").encode(), mtime=0)),
    ],
)
def test_csv_is_read_by_the_names_of_its_columns(tmp_path: Path, name: str, content: bytes) -> None:
    loaded = datasets.load(str(write(tmp_path, content, name)), OPTIONS)
    assert isinstance(loaded.rows, TensorRows)
    assert (loaded.features, loaded.rows.labels, loaded.rows.name) == (("a", "b"), ("even",), name)
    np.testing.assert_array_equal(loaded.rows.values, np.float32([[1, 2.5], [3, 4], [5, -0.6]]))
    np.testing.assert_array_equal(loaded.rows.annotated, [[0], [1], [np.nan]])
    assert loaded.notes == ("column 'who' was left out as asked",)


def test_without_label_names_every_column_is_a_feature(tmp_path: Path) -> None:
    loaded = datasets.load(str(write(tmp_path, "a,b,c\n1,2,True\n3,4,False\n")))
    assert (loaded.features, loaded.rows.annotated) == (("a", "b", "c"), None)
    assert loaded.rows.resident.tolist() == [[1, 2, 1], [3, 4, 0]]


def test_parquet_is_read_like_csv(tmp_path: Path) -> None:
    frame = pandas.DataFrame({"a": [1, 3], "even": [True, None], "who": ["x", "y"], "b": [2.5, 4]})
    frame.index = [7, 9]
    frame.to_parquet(tmp_path / "x.parquet")
    loaded = datasets.load(str(tmp_path / "x.parquet"), OPTIONS)
    assert (loaded.features, loaded.rows.labels) == (("a", "b"), ("even",))
    assert loaded.rows.resident.tolist() == [[1, 2.5], [3, 4]]
    np.testing.assert_array_equal(loaded.rows.annotated, [[1], [np.nan]])
    frame["b"] = [1, None]
    frame.to_parquet(tmp_path / "x.parquet")
    message = (
        "{path} row 1: column 'b' has no value, the first of 1; fill them in, or set the data option `missing` "
        "to `mean` "
        "(a column's mean) or `drop_rows`"
    )
    refused(tmp_path / "x.parquet", message, OPTIONS)


def test_empty_lines_are_left_out_and_noted(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b\n1,2\n\n3,x\n\n\n")
    refused(
        path,
        "{path} line 4: column 'b' is 'x', expected a number; encode it as numbers, name it under the "
        "data option `tasks` if it holds classes, or leave it out with `drop`",
    )
    loaded = datasets.load(str(write(tmp_path, "a,b\n1,2\n\n3,4\n\n\n")))
    assert loaded.rows.resident.tolist() == [[1, 2], [3, 4]]
    assert loaded.notes == ("3 empty lines were left out",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "{path} is empty; expected a line of column names, then rows"),
        ("a,b\n", "data 'x.csv' has no rows"),
        (
            "1,2\n3,4\n",
            "{path} line 1 holds numbers, expected the names of the columns; add a line of names, or, if every line is "
            "a series after its class, say --series, or set the data option `series` to true",
        ),
        ("a,b,a\n1,2,3\n", "{path} line 1 has a second column 'a'; every column needs a name of its own"),
        ("a,,b\n1,2,3\n", "{path} line 1 has a column without a name; every column needs a name of its own"),
        (
            "a,b\n1,2\n3,4,5\n",
            "{path} line 3 has 3 values, expected 2, one for each column; the line is damaged or the file cut short",
        ),
        (
            "a,b\n1,2,3\n4,5,6\n",
            "{path} line 2 has 3 values, expected 2, one for each column; the line is damaged or the file cut short",
        ),
        (
            "a,b\n1,2\n3",
            "{path} line 3 has 1 values, expected 2, one for each column; the line is damaged or the file cut short",
        ),
        (
            "a,b\n1,2\n3,hello\n",
            "{path} line 3: column 'b' is 'hello', expected a number; encode it as numbers, name it under "
            "the data option `tasks` if it holds classes, or leave it out with `drop`",
        ),
        (
            "a,b\n1,2\n3,\n",
            "{path} line 3: column 'b' has no value, the first of 1; fill them in, or set the data option `missing` to "
            "`mean` (a column's mean) or `drop_rows`",
        ),
        (
            "a,b\n1,2\n3,1e39\n",
            "{path} line 3: column 'b' is infinite or too large for float32; mend the value",
        ),
    ],
)
def test_complaints_about_csv_name_file_line_and_column(tmp_path: Path, content: str, message: str) -> None:
    refused(write(tmp_path, content), message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"labels": ("evn",)},
            "{path} has no column 'evn', which the data option `labels` names; did you mean 'even'? (columns: 'a', "
            "'even', 'who', 'b')",
        ),
        (
            {"drop": ("whom",)},
            "{path} has no column 'whom', which the data option `drop` names; did you mean 'who'? (columns: "
            "'a', 'even', "
            "'who', 'b')",
        ),
        (
            {"labels": ("even",), "drop": ("even",)},
            "the data options name 'even' under `labels` and under `drop`; choose one",
        ),
        (
            {"labels": ("a",), "drop": ("who",)},
            "{path} line 3: the label 'a' is 3, expected 0, 1 or nothing where nobody annotated; a column of "
            "other values "
            "is no label",
        ),
        (
            {"labels": ("even", "even"), "drop": ("who",)},
            "data 'x.csv' has the label 'even' twice; every output needs a name of its own",
        ),
        ({"labels": ("a", "even", "b"), "drop": ("who",)}, "data 'x.csv' has no feature columns"),
    ],
)
def test_options_that_do_not_fit_a_table_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    refused(write(tmp_path, CSV), message, DataOptions(**options))


def test_a_damaged_parquet_or_compressed_csv_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, b"PAR1 and no more", "x.parquet")
    with pytest.raises(RequestError, match=f"^{re.escape(str(path))} is damaged or no Parquet file: "):
        datasets.load(str(path))
    packed = lzma.compress(("a,b\n" + "".join(f"{row},2\n" for row in range(9999))).encode())
    path = write(tmp_path, packed[:-500], "x.csv.xz")
    refused(path, "{path} is cut short: its .xz stream has no end; fetch the file again")
    refused(tmp_path / "none.csv", "data {path}: no such file")
    refused(tmp_path / "none.parquet", "data {path}: no such file")


@pytest.mark.parametrize(("inputs", "annotated"), [("inputs", "annotated"), ("X", "Y"), ("X", "y")])
def test_npz_arrays_are_read_by_name(tmp_path: Path, inputs: str, annotated: str) -> None:
    arrays = {inputs: np.arange(12).reshape(2, 3, 2), annotated: np.array([[1, 0], [0, np.nan]])}
    np.savez(tmp_path / "x.npz", labels=np.array(["p", "q"]), **arrays)
    rows = datasets.load(str(tmp_path / "x.npz")).rows
    assert rows.labels == ("p", "q")
    assert rows.resident.tolist() == arrays[inputs].tolist()
    np.testing.assert_array_equal(rows.annotated, arrays[annotated])
    np.savez(tmp_path / "x.npz", **{inputs: arrays[inputs]})
    assert datasets.load(str(tmp_path / "x.npz")).rows.annotated is None


PICKLE = "it holds Python objects (a pickle), which may run code; save arrays of numbers and text instead"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"inputs": np.array([[1, None]])}, "{path} cannot be read: " + PICKLE),
        ({"a": np.ones((2, 2))}, "{path} holds 'a', expected an array `inputs` (or `X`)"),
        (
            {"X": np.ones(3)},
            "{path}: inputs is an array (3,) of type float64, expected numbers (rows, columns, …) with at least "
            "one row",
        ),
        (
            {"X": np.array([["a"]])},
            "{path}: inputs is an array (1, 1) of type <U1, expected numbers (rows, columns, …) with at least one row",
        ),
        (
            {"X": np.ones((2, 2)), "Y": np.ones((2, 1))},
            "{path}: annotated is (2, 1) with no labels, expected (2, L) and an array `labels` of L names "
            "(text): labels "
            "are matched by name",
        ),
        (
            {"X": np.ones((2, 2)), "Y": np.ones((3, 1)), "labels": np.array(["p"])},
            "{path}: annotated is (3, 1) with 1 labels, expected (2, L) and an array `labels` of L names "
            "(text): labels "
            "are matched by name",
        ),
        (
            {"X": np.ones((1, 2)), "Y": np.array([["1"]]), "labels": np.array(["p"])},
            "{path}: annotated is of type <U1, expected numbers 0 and 1",
        ),
        (
            {"X": np.ones((1, 2)), "Y": np.array([[2]]), "labels": np.array(["p"])},
            "{path} row 0: the label 'p' is 2, expected 0, 1 or nothing where nobody annotated; a column of "
            "other values "
            "is no label",
        ),
        (
            {"X": np.array([[1, 2], [3, np.nan]])},
            "{path} row 1: column 1 has no value, the first of 1; fill them in, or set the data option "
            "`missing` to `mean` "
            "(a column's mean) or `drop_rows`",
        ),
    ],
)
def test_complaints_about_npz(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "x.npz", **arrays)
    refused(tmp_path / "x.npz", message)


def test_a_pickle_is_never_executed(tmp_path: Path) -> None:
    trap = tmp_path / "sprung"

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (trap,)

    import pickle

    for name in ("x.npz", "x.npy"):
        np.savez(tmp_path / "x.npz", X=np.array([[Trap()]], dtype=object))
        np.save(tmp_path / "x.npy", np.array([[Trap()]], dtype=object))
        refused(tmp_path / name, "{path} cannot be read: " + PICKLE)
        with pytest.raises(RequestError, match="cannot be read"):
            datasets.load(str(write(tmp_path, pickle.dumps(Trap()), name)))
    assert not trap.exists()


def test_a_damaged_numpy_file_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", X=np.ones((99, 99)))
    np.save(tmp_path / "x.npy", np.ones((99, 99)))
    for name in ("x.npz", "x.npy"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:5000])
        with pytest.raises(
            RequestError, match=f"^{re.escape(str(path))} cannot be read: it is damaged or no NumPy file"
        ):
            datasets.load(str(path))
        path.unlink()
        refused(path, "data {path}: no such file")


def test_one_kind_of_numpy_file_under_the_name_of_the_other_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.ones((2, 2)))
    np.save(tmp_path / "b.npy", np.ones((2, 2)))
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    (tmp_path / "b.npy").rename(tmp_path / "b.npz")
    refused(
        tmp_path / "b.npz",
        "{path} cannot be read: it is damaged or no NumPy file (it is one array, no archive of them)",
    )
    with pytest.raises(RequestError, match=r"a\.npy cannot be read: it is damaged or no NumPy file"):
        datasets.load(str(tmp_path / "a.npy"))


def test_npy_stays_on_disk(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.float64).reshape(4, 3)
    values[2] = values[0]
    np.save(tmp_path / "x.npy", values)
    loaded = datasets.load(str(tmp_path / "x.npy"))
    assert isinstance(loaded.rows, FileRows)
    assert loaded.rows.resident is None
    assert loaded.rows.inputs(slice(1, 3)).tolist() == [[3, 4, 5], [0, 1, 2]]
    assert loaded.notes == ("1 of 4 rows repeat the inputs of an earlier row; they are kept",)


def test_npy_with_missing_values_is_refused_or_loses_those_rows(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.float32).reshape(6, 2)
    values[2, 1], values[5, 0] = np.nan, np.inf
    np.save(tmp_path / "x.npy", values)
    message = (
        "{path} row 2 is missing a value or infinite, the first of 2 such rows; fill them in, or set the data option "
        "`missing` to `drop_rows` (a file that stays on disk is not filled)"
    )
    refused(tmp_path / "x.npy", message)
    refused(tmp_path / "x.npy", message, DataOptions(missing="mean"))
    loaded = datasets.load(str(tmp_path / "x.npy"), DataOptions(missing="drop_rows"))
    assert loaded.rows.ids.tolist() == [0, 1, 3, 4]
    assert loaded.rows.inputs(slice(0, 9)).tolist() == values[[0, 1, 3, 4]].tolist()
    assert loaded.notes == ("2 of 6 rows were left out for missing or infinite values",)
    assert table.read_npy(tmp_path / "x.npy", DataOptions(missing="drop_rows"), chunk=3).rows.ids.tolist() == [
        0,
        1,
        3,
        4,
    ]


@pytest.mark.parametrize(("shape", "kind"), [((4,), "float64"), ((0, 3), "float64"), ((2, 2), "<U3")])
def test_npy_of_another_form_is_refused(tmp_path: Path, shape: tuple[int, ...], kind: str) -> None:
    np.save(tmp_path / "x.npy", np.zeros(shape, dtype=kind))
    refused(
        tmp_path / "x.npy",
        f"{{path}} is an array {shape} of type {kind}, expected numbers (rows, columns, …) with at least one row",
    )


def test_many_columns_are_told_apart_in_little_time(tmp_path: Path) -> None:
    names = [f"column {number:06d}" for number in range(20_000)]
    path = write(tmp_path, ",".join([*names, names[-1]]) + "\n1\n")
    began = time.process_time()
    with pytest.raises(RequestError) as raised:
        datasets.load(str(path))
    assert time.process_time() - began < 1  # comparing each with each takes several seconds
    assert str(raised.value) == (
        f"{path} line 1 has a second column 'column 019999'; every column needs a name of its own"
    )
