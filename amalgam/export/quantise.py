"""An exported student made smaller: weights of 8 or 16 bits, made of its fp32 file alone.

`int8` computes with integers. Where most weighted layers are convolutions it is *static*: the ranges of activations are
measured beforehand, on calibration rows, since integer convolutions that measure them at every call are slower than
float ones. Elsewhere it is *dynamic*, which needs no rows: each call measures its own activations; the few convolutions
of such a student stay as they are. `fp16` stores weights in 16 bits and computes in 32: nothing can overflow, a word's
number above 65,504 and a raw feature in the millions pass as before, and a device needs no operation in 16 bits.
"""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from amalgam.errors import AmalgamError, RequestError, WorkError
from amalgam.files import draft, writable

Floats = NDArray[np.float32]
How = Literal["int8", "fp16"]

FEWEST = 32
"""Calibration rows at least. Ranges that fewer show are too narrow, and what lies beyond them is cut off: a MobileNet
on digits decided 97.3 % of rows as before with 4 rows, 98.5 % with 32, and no more than 98.8 % with 256."""
MOST = 256
"""Calibration rows that are read, evenly spread over the given ones: more only widen ranges by outliers."""
BATCH = 32
"""Calibration rows at a time, so that memory stays flat."""
LEAST = 1024
"""Numbers of a weight that is worth fewer bits; smaller ones cost accuracy and save nothing."""

QUANTIZED = "amalgam.quantized"
_PARITY = "amalgam.parity"
_CONVOLUTIONS = ("Conv", "ConvTranspose")
_PRODUCTS = ("MatMul", "Gemm")
_RECURRENT = ("LSTM", "GRU", "RNN")


def quantised(graph: Path, target: Path, how: How, rows: Floats | None = None) -> str:
    """Write a smaller file of an exported student and say what was done: `int8, static, 256 rows for calibration`.

    Inputs and outputs stay float32, batch and steps as free as they were, and so do the metadata, except that parity
    with torch was the fp32 file's: `amalgam.quantized` is there instead.

    Args:
        graph: the fp32 file.
        target: where the smaller one goes, in place of an older one.
        how: `int8` or `fp16`.
        rows: (N, *shape), what a student of convolutions is calibrated with for int8; others need none.

    Raises:
        RequestError: too few rows to calibrate with, or a path that cannot be written.
        WorkError: onnxruntime cannot quantise the file.
    """
    import onnx

    before = onnx.load(graph)
    static = how == "int8" and _is_convolutional(before)
    used = _calibration(rows) if static else None
    with writable(target), draft(target) as smaller, tempfile.TemporaryDirectory() as folder:
        try:
            with _quiet():
                ready = _prepared(graph, Path(folder))
                model = _halved(onnx.load(ready)) if how == "fp16" else _integers(ready, used)
        except (OSError, AmalgamError):
            raise
        except Exception as error:  # onnxruntime's tools raise whatever they meet
            said = " ".join(str(error).split())[:200]
            raise WorkError(f"onnxruntime cannot quantise {graph} ({said}); export it without --quantize") from error
        said = "fp16 weights, computed in float32" if how == "fp16" else "int8, dynamic"
        said = said if used is None else f"int8, static, {len(used)} rows for calibration"
        _finish(model, before, said)
        onnx.save(model, smaller)
    return said


def note(path: Path, **facts: object) -> None:
    """Add what was measured of a quantised file to what it says of itself, `amalgam.quantized`."""
    import onnx

    model = onnx.load(path)
    own = next(one for one in model.metadata_props if one.key == QUANTIZED)
    own.value = json.dumps(json.loads(own.value) | facts)
    with draft(path) as noted:
        onnx.save(model, noted)


def _is_convolutional(model: Any) -> bool:
    """Whether most layers with weights are convolutions; a vision transformer has one, which cuts images up."""
    weights = {one.name for one in model.graph.initializer}
    kinds = [node.op_type for node in model.graph.node if node.op_type in _PRODUCTS and node.input[1] in weights]
    kinds += [node.op_type for node in model.graph.node if node.op_type in (*_CONVOLUTIONS, *_RECURRENT)]
    return sum(kind in _CONVOLUTIONS for kind in kinds) > len(kinds) / 2


def _calibration(rows: Floats | None) -> Floats:
    """The rows to calibrate with, evenly spread over the given ones."""
    given = 0 if rows is None else len(rows)
    if rows is None or given < FEWEST:
        raise RequestError(
            f"int8 of a student of convolutions is calibrated on rows, and there {'is' if given == 1 else 'are'} "
            f"{given or 'none'}; give at least {FEWEST} (annotations are not needed), or choose --quantize fp16"
        )
    chosen: Floats = rows[np.linspace(0, given - 1, min(given, MOST)).astype(int)]
    return chosen


def _prepared(graph: Path, folder: Path) -> Path:
    """The file with constants folded, without which weights that are sliced and joined first are not found."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    ready = folder / "ready.onnx"
    # Its symbolic shapes end in a TypeError on label chains and LSTMs; those that torch's exporter writes suffice.
    quant_pre_process(graph, ready, skip_symbolic_shape=True)
    return ready


def _integers(ready: Path, rows: Floats | None) -> Any:
    """A model that computes with integers: static where there are rows, else dynamic.

    Weights have 7 bits (`reduce_range`): processors of the x86 kind without VNNI add two products in 16 bits, which
    more overflow. On what was measured it costs nothing, activations being the coarser part.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic, quantize_static

    done = ready.with_name("done.onnx")
    model = onnx.load(ready)
    _tables_as_int8(model)
    onnx.save(model, ready)
    if rows is None:
        quantize_dynamic(ready, done, ["MatMul", "LSTM"], reduce_range=True, weight_type=QuantType.QInt8)
        return onnx.load(done)
    # The first convolution has few weights and reads raw pixels: in float it costs no time and keeps most accuracy.
    first = next(node.name for node in model.graph.node if node.op_type in _CONVOLUTIONS)
    quantize_static(
        ready, done, _Batches(rows), op_types_to_quantize=[*_CONVOLUTIONS, *_PRODUCTS], nodes_to_exclude=[first],
        per_channel=True, reduce_range=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )  # fmt: skip
    return onnx.load(done)


