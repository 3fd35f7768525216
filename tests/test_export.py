"""An exported student says what torch says, at every batch size, in one file that describes itself."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from amalgam import __version__
from amalgam.errors import RequestError, WorkError
from amalgam.export import Parity, compare, export, session
from amalgam.export.parity import _undecided
from amalgam.export.trace import FIXED, _reason
from amalgam.signals import TensorRows
from amalgam.student import Student, build
from amalgam.students.mlp import MLP

LABELS = ("rain", "snow", "fog", "schön")
ROWS = 4 + 3 * torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
SPECS: dict[str, dict[str, Any]] = {
    "mlp": {"name": "mlp"},
    "joint first": {"name": "label_chain"},
    "own last": {"name": "label_chain", "accept": "own", "unchosen": "last"},
    "always first": {"name": "label_chain", "accept": "always"},
}


def a_student(spec: dict[str, Any]) -> Student:
    torch.manual_seed(0)
    student = build(spec, (6,), LABELS, "test")
    student.scaling.fit(TensorRows(values=ROWS))
    return student


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Student, Path]]:
    """One export of each student, over an older file; the perceptron's rows are drawn, the chains' are given."""
    folder = tmp_path_factory.mktemp("exported")

    def one(name: str) -> tuple[Student, Path]:
        student, path = students[name], folder / f"{name}.onnx"
        path.write_text("the one before")
        assert student.export(path, None if name == "mlp" else ROWS) == path
        return student, path

    students = {name: a_student(spec).train() for name, spec in SPECS.items()}
    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(SPECS, pool.map(one, SPECS), strict=True))
    assert all(student.training for student in students.values())  # as they were
    return found


@pytest.mark.parametrize("name", SPECS)
def test_the_file_says_what_torch_says_at_every_batch_size(
    name: str, exported: dict[str, tuple[Student, Path]]
) -> None:
    student, path = exported[name]
    run = session(path)
    for batch in (1, 2, 5, 33):
        np.testing.assert_allclose(run(ROWS[:batch].numpy()), student.logits(ROWS[:batch]).numpy(), atol=1e-5)
    assert student.predict(ROWS).any()
    assert 0 <= compare(path, student, ROWS.numpy()).difference < 1e-5


@pytest.mark.parametrize("name", SPECS)
def test_the_file_is_one_and_names_its_ends(name: str, exported: dict[str, tuple[Student, Path]]) -> None:
    path = exported[name][1]
    assert sorted(one.stem for one in path.parent.iterdir()) == sorted(SPECS)
    graph = onnx.load(path, load_external_data=False).graph
    assert [one.name for one in graph.input] == ["inputs"]
    assert [one.name for one in graph.output] == ["logits"]
    for end, columns in ((graph.input[0], 6), (graph.output[0], 4)):
        batch, width = end.type.tensor_type.shape.dim
        assert (batch.dim_param, width.dim_value) == ("batch", columns)
        assert end.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert all(one.data_location == onnx.TensorProto.DEFAULT for one in graph.initializer)
    assert b".py" not in path.read_bytes()  # no stack of the machine that wrote it


@pytest.mark.parametrize(
    ("name", "rows", "rows_from"),
    [("mlp", 256, "drawn from seed 0 with the scaling's mean and spread"), ("joint first", 40, "given")],
)
def test_the_file_describes_itself(
    name: str, rows: int, rows_from: str, exported: dict[str, tuple[Student, Path]]
) -> None:
    about = {one.key: one.value for one in onnx.load(exported[name][1]).metadata_props}
    found = json.loads(about.pop("amalgam.parity"))
    assert 0 <= found.pop("largest_difference") < 1e-5
    assert found == {
        "tolerance": 1e-4, "rows": rows, "rows_from": rows_from, "batch_sizes": [rows, 3, 1], "undecided_rows": 0
    }  # fmt: skip
    assert json.loads(about.pop("amalgam.labels")) == list(LABELS)
    assert json.loads(about.pop("amalgam.preprocessing")) == {
        "scaling": "inside the graph", "input": "raw features, float32", "shape": [6], "nan": "refused"
    }  # fmt: skip
    assert about == {
        "amalgam.version": __version__,
        "amalgam.student": "label_chain" if name != "mlp" else "mlp",
        "amalgam.exclusive": "false",
        "amalgam.tasks": "{}",
        "amalgam.threshold": "logit > 0, probability > 0.5",
    }


def in_the_child(folder: Path, monkeypatch: pytest.MonkeyPatch, forward: str) -> None:
    """Let the process that traces see another perceptron: a graph that is wrong for a reason the exporter misses."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "from amalgam.students import mlp\n"
        "from amalgam.signals import StudentOutput\n"
        "right = mlp.MLP.forward\n"
        f"mlp.MLP.forward = lambda self, inputs: {forward}\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(folder))


