"""A page's files, and what is refused; without a browser and without npm."""

from __future__ import annotations

import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from amalgam.embeddings.graph import export as export_words
from amalgam.embeddings.words import WordVectors
from amalgam.errors import RequestError, WorkError
from amalgam.page import About, Samples, Vocabulary, build, folders, inputs, runtime
from amalgam.page.examples import packed
from amalgam.page.exported import Exported, Group
from amalgam.page.together import correlations, together
from tests.page import made

LABELS = ("red", "green", "blue", made.HOSTILE, "ripe")
ROWS = made.rows(4)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student of tables with a task of three classes and two labels, exported."""
    student = made.student({"name": "mlp", "hidden": [4]}, ROWS, LABELS, {"colour": LABELS[:3]})
    return student.export(tmp_path_factory.mktemp("exported") / "fruit.onnx", ROWS)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made.pretend(monkeypatch)
    return made.package(tmp_path / "package.tgz")


def known(page: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((page / "page.json").read_text())
    return found


def reshaped(graph: Path, to: Path, sides: list[int | str], **about: str) -> Path:
    """A file that says what an exported one does, but for its inputs, and computes nothing."""
    from onnx import TensorProto, helper

    read = helper.make_tensor_value_info("inputs", TensorProto.FLOAT, ["batch", *sides])
    said = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", *sides])
    nodes = [helper.make_node("Identity", ["inputs"], ["logits"])]
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(helper.make_graph(nodes, "none", [read], [said]), opset_imports=opset, ir_version=9)
    told = {one.key: one.value for one in onnx.load(graph).metadata_props}
    helper.set_model_props(model, told | {f"amalgam.{key}": own for key, own in about.items()})
    onnx.save(model, to)
    return to


def test_a_page_is_whole_and_escaped(graph: Path, package: Path, tmp_path: Path) -> None:
    about = About(made.HOSTILE, "kd", ("one", made.HOSTILE))
    built = build(graph, tmp_path / "page", Samples(ROWS, ("a", "b", made.HOSTILE, "d")), about, package=package)
    page = built.folder
    text = (page / "index.html").read_text()
    assert "<img" not in text
    assert text.count("</script>") == len(re.findall("<script ", text)) == 2
    assert "&lt;/script&gt;&lt;img src=x onerror=document.title=&#39;taken&#39;&gt;" in text
    there = {path.relative_to(page).as_posix() for path in page.rglob("*") if path.is_file()}
    assert there == set(known(page)["files"])
    assert {"student.onnx", "examples.bin", "runtime/ort.js", "runtime/ort.wasm", "runtime/LICENSE"} < there
    assert (page / "student.onnx").read_bytes() == graph.read_bytes()
    assert (page / "runtime" / "ort.wasm").read_bytes() == made.FILES[runtime.WASM]
    assert built.bytes == sum((page / name).stat().st_size for name in there)
    assert built.kind == "table"
    assert known(page)["decision"] == "Marked is the likeliest of each task, and every other label above 50 %."


def test_no_page_names_another_host(graph: Path, package: Path, tmp_path: Path) -> None:
    """Nothing but the names of SVG and of the reader's own machine; and scripts only from the folder."""
    page = build(graph, tmp_path / "page", Samples(ROWS), package=package).folder
    for path in [*page.glob("*.html"), *page.glob("*.css"), *page.glob("js/*.js")]:
        found = set(re.findall(r"(?:https?:)?//[\w.-]+", re.sub(r"^\s*//.*| // .*", "", path.read_text(), flags=re.M)))
        assert found <= {"http://www.w3.org", "http://localhost"}, path
    text = (page / "index.html").read_text()
    policy = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy == [
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'"
    ]
    tags = Tags()
    tags.feed(text)
    assert not [one for _, one in tags.found if one == "style" or one.startswith("on")]
    assert {tag for tag, _ in tags.found} >= {"script", "link", "input"}
    assert "style" not in tags.names


class Tags(HTMLParser):
    """The tags of a page: their names, and (tag, attribute) of each."""

    def __init__(self) -> None:
        super().__init__()
        self.names, self.found = list[str](), list[tuple[str, str]]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.found += [(tag, name) for name, _ in attrs]


def test_it_takes_the_place_of_an_older_page_only(graph: Path, package: Path, tmp_path: Path) -> None:
    page = tmp_path / "there" / "page"
    samples = Samples(ROWS)
    build(graph, page, samples, About("first"), package=package)
    build(graph, page, samples, About("second"), package=package)
    assert known(page)["title"] == "second"
    assert [one.name for one in page.parent.iterdir()] == ["page"]

    (page / "CNAME").write_text("mine")
    assert refused(graph, page, samples) == (
        f"{page} holds 'CNAME' beside the page, which would be lost; move it away, or name a new folder"
    )
    assert (page / "CNAME").read_text() == "mine"
    other = tmp_path / "other"
    other.mkdir()
    build(graph, other, samples, package=package)  # an empty folder may be used
    (other / "page.json").write_text("[1]")
    assert refused(graph, other, samples) == (
        f"{other} is there already and holds no page of amalgam's; nothing in it was touched, name a new folder"
    )
    file = tmp_path / "file"
    file.touch()
    assert refused(graph, file, samples) == (f"{file} is there already and is no folder; name a new one for the page")
    link = tmp_path / "link"
    link.symlink_to(page)
    assert "is no folder" in refused(graph, link, samples)
    assert "cannot be written" in refused(graph, file / "page", samples, package)


