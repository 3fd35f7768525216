"""An exported student says what torch says, at every batch size, in one file that describes itself."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from amalgam import __version__, edge
from amalgam.errors import RequestError, WorkError
from amalgam.export import Parity, Provenance, compare, export, facts, session, trace
from amalgam.export.parity import Session, Where, _undecided
from amalgam.export.rows import sample, stretched
from amalgam.export.trace import FIXED, LENGTH, OPSETS, _reason
from amalgam.fingerprint import of_tensors
from amalgam.signals import TensorRows
from amalgam.student import Student, build
from amalgam.students.mlp import MLP
from tests import warm
from tests.students import unexportable as own

LABELS = ("rain", "snow", "fog", "schön")
TEACHERS = (
    {"name": "one", "licence": "MIT", "fingerprint": "ab"},
    {"name": "two", "licence": None, "fingerprint": None},
)
WHERE = Where("logits", "rain", 0, 40, None)
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
    """One export of each student, over another file; the perceptron's rows are drawn, the chains' are given."""
    folder = tmp_path_factory.mktemp("exported")

    def one(name: str) -> tuple[Student, Path]:
        student, path = students[name], folder / f"{name}.onnx"
        path.write_text("the one before")
        made = Provenance("ant", "0" * 64, TEACHERS)
        assert export(student, path, None if name == "mlp" else ROWS, made=made, force=True) == path
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


def test_a_process_that_begins_with_nothing_imported_makes_the_same_file(
    exported: dict[str, tuple[Student, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    student, path = exported["mlp"]
    monkeypatch.setattr(trace, "begun", warm.COLD)
    export(student, tmp_path / "cold.onnx", made=Provenance("ant", "0" * 64, TEACHERS))
    assert (tmp_path / "cold.onnx").read_bytes() == path.read_bytes()


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
    assert 0 <= found.pop("mean_difference") <= found.pop("largest_difference") < 1e-5
    assert found == {
        "tolerance": 1e-4, "rows": rows, "rows_from": rows_from, "batch_sizes": [rows, 3, 1], "lengths": [],
        "agreement": 1, "undecided_rows": 0,
    }  # fmt: skip
    assert json.loads(about.pop("amalgam.labels")) == list(LABELS)
    assert json.loads(about.pop("amalgam.preprocessing")) == {
        "scaling": "inside the graph", "input": "raw features, float32", "shape": [6], "nan": "refused"
    }  # fmt: skip
    assert json.loads(about.pop("amalgam.teachers")) == list(TEACHERS)
    (inputs,), (logits,) = (json.loads(about.pop(f"amalgam.{ends}")) for ends in ("inputs", "outputs"))
    assert inputs == {"name": "inputs", "type": "float32", "shape": ["batch", 6]}
    assert logits == {"name": "logits", "type": "float32", "shape": ["batch", 4]}
    assert int(about.pop("amalgam.opset")) == next(
        one.version for one in onnx.load(exported[name][1]).opset_import if not one.domain
    )
    assert about == {
        "amalgam.version": __version__,
        "amalgam.weights": of_tensors(exported[name][0].state_dict()),
        "amalgam.strategy": "ant",
        "amalgam.recipe": "0" * 64,
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
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{Path(__file__).parents[1]}")
    monkeypatch.setattr(trace, "begun", warm.COLD)


def test_a_graph_that_is_wrong_at_another_batch_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = "StudentOutput(right(self, inputs).logits + (inputs[:, :1] * 0 + 0.5).sum() - 1, None)"
    in_the_child(tmp_path / "site", monkeypatch, wrong)
    path = tmp_path / "out" / "student.onnx"
    with pytest.raises(WorkError) as caught:
        export(a_student(SPECS["mlp"]), path, ROWS[:4])
    assert re.fullmatch(
        r"the exported student differs from torch by 1 in the logits of row \d, label '\w+', at a batch of 4 rows, "
        rf"more than the tolerance of 0\.0001; {path} was not written",
        str(caught.value),
    )
    assert list(path.parent.iterdir()) == []


def test_a_batch_size_taken_as_a_number_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_the_child(tmp_path / "site", monkeypatch, "StudentOutput(right(self, inputs).logits * len(inputs), None)")
    path = tmp_path / "out" / "student.onnx"
    path.parent.mkdir()
    path.write_text("the one before")
    with pytest.raises(WorkError) as caught:
        export(a_student(SPECS["mlp"]), path, ROWS, force=True)
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
    monkeypatch.setattr(Session, "__call__", lambda _, some: _shifted(student, some, rows[7]))
    found = compare(path, student, rows)
    assert found.difference == pytest.approx(1, abs=1e-5)  # a firm row: the graph is wrong
    assert (found.where.output, found.where.row, found.where.length) == ("logits", 7, None)
    assert found.agreement < 1
    monkeypatch.setattr(
        "amalgam.export.parity._undecided", lambda _student, some, _tolerance: np.ones(len(some), dtype=bool)
    )
    found = compare(path, student, rows)
    assert found.difference < 1e-6  # of other batch sizes, by which torch rounds otherwise
    zero = replace(found, difference=0.0, mean=0.0, where=WHERE)
    assert zero == Parity(0.0, 0.0, 1.0, WHERE, 40, (40, 3, 1), (), 1)


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
        ("x\nConstraints violated (time)! For more information", 1, LENGTH),
        ("No ONNX function found for <OpOverload(op='aten._linalg_eigh', overload='default')>. Failure", 1,
         "the operator aten._linalg_eigh has no counterpart in ONNX; write its forward without it"),
        ("Could not guard on data-dependent expression Eq(u0, 1)\n\nThe following call raised this error:\n"
         '  File "/home/me/own.py", line 7, in forward\n    if x.sum() > 0:\n', 1,
         "its forward goes by the values of a batch (`if x.sum() > 0:`, line 7 of own.py), which a graph cannot do; "
         "torch.where can"),
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
    @contextmanager
    def copied(_: Student, graph: Path, __: int | None) -> Iterator[Callable[[], None]]:
        shutil.copy(exported["mlp"][1], graph)
        yield lambda: None

    monkeypatch.setattr("amalgam.export.tracing", copied)
    student, path = a_student(SPECS["mlp"]), tmp_path / "student.onnx"
    with torch.no_grad():
        student.get_parameter("head.bias")[1] = torch.nan
    with pytest.raises(WorkError) as caught:
        export(student, path, ROWS)
    assert str(caught.value) == (
        "the exported student differs from torch by nan in the logits of row 0, label 'snow', at a batch of 40 rows, "
        f"more than the tolerance of 0.0001; {path} was not written"
    )
    assert list(tmp_path.glob("*student.onnx*")) == []


def test_another_file_is_replaced_only_by_force(
    exported: dict[str, tuple[Student, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export of the very same student is replaced; other students' files, and other files, are not."""

    @contextmanager
    def untraced(*_: object) -> Iterator[Callable[[], None]]:
        raise WorkError("work began")
        yield

    monkeypatch.setattr("amalgam.export.tracing", untraced)
    student, path = exported["mlp"][0], tmp_path / "student.onnx"
    for content in (exported["joint first"][1].read_bytes(), b"no graph"):
        path.write_bytes(content)
        with pytest.raises(RequestError) as caught:
            student.export(path, ROWS)
        assert str(caught.value) == (
            f"{path} is there already and is no export of this student; name another file, or replace it with --force "
            "(in Python force=True)"
        )
        with pytest.raises(WorkError, match="work began"):
            student.export(path, ROWS, force=True)
        assert path.read_bytes() == content
    shutil.copy(exported["mlp"][1], path)
    with pytest.raises(WorkError, match="work began"):
        student.export(path, ROWS)


