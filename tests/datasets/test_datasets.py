"""What a SPEC means, the options, the arrays of the Python API, and what is done about missing values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from amalgam import datasets
from amalgam.datasets import DataOptions, from_arrays
from amalgam.errors import RequestError
from amalgam.schema import parse

ARFF = "@relation 'r: -C -1'\n@attribute x real\n@attribute l {0,1}\n@data\n1,1\n2,0\n"


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of two sets, one of them in `multilabel`, and things that are none."""
    monkeypatch.setenv("AMALGAM_DATA", str(tmp_path))
    for place in ("toy", "multilabel/birds", "multilabel/toy"):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        (folder / f"{folder.name}-500.arff").write_text(ARFF.replace("1,1", f"{len(place)},1"))
    (tmp_path / "notes").mkdir()
    (tmp_path / "readme.arff").write_text(ARFF)
    return tmp_path


def test_names_are_the_built_in_set_and_those_in_the_data_folder(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert datasets.names() == [
        "birds",
        "digits",
        "digits-images",
        "digits-numerals",
        "shapes3d",
        "toy",
        "tslearn:Trace",
    ]
    assert datasets.load("toy").rows.resident[0].tolist() == [len("multilabel/toy")]
    assert datasets.load("toy").rows.name == "toy"
    monkeypatch.delenv("AMALGAM_DATA")
    assert datasets.names() == ["digits", "digits-images", "digits-numerals", "shapes3d", "tslearn:Trace"]
    monkeypatch.setenv("AMALGAM_DATA", str(shelf / "nowhere"))
    assert datasets.names() == ["digits", "digits-images", "digits-numerals", "shapes3d", "tslearn:Trace"]


def test_an_unknown_spec_names_the_nearest_and_what_is_known(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = (
        "unknown data 'digit'; did you mean 'digits'? (known: birds, digits, digits-images, digits-numerals, shapes3d, "
        "toy, tslearn:Trace, or the path of a file)"
    )
    with pytest.raises(RequestError, match=f"^{re.escape(message)}$"):
        datasets.load("digit")
    monkeypatch.delenv("AMALGAM_DATA")
    message = (
        "unknown data '../toy' (known: digits, digits-images, digits-numerals, shapes3d, tslearn:Trace, or the path of "
        "a file; set AMALGAM_DATA to a folder of MULAN, UCR or image sets for more)"
    )
    with pytest.raises(RequestError, match=f"^{re.escape(message)}$"):
        datasets.load("../toy")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    for name in ("x.doc", "x.npz.xz"):
        path = tmp_path / name
        path.write_text("")
        message = (
            f"data '{path}' is of no kind that can be read; expected a file named .arff, .csv, .tsv, .ts, .txt (also "
            ".xz, .bz2, .gz), .npz, .npy, .parquet or .h5, an image, an archive of images (.tar, .zip), or a folder of "
            "series or of images"
        )
        with pytest.raises(RequestError, match=f"^{re.escape(message)}$"):
            datasets.load(str(path))


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        (
            "digits",
            {"labels": ("even",)},
            "the data option `labels` means nothing for digits; leave it out (known here: none)",
        ),
        (
            "x.csv",
            {"label_count": 3},
            "the data option `label_count` means nothing for x.csv; leave it out (known here: drop, image, labels, "
            "missing, primary, tasks, text)",
        ),
        (
            "x.npy",
            {"drop": ("a",)},
            "the data option `drop` means nothing for x.npy; leave it out (known here: missing)",
        ),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(spec: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=f"^{re.escape(message)}$"):
        datasets.load(spec, DataOptions(**options))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"label": ["a"]}, "recipe: unknown key 'label'; did you mean 'labels'? (known: {known})"),
        ({"missing": "guess"}, "recipe: missing is 'guess', expected 'refuse', 'mean' or 'drop_rows'"),
    ],
)
def test_misspelt_options_are_refused(content: dict[str, Any], message: str) -> None:
    known = (
        "channels, coarse, count, download, drop, fit, image, label_count, label_position, labels, longest, missing, "
        "only, primary, seed, series, size, tasks, text, tokenizer, xml"
    )
    with pytest.raises(RequestError, match=f"^{re.escape(message.format(known=known))}$"):
        parse(DataOptions, content, "recipe")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"labels": ["a"], "xml": "x.xml"}, "expected one of labels, label_count and xml, not labels and xml"),
        ({"label_count": -1}, "expected a label_count of 0 or more"),
    ],
)
def test_contradicting_options_are_refused(content: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError, match=f"{re.escape(said)}$"):
        parse(DataOptions, content, "recipe")


