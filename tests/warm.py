"""Exports of tests are traced by processes forked from one that has imported torch's exporter, half of the work."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from typing import BinaryIO

from amalgam.export import trace

COLD = trace.begun
_IMPORTED = (
    "amalgam.export.__main__", "onnxscript.optimizer", "torch._decomp.decompositions_for_rng", "torch._dynamo",
    "torch._export", "torch._functorch.aot_autograd", "torch.export._trace", "torch.fx.experimental.symbolic_shapes",
    "torch.onnx._internal.exporter._core",
)  # fmt: skip
_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(list(_IMPORTED))


class Forked:
    """A process that traces a student, as `trace.begun` would begin it with nothing imported."""

    def __init__(self, command: Sequence[str], said: BinaryIO, environment: Mapping[str, str]) -> None:
        *_, module, student, graph, asked = command
        assert module == "amalgam.export"
        self._process = _CONTEXT.Process(target=_traced, args=(said.name, dict(environment), student, graph, asked))
        self._process.start()

    def wait(self) -> int:
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()


def _traced(said: str, environment: dict[str, str], *arguments: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    with open(said, "ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    from amalgam.export.__main__ import _child

    _child(*arguments)