def test_rows_are_taken_from_all_over_the_data() -> None:
    student = a_student(SPECS["mlp"])
    rows = TensorRows(values=torch.randn(1000, 6), name="clouds").take(torch.arange(100, 900))
    found = sample(student, rows)
    assert (found.source, found.values.shape) == ("rows of clouds", (256, 6))
    assert (found.numbers[0], found.numbers[-1], len(set(found.numbers))) == (100, 899, 256)
    np.testing.assert_array_equal(found.values, rows.values[found.numbers - 100])
    assert sample(student, rows.take(torch.arange(7))).numbers.tolist() == [*range(100, 107)]


def test_what_differs_is_found_in_its_place() -> None:
    assert Where("logits", "fog", 3, 40, 5).told(103) == (
        "in the logits of row 103, label 'fog', at a batch of 40 rows of 5 steps"
    )
    assert Where("path", "1", 3, 3, None).told(3) == "in the path of row 3, column 1, at a batch of 3 rows"


def test_series_are_cut_and_begun_again() -> None:
    rows = np.array([[[1], [2], [np.nan]], [[np.nan], [5], [6]]], np.float32)
    long, both = stretched(rows, 5)
    np.testing.assert_array_equal(long[..., 0], [[1, 2, np.nan, 1, 2], [np.nan, 5, 6, np.nan, 5]])
    short, kept = stretched(rows, 1)
    assert (short.tolist(), kept.tolist(), both.tolist()) == ([[[1.0]]], [0], [0, 1])


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (own.Eigenvalues, "the operator aten._linalg_eigh has no counterpart in ONNX; write its forward without it"),
        (own.Moody, "its forward goes by the values of a batch (`if inputs.sum() > 0:`, line 26 of unexportable.py), "
                    "which a graph cannot do; torch.where can"),
    ],
)  # fmt: skip
def test_a_student_of_ones_own_that_cannot_be_exported_is_told_why(
    kind: type[Student], message: str, tmp_path: Path
) -> None:
    with pytest.raises(WorkError) as caught:
        kind((3,), LABELS[:3]).export(tmp_path / "student.onnx", ROWS[:, :3])
    assert str(caught.value) == f"the student could not be exported to ONNX: {message}"
    assert list(tmp_path.iterdir()) == []


