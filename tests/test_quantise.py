"""An exported student made smaller: what becomes of its ends, its metadata and what it says."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from amalgam.errors import RequestError, WorkError
from amalgam.export import quantise
from amalgam.export.quantise import note, quantised
from amalgam.export.timing import opened
from amalgam.signals import TensorRows
from amalgam.student import build
from tests.labelgraph.drawn import BRITISH

DRAWN = np.random.default_rng(0)
LABELS = ("rain", "snow", "fog", "schön")


def series() -> Any:
    """Series that end at different steps, with values missing before."""
    rows = DRAWN.normal(2, 3, (70, 9, 4)).astype(np.float32)
    rows[::3, 6:] = np.nan
    rows[::4, 2, 1] = np.nan
    return rows


def texts() -> Any:
    """Texts of numbers of words, which are large, and of different lengths."""
    rows = DRAWN.integers(60_000, 2**24, (70, 9, 1)).astype(np.float32)
    rows[::3, 5:] = np.nan
    return rows


FAR = (1e6 + 20 * DRAWN.normal(size=(70, 40))).astype(np.float32)
IMAGES = DRAWN.random((70, 3, 32, 32), dtype=np.float32)
GRAPH = {"graph": BRITISH, "encoder": {"name": "mlp", "hidden": [64]}, "hidden": 32, "embedding": 16}
DYNAMIC, HALF = "int8, dynamic", "fp16 weights, computed in float32"
KINDS: dict[str, tuple[dict[str, Any], Any, str]] = {
    "paths": ({"name": "path_decoder", **GRAPH}, FAR, DYNAMIC),
    "recurrent": ({"name": "recurrent", "layers": 2}, series(), DYNAMIC),
    "convolutional": ({"name": "convolutional", "channels": 48}, series(), DYNAMIC),
    "text": ({"name": "text", "vectors": 500}, texts(), DYNAMIC),
    "resnet": ({"name": "timm", "model": "test_resnet"}, IMAGES, "int8, static, 70 rows for calibration"),
}
Files = dict[str, Path]


@pytest.fixture(scope="module")
def fp32(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("fp32")

    def one(name: str) -> Path:
        spec, rows, _ = KINDS[name]
        torch.manual_seed(0)
        student = build(spec, rows.shape[1:], BRITISH.outputs if name == "paths" else LABELS, "test").eval()
        student.scaling.fit(TensorRows(values=torch.from_numpy(rows)))
        return student.export(folder / f"{name}.onnx", rows)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(KINDS, pool.map(one, KINDS), strict=True))


def about(path: Path) -> dict[str, str]:
    return {one.key: one.value for one in onnx.load(path).metadata_props}


@pytest.mark.parametrize("how", ["int8", "fp16"])
@pytest.mark.parametrize("name", KINDS)
def test_a_smaller_file_says_nearly_the_same_at_every_batch_size(
    name: str, how: Any, fp32: Files, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _, rows, int8 = KINDS[name]
    target = tmp_path / "smaller.onnx"
    assert quantised(fp32[name], target, how, rows) == (int8 if how == "int8" else HALF)
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.glob("*.onnx*")) == [target]
    assert target.stat().st_size < (0.75 if how == "fp16" else 0.6) * fp32[name].stat().st_size
    before, after = opened(fp32[name]), opened(target)
    for batch in (1, 3, 70):
        wanted, found = before(rows[:batch]), after(rows[:batch])
        assert found.dtype == np.float32
        spread = before(rows).std()
        if name == "paths":  # which decides, and so may jump
            continue
        assert np.abs(found - wanted).max() < (0.3 if how == "int8" else 0.01) * spread
    decided = (before(rows) > 0) == (after(rows) > 0)
    assert decided.all(1).mean() > (0.8 if how == "int8" else 0.97)


@pytest.mark.parametrize("how", ["int8", "fp16"])
@pytest.mark.parametrize("name", ["paths", "text", "resnet"])
def test_its_ends_and_metadata_are_those_of_the_fp32_file(name: str, how: Any, fp32: Files, tmp_path: Path) -> None:
    target = tmp_path / "smaller.onnx"
    said = quantised(fp32[name], target, how, KINDS[name][1])
    first, second = onnx.load(fp32[name]), onnx.load(target)
    onnx.checker.check_model(second)
    assert [*second.graph.input, *second.graph.output] == [*first.graph.input, *first.graph.output]
    assert second.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    own = about(target)
    assert json.loads(own.pop("amalgam.quantized")) == {"how": said}
    wanted = about(fp32[name])
    assert wanted.pop("amalgam.parity")  # which is not this file's
    assert own == wanted
    assert {one.domain for one in second.opset_import} <= {"", "com.microsoft"}
    note(target, alike=0.5)
    assert json.loads(about(target)["amalgam.quantized"]) == {"how": said, "alike": 0.5}
    assert about(target)["amalgam.labels"] == wanted["amalgam.labels"]


@pytest.mark.parametrize(
    ("name", "how", "kinds"),
    [
        ("recurrent", "int8", {TensorProto.INT8}),
        ("text", "int8", {TensorProto.INT8}),
        ("recurrent", "fp16", {TensorProto.FLOAT16}),
        ("text", "fp16", {TensorProto.FLOAT16}),
    ],
)
def test_every_large_weight_has_fewer_bits(name: str, how: Any, kinds: set[int], fp32: Files, tmp_path: Path) -> None:
    quantised(fp32[name], tmp_path / "smaller.onnx", how)
    weights = onnx.load(tmp_path / "smaller.onnx").graph.initializer
    assert {one.data_type for one in weights if np.prod(one.dims) >= quantise.LEAST} == kinds


def test_of_convolutions_only_the_first_stays_as_it_was(fp32: Files, tmp_path: Path) -> None:
    quantised(fp32["resnet"], tmp_path / "smaller.onnx", "int8", IMAGES)
    graph = onnx.load(tmp_path / "smaller.onnx").graph
    made = {node.output[0]: node.op_type for node in graph.node}
    read = [made.get(node.input[1]) for node in graph.node if node.op_type == "Conv"]
    assert read[0] is None
    assert set(read[1:]) == {"DequantizeLinear"}


def test_a_table_has_a_scale_for_each_row(tmp_path: Path) -> None:
    """A row a thousand times as long as the others costs them nothing, and one of zeros stays so."""
    table = DRAWN.normal(size=(200, 16)).astype(np.float32)
    table[7] *= 1000
    table[9] = 0
    path = a_file(
        tmp_path,
        [helper.make_node("Cast", ["inputs"], ["ids"], to=TensorProto.INT64, name="cast"),
         helper.make_node("Gather", ["table", "ids"], ["found"], name="look"),
         helper.make_node("ReduceSum", ["found", "axis"], ["logits"], keepdims=0, name="sum")],
        {"table": table, "axis": np.array([1])},
        16,
    )  # fmt: skip
    quantised(path, tmp_path / "smaller.onnx", "int8")
    ids = np.arange(200, dtype=np.float32)[:, None]
    found = opened(tmp_path / "smaller.onnx")(ids)
    assert (np.abs(found - table).max(1) <= np.abs(table).max(1) / 127 / 2 * 1.001).all()
    assert (found[9] == 0).all()


def test_a_weight_that_16_bits_cannot_hold_keeps_32(tmp_path: Path) -> None:
    large = DRAWN.normal(size=(40, 40)).astype(np.float32)
    large[3, 3] = 1e5
    path = a_file(tmp_path, [helper.make_node("MatMul", ["inputs", "w"], ["logits"], name="m")], {"w": large}, 40)
    quantised(path, tmp_path / "smaller.onnx", "fp16")
    rows = np.eye(40, dtype=np.float32)
    np.testing.assert_array_equal(opened(tmp_path / "smaller.onnx")(rows), large)


@pytest.mark.parametrize(("rows", "there"), [(None, "are none"), (0, "are none"), (1, "is 1"), (31, "are 31")])
def test_too_few_rows_to_calibrate_are_named(rows: int | None, there: str, fp32: Files, tmp_path: Path) -> None:
    target = tmp_path / "smaller.onnx"
    target.write_text("the one before")
    with pytest.raises(RequestError) as caught:
        quantised(fp32["resnet"], target, "int8", None if rows is None else IMAGES[:rows])
    assert str(caught.value) == (
        f"int8 of a student of convolutions is calibrated on rows, and there {there}; give at least 32 (annotations "
        "are not needed), or choose --quantize fp16"
    )
    assert target.read_text() == "the one before"
    quantised(fp32["resnet"], target, "int8", IMAGES[:32])
    quantised(fp32["recurrent"], target, "int8", None)


def test_calibration_reads_rows_in_batches_spread_over_all(
    fp32: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = list[Any]()
    right = quantise._Batches.get_next
    monkeypatch.setattr(quantise._Batches, "get_next", lambda own: [read.append(one := right(own)), one][1])
    rows = np.resize(IMAGES, (1000, 3, 32, 32))
    rows[:, 0, 0, 0] = np.arange(1000)
    said = quantised(fp32["resnet"], tmp_path / "smaller.onnx", "int8", rows)
    assert said == "int8, static, 256 rows for calibration"
    assert read.pop() is None
    assert max(len(one["inputs"]) for one in read) == 32
    numbers = np.concatenate([one["inputs"] for one in read])[:, 0, 0, 0]
    assert (numbers[0], numbers[-1], len(numbers)) == (0, 999, 256)
    assert np.diff(numbers).max() == 4


def test_what_onnxruntime_cannot_quantise_says_why(
    fp32: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("no\n such shape")

    monkeypatch.setattr("onnxruntime.quantization.quantize_dynamic", fail)
    with pytest.raises(WorkError) as caught:
        quantised(fp32["recurrent"], tmp_path / "out" / "smaller.onnx", "int8")
    assert str(caught.value) == (
        f"onnxruntime cannot quantise {fp32['recurrent']} (no such shape); export it without --quantize"
    )
    assert list((tmp_path / "out").iterdir()) == []


def test_a_path_that_cannot_be_written_is_named(fp32: Files, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "smaller.onnx"
    with pytest.raises(RequestError, match="cannot be written"):
        quantised(fp32["recurrent"], path, "fp16")


@pytest.mark.parametrize(("convolutions", "static"), [(1, False), (2, False), (3, True)])
def test_what_most_layers_are_decides_between_static_and_dynamic(convolutions: int, static: bool) -> None:
    """A vision transformer cuts images up by one convolution; products without weights, of attention, do not count."""
    nodes = [helper.make_node("Conv", ["inputs", f"w{number}"], ["x"]) for number in range(convolutions)]
    nodes += [helper.make_node("MatMul", ["x", name], ["x"]) for name in ("v0", "v1", "x", "x", "x")]
    stored = [f"w{number}" for number in range(convolutions)] + ["v0", "v1"]
    weights = [numpy_helper.from_array(np.ones(1, np.float32), name) for name in stored]
    model = helper.make_model(helper.make_graph(nodes, "student", [], [], weights))
    assert quantise._is_convolutional(model) is static


def a_file(folder: Path, nodes: list[Any], weights: dict[str, Any], width: int) -> Path:
    """A file of inputs (batch, columns) to logits (batch, width), of nodes and their weights."""
    columns = 1 if "table" in weights else width
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])
        for name, size in (("inputs", columns), ("logits", width))
    ]
    stored = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "student", ends[:1], ends[1:], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, folder / "fp32.onnx")
    return folder / "fp32.onnx"