def refused(graph: Path, folder: Path, content: Samples | Vocabulary, package: Path | None = None) -> str:
    with pytest.raises(RequestError) as caught:
        build(graph, folder, content, package=package)
    return str(caught.value)


def test_an_older_page_stays_when_the_new_one_fails(
    graph: Path, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "there" / "page"
    build(graph, page, Samples(ROWS), About("first"), package=package)
    real, calls = os.rename, list[str]()

    def rename(old: Any, new: Any) -> None:
        calls.append(Path(new).name)
        if Path(old).name == "new":
            raise OSError(28, "No space left on device")
        real(old, new)

    monkeypatch.setattr(folders.os, "rename", rename)
    with pytest.raises((WorkError, OSError)):
        build(graph, page, Samples(ROWS), About("second"), package=package)
    assert calls[-3:] == ["old", "page", "page"]
    assert known(page)["title"] == "first"
    assert [one.name for one in page.parent.iterdir()] == ["page"]


def test_what_is_no_exported_student_is_refused(graph: Path, package: Path, tmp_path: Path) -> None:
    page = tmp_path / "page"
    assert refused(tmp_path / "none.onnx", page, Samples(ROWS)).startswith(f"{tmp_path}/none.onnx is no file; name")
    noise = tmp_path / "noise.onnx"
    noise.write_bytes(b"noise")
    wanted = f"{noise} is no ONNX file that onnxruntime can run; export it again ("
    assert refused(noise, page, Samples(ROWS)).startswith(wanted)
    foreign = tmp_path / "foreign.onnx"
    model = onnx.load(graph)
    del model.metadata_props[:]
    onnx.save(model, foreign)
    assert refused(foreign, page, Samples(ROWS)) == (
        f"{foreign} does not say what it is, so no page can be made of it; make the file with `amalgam export`"
    )
    assert refused(graph, page, Vocabulary(["a"])) == (
        f"{graph} is a student of rows, and words alone were given; give Samples of its rows"
    )
    assert not page.exists()


def test_rows_that_do_not_fit_are_refused(graph: Path, tmp_path: Path) -> None:
    page = tmp_path / "page"
    assert refused(graph, page, Samples(ROWS[:0])) == (
        "a page shows some rows for people to begin with, and there are none; give at least one, such as with --check"
    )
    assert refused(graph, page, Samples(ROWS[:, :3])) == (
        f"the rows for the page have the shape (3,), and {graph} reads (4); give it rows such as it learned from"
    )
    assert refused(graph, page, Samples(ROWS, ("a",))) == (
        "there are 1 names of features and 4 features; give one for each"
    )
    assert refused(graph, page, Samples(ROWS, names=("a", "b"))) == (
        "there are 40 rows and 2 names; give one for each row"
    )


def test_inputs_that_no_page_can_take_are_refused(graph: Path, tmp_path: Path) -> None:
    page, told = tmp_path / "page", tmp_path / "told.onnx"
    reshaped(graph, told, [9, 1], texts=json.dumps({"longest": 9, "tokenizer": "bert"}))
    assert refused(told, page, Samples(made.rows(9, 1))) == (
        f"{told} reads texts with a tokenizer; a page can hash words but runs no tokenizer, so distil a student of "
        "words (without the data option `tokenizer`)"
    )
    reshaped(graph, told, [2, 5, 5])
    assert refused(told, page, Samples(made.rows(2, 5, 5))) == (
        f"{told} reads inputs of the shape (2, 5, 5), for which a page has no way in; it has one for images of 1 or 3 "
        "channels, series, tables and texts"
    )
    reshaped(graph, told, [1025])
    assert refused(told, page, Samples(np.zeros((2, 1025), np.float32))) == (
        f"{told} reads 1,025 features, and a page has a slider for each, for 1,024 at most; `amalgam predict` reads "
        "them from a file"
    )


def test_a_vocabulary_too_large_for_a_page_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = tuple(f"w{place}" for place in range(30))
    export_words(WordVectors(words, np.ones((30, 4), np.float32)), tmp_path / "words.onnx")
    page = tmp_path / "page"
    assert "is an embedding, whose page needs its words" in refused(tmp_path / "words.onnx", page, Samples(ROWS))
    assert refused(tmp_path / "words.onnx", page, Vocabulary([*words[:-1], "two\nlines"])) == (
        "the page's list has a word a line, and 'two\\nlines' has a line break; leave it out"
    )
    monkeypatch.setattr(inputs, "MOST_VECTORS", 400)
    assert refused(tmp_path / "words.onnx", page, Vocabulary(words)) == (
        "30 words of 4 numbers are 480 bytes of vectors, and a page, which fetches all of them, takes 400 at most: 25 "
        "words of such; make an embedding of fewer words"
    )


def test_series_and_texts_of_any_length(graph: Path, tmp_path: Path) -> None:
    """What a file with an axis of any length says of itself; and a fixed one fills up what is shorter."""
    masked = json.dumps({"input": "raw features, float32", "shape": [9, 2], "nan": "missing"})
    free = Exported.read(reshaped(graph, tmp_path / "free.onnx", ["time", 2], preprocessing=masked))
    rows = made.rows(7, 2)
    assert free.shape == (None, 2)
    assert inputs.way_in(free, (), rows) == {
        "kind": "series",
        "steps": None,
        "channels": 2,
        "missing": True,
    }
    np.testing.assert_array_equal(free.fitted(rows), rows)
    fixed = Exported.read(reshaped(graph, tmp_path / "fixed.onnx", [9, 2], preprocessing=masked))
    filled = fixed.fitted(rows)
    assert filled.shape == (40, 9, 2)
    assert np.isnan(filled[:, 7:]).all()
    with pytest.raises(RequestError, match="have the shape"):
        fixed.fitted(made.rows(10, 2))


def test_groups_are_the_tasks_and_what_is_between(graph: Path, tmp_path: Path) -> None:
    student = Exported.read(graph)
    assert student.groups == (Group("colour", 0, 3, True), Group("", 3, 5, False))
    tasks = {"late": [made.HOSTILE, "ripe"]}
    other = Exported.read(reshaped(graph, tmp_path / "a.onnx", [4], tasks=json.dumps(tasks)))
    assert other.groups == (Group("", 0, 3, False), Group("late", 3, 5, True))
    one = Exported.read(reshaped(graph, tmp_path / "b.onnx", [4], exclusive="true", tasks="{}"))
    assert one.groups == (Group("", 0, 5, True),)
    logits = np.array([[1, 3, 2, -1, 1], [0, 0, 0, 0, 0]], np.float32)
    assert student.decided(logits).tolist() == [[False, True, False, False, True], [True, False, False, False, False]]


def test_how_labels_go_together(graph: Path) -> None:
    student = Exported.read(graph)
    found = together(student, ROWS)
    assert found is not None
    chances = 1 / (1 + np.exp(-student.logits(ROWS)[:, 3:].astype(np.float64)))
    assert found["labels"] == [made.HOSTILE, "ripe"]
    assert found["rows"] == 40
    np.testing.assert_allclose(found["correlations"], np.corrcoef(chances.T), atol=1e-3)
    assert together(student, ROWS[:29]) is None
    values = np.stack([np.arange(9.0), -np.arange(9.0), np.full(9, 0.1)], 1)
    np.testing.assert_allclose(correlations(values), [[1, -1, np.nan], [-1, 1, np.nan], [np.nan] * 3])


def test_examples_differ_first(graph: Path, package: Path, tmp_path: Path) -> None:
    page = build(
        graph, tmp_path / "page", Samples(ROWS, names=[f"no. {row}" for row in range(40)]), package=package
    ).folder
    told = known(page)
    rows = [int(one["name"].removeprefix("no. ")) for one in told["examples"]]
    assert len(rows) == 12
    student = Exported.read(graph)
    kinds = [tuple(one) for one in student.decided(student.logits(ROWS)).tolist()]
    every = len(set(kinds))
    assert len({kinds[row] for row in rows}) == min(every, 12)
    written = np.frombuffer((page / "examples.bin").read_bytes(), "<f4").reshape(-1, 4)
    np.testing.assert_array_equal(written, ROWS[rows])


def test_images_are_kept_as_bytes() -> None:
    images = made.images(3, 4, 4)
    numbers, dtype = packed(images)
    assert (len(numbers), dtype) == (images.size, "uint8")
    np.testing.assert_array_equal(np.divide(np.frombuffer(numbers, np.uint8), 255, dtype=np.float32), images.ravel())
    images[0, 0, 0, 0] = np.nan
    assert packed(images)[1] == "float32"
    assert packed(images * 2)[1] == "float32"


def test_the_ranges_of_sliders_are_those_of_the_rows(graph: Path) -> None:
    rows = ROWS.copy()
    rows[:, 1] = np.round(rows[:, 1])
    rows[:, 2] = 5
    way = inputs.way_in(Exported.read(graph), (), rows)
    assert [one["whole"] for one in way["features"]] == [False, True, True, False]
    assert way["features"][2] == {"name": "feature 3", "low": 5.0, "high": 6.0, "whole": True}
    assert way["features"][0]["low"] == rows[:, 0].min()
    assert not way["missing"]
