"""What a transfer learns from, as it is read: names, and who says what its rows are."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
import torch

from amalgam import recipe, sourcing
from amalgam.errors import RequestError
from amalgam.journal import Journal
from amalgam.progress import Silent
from amalgam.signals import Rows, TensorRows
from amalgam.student import build


def asked(*sources: str) -> recipe.TransferRecipe:
    told = ", ".join(f"{{source: digits-numerals, options: {{only: [{one}]}}}}" for one in sources)
    found = recipe.read("l2tl", {}, (f"sources=[{told}]",))
    assert isinstance(found, recipe.TransferRecipe)
    return found


def read(
    wanted: recipe.TransferRecipe, given: dict[str, Rows | None] | None = None, journal: Journal | None = None
) -> dict[str, Rows]:
    student = build({"name": "mlp"}, (64,), ("six", "seven"), "a test")
    return sourcing.read(wanted, student, given, journal or Journal(Silent(), "test", ExitStack()))


def test_sources_of_one_file_have_names_of_their_own() -> None:
    found = read(asked("one, two", "three, four", "five, zero"))
    assert list(found) == ["digits-numerals", "digits-numerals-2", "digits-numerals-3"]
    assert [rows.name for rows in found.values()] == list(found)
    assert [rows.labels for rows in found.values()] == [("one", "two"), ("three", "four"), ("five", "zero")]


def test_what_is_noted_of_a_source_names_it() -> None:
    journal = Journal(Silent(), "test", ExitStack())
    read(asked("one, two", "three, four"), journal=journal)
    assert [one.partition(" of 1797 rows")[0] for one in journal.notes] == [
        "the source digits-numerals: 1438", "the source digits-numerals-2: 1433"
    ]  # fmt: skip


def test_rows_in_memory_are_called_as_they_are_given() -> None:
    here = TensorRows(values=torch.zeros(3, 64), name="arrays")
    found = read(asked("one, two", "three, four"), {"mine": here, "theirs": None})
    assert [rows.name for rows in found.values()] == ["mine", "theirs"]
    assert len(found["mine"]) == 3
    assert found["theirs"].labels == ("three", "four")


def test_rows_of_another_shape_are_refused_by_name() -> None:
    here = TensorRows(values=torch.zeros(3, 5), name="arrays")
    with pytest.raises(
        RequestError, match=r"the source mine has rows of the shape \(5,\), and the target's have \(64,\);"
    ):
        read(asked("one, two"), {"mine": here})


def test_no_source_is_none() -> None:
    assert sourcing.labelled({}, [], Journal(Silent(), "test", ExitStack())) is None
