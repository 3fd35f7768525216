"""MULAN and MEKA data sets: labels, what attributes become, and the public sets with their published counts."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from amalgam import datasets
from amalgam.datasets import DataOptions, mulan
from amalgam.errors import RequestError

ARFF = """@relation {relation}
@attribute x numeric
@attribute 'Swainson\\'s Thrush' {{0,1}}
@attribute y {{YES,NO}}
@attribute z {{1,0}}
@data
0.5,1,YES,0
1.5,0,NO,1
2.5,?,YES,1
"""
THRUSH = "Swainson's Thrush"


def write(folder: Path, relation: str = "r", xml: list[str] | None = None, text: str = ARFF) -> Path:
    path = folder / "x.arff"
    path.write_text(text.format(relation=relation))
    if xml is not None:
        body = "".join(f'<label name="{name}"></label>\n' for name in xml)
        (folder / "x.xml").write_text(f'<?xml version="1.0"?>\n<labels xmlns="http://x/labels">\n{body}</labels>')
    return path


def labels_of(path: Path, **options: object) -> tuple[str, ...]:
    return datasets.load(str(path), DataOptions.model_validate(options)).rows.labels


def test_labels_by_name_keep_their_order_and_meaning(tmp_path: Path) -> None:
    loaded = datasets.load(str(write(tmp_path)), DataOptions(labels=("z", THRUSH)))
    assert loaded.rows.labels == ("z", THRUSH)
    assert loaded.features == ("x", "y")
    np.testing.assert_array_equal(loaded.rows.annotated, [[0, 1], [1, 0], [1, np.nan]])
    np.testing.assert_array_equal(loaded.rows.resident, [[0.5, 1], [1.5, 0], [2.5, 1]])
    assert loaded.rows.ids.tolist() == [0, 1, 2]
    assert loaded.notes == ()


def test_labels_come_from_options_then_xml_beside_then_the_relation_name(tmp_path: Path) -> None:
    def sure(folder: Path, relation: str, xml: list[str] | None = None) -> Path:
        return write(folder, relation, xml, re.sub(r"\n[012]\.5,[01?]", r"\n1,0", ARFF))

    meka = "'birds: -C 1 -split 10'"
    assert labels_of(sure(tmp_path, "'b: -C -2'")) == ("y", "z")
    assert labels_of(sure(tmp_path, "'b: -C 2'"), drop=("y",)) == ("x", THRUSH)
    assert labels_of(sure(tmp_path, meka), label_position="end") == ("z",)
    assert labels_of(sure(tmp_path, "'b: -C -2'"), label_count=1) == ("z",)
    assert labels_of(sure(tmp_path, "r"), label_count=2, label_position="start", drop=()) == ("x", THRUSH)
    assert labels_of(sure(tmp_path, meka, xml=["z", THRUSH])) == ("z", THRUSH)
    (tmp_path / "other.xml").write_text('<labels><label name="y"/></labels>')
    assert labels_of(tmp_path / "x.arff", xml=str(tmp_path / "other.xml")) == ("y",)
    assert labels_of(tmp_path / "x.arff", labels=("y",)) == ("y",)


def test_a_file_may_have_no_labels(tmp_path: Path) -> None:
    rows = datasets.load(str(write(tmp_path)), DataOptions(label_count=0, drop=(THRUSH,))).rows
    assert (rows.labels, rows.annotated, len(rows)) == ((), None, 3)


def test_nominal_values_become_numbers(tmp_path: Path) -> None:
    declared = [
        "{NO,YES}",
        "{true,False}",
        "{-1,1}",
        "{1,-1}",
        "{low,high}",
        "{on}",
        "{0}",
        "{1}",
        "{no,maybe}",
        "{a,0}",
    ]
    head = "".join(f"@attribute f{place} {values}\n" for place, values in enumerate(declared))
    firsts = ",".join(values[1:-1].split(",")[0] for values in declared)
    lasts = ",".join(values[1:-1].split(",")[-1] for values in declared)
    text = f"@relation r\n{head}@attribute colour {{red,green,blue}}\n@attribute l {{0,1}}\n@data\n"
    path = tmp_path / "x.arff"
    path.write_text(f"{text}{firsts},blue,1\n{lasts},red,0\n{lasts},red,0\n")
    loaded = datasets.load(str(path), DataOptions(labels=("l",)))
    first, last, again = loaded.rows.resident
    assert first.tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1]
    assert last.tolist() == again.tolist() == [1, 0, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 0]
    assert loaded.features[-3:] == ("colour=red", "colour=green", "colour=blue")
    assert loaded.notes == ("1 of 3 rows repeat the inputs of an earlier row; they are kept",)


def test_a_missing_nominal_value_is_missing_in_all_its_columns(tmp_path: Path) -> None:
    text = "@relation r\n@attribute c {{r,g,b}}\n@attribute l {{0,1}}\n@data\n?,1\nr,0\nr,1\ng,1\n"
    loaded = datasets.load(str(write(tmp_path, text=text)), DataOptions(labels=("l",), missing="mean"))
    np.testing.assert_allclose(loaded.rows.resident[0], [2 / 3, 1 / 3, 0])
    assert loaded.notes == (
        "3 missing values were filled with their column's mean",
        "1 of 4 rows repeat the inputs of an earlier row; they are kept",
    )


def test_an_attribute_that_identifies_rows_is_left_out_and_noted(tmp_path: Path) -> None:
    text = "@relation r\n@attribute id {{a,b,c,d}}\n@attribute x real\n@attribute l {{0,1}}\n@data\na,1,1\nc,2,0\n"
    loaded = datasets.load(str(write(tmp_path, text=text)), DataOptions(labels=("l",)))
    assert loaded.features == ("x",)
    assert loaded.notes == ("column 'id' was left out: it differs in every row, so it identifies rows",)
    loaded = datasets.load(str(write(tmp_path, text=text)), DataOptions(labels=("l",), drop=("id",)))
    assert loaded.notes == ("column 'id' was left out as asked",)
    for more in ("c,3,0\n", "?,3,0\n"):
        loaded = datasets.load(str(write(tmp_path, text=text + more)), DataOptions(labels=("l",), missing="mean"))
        assert loaded.features == ("id=a", "id=b", "id=c", "id=d", "x")


MANY = "@relation r\n@attribute x real\n@attribute l {{a,b,c}}\n@data\n1,a\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {},
            "{path} does not say which attributes are labels: no XML file beside it, no -C in its relation name; set "
            "the data option `labels`, `xml` or `label_count` (0 for data without labels)",
        ),
        ({"labels": ("zz",)}, "{path} has no attribute 'zz' to be a label; did you mean 'z'?"),
        ({"label_count": 4}, "{path} has 4 attributes, too few for 4 labels and a feature"),
        ({"labels": ("z",), "drop": ("xx",)}, "{path} has no attribute 'xx' to drop; did you mean 'x'?"),
        (
            {"labels": ("z",), "drop": ("z",)},
            "'z' is a label of {path} and cannot be dropped; take it out of `drop`",
        ),
        (
            {"labels": ("z",)},
            '{path} line 9: column "Swainson\'s Thrush" has no value, the first of 1; fill them in, or set the data '
            "option `missing` to `mean` (a column's mean) or `drop_rows`",
        ),
        (
            {"labels": ("x",), "drop": (THRUSH,)},
            "{path} line 7: the label 'x' is 0.5, expected 0, 1 or nothing where nobody annotated; a column of other "
            "values is no label",
        ),
        ({"xml": "nowhere.xml"}, "data nowhere.xml: no such file"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path: Path, options: dict[str, object], message: str) -> None:
    path = write(tmp_path)
    with pytest.raises(RequestError, match=f"^{re.escape(message.format(path=path))}$"):
        labels_of(path, **options)


def test_a_label_with_three_values_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, text=MANY)
    message = f"{path}: the label 'l' has 3 values ('a', 'b', 'c'), expected two; a label is there or not"
    with pytest.raises(RequestError, match=f"^{re.escape(message)}$"):
        labels_of(path, labels=("l",))


def test_a_relation_name_changed_by_an_attribute_filter_is_not_believed(tmp_path: Path) -> None:
    path = write(tmp_path, "'M: -C 2-weka.filters.unsupervised.attribute.Remove-R1'")
    message = (
        f"{path} counts its labels (-C 2) in a relation name that a Weka attribute filter changed since, so they may "
        "have moved; set the data option `labels`, `xml` or `label_count`"
    )
    with pytest.raises(RequestError, match=f"^{re.escape(message)}$"):
        labels_of(path)


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        (
            '<labels>\n<label name="z"/>\n<label name="zz"/></labels>',
            "{xml} line 3: the label 'zz' is no attribute of {path}; did you mean 'z'?",
        ),
        (
            '<labels><label name="z"/>\n<label name="z"/></labels>',
            "{xml} line 2: the label 'z' is named twice; leave one",
        ),
        ("<labels></labels>", "{xml} names no labels; expected <labels> of <label name=…>"),
        ('<labels>\n<label name="z">', "{xml} line 2 is no XML: no element found"),
        (
            '<?xml version="1.0"?>\n<!DOCTYPE labels [<!ENTITY z SYSTEM "file:///etc/passwd">]>\n<labels>&z;</labels>',
            "{xml} line 2: a document type (DOCTYPE, ENTITY) is refused; a label file is only <labels> of <label "
            "name=…>",
        ),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_label_file_is_checked(tmp_path: Path, xml: str, message: str, encoding: str) -> None:
    path = write(tmp_path)
    beside = path.with_suffix(".xml")
    beside.write_bytes(xml.encode(encoding))
    with pytest.raises(RequestError, match=f"^{re.escape(message.format(path=path, xml=beside))}$"):
        labels_of(path)


def test_train_and_test_are_joined_in_that_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMALGAM_DATA", str(tmp_path))
    folder = tmp_path / "toy"
    folder.mkdir()
    head = "@relation r\n@attribute x real\n@attribute l {0,1}\n@data\n"
    (folder / "toy.xml").write_text('<labels><label name="l"/></labels>')
    (folder / "toy-test.arff").write_text(head + "3,0\n4,?\n")
    message = (
        f"{folder} holds 'toy-test', expected one whole toy*.arff, or a -train and a -test file; give the path of the "
        "file you mean"
    )
    with pytest.raises(RequestError, match=f"^{re.escape(message)}$"):
        datasets.load("toy")
    (folder / "toy-train.arff").write_text(head + "1,0\n2,1\n")
    rows = datasets.load("toy").rows
    assert rows.resident[:, 0].tolist() == [1, 2, 3, 4]
    assert rows.name == "toy"
    assert datasets.load(str(folder / "toy-test.arff")).rows.labels == ("l",)
    (folder / "toy-test.arff").write_text(head + "3,0\n?,1\n")
    with pytest.raises(
        RequestError, match=f"^{re.escape(str(folder / 'toy-test.arff'))} line 6: column 'x' has no value"
    ):
        datasets.load("toy")
    (folder / "toy-test.arff").write_text(head.replace("{0,1}", "{1,0}") + "3,0\n")
    message = (
        f"{folder / 'toy-test.arff'} declares other attributes than {folder / 'toy-train.arff'}; load them one by one"
    )
    with pytest.raises(RequestError, match=f"^{re.escape(message)}$"):
        datasets.load("toy")
    (folder / "toy.arff").write_text(head + "9,1\n")
    assert datasets.load("toy").rows.resident.tolist() == [[9]]


PUBLISHED = {  # rows, features, labels, cardinality, label sets: the data folder's README
    "birds": (645, 258 + 1 + 12, 19, 1.014, 133),  # 258 numbers, one binary attribute, one of 12 values
    "emotions": (593, 72, 6, 1.869, 27),
    "genbase": (662, 1185, 27, 1.252, 32),
    "medical": (978, 1449, 45, 1.245, 94),
    "scene": (2407, 294, 6, 1.074, 15),
    "tmc2007": (28596, 500, 22, 2.158, 1341),
    "yeast": (2417, 103, 14, 4.237, 198),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_public_sets_have_their_published_counts(
    benchmark_data: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("AMALGAM_DATA", str(benchmark_data))
    loaded = datasets.load(name)
    rows, features, labels, cardinality, label_sets = PUBLISHED[name]
    assert loaded.rows.resident.shape == (rows, features) == (rows, len(loaded.features))
    annotated = loaded.rows.annotated.numpy()
    assert annotated.shape == (rows, labels)
    assert annotated.sum(1).mean() == pytest.approx(cardinality, abs=6e-4)
    assert len(np.unique(annotated, axis=0)) == label_sets
    if name == "birds":
        assert (annotated.sum(1) == 0).sum() == 294
        assert THRUSH in loaded.rows.labels
    if name == "genbase":
        assert loaded.notes[0] == "column 'protein' was left out: it differs in every row, so it identifies rows"


PARTS = {
    "emotions": (391, 202),
    "scene": (1211, 1196),
    "yeast": (1500, 917),
    "birds": (322, 323),
    "genbase": (463, 199),
    "medical": (333, 645),
}


@pytest.mark.parametrize("name", PARTS)
def test_train_and_test_files_load_by_path(benchmark_data: Path, name: str) -> None:
    folder = benchmark_data / "multilabel" / name
    options = DataOptions(drop=("protein",)) if name == "genbase" else DataOptions()
    for part, rows in zip(("train", "test"), PARTS[name], strict=True):
        loaded = datasets.load(str(folder / f"{name}-{part}.arff.xz"), options)
        assert loaded.rows.resident.shape == (rows, PUBLISHED[name][1])
        assert len(loaded.rows.labels) == PUBLISHED[name][2]


def test_a_folder_with_two_wholes_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    folder.mkdir()
    for stem in ("toy-1", "toy-2", "toy-1-train", "other"):
        (folder / f"{stem}.arff").write_text("")
    with pytest.raises(RequestError, match=r"holds 'toy-1-train', 'toy-1', 'toy-2', expected one whole"):
        mulan.find(folder)