class _Batches:
    """Rows batch by batch, as onnxruntime's calibration asks for them; it keeps two numbers of each activation."""

    def __init__(self, rows: Floats) -> None:
        self.parts = iter(np.array_split(rows, -(-len(rows) // BATCH)))

    def get_next(self) -> dict[str, Floats] | None:
        """The next batch, None after the last."""
        part = next(self.parts, None)
        return None if part is None else {"inputs": np.ascontiguousarray(part, dtype=np.float32)}


def _tables_as_int8(model: Any) -> None:
    """Tables of vectors (V, D) that numbers look up: int8, and one scale for each row.

    onnxruntime's own has one scale for a table, which its longest vector decides.
    """
    from onnx import helper, numpy_helper

    for name, readers in _tables(model).items():
        stored = next(one for one in model.graph.initializer if one.name == name)
        table = numpy_helper.to_array(stored)
        scale = np.abs(table).max(1, keepdims=True) / 127
        whole = np.round(table / np.where(scale == 0, 1, scale)).astype(np.int8)
        model.graph.initializer.remove(stored)
        model.graph.initializer.extend(
            [numpy_helper.from_array(whole, f"{name}_int8"), numpy_helper.from_array(scale, f"{name}_scale")]
        )
        for node in readers:
            place, out, ids = list(model.graph.node).index(node), node.output[0], node.input[1]
            model.graph.node.remove(node)
            steps = [
                helper.make_node("Gather", [f"{name}_int8", ids], [f"{out}_int8"], axis=0),
                helper.make_node("Cast", [f"{out}_int8"], [f"{out}_float"], to=stored.data_type),
                helper.make_node("Gather", [f"{name}_scale", ids], [f"{out}_scale"], axis=0),
                helper.make_node("Mul", [f"{out}_float", f"{out}_scale"], [out]),
            ]
            for number, step in enumerate(steps):
                step.name = f"{out}_lookup_{number}"
                model.graph.node.insert(place + number, step)


def _tables(model: Any) -> dict[str, list[Any]]:
    """The large tables of floats (V, D) that nodes look rows up in, and nothing else reads: name → nodes."""
    from onnx import TensorProto

    found = dict[str, list[Any]]()
    for one in model.graph.initializer:
        readers = [node for node in model.graph.node if one.name in node.input]
        looked_up = readers and all(
            node.op_type == "Gather" and node.input[0] == one.name and not any(a.i for a in node.attribute)
            for node in readers
        )
        if looked_up and one.data_type == TensorProto.FLOAT and len(one.dims) == 2 and np.prod(one.dims) >= LEAST:
            found[one.name] = readers
    return found


def _halved(model: Any) -> Any:
    """A model whose weights are stored in 16 bits; onnxruntime makes 32 of them as it opens the file.

    Weights are those of products, convolutions, recurrent layers and tables; what scales raw inputs keeps its bits, and
    so does a weight that 16 bits cannot hold.
    """
    from onnx import TensorProto, helper, numpy_helper

    read = {name for node in model.graph.node for name in _weights_of(node)}
    casts = []
    for one in model.graph.initializer:
        if one.name not in read or one.data_type != TensorProto.FLOAT or np.prod(one.dims) < LEAST:
            continue
        name, values = one.name, numpy_helper.to_array(one)
        if np.abs(values).max() > np.finfo(np.float16).max:
            continue
        one.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_fp16"))
        casts.append(helper.make_node("Cast", [f"{name}_fp16"], [name], f"{name}_cast", to=TensorProto.FLOAT))
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)
    return model


def _weights_of(node: Any) -> list[str]:
    """The names of what may be a node's weights."""
    if node.op_type in (*_CONVOLUTIONS, *_PRODUCTS):
        return list(node.input[:2])
    if node.op_type in _RECURRENT:
        return list(node.input[1:3])
    return list(node.input[:1]) if node.op_type == "Gather" else []


def _finish(model: Any, before: Any, said: str) -> None:
    """Give a model the metadata, ends and operator sets of the file it was made of, without what the tools left."""
    import onnx

    about = {one.key: one.value for one in before.metadata_props if one.key != _PARITY}
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, about | {QUANTIZED: json.dumps({"how": said})})
    needed = {one.domain for one in before.opset_import} | {node.domain for node in model.graph.node}
    sets = [one for one in model.opset_import if one.domain in needed]
    del model.opset_import[:]
    model.opset_import.extend(sets)
    del model.graph.value_info[:]  # onnxruntime finds them anew, and small files are half of them
    ends, wanted = ([*one.graph.input, *one.graph.output] for one in (model, before))
    for end, was in zip(ends, wanted, strict=True):
        end.CopyFrom(was)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what onnxruntime's tools print, log and warn of to themselves; what goes wrong is raised."""
    import onnxruntime

    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    onnxruntime.set_default_logger_severity(4)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        onnxruntime.set_default_logger_severity(2)  # its default; it does not tell what it was
        logging.disable(disabled)
