"""What a smaller file loses, when it is refused, and how both are timed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from amalgam.errors import RequestError, WorkError
from amalgam.export import timing
from amalgam.export.gate import Drop, drop, refuse
from amalgam.export.shrink import Shrunk, shrink
from amalgam.export.timing import ensemble, of_callable, of_file
from amalgam.finished import record_export, record_smaller
from amalgam.report import Known, Report
from amalgam.timings import Latency, Timing, headings, told, weighed

ROWS = np.array([[3, 1, 0, -1], [0, 2, 1, 1], [1, 0, 4, -2], [5, 1, 0, 2]], dtype=np.float32)
"""Logits: what a file of the identity says of them."""
OTHERWISE = np.diag(np.array([1, 1, 0.1, -1], dtype=np.float32))
"""Weights of a smaller file that decides the third row, and the fourth label, otherwise."""
NONE, CLASSES, MIXED = (
    dict[str, list[str]](), {"kind": ["a", "b", "c", "d"]}, {"kind": ["a", "b", "c"]}
)  # fmt: skip


def a_file(path: Path, weights: Any, tasks: dict[str, list[str]]) -> Path:
    """A file of a linear student, which says what its labels and tasks are."""
    columns, labels = weights.shape
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])
        for name, size in (("inputs", columns), ("logits", labels))
    ]
    node = helper.make_node("MatMul", ["inputs", "w"], ["logits"], name="m")
    graph = helper.make_graph([node], "student", ends[:1], ends[1:], [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    names = list("abcd") if labels == 4 else [f"l{number}" for number in range(labels)]
    about = {"amalgam.labels": json.dumps(names), "amalgam.tasks": json.dumps(tasks), "amalgam.parity": "{}"}
    onnx.helper.set_model_props(model, about)
    onnx.save(model, path)
    return path


def the_drop(folder: Path, tasks: dict[str, list[str]], annotated: Any = None, rows: Any = ROWS) -> Drop:
    first = a_file(folder / "fp32.onnx", np.eye(4, dtype=np.float32), tasks)
    return drop(first, a_file(folder / "int8.onnx", OTHERWISE, tasks), rows, annotated)


def test_of_classes_it_is_the_accuracy(tmp_path: Path) -> None:
    truth = np.eye(4, dtype=np.float32)[[0, 1, 2, 1]]
    assert the_drop(tmp_path, CLASSES, truth) == Drop("accuracy", True, 0.75, 0.5, 4, 0.75, pytest.approx(4))
    truth[2] = np.nan  # a row that nobody annotated counts for neither
    found = the_drop(tmp_path, CLASSES, truth)
    assert (found.before, found.after, found.lost) == pytest.approx((2 / 3, 2 / 3, 0))


def test_of_tasks_it_is_the_mean_of_their_accuracies(tmp_path: Path) -> None:
    truth = np.array([[1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0], [1, 0, 0, np.nan]], dtype=np.float32)
    found = the_drop(tmp_path, MIXED, truth)
    assert (found.measure, found.annotated) == ("accuracy, mean over tasks", True)
    assert (found.before, found.after) == pytest.approx((1, (3 / 4 + 0) / 2))


def test_of_labels_it_is_f1(tmp_path: Path) -> None:
    truth = np.array([[1, 1, 0, 0], [0, 1, 1, 1], [1, 0, 1, 0], [1, 1, 0, np.nan]], dtype=np.float32)
    found = the_drop(tmp_path, NONE, truth)
    assert (found.measure, found.annotated) == ("F1 micro", True)
    # the smaller file misses the one positive of the last label and finds two that are none
    assert (found.before, found.after) == pytest.approx((1, 2 * 8 / (2 * 8 + 2 + 1)))


@pytest.mark.parametrize("annotated", [None, np.full((4, 4), np.nan, np.float32)])
def test_without_annotations_it_is_what_the_fp32_file_decides(annotated: Any, tmp_path: Path) -> None:
    found = the_drop(tmp_path, CLASSES, annotated)
    assert found.measure == "accuracy against the decisions of the fp32 file"
    assert (found.annotated, found.before, found.after, found.alike) == (False, 1, 0.75, 0.75)
    found = the_drop(tmp_path, NONE, annotated)
    assert found.measure == "F1 micro against the decisions of the fp32 file"
    # of its 10 positives, 2 of the last label are lost, and 2 found that are none; each row has one of these
    assert (found.before, found.after, found.alike) == pytest.approx((1, 8 / 10, 0))


def test_what_cannot_be_measured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="there are no rows to measure a quantised student on; give at least one"):
        the_drop(tmp_path, NONE, rows=ROWS[:0])
    with pytest.raises(RequestError) as caught:
        the_drop(tmp_path, NONE, np.zeros((4, 3), np.float32))
    assert str(caught.value) == (
        "the annotations have the shape (4, 3), expected (4, 4): one row for each of the inputs, one column for each "
        "of the student's labels"
    )


FOUND = Drop("accuracy", True, 0.95, 0.93, 200, 0.97, 1.5)
SAYS = (
    "has accuracy 0.9300 on 200 rows and the fp32 one 0.9500: it loses 0.0200, more than the allowed 0.01, and was not "
    "written; "
)


@pytest.mark.parametrize(
    ("how", "mend"),
    [
        ("int8, dynamic", "choose --quantize fp16, or allow more with --max-drop"),
        (
            "int8, static, 40 rows for calibration",
            "give more or other calibration rows, or choose --quantize fp16, or allow more with --max-drop",
        ),
        ("fp16 weights, computed in float32", "allow more with --max-drop"),
    ],
)
def test_a_larger_drop_than_allowed_is_refused_with_the_numbers(how: str, mend: str) -> None:
    with pytest.raises(WorkError) as caught:
        refuse(FOUND, 0.01, how)
    assert str(caught.value) == f"the quantised student ({how}) {SAYS}{mend}"
    refuse(FOUND, 0.05, how)
    refuse(Drop("accuracy", True, 0.93, 0.95, 200, 0.97, 1.5), 0.0, how)  # which rose


def test_a_file_that_says_nan_is_refused_whatever_is_allowed(tmp_path: Path) -> None:
    first = a_file(tmp_path / "fp32.onnx", np.eye(4, dtype=np.float32), NONE)
    broken = a_file(tmp_path / "int8.onnx", np.full((4, 4), np.nan, np.float32), NONE)
    with pytest.raises(WorkError) as caught:
        refuse(drop(first, broken, ROWS), 1.0, "int8, dynamic")
    assert str(caught.value) == (
        "the quantised student (int8, dynamic) says NaN where the fp32 one says a number, and was not written; choose "
        "--quantize fp16, or none"
    )


def wide(path: Path) -> tuple[Path, Any]:
    """A file with 100 × 30 weights, and rows."""
    chance = np.random.default_rng(0)
    weights = chance.normal(size=(100, 30)).astype(np.float32)
    return a_file(path, weights, {}), chance.normal(size=(300, 100)).astype(np.float32)


@pytest.mark.parametrize("how", ["int8", "fp16"])
def test_all_in_one(how: Any, tmp_path: Path) -> None:
    graph, rows = wide(tmp_path / "fp32.onnx")
    target = tmp_path / f"{how}.onnx"
    done = shrink(graph, target, how, rows, max_drop=0.05, threads=1, seconds=0.01)
    assert (done.path, done.drop) == (target, drop(graph, target, rows))
    assert 0.95 < done.drop.after <= 1 == done.drop.before
    assert [one.name for one in done.timings] == ["fp32", how]
    assert done.timings[0].bytes == graph.stat().st_size > 1.7 * (done.timings[1].bytes or 0)
    model = onnx.load(target)
    said = json.loads(next(one.value for one in model.metadata_props if one.key == "amalgam.quantized"))
    assert said == {"how": done.how, **asdict(done.drop)}
    assert done.timings[1].bytes == target.stat().st_size
    assert sorted(one.name for one in tmp_path.iterdir() if one.is_file()) == sorted(["fp32.onnx", target.name])


def test_what_is_refused_leaves_the_one_before(tmp_path: Path) -> None:
    graph, rows = wide(tmp_path / "fp32.onnx")
    target = tmp_path / "int8.onnx"
    target.write_text("the one before")
    with pytest.raises(WorkError, match=r"it loses 0\.\d{4}, more than the allowed 0,"):
        shrink(graph, target, "int8", rows, max_drop=0.0, seconds=0.01)
    assert target.read_text() == "the one before"
    assert sorted(one.name for one in tmp_path.iterdir() if one.is_file()) == ["fp32.onnx", "int8.onnx"]


def test_a_file_is_timed_with_the_stated_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, rows = wide(tmp_path / "fp32.onnx")
    seen = list[tuple[int, int]]()
    right = onnxruntime.InferenceSession

    def watched(path: Path, options: Any, **rest: Any) -> Any:
        seen.append((options.intra_op_num_threads, options.inter_op_num_threads))
        return right(path, options, **rest)

    monkeypatch.setattr("onnxruntime.InferenceSession", watched)
    found = of_file("student", graph, rows[:5], threads=2, seconds=0.05)  # fewer rows than a batch are repeated
    assert seen == [(2, 1)]
    assert (found.name, found.bytes, found.threads) == ("student", graph.stat().st_size, 2)
    assert [one.batch for one in found.latencies] == [1, 32]
    assert all(0 < one.median <= one.p95 and one.calls >= timing.LEAST for one in found.latencies)
    assert json.loads(json.dumps(asdict(found)))["latencies"][1]["batch"] == 32
    with pytest.raises(RequestError, match="there are no rows to time a model on; give at least one"):
        of_file("student", graph, rows[:0])


def test_calls_are_warmed_up_bounded_and_summed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that the calls themselves move: two to warm up are slow, every twentieth of the others is."""
    now, calls = [0.0], [0]

    def ask(_: Any) -> None:
        calls[0] += 1
        now[0] += 9.0 if calls[0] < 3 or calls[0] % 20 == 0 else 0.01

    monkeypatch.setattr("amalgam.export.timing.time", SimpleNamespace(perf_counter=lambda: now[0]))
    found = timing._latency(ask, ROWS, 1.0)
    assert (found.batch, found.median, found.calls) == (4, pytest.approx(0.01), calls[0] - 2)
    assert calls[0] == 2 + timing.LEAST  # the time was over before
    assert found.p95 == pytest.approx(np.quantile([0.01] * 19 + [9.0], 0.95))
    calls[0] = 2
    assert timing._latency(ask, ROWS, 0.0).calls == timing.LEAST


