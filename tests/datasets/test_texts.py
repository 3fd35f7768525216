"""Texts in tables, in lines and in archives: their words, their classes, and what is refused by line."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from amalgam import datasets
from amalgam.datasets import DataOptions
from amalgam.datasets.loaded import Loaded
from amalgam.errors import RequestError
from amalgam.tokens import Reading, number

TABLE = "title,body,topic,good\nThe cat,sat. On,pets: cats,1\nA dog,,dogs,\n,Rain,weather,0\n"


def written(folder: Path, content: str | bytes, name: str = "x.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def load(path: Path | str, **options: object) -> Loaded:
    return datasets.load(str(path), DataOptions.model_validate(options))


def refused(work: Callable[[], object]) -> str:
    """What a user is told."""
    with pytest.raises(RequestError) as error:
        work()
    return str(error.value)


def words(loaded: Loaded) -> list[list[int]]:
    """The numbers of each text's words."""
    return [[int(one) for one in row[~row.isnan()]] for row in loaded.rows.inputs(slice(None))]


def numbers(*texts: str) -> list[list[int]]:
    return [[number(word) for word in text.split()] for text in texts]


def test_columns_are_read_one_after_the_other(tmp_path: Path) -> None:
    loaded = load(written(tmp_path, TABLE), text=("title", "body"), tasks=("topic",), labels=("good",))
    assert words(loaded) == numbers("the cat sat on", "a dog", "rain")
    assert (loaded.rows.texts, loaded.features) == (Reading(), ("title", "body"))
    assert loaded.rows.labels == ("good", "topic: dogs", "topic: pets: cats", "topic: weather")
    np.testing.assert_array_equal(loaded.rows.annotated, [[1, 0, 1, 0], [np.nan, 1, 0, 0], [0, 0, 0, 1]])
    assert tuple(loaded.rows.inputs(slice(None)).shape) == (3, 4, 1)


def test_one_column_may_be_named_alone_and_the_first_of_several_classes_counts(tmp_path: Path) -> None:
    path = written(tmp_path, "text\tkinds\nsome words\tcs.LG stat.ML\nothers\tmath.ST\n", "x.tsv")
    loaded = load(path, text="text", tasks=("kinds",), primary=True)
    assert loaded.rows.labels == ("kinds: cs.LG", "kinds: math.ST")
    assert load(path, text="text", tasks=("kinds",)).rows.labels == ("kinds: cs.LG stat.ML", "kinds: math.ST")


def test_long_texts_are_cut_and_that_is_said(tmp_path: Path) -> None:
    path = written(tmp_path, "t\none two three\nfour five\n")
    loaded = load(path, text="t", longest=2)
    assert words(loaded) == numbers("one two", "four five")
    assert (
        "1 of 2 texts have more than 2 words, of which the first are read; the data option `longest` says how many"
        in (loaded.notes)
    )
    assert load(path, text="t", longest=3).notes == ()


def test_a_text_without_words_is_refused_or_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, "t,y\none,1\n...,0\n,1\nlast,0\n")
    said = refused(lambda: load(path, text="t", labels=("y",)))
    assert said.startswith(f"{path} line 3: the text has no words, the first of 2; ")
    loaded = load(path, text="t", labels=("y",), missing="drop_rows")
    assert loaded.notes[0] == "2 of 4 texts have no words and were left out"
    assert loaded.rows.ids.tolist() == [0, 3]
    np.testing.assert_array_equal(loaded.rows.annotated, [[1], [0]])
    said = refused(lambda: load(written(tmp_path, "t\n..\n--\n"), text="t", missing="drop_rows"))
    assert "line 2: the text has no words, the first of 2" in said
    assert "`refuse` or `drop_rows`" in refused(lambda: load(path, text="t", missing="mean"))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_are_counted_through_cells_that_hold_several(tmp_path: Path, end: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(end.join(["t,y", '"one', 'two",1', "", '"three', "", 'four",0', "five,yes", "...,1"]).encode())
    said = refused(lambda: load(path, text="t", labels=("y",)))
    assert said.startswith(f"{path} line 8: column 'y' is 'yes', expected a number")
    assert refused(lambda: load(path, text="t", drop=("y",))).startswith(f"{path} line 9: the text has no words")


def test_columns_are_texts_labels_or_dropped(tmp_path: Path) -> None:
    path = written(tmp_path, TABLE)
    said = refused(lambda: load(path, text="title", labels=("good",), drop=("topic",)))
    assert said.startswith(f"{path} has the column 'body' beside the texts in 'title'; ")
    assert "no column 'bodi', which the data option `text` names" in refused(lambda: load(path, text=("bodi",)))
    said = refused(lambda: load(path, text=("title", "body"), drop=("title",)))
    assert said == "the data options name 'title' under `text` and under `drop`; choose one"
    said = refused(lambda: load(path, text=("title",), tasks=("title",)))
    assert said == "the data options name 'title' under `text` and under `tasks`; choose one"
    assert "means nothing" in refused(lambda: load("digits", text="title"))


def test_a_text_a_line_after_its_class(tmp_path: Path) -> None:
    path = written(
        tmp_path, b"\xef\xbb\xbfNUM:date When was it ?\n\n  HUM:ind   Who is caf\xe9\nNUM:date Since\n", "q.txt"
    )
    loaded = load(path, text="lines")
    assert words(loaded) == numbers("when was it", "who is café", "since")
    assert (loaded.rows.labels, loaded.rows.texts, loaded.features) == (("HUM:ind", "NUM:date"), Reading(), ())
    np.testing.assert_array_equal(loaded.rows.annotated, [[0, 1], [1, 0], [0, 1]])
    assert loaded.notes[0] == "1 of 3 lines are not UTF-8 and were read as Latin-1"


def test_fasttexts_marks_may_be_several(tmp_path: Path) -> None:
    path = written(tmp_path, "__label__a __label__b one two\n__label__b three __label__c\n", "q.txt")
    loaded = load(path, text="lines")
    assert loaded.rows.labels == ("a", "b")
    np.testing.assert_array_equal(loaded.rows.annotated, [[1, 1], [0, 1]])
    assert words(loaded)[1] == [number("three"), number("label"), number("c")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a x\nb\n", "line 2: 'b' has no text after its class"),
        ("__label__a\n", "line 1: '__label__a' has no text after its class"),
        ("\n\n", "has no rows"),
        ("a x\nb ??\n", "line 2: the text has no words"),
        ("__label__a x\nb y\n", "line 2 lacks a mark __label__, unlike those before"),
        ("a x\n__label__b y\n", "line 2 has a mark __label__, unlike those before"),
        ("a x\n? y\n", "line 2: '? y' begins with a class without a name"),
    ],
)
def test_wrong_lines_are_named(tmp_path: Path, content: str, said: str) -> None:
    assert said in refused(lambda: load(written(tmp_path, content, "q.txt"), text="lines"))