def test_a_graph_that_is_wrong_at_another_batch_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = "StudentOutput(right(self, inputs).logits + (inputs[:, :1] * 0 + 0.5).sum() - 1, None)"
    in_the_child(tmp_path / "site", monkeypatch, wrong)
    path = tmp_path / "out" / "student.onnx"
    with pytest.raises(WorkError) as caught:
        export(a_student(SPECS["mlp"]), path, ROWS[:4])
    assert str(caught.value) == (
        "the exported student differs from torch by 1 at a batch of 4 rows, more than the tolerance of 0.0001; "
        f"{path} was not written"
    )
    assert list(path.parent.iterdir()) == []


def test_a_batch_size_taken_as_a_number_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_the_child(tmp_path / "site", monkeypatch, "StudentOutput(right(self, inputs).logits * len(inputs), None)")
    path = tmp_path / "out" / "student.onnx"
    path.parent.mkdir()
    path.write_text("the one before")
    with pytest.raises(WorkError) as caught:
        export(a_student(SPECS["mlp"]), path, ROWS)
    assert str(caught.value) == (
        "the student could not be exported to ONNX: its forward makes a Python number of the batch size, which fixes "
        "the graph to one size; write inputs.shape[0] instead of len(inputs)"
    )
    assert [one.read_text() for one in path.parent.iterdir()] == ["the one before"]


class Torn(MLP):
    """A perceptron whose weights do not survive the disk."""

    __module__ = MLP.__module__

    def save(self, folder: str | Path) -> Path:
        saved = super().save(folder)
        (saved / "model.safetensors").write_bytes(b"")
        return saved


def test_a_process_that_dies_says_why_without_its_traceback(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WorkError) as caught:
        export(Torn((6,), LABELS), tmp_path / "student.onnx", ROWS)
    message = str(caught.value)
    assert message.startswith("the student could not be exported to ONNX: the student in ")
    assert message.endswith("; copy or distil it again")
    assert "Traceback" not in message
    assert "\n" not in message
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.glob("*.onnx*")) == []


def test_the_comparison_sees_other_weights_nan_and_the_batch_size(exported: dict[str, tuple[Student, Path]]) -> None:
    student, path = exported["mlp"]
    assert compare(path, student, ROWS[:2].numpy()).batches == (3, 1)
    assert compare(path, student, ROWS[:1].numpy().repeat(1500, 0)).batches == (1024, 3, 1)
    moved = a_student(SPECS["mlp"])
    with torch.no_grad():
        moved.get_parameter("head.bias")[2] += 0.5
    assert compare(path, moved, ROWS.numpy()).difference == pytest.approx(0.5, abs=1e-5)
    with torch.no_grad():
        moved.get_parameter("head.bias")[2] = torch.nan
    assert np.isnan(compare(path, moved, ROWS.numpy()).difference)


