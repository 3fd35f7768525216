"""A meta-embedding as one ONNX file: ids of words to vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from amalgam import __version__
from amalgam.embeddings.words import WordVectors
from amalgam.errors import RequestError, WorkError
from amalgam.files import draft, writable

LARGEST = 2**31 - 2**20
"""Bytes of an embedding; what ONNX is written with cannot count further."""
_CHECKED = 1024  # words, at most


def export(words: WordVectors, path: Path) -> dict[str, str | int | float | None]:
    """Write `ids` (n,) int64 to `vectors` (n, d) float32; an id is a word's place in `words.txt`.

    The words are in the file's metadata, too (`amalgam.words`). The file appears under its name only after onnxruntime
    has answered as the vectors are, bit for bit.

    Returns:
        facts of the file, for a report.

    Raises:
        RequestError: more than 2 GiB of numbers, or a path that cannot be written.
        WorkError: onnxruntime answers otherwise.
    """
    import onnxruntime

    if size_of(words) > LARGEST:
        raise RequestError(
            f"{len(words.words):,} words of {words.vectors.shape[1]} numbers are {size_of(words):,} bytes, more "
            "than an ONNX file can hold; ship student/vectors.safetensors, or fewer words"
        )
    ids = np.linspace(0, len(words.words) - 1, min(_CHECKED, len(words.words))).astype(np.int64)
    with writable(path), draft(path) as temporary:
        _write(words, temporary)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(temporary, options, providers=["CPUExecutionProvider"])
        if not np.array_equal(session.run(["vectors"], {"ids": ids})[0], words.vectors[ids]):
            raise WorkError(f"onnxruntime answers otherwise than the embedding; {path} was not written")
        del session
    return {"file": path.name, "bytes": path.stat().st_size, "words checked": len(ids), "difference": 0.0}


def size_of(words: WordVectors) -> int:
    """Bytes of an embedding's vectors and words."""
    return words.vectors.nbytes + len(_listed(words).encode())


def _listed(words: WordVectors) -> str:
    return json.dumps(words.words, ensure_ascii=False)


def _write(words: WordVectors, path: Path) -> None:
    """Write the graph and check the file."""
    from onnx import checker, save

    save(_graph(words), path)
    checker.check_model(path)


def _graph(words: WordVectors) -> Any:
    """One look-up in a table; it has a copy of the vectors, and saving it makes another."""
    from onnx import TensorProto, helper

    table = helper.make_tensor(
        "table", TensorProto.FLOAT, words.vectors.shape, words.vectors.astype("<f4", copy=False).tobytes(), raw=True
    )
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])
    vectors = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", words.vectors.shape[1]])
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "ids"], ["vectors"])], "words", [ids], [vectors], [table]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], producer_name="amalgam")
    model.ir_version = 9  # of opset 18; runtimes of phones lag behind
    about = {
        "amalgam.version": __version__,
        "amalgam.ids": "a word's line in words.txt, from 0 on",
        "amalgam.words": _listed(words),
    }
    helper.set_model_props(model, about)
    return model