def test_the_ensemble_asks_every_teacher_with_the_stated_threads() -> None:
    asked = list[tuple[str, int, int]]()

    def teacher(name: str) -> Any:
        def score(inputs: torch.Tensor) -> torch.Tensor:
            asked.append((name, len(inputs), torch.get_num_threads()))
            return inputs

        return SimpleNamespace(teacher=SimpleNamespace(score=score))

    panel: Any = SimpleNamespace(seats=[teacher("a"), teacher("b")])
    before = torch.get_num_threads()
    found = of_callable("teachers", ensemble(panel), ROWS, bytes=12, threads=before + 1, seconds=0.0)
    assert asked[:2] == [("a", 1, before + 1), ("b", 1, before + 1)]
    assert asked[-2:] == [("a", 32, before + 1), ("b", 32, before + 1)]
    assert torch.get_num_threads() == before
    assert (found.bytes, found.threads) == (12, before + 1)


def test_timings_as_a_table() -> None:
    latencies = (Latency(1, 0.00012, 0.0034, 4099), Latency(32, 0.012, 0.5, 20))
    every = [Timing("fp32", 1_500_000, 2, latencies), Timing("teachers", None, 1, latencies)]
    assert headings() == ["model", "size", "1 row: median, p95, calls", "32 rows: median, p95, calls", "threads"]
    assert told(every) == [
        ["fp32", "1.5 MB", "0.12 ms, 3.40 ms, 4,099", "12 ms, 500 ms, 20", "2"],
        ["teachers", "–", "0.12 ms, 3.40 ms, 4,099", "12 ms, 500 ms, 20", "1"],
    ]
    assert weighed(every) == []  # one alone says nothing
    assert weighed([*every, Timing("int8", 4000, 1, latencies)]) == [
        ("latency, 1 row", [("fp32", 1_500_000, 0.00012), ("int8", 4000, 0.00012)]),
        ("latency, 32 rows", [("fp32", 1_500_000, 0.012), ("int8", 4000, 0.012)]),
    ]