def test_a_row_that_torch_itself_decides_by_a_rounding_is_set_aside(
    exported: dict[str, tuple[Student, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    student, path = exported["joint first"]
    rows = ROWS.numpy()
    monkeypatch.setattr("amalgam.export.parity.session", lambda _: lambda some: _shifted(student, some, rows[7]))
    assert compare(path, student, rows).difference == pytest.approx(1, abs=1e-5)  # a firm row: the graph is wrong
    monkeypatch.setattr(
        "amalgam.export.parity._undecided", lambda _student, some, _tolerance: np.ones(len(some), dtype=bool)
    )
    assert compare(path, student, rows) == Parity(0.0, 40, 40, (40, 3, 1), 1)


def test_only_a_row_on_the_edge_of_a_decision_is_undecided() -> None:
    student = a_student(SPECS["own last"])
    with torch.no_grad():
        student.get_parameter("decide.weight").mul_(8)
    low, high = ROWS[:-1].double(), ROWS[1:].double()
    for _ in range(60):  # to neighbours that are predicted otherwise, where the ends were
        middle = (low + high) / 2
        as_low = torch.from_numpy((student.predict(middle) == student.predict(low)).all(1, keepdims=True))
        low, high = torch.where(as_low, middle, low), torch.where(as_low, high, middle)
    jump, row = (student.logits(high) - student.logits(low)).abs().amax(1).max(0)
    assert jump > 1e-3
    rows = torch.stack([ROWS[0], high[row].float(), ROWS[1]]).numpy()
    assert _undecided(student, rows, 1e-4).tolist() == [False, True, False]


def _shifted(student: Student, some: Any, row: Any) -> Any:
    """Torch's logits, one row's off by one."""
    return student.logits(some).numpy() + (some == row).all(1, keepdims=True)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((3, 5)), "inputs have the shape (3, 5), expected (rows, 6)"),
        (np.full((3, 6), np.nan), "row 0 of the inputs is NaN or infinite; fill or drop missing values first"),
        (np.zeros((0, 6)), "there are no rows to check the export with; give at least one, or None for drawn ones"),
    ],
)
def test_rows_that_cannot_check_are_refused_at_once(rows: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        export(a_student(SPECS["mlp"]), tmp_path / "student.onnx", rows)
    assert str(caught.value) == message
    assert list(tmp_path.glob("*.onnx*")) == []


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "student.onnx"
    with pytest.raises(RequestError) as caught:
        export(a_student(SPECS["mlp"]), path, ROWS)
    assert str(caught.value) == f"{path} cannot be written (File exists); name a file in a folder of yours"


@pytest.mark.parametrize("name", ["model.txt", "recipe.yaml", "student"])
def test_another_kind_of_file_is_not_overwritten(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("mine")
    with pytest.raises(RequestError) as caught:
        export(a_student(SPECS["mlp"]), path, ROWS)
    assert str(caught.value) == f"{path} does not end in .onnx and was not written; name a file such as student.onnx"
    assert path.read_text() == "mine"


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "student.onnx"
    path.write_bytes(b"nothing")
    with pytest.raises(WorkError) as caught:
        compare(path, a_student(SPECS["mlp"]), ROWS.numpy())
    assert str(caught.value).startswith(f"onnxruntime cannot run {path}: [ONNXRuntimeError] : 7 : INVALID_PROTOBUF")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        ("Traceback\n  File x\nKeyError: 'a'\n\nDuring …\nx.TorchExportError: failed\n<class 'ValueError'>: deep\n"
         "\n(Refer to the full stack trace above)", 1, "deep"),
        ("Traceback\n  File x\namalgam.errors.RequestError: the student is damaged\n", 1, "the student is damaged"),
        ("ValueError: … but tracing inferred a static shape of 3 for dimension", 1, FIXED),
        ("/bin/python: No module named amalgam\n", 1, "/bin/python: No module named amalgam"),
        ("", -9, "the exporter was killed by signal 9; it may need more memory"),
        ("", 3, "the exporter ended with status 3"),
    ],
)  # fmt: skip
def test_the_reason_of_a_failure_is_one_line(said: str, status: int, reason: str) -> None:
    assert _reason(said, status) == reason


def test_a_student_whose_logits_are_nan_is_refused(
    exported: dict[str, tuple[Student, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amalgam.export.traced", lambda _, graph, __: shutil.copy(exported["mlp"][1], graph))
    student, path = a_student(SPECS["mlp"]), tmp_path / "student.onnx"
    with torch.no_grad():
        student.get_parameter("head.bias")[1] = torch.nan
    with pytest.raises(WorkError) as caught:
        export(student, path, ROWS)
    assert str(caught.value) == (
        "the exported student differs from torch by nan at a batch of 40 rows, more than the tolerance of 0.0001; "
        f"{path} was not written"
    )
    assert list(tmp_path.glob("*student.onnx*")) == []
