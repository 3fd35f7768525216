"""An exported student of every kind: parity at every size, and without torch what the student says."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from amalgam import edge
from amalgam.adapters.onnx import load
from amalgam.embeddings.graph import export as export_words
from amalgam.embeddings.words import WordVectors
from amalgam.errors import RequestError
from amalgam.export import facts, session
from amalgam.labelgraph.walked import in_words
from amalgam.student import Student, build
from amalgam.teacher import Card
from tests.students.kinds import GRAPH, KINDS, LABELS, TEXTS, made, series

OF_SERIES = ("recurrent", "convolutional", "text", "path_decoder", "huggingface")
Exported = dict[str, tuple[Student, Path]]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """What has been exported so far."""
    return {}


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exported")


def of(kind: str, exported: Exported, folder: Path) -> tuple[Student, Path]:
    """A student and its file, exported once."""
    if kind == "huggingface":
        pytest.importorskip("transformers")
    if kind not in exported:
        student = made(kind, folder)
        exported[kind] = student, student.export(folder / f"{kind}.onnx", KINDS[kind][1](300))
    return exported[kind]


def test_every_kind_of_student_is_here() -> None:
    kinds = {one.stem for one in (Path(edge.__file__).parent / "students").glob("[!_]*.py")}
    assert set(KINDS) == kinds


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_says_what_the_student_says(kind: str, exported: Exported, folder: Path) -> None:
    """At a second batch size and at a second and third length, in torch's words and in the edge's."""
    student, path = of(kind, exported, folder)
    told = facts(path)
    assert (told["rows checked"], told["batch sizes checked"]) == (300, "300, 3, 1")
    assert told["rows decided alike"] == 1
    steps = student.shape[0]
    lengths = f"{steps}, {steps // 2}, {steps + steps // 3}"
    assert told.get("lengths checked") == (lengths if kind in OF_SERIES else None)
    assert session(path).any_length == (kind in OF_SERIES)
    light, rows = edge.Student(path), KINDS[kind][1](5)
    assert (light.labels, light.tasks) == (LABELS, {"letter": LABELS[:3]})
    assert light.shape == ((None, *student.shape[1:]) if kind in OF_SERIES else student.shape)
    others = [rows[:, :4], torch.cat([rows, rows[:, :7]], 1)] if kind in OF_SERIES else []
    for some in (rows, rows[:1], *others):
        np.testing.assert_allclose(light.logits(some.numpy()), student.logits(some).numpy(), atol=1e-5)
        np.testing.assert_allclose(light.predict_proba(some.numpy()), student.predict_proba(some), atol=1e-5)
        assert np.array_equal(light.predict(some.numpy()), student.predict(some))
    np.testing.assert_allclose(light.logits(rows.numpy(), 2), light.logits(rows.numpy()), atol=1e-6)
    assert light.predict(rows[:0].numpy()).shape == (0, 4)
    said = student.predict(KINDS[kind][1](300))
    assert said[:, :3].sum(1).tolist() == [1] * 300


def test_a_file_of_any_length_is_a_teacher_of_any_length(exported: Exported, folder: Path) -> None:
    student, path = of("recurrent", exported, folder)
    teacher = load(Card(name="light", adapter="onnx", source=path.name), path.parent, torch.device("cpu"), trust=False)
    for steps in (4, 11, 19):
        rows = series(6, steps)
        torch.testing.assert_close(teacher.score(rows), student.logits(rows), atol=1e-5, rtol=0)
    assert teacher.tasks == student.tasks


@pytest.mark.parametrize("kind", ["text", "path_decoder", "huggingface"])
def test_texts_are_read_as_they_are(kind: str, exported: Exported, folder: Path) -> None:
    student, path = of(kind, exported, folder)
    light = edge.Student(path, tokenizer=student.reading.tokenizer if student.reading else None)
    np.testing.assert_allclose(light.logits(TEXTS), student.logits(TEXTS).numpy(), atol=1e-5)
    with pytest.raises(RequestError, match="text 1 is 3, expected a text; drop it"):
        light.predict(["sky", 3])  # type: ignore[list-item]
    with pytest.raises(RequestError, match="row 1 of the inputs has no value at all, only NaN; drop it first"):
        light.predict(["sky", "?!"])


def test_paths_are_told_in_names(exported: Exported, folder: Path) -> None:
    student, path = of("path_decoder", exported, folder)
    (wanted,) = student.each(TEXTS, lambda output: in_words(student.graph, student.walk(output)))  # type: ignore[arg-type]
    found = edge.Student(path).walk(TEXTS)
    for words, walked in zip(wanted, found, strict=True):
        assert words.startswith(" → ".join(["thing", *(f"{node} {chance:.2f}" for node, chance in walked)]) + " (")
    assert edge.Student(path).nodes[0] == GRAPH["root"]
    with pytest.raises(RequestError, match="walks down no label graph"):
        edge.Student(of("text", exported, folder)[1]).walk(TEXTS)


def test_a_tokenizer_that_is_not_there_is_named(
    exported: Exported, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, path = of("huggingface", exported, folder)
    with pytest.raises(RequestError, match=r"no tokenizer '.*nowhere'"):
        edge.Student(path, tokenizer=str(folder / "nowhere")).predict(TEXTS)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(RequestError, match=r"the tokenizer '.*elsewhere' needs transformers; install amalgam\[text\]"):
        edge.Student(path, tokenizer="elsewhere").predict(TEXTS)


def test_it_runs_where_there_is_only_numpy_and_onnxruntime(exported: Exported, folder: Path) -> None:
    """In a virtual environment that has nothing else: no torch, no pydantic."""
    student, path = of("path_decoder", exported, folder)
    rows = KINDS["path_decoder"][1](5).numpy()
    np.save(folder / "rows.npy", rows)
    seen = folder / "site"
    seen.mkdir()
    for name in ("numpy", "onnxruntime", "amalgam"):
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        home = Path(spec.origin).parent
        (seen / name).symlink_to(home)
        for libraries in home.parent.glob(f"{name}.libs"):
            (seen / libraries.name).symlink_to(libraries)
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    (site / "seen.pth").write_text(f"{seen}\n")
    script = (
        "import importlib.util as u, sys, json, numpy as np\n"
        "assert not [one for one in ('torch', 'pydantic', 'yaml', 'onnx', 'rich') if u.find_spec(one)]\n"
        "from amalgam.edge import Student\n"
        f"student = Student({str(path)!r})\n"
        f"rows = np.load({str(folder / 'rows.npy')!r})\n"
        f"texts = {TEXTS!r}\n"
        "json.dump([student.predict_proba(rows).tolist(), student.predict(texts).tolist(), student.walk(rows)],"
        " sys.stdout)\n"
    )
    command = [folder / "venv" / "bin" / "python", "-I", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    chances, decided, walked = json.loads(done.stdout)
    np.testing.assert_allclose(chances, student.predict_proba(rows), atol=1e-5)
    assert decided == student.predict(TEXTS).tolist()
    assert [[node for node, _ in path] for path in walked] == [
        [node for node, _ in path] for path in edge.Student(path).walk(rows)
    ]


def test_importing_the_edge_imports_nothing_heavy() -> None:
    script = (
        "import sys, amalgam.edge\n"
        "heavy = {'torch', 'pydantic', 'onnxruntime', 'yaml', 'rich', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stderr == ""


def a_file(
    path: Path, told: dict[str, Any], kind: int = TensorProto.FLOAT, shape: tuple[Any, ...] = ("batch", 3)
) -> Path:
    """A graph that says what it reads, with metadata; no exporter is needed."""
    ends = [helper.make_tensor_value_info(name, kind, shape) for name in ("inputs", "logits")]
    graph = helper.make_graph([helper.make_node("Identity", ["inputs"], ["logits"])], "same", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    about = {f"amalgam.{key}": value if isinstance(value, str) else json.dumps(value) for key, value in told.items()}
    helper.set_model_props(model, about)
    onnx.save(model, path)
    return path


PLAIN = {"labels": ["a", "b", "c"], "preprocessing": {"nan": "refused"}}


@pytest.mark.parametrize(
    ("exclusive", "tasks", "wanted"),
    [
        (False, {}, [True, False, True]),
        (True, {}, [False, False, True]),
        (False, {"t": ["b", "c"]}, [True, False, True]),
        (True, {"class": ["a", "b", "c"]}, [False, False, True]),
    ],
)
def test_labels_classes_and_tasks(exclusive: bool, tasks: Any, wanted: list[bool], tmp_path: Path) -> None:
    path = a_file(tmp_path / "a.onnx", {**PLAIN, "exclusive": exclusive, "tasks": tasks})
    rows = np.array([[0.5, -2, 1], [800, -800, 0]])
    light = edge.Student(path)
    assert light.predict(rows)[0].tolist() == wanted
    student = build({"name": "mlp"}, (3,), PLAIN["labels"], "test")  # type: ignore[arg-type]
    student.tasks = light.tasks
    student.forward = lambda inputs: type("Said", (), {"logits": inputs})  # type: ignore[method-assign,assignment]
    np.testing.assert_allclose(light.predict_proba(rows), student.predict_proba(rows), atol=1e-6)
    assert np.array_equal(light.predict(rows), student.predict(rows))


def test_half_precision_is_read_and_answered_in_single(tmp_path: Path) -> None:
    light = edge.Student(a_file(tmp_path / "half.onnx", PLAIN, TensorProto.FLOAT16))
    found = light.logits([[0.5, 2.0, -1.0]])
    assert (found.dtype, found.tolist()) == (np.float32, [[0.5, 2.0, -1.0]])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((2, 5)), "inputs have the shape (2, 5), expected (rows, 3)"),
        (np.zeros(3), "inputs have the shape (3,), expected (rows, 3)"),
        ([[0, 1, 2], [0, np.nan, 1]], "row 1 of the inputs is NaN or infinite; fill or drop missing values first"),
        ([["x", 2, 3]], "the inputs are no rows of numbers (could not convert string to float: 'x')"),
        (["a text"], "the inputs are texts, and this student reads numbers"),
    ],
)
def test_rows_that_cannot_be_read_are_refused(rows: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        edge.Student(a_file(tmp_path / "a.onnx", PLAIN)).predict(rows)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.full((2, 4, 1), np.nan), "row 0 of the inputs has no value at all, only NaN; drop it first"),
        (np.full((2, 4, 1), np.inf), "row 0 of the inputs is infinite; write NaN where a value is missing"),
        (np.zeros((2, 4, 2)), "inputs have the shape (2, 4, 2), expected (rows, any, 1)"),
        (np.zeros((2, 0, 1)), "inputs have the shape (2, 0, 1), expected (rows, any, 1)"),
    ],
)
def test_series_that_cannot_be_read_are_refused(rows: Any, message: str, tmp_path: Path) -> None:
    told = {"labels": ["a"], "preprocessing": {"nan": "missing"}}
    with pytest.raises(RequestError) as caught:
        edge.Student(a_file(tmp_path / "a.onnx", told, shape=("batch", "time", 1))).predict(rows)
    assert str(caught.value) == message


def test_texts_for_a_file_of_one_length_are_filled_up_and_cut(tmp_path: Path) -> None:
    told = {"labels": ["a"], "preprocessing": {"nan": "missing"}, "texts": {"longest": 9, "tokenizer": None}}
    light = edge.Student(a_file(tmp_path / "a.onnx", told, shape=("batch", 3, 1)))
    values = light._values(["one two", "one two three four"])
    assert values.shape == (2, 3, 1)
    assert np.isnan(values[..., 0]).tolist() == [[False, False, True], [False] * 3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is no file; name what amalgam export wrote, such as runs/ant-1/student.onnx"),
        (b"nothing", "is no ONNX file that onnxruntime can run; export it again ("),
        ({}, "is no student that amalgam exported (it has no metadata `amalgam.labels`)"),
        ({"ids": "a line"}, "is an embedding of words; open it with amalgam.edge.Embedding"),
    ],
)
def test_what_is_no_student_is_refused(content: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        a_file(path, content)
    with pytest.raises(RequestError) as caught:
        edge.Student(path)
    assert str(caught.value).startswith(f"{path} {message}")


def test_without_onnxruntime_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = a_file(tmp_path / "a.onnx", PLAIN)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(RequestError, match="which is not installed; pip install onnxruntime"):
        edge.Student(path)


def test_an_embedding_has_its_words(tmp_path: Path) -> None:
    names = ("film", "sea", "Höhe", "war", "zero")
    vectors = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    vectors[4] = 0
    words = WordVectors(names, vectors)
    export_words(words, tmp_path / "words.onnx")
    light = edge.Embedding(tmp_path / "words.onnx")
    assert (light.words, len(light), "sea" in light, "tree" in light) == (names, 5, True, False)
    assert np.array_equal(light["Höhe"], words["Höhe"])
    for count in (2, 9):
        found, wanted = light.nearest("film", count), words.nearest("film", count)
        assert [word for word, _ in found] == [word for word, _ in wanted]
        np.testing.assert_allclose([one for _, one in found], [one for _, one in wanted], atol=1e-6)
    for ask in (words, light):
        with pytest.raises(RequestError, match="no word 'fil' among 5; did you mean 'film'"):
            ask["fil"]
    with pytest.raises(RequestError, match="ask for one or more"):
        light.nearest("film", 0)
    with pytest.raises(RequestError, match=r"open it with amalgam\.edge\.Embedding"):
        edge.Student(tmp_path / "words.onnx")
    with pytest.raises(RequestError, match="is no embedding that amalgam exported"):
        edge.Embedding(a_file(tmp_path / "a.onnx", PLAIN))