def test_a_student_of_ones_own_that_fixes_its_length_is_exported_so_and_says_it(tmp_path: Path) -> None:
    rows = torch.randn(9, 6, 2, generator=torch.Generator().manual_seed(0))
    path = own.Unrolled((6, 2), LABELS).export(tmp_path / "student.onnx", rows, opset=21)
    told = facts(path)
    assert told["reads"] == (
        "series of 6 steps alone: its forward makes a Python number of how long series are, which fixes the graph to "
        "one length"
    )
    assert (told["lengths checked"], told["opset"]) == ("6", 21)
    light = edge.Student(path)
    assert light.shape == (6, 2)
    with pytest.raises(RequestError, match=r"inputs have the shape \(1, 7, 2\), expected \(rows, 6, 2\)"):
        light.predict(np.zeros((1, 7, 2)))


def test_a_class_that_no_process_can_import_is_refused(tmp_path: Path) -> None:
    class Local(MLP):
        pass

    with pytest.raises(RequestError, match="the student Local is traced by a process of its own, which cannot import"):
        Local((6,), LABELS).export(tmp_path / "student.onnx", ROWS)


@pytest.mark.parametrize("opset", [1, 17, 26])
def test_an_opset_that_the_exporter_does_not_make_is_refused(opset: int, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=f"no export to opset {opset}; choose one from 18 to 25, or leave it out"):
        a_student(SPECS["mlp"]).export(tmp_path / "student.onnx", ROWS, opset=opset)


def test_the_opsets_to_choose_from_are_those_of_torchs_converter() -> None:
    from onnxscript.version_converter import _version_converter as converter

    assert (OPSETS[0], OPSETS[-1]) == (converter.SUPPORTED_MIN_ONNX_OPSET, converter.SUPPORTED_MAX_ONNX_OPSET)


def test_the_newest_opset_is_made(tmp_path: Path) -> None:
    path = a_student(SPECS["joint first"]).export(tmp_path / "student.onnx", ROWS, opset=OPSETS[-1])
    assert facts(path)["opset"] == OPSETS[-1]


def test_an_opset_that_the_converter_fails_at_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with another onnxscript, which keeps the exporter's own and says so in a log alone."""
    monkeypatch.setattr(trace, "OPSETS", range(18, 99))
    with pytest.raises(WorkError, match="torch's exporter made opset 18 of it, not 90; ask for another"):
        a_student(SPECS["mlp"]).export(tmp_path / "student.onnx", ROWS, opset=90)
    assert list(tmp_path.iterdir()) == []