def test_a_text_a_line_without_a_class(tmp_path: Path) -> None:
    loaded = load(written(tmp_path, "one two\nthree\n", "q.txt"), text="plain")
    assert words(loaded) == numbers("one two", "three")
    assert (loaded.rows.annotated, loaded.rows.labels) == (None, ())


def test_a_class_may_end_with_a_tab(tmp_path: Path) -> None:
    loaded = load(written(tmp_path, "ham\tone two\nspam\tthree\n", "q.txt"), text="lines")
    assert loaded.rows.labels == ("ham", "spam")
    assert words(loaded) == numbers("one two", "three")


def test_a_text_file_says_what_it_can_be(tmp_path: Path) -> None:
    said = refused(lambda: load(written(tmp_path, "a x\n", "q.txt")))
    assert "can be read as series, or as texts; " in said
    assert "`text` to `lines`" in said


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as made:
        made.writestr("part/train.txt", "a x y\nb z\n")
        made.writestr("part/table.csv", "p,q\n1,2\n3,4\n")
    return tmp_path / "some.zip"


def test_a_file_may_lie_in_an_archive(archive: Path) -> None:
    assert words(load(archive / "part" / "train.txt", text="lines")) == numbers("x y", "z")
    np.testing.assert_array_equal(load(archive / "part" / "table.csv").rows.inputs(slice(None)), [[1, 2], [3, 4]])
    assert datasets.files(str(archive / "part" / "train.txt"), DataOptions(text="lines")) == [archive]
    said = refused(lambda: load(archive / "part" / "trian.txt", text="lines"))
    assert said.startswith(f"{archive} has no member 'part/trian.txt'; did you mean 'part/train.txt'?")


def test_what_an_archive_may_hold(archive: Path) -> None:
    for name in ("part/x.npz", "part/train.txt.gz"):
        assert "of which only text files that are not compressed" in refused(
            lambda name=name: load(archive / name, **({"text": "lines"} if "txt" in name else {}))
        )
    content = bytearray(archive.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flag that says a member is encrypted
        content[content.index(mark) + place] |= 1
    archive.write_bytes(bytes(content))
    assert "part/train.txt is encrypted" in refused(lambda: load(archive / "part" / "train.txt", text="lines"))


def test_a_damaged_archive_is_named(archive: Path) -> None:
    content = archive.read_bytes()
    archive.write_bytes(content.replace(b"a x y", b"a x q"))
    assert "is damaged" in refused(lambda: load(archive / "part" / "train.txt", text="lines"))
    archive.write_bytes(content[:40])
    assert "is damaged" in refused(lambda: load(archive / "part" / "train.txt", text="lines"))


def test_a_path_is_also_looked_for_below_the_folder_of_data(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMALGAM_DATA", str(archive.parent))
    assert words(load("some.zip/part/train.txt", text="lines")) == numbers("x y", "z")
    written(archive.parent, TABLE)
    assert len(load("x.csv", text=("title", "body"), drop=("topic", "good")).rows) == 3
    with pytest.raises(RequestError, match="no such file"):
        load("y.csv", text=("title",))


def test_lists_of_texts_are_rows() -> None:
    rows = datasets.from_arrays(["One two", "three"], [[1, 0], [0, 1]], ["a", "b"])
    assert (rows.texts, tuple(rows.values.shape), rows.labels) == (Reading(), (2, 2, 1), ("a", "b"))
    with pytest.raises(RequestError, match="row 1 of the inputs has no value at all"):
        datasets.from_arrays(["One", "?"])
