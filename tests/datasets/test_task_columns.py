"""Columns of tables that hold one of several classes: a label for each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from amalgam import datasets
from amalgam.datasets import DataOptions
from tests.datasets.test_table import refused, write


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_a_task_is_a_column_of_classes(tmp_path: Path, name: str) -> None:
    """Whatever its classes look like: a label for each, in alphabetical order; nothing where nobody says."""
    path = write(tmp_path, "a,size,even,hue\n1,10,0,red\n2,,1,?\n3,9,1,blue\n4,10,0,red\n")
    if name.endswith("parquet"):
        pandas.read_csv(path, dtype={"size": "Int64"}, na_values="?").to_parquet(tmp_path / name)
    loaded = datasets.load(str(tmp_path / name), DataOptions(labels=("even",), tasks=("size", "hue")))
    assert loaded.features == ("a",)
    assert loaded.rows.labels == ("even", "size: 10", "size: 9", "hue: blue", "hue: red")
    wanted = [[0, 1, 0, 0, 1], [1, np.nan, np.nan, np.nan, np.nan], [1, 0, 1, 1, 0], [0, 1, 0, 0, 1]]
    np.testing.assert_array_equal(loaded.rows.annotated, wanted)


def test_classes_are_called_alike_however_they_are_written(tmp_path: Path) -> None:
    """pandas writes whole numbers as 2.0 when one is missing; a cell of blanks is missing, too."""
    loaded = datasets.load(
        str(write(tmp_path, "a,size,hue\n1,2.0, red\n2,,red\n3,2,  \n4,10.0,blue\n")),
        DataOptions(tasks=("size", "hue")),
    )
    assert loaded.rows.labels == ("size: 10", "size: 2", "hue: blue", "hue: red")
    nan = np.nan
    wanted = [[0, 1, 0, 1], [nan, nan, 0, 1], [0, 1, nan, nan], [1, 0, 1, 0]]
    np.testing.assert_array_equal(loaded.rows.annotated, wanted)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            "a,hue\n1,\n2,?\n",
            {"tasks": ("hue",)},
            "{path}: the column 'hue' names no class; take it out of the data option `tasks`",
        ),
        ("a,hue\n", {"tasks": ("hue",)}, "data 'x.csv' has no rows"),
        (
            "a,hue\n1,red\n2,blue\n",
            {"tasks": ("hue",), "labels": ("hue",)},
            "the data options name 'hue' under `labels` and under `tasks`; choose one",
        ),
        (
            "a,hue\n1,red\n2,blue\n",
            {"tasks": ("hue",), "drop": ("hue",)},
            "the data options name 'hue' under `tasks` and under `drop`; choose one",
        ),
        (
            "a,hue\n1,red\n2,blue\n",
            {"tasks": ("Hue",)},
            "{path} has no column 'Hue', which the data option `tasks` names; did you mean 'hue'? (columns: "
            "'a', 'hue')",
        ),
        (
            "a,hue,hue: red\n1,red,0\n2,blue,0\n",
            {"tasks": ("hue",), "drop": ("hue: red",)},
            "{path} has a column 'hue: red', which is the label of a class of 'hue'; rename one",
        ),
    ],
)
def test_what_is_no_task_is_refused(tmp_path: Path, text: str, options: dict[str, Any], message: str) -> None:
    refused(write(tmp_path, text), message, DataOptions(**options))


def test_a_file_may_hold_rows_of_one_class_alone(tmp_path: Path) -> None:
    loaded = datasets.load(str(write(tmp_path, "a,hue\n1,red\n2,\n")), DataOptions(tasks=("hue",)))
    assert loaded.rows.labels == ("hue: red",)
    np.testing.assert_array_equal(loaded.rows.annotated, [[1], [np.nan]])
