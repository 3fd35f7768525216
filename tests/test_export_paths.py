"""An exported path decoder also says the greedy path, as torch does, and is still a teacher."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from amalgam.adapters.onnx import load
from amalgam.errors import WorkError
from amalgam.export import compare, export, facts, trace
from amalgam.students.path_decoder import PathDecoder
from amalgam.teacher import Card
from tests import warm
from tests.labelgraph.drawn import BRITISH

ROWS = 2 * torch.randn(40, 6, generator=torch.Generator().manual_seed(0)).numpy()
KINDS: dict[str, dict[str, Any]] = {
    "greedy": {"walks": 1},
    "beam": {"walks": 2, "block": "children"},
    "all": {"walks": None, "block": "children", "direct": True},
}
Exported = dict[str, tuple[PathDecoder, Path]]


def a_student(**settings: Any) -> PathDecoder:
    torch.manual_seed(0)
    encoder = {"name": "mlp", "hidden": [5]}
    settings = {"encoder": encoder, "hidden": 4, "embedding": 3, **settings}
    student = PathDecoder((6,), BRITISH.outputs, PathDecoder.Settings(graph=BRITISH, **settings))
    student.tasks = BRITISH.tasks
    with torch.no_grad():  # far apart, so that paths differ from row to row
        student.head.weight.mul_(6)
        student.bridge.weight.mul_(6)
    return student.eval()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("exported")

    def one(name: str) -> tuple[PathDecoder, Path]:
        student = a_student(**KINDS[name])
        return student, student.export(folder / f"{name}.onnx", ROWS)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(KINDS, pool.map(one, KINDS), strict=True))


@pytest.mark.parametrize("batch", [7, 3, 1])
@pytest.mark.parametrize("name", KINDS)
def test_the_file_walks_as_torch_does_at_every_batch_size(name: str, batch: int, exported: Exported) -> None:
    student, path = exported[name]
    session = onnxruntime.InferenceSession(path)
    assert [one.name for one in session.get_outputs()] == ["logits", "path", "steps"]
    for start in range(0, len(ROWS), batch):
        some = ROWS[start : start + batch]
        logits, walked, steps = session.run(None, {"inputs": some})
        wanted = student.decode(torch.from_numpy(some))
        np.testing.assert_allclose(logits, student.logits(some).numpy(), atol=1e-5)
        assert (walked.dtype, walked.shape) == (np.int64, (len(some), student.paths.longest))
        assert walked.tolist() == wanted.nodes.tolist()
        np.testing.assert_allclose(steps, wanted.probabilities.detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_paths_differ_and_some_end_early(name: str) -> None:
    walked = a_student(**KINDS[name]).decode(torch.from_numpy(ROWS)).nodes
    assert len(walked.unique(dim=0)) > 2
    assert (walked == -1).any()


@pytest.mark.parametrize("name", KINDS)
def test_the_file_names_the_nodes_and_reads_a_row_once(name: str, exported: Exported) -> None:
    student, path = exported[name]
    model = onnx.load(path)
    about = {one.key: one.value for one in model.metadata_props}
    assert json.loads(about["amalgam.nodes"]) == list(student.paths.nodes)
    assert json.loads(about["amalgam.labels"]) == list(BRITISH.outputs)
    assert facts(path)["outputs beside the logits"] == "path, steps"
    readers = [node for node in model.graph.node if "inputs" in node.input]
    assert len(readers) == 1
    first = [one.name for one in model.graph.initializer if sorted(one.dims) == [5, 6]]
    assert len([node for node in model.graph.node if set(first) & set(node.input)]) == 1


def test_an_exported_walker_is_a_teacher(exported: Exported) -> None:
    student, path = exported["all"]
    card = Card.model_validate({"name": "walker", "adapter": "onnx", "source": str(path)})
    teacher = load(card, path.parent, torch.device("cpu"), trust=False)
    assert tuple(teacher.labels) == BRITISH.outputs
    assert teacher.tasks == BRITISH.tasks
    torch.testing.assert_close(teacher.score(torch.from_numpy(ROWS)), student.logits(ROWS), atol=1e-5, rtol=0)


def test_a_path_that_differs_from_torch_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exported: Exported
) -> None:
    """Logits agree, and the process that traces names the node beside each."""
    student, path = exported["greedy"]
    assert 0 <= compare(path, student, ROWS).difference < 1e-5
    (tmp_path / "sitecustomize.py").write_text(
        "from amalgam.students.path_decoder import PathDecoder\n"
        "from dataclasses import replace\n"
        "right = PathDecoder.walk\n"
        "def wrong(self, output):\n"
        "    found = right(self, output)\n"
        "    return replace(found, nodes=found.nodes + 2)\n"
        "PathDecoder.walk = wrong\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[1]}")
    monkeypatch.setattr(trace, "begun", warm.COLD)
    where = "by 2 in the path of row 0, column 0, at a batch of 40 rows"
    with pytest.raises(WorkError, match=f"the exported student differs from torch {where}"):
        export(student, tmp_path / "student.onnx", ROWS)
    assert not (tmp_path / "student.onnx").exists()