def test_a_file_that_is_no_graph_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.onnx").write_bytes(b"nothing")
    with pytest.raises(WorkError) as caught:
        of_file("x", tmp_path / "x.onnx", ROWS)
    assert str(caught.value).startswith(f"onnxruntime cannot run {tmp_path / 'x.onnx'}: ")
    assert capfd.readouterr() == ("", "")


SHRUNK = Drop("F1 micro", True, 0.9, 0.8875, 358, 0.9972, 0.3)


def a_run(folder: Path) -> Report:
    report = Report(
        recipe="sea", strategy="kd", created="2026", student=Known(name="mlp", labels=("a",)), teachers=(),
        export={"file": "student.onnx", "rows decided alike": 1.0},
    )  # fmt: skip
    report.write(folder)
    return report


def test_what_an_export_measures_is_in_the_runs_report_and_card(tmp_path: Path) -> None:
    a_run(tmp_path)
    small = tmp_path / "student.int8.onnx"
    small.write_bytes(b"12345")
    latencies = (Latency(1, 0.00012, 0.0034, 4099), Latency(32, 0.012, 0.5, 20))
    timings = (
        Timing("fp32", 9000, 1, latencies),
        Timing("int8", 5, 1, latencies),
        Timing("teacher", None, 1, latencies),
    )
    record_smaller(tmp_path, Shrunk(small, "int8, dynamic", SHRUNK, timings[:2]), timings)
    record_export(tmp_path, {"file": "student.onnx", "opset": 21, "rows decided alike": 0.9961})
    report = Report.read(tmp_path)
    assert report.timings == timings
    assert (report.smaller["F1 micro, fp32"], report.smaller["F1 micro"], report.smaller["bytes"]) == (0.9, 0.8875, 5)
    assert report.export["opset"] == 21
    page, readme = ((tmp_path / name).read_text() for name in ("report.html", "README.md"))
    assert "<td>0.12 ms, 3.40 ms, 4,099</td>" in page
    assert page.count("<svg") == 1  # both files beside each other
    assert "<dt>rows decided alike</dt><dd>99.61%</dd>" in page  # no bare 1, which would be a row
    assert "| `int8` | `5 B` | `0.12 ms, 3.40 ms, 4,099` | `12 ms, 500 ms, 20` | `1` |" in readme
    assert "- F1 micro: `0.8875`" in readme


def test_a_card_that_somebody_edited_stays_and_where_nothing_ran_nothing_is_written(tmp_path: Path) -> None:
    a_run(tmp_path / "run")
    (tmp_path / "run" / "README.md").write_text("mine")
    record_export(tmp_path / "run", {"opset": 21})
    assert (tmp_path / "run" / "README.md").read_text() == "mine"
    assert Report.read(tmp_path / "run").export == {"opset": 21}
    (tmp_path / "saved").mkdir()
    record_export(tmp_path / "saved", {"opset": 21})
    assert list((tmp_path / "saved").iterdir()) == []
