"""From names to candidates: how data is read that is compared, and which options count for which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from amalgam.datasets import DataOptions
from amalgam.progress import Silent
from amalgam.ranking.candidates import Reader, named, rank_named, reader_of
from amalgam.ranking.reference import SIDE

from .given import Looks, refused, rows_of, table


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


LABEL = {"target": DataOptions(labels=("label",))}


def ranked(target: Any, *sources: str, teachers: Any = (), **how: Any) -> Any:
    return rank_named(target, [named(one) for one in sources], teachers, progress=Silent(), **how)


def write(path: str, header: str, rows: int = 20, mean: float = 0.0, seed: int = 0) -> None:
    """A CSV file of normal columns, but those called `label…`, which are 0 and 1, and `kind`, which are words."""
    chance, names = np.random.default_rng(seed), header.split(",")
    values = chance.normal(mean, 1, (rows, len(names)))
    lines = [
        ",".join(
            f"{chance.integers(2)}" if name.startswith("label") else "ab"[row % 2] if name == "kind" else f"{one:.4f}"
            for name, one in zip(names, line, strict=True)
        )
        for row, line in enumerate(values)
    ]
    Path(path).write_text("\n".join([header, *lines]) + "\n")


@pytest.mark.parametrize(
    ("given", "name", "spec"),
    [
        ("digits", "digits", "digits"),
        ("data/birds.csv", "birds.csv", "data/birds.csv"),
        ("mine=data/birds.csv", "mine", "data/birds.csv"),
        ("a=b=c.csv", "a", "b=c.csv"),
        ("timm:resnet18?pretrained=true", "timm:resnet18?pretrained=true", "timm:resnet18?pretrained=true"),
        ("net=timm:resnet18?pretrained=true", "net", "timm:resnet18?pretrained=true"),
        ("data/a=b.csv", "a=b.csv", "data/a=b.csv"),
        ("=x", "=x", "=x"),
        ("x=", "x=", "x="),
    ],
)
def test_a_name_may_stand_before_a_spec(given: str, name: str, spec: str) -> None:
    assert named(given) == (name, spec)


def test_columns_are_matched_by_name_and_labels_are_no_inputs(here: Path) -> None:
    write("target.csv", "x,y,label", 40)
    write("turned.csv", "label2,y,x", 40, seed=1)
    write("far.csv", "x,y", 40, 2.0, seed=2)
    found = ranked("target.csv", "turned.csv", "far=far.csv", own=LABEL)
    assert [one.name for one in found.entries] == ["turned.csv", "far"]
    assert found.target == "target.csv"
    write("lacking.csv", "x,z")
    assert "lacking.csv has no column 'y'; columns are matched by name, and 'x', 'y' are wanted" in refused(
        lambda: ranked("target.csv", "lacking.csv", own=LABEL)
    )


def test_an_option_counts_for_each_data_set_for_which_it_means_something(here: Path) -> None:
    write("target.csv", "x,y,kind")
    np.savez("arrays.npz", inputs=np.zeros((9, 2), dtype=np.float32))
    told = DataOptions(tasks=("kind",), missing="mean")
    read = Reader(told, Silent())
    assert read.options("target", "target.csv") == told
    assert read.options("arrays.npz", "arrays.npz") == DataOptions(missing="mean")
    found = ranked("target.csv", "arrays.npz", told=told)
    assert found.best.size == 9
    assert "the data option `missing` means nothing for any of digits, shapes3d; leave it out" in refused(
        lambda: ranked("digits", "shapes3d", told=DataOptions(missing="mean"))
    )
    assert "means nothing for rows in memory" in refused(lambda: ranked(table(9), told=told))


def test_an_option_of_one_data_set_counts_for_it_alone(here: Path) -> None:
    write("target.csv", "x,y,kind")
    write("source.csv", "y,x,label,other")
    own = {"target": DataOptions(tasks=("kind",)), "mine": DataOptions(labels=("label",), drop=("other",))}
    found = ranked("target.csv", "mine=source.csv", own=own)
    assert found.best.name == "mine"
    assert "mine: column 'other' was left out as asked" in found.notes
    message = refused(lambda: ranked("target.csv", "mine=source.csv", own={"source.csv": DataOptions(drop=("label",))}))
    assert "data options are given for 'source.csv', and no file is called so ('target', 'mine')" in message
    assert "the data option `xml` means nothing for source.csv" in refused(
        lambda: ranked("target.csv", "mine=source.csv", own={**own, "mine": DataOptions(xml="a.xml")})
    )


def test_images_of_any_size_are_read_as_the_reader_sees_them(here: Path) -> None:
    for folder, side in (("small", 20), ("large", 40)):
        for kind in "ab":
            (here / folder / kind).mkdir(parents=True)
            for number in range(3):
                noise = np.random.default_rng(number).integers(0, 255, (side, side + 4, 3), dtype=np.uint8)
                Image.fromarray(noise).save(here / folder / kind / f"{number}.png")
    read = Reader(DataOptions(), Silent())
    assert read.read("small", "small").rows.shape == (3, SIDE, SIDE)
    assert Reader(DataOptions(), Silent(), (8, 10)).read("small", "small").rows.shape == (3, 8, 10)
    assert Reader(DataOptions(size=(5, 5)), Silent()).read("small", "small").rows.shape == (3, 5, 5)
    assert read.read("images", "digits-images").rows.shape == (1, 8, 8)
    found = ranked("small", "large", "digits-images", by="least_divergent")
    assert found.best.name == "large"


def test_the_labels_of_a_target_are_its_own(here: Path) -> None:
    write("target.csv", "x,y,label")
    message = refused(lambda: ranked("target.csv", "target.csv", own={"target": DataOptions(labels=("lable",))}))
    assert "target.csv has no column 'lable', which the data option `labels` names; did you mean 'label'?" in message
    assert "the data option `labels` means nothing for digits" in refused(lambda: ranked("digits", "digits", own=LABEL))
    assert "data options are given for 'target', and no file is called so ('target.csv')" in refused(
        lambda: ranked(table(9), "target.csv", own=LABEL)
    )
    both = DataOptions(label_count=1)
    assert "one of labels, label_count and xml" in refused(lambda: ranked("birds.arff", "digits", own=LABEL, told=both))


def test_unknown_data_and_empty_data_are_refused(here: Path) -> None:
    assert "unknown data 'digit'; did you mean 'digits'?" in refused(lambda: ranked("digits", "digit"))
    Path("empty.csv").write_text("x,y\n")
    write("target.csv", "x,y")
    assert "has no rows" in refused(lambda: ranked("target.csv", "empty.csv"))


def test_settings_are_refused_before_anything_is_read() -> None:
    assert "--by 'best' is none of p2l" in refused(lambda: ranked("nowhere.csv", "neither.csv", by="best"))
    assert "--trim -1 is a share" in refused(lambda: ranked("nowhere.csv", "neither.csv", trim=-1))


def test_what_the_readers_of_data_noted_is_told(here: Path) -> None:
    write("target.csv", "x,y,label")
    text = Path("target.csv").read_text().splitlines()
    Path("twice.csv").write_text("\n".join([*text, text[1]]) + "\n")
    found = ranked("target.csv", "twice.csv", own=LABEL)
    assert "twice.csv: 1 of 21 rows repeat the inputs of an earlier row; they are kept" in found.notes


CARD = """
name: {name}
adapter: torch
labels: [even, closed_loop]
schooling:
  data: digits
  part: own
  parts: {{own: 0.2, test: 0.8}}
  student: {{name: mlp, hidden: [8]}}
  training: {{epochs: 1, batch_size: 64, validation: 0, threads: 1}}