def csv(folder: Path, text: str) -> str:
    (folder / "x.csv").write_text(text)
    return str(folder / "x.csv")


def test_missing_values_are_filled_with_the_mean_when_asked(tmp_path: Path) -> None:
    loaded = datasets.load(csv(tmp_path, "a,b\n1,?\n?,4\n5,8\n"), DataOptions(missing="mean"))
    assert loaded.rows.resident.tolist() == [[1, 6], [3, 4], [5, 8]]
    assert loaded.notes == ("2 missing values were filled with their column's mean",)
    message = f"{tmp_path / 'x.csv'} line 2: column 'b' and its whole column have no value; `drop` it"
    with pytest.raises(RequestError, match=f"^{re.escape(message)}$"):
        datasets.load(csv(tmp_path, "a,b,c\n1,,1\n2,,1\n"), DataOptions(missing="mean"))


def test_rows_with_missing_values_are_left_out_when_asked(tmp_path: Path) -> None:
    text = "a,b,l\n1,?,1\n3,4,0\n?,5,1\n5,8,1\n"
    loaded = datasets.load(csv(tmp_path, text), DataOptions(missing="drop_rows", labels=("l",)))
    assert loaded.rows.resident.tolist() == [[3, 4], [5, 8]]
    assert loaded.rows.annotated.tolist() == [[0], [1]]
    assert loaded.rows.ids.tolist() == [1, 3]
    assert loaded.notes == ("2 of 4 rows were left out for missing values",)
    message = "every row of data 'x.csv' misses a value; set the data option `missing` to `mean`"
    with pytest.raises(RequestError, match=f"^{re.escape(message)}$"):
        datasets.load(csv(tmp_path, "a,b\n1,?\n?,4\n"), DataOptions(missing="drop_rows"))


def test_labels_that_no_row_has_are_noted(tmp_path: Path) -> None:
    text = "a,p,q,r\n1,0,1,?\n2,0,0,?\n"
    assert datasets.load(csv(tmp_path, text), DataOptions(labels=("p", "q", "r"))).notes == (
        "no row has the label 'p', 'r'",
    )


@pytest.mark.parametrize("make", [np.asarray, torch.as_tensor, list])
def test_arrays_become_rows(make: Any) -> None:
    inputs, annotated = [[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [0.0, float("nan")]]
    rows = from_arrays(make(inputs), make(annotated), ["p", "q"])
    assert rows.resident.tolist() == inputs
    assert rows.labels == ("p", "q")
    np.testing.assert_array_equal(rows.annotated, annotated)
    assert (rows.resident.dtype, rows.annotated.dtype) == (torch.float32, torch.float32)
    assert from_arrays(make(inputs)).annotated is None


def test_float32_arrays_are_not_copied() -> None:
    inputs = np.zeros((2, 3), dtype=np.float32)
    assert from_arrays(inputs).resident.data_ptr() == inputs.ctypes.data


NAN = float("nan")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 2.0],), "inputs have the shape (2,), expected (rows, columns, …) and at least a row"),
        ((np.zeros((0, 2)),), "inputs have the shape (0, 2), expected (rows, columns, …) and at least a row"),
        (([[1.0], [NAN]],), "row 1 of the inputs is NaN or infinite; fill or drop such rows first"),
        (([[float("inf")]],), "row 0 of the inputs is NaN or infinite; fill or drop such rows first"),
        (
            ([[1.0]], None, ["p"]),
            "labels are named but nothing is annotated; give `annotated`, or leave `labels` out",
        ),
        (
            ([[1.0]], [[1.0]]),
            "`labels` names no labels; labels are matched by name, so list one name an output",
        ),
        (
            ([[1.0]], [[1.0], [0.0]], ["p"]),
            "annotated has the shape (2, 1), expected (1, 1): a row for each row of the inputs, a column for "
            "each label",
        ),
        (
            ([[1.0], [2.0]], [[1.0], [0.5]], ["p"]),
            "row 1 of annotated holds something else than 0, 1, and NaN for not annotated",
        ),
    ],
)
def test_wrong_arrays_are_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(RequestError, match=f"^{re.escape(message)}$"):
        from_arrays(*arguments)


def test_arrays_of_text_are_refused() -> None:
    with pytest.raises(RequestError, match=r"^inputs are no array of numbers: "):
        from_arrays(np.array([["a"]]))