"""


def test_teachers_bring_the_rows_that_their_cards_say_they_were_trained_on(here: Path) -> None:
    Path("one.yaml").write_text(CARD.format(name="one"))
    found = ranked("digits", teachers=["one.yaml", "mine=one.yaml"], by="p2l")
    assert {one.name: one.size for one in found.entries} == {"one": 360, "mine": 360}
    assert all(one.kind == "teacher" and one.scores["log_me"] is not None for one in found.entries)
    assert sum("was trained on 360 of the 1797" in note for note in found.notes) == 2
    assert {one.scores["leep"] for one in found.entries} == {None}  # of labels that do not exclude each other


def test_a_teacher_can_be_the_reference(here: Path) -> None:
    Path("one.yaml").write_text(CARD.format(name="one"))
    reader = reader_of("one.yaml", False, Silent())
    assert reader is not None
    assert reader.name == "one"
    assert reader_of(None, False, Silent()) is None
    found = ranked("digits", "a=digits", "b=digits-numerals", reference="one.yaml", by="least_divergent")
    assert found.reference == "one"
    assert {one.divergence for one in found.entries} == {0}  # the same rows under other labels


def test_teachers_in_memory_are_candidates_too() -> None:
    known = np.arange(60) % 3
    target = rows_of(np.eye(4)[known] + 0.1 * np.random.default_rng(0).normal(size=(60, 4)), "exam", known, "abc")
    found = ranked(target, teachers=[Looks(9.0, seed=1), Looks(0.1, seed=2)])
    assert (found.by, found.best.name) == ("log_me", "Looks-2")
