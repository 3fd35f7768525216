"""ONNX teachers: labels from card or file, batches of fixed size, damaged files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from amalgam import adapters
from amalgam.errors import RequestError
from amalgam.teacher import Card, Scorer

CPU = torch.device("cpu")
LABELS = ("cat", "dog", "emu")


class Two(nn.Module):
    """Features first, logits second, as a student's export."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(inputs).relu()
        return features, self.head(features)


MODULE = Two().eval()


def label(path: Path, labels: str) -> None:
    model = onnx.load(str(path))
    entry = model.metadata_props.add()
    entry.key, entry.value = "amalgam.labels", labels
    onnx.save(model, str(path))


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`any.onnx` takes any batch and knows its labels; `four.onnx` takes four rows and knows none."""
    folder = tmp_path_factory.mktemp("onnx")
    shared: dict[str, Any] = {"output_names": ["features", "logits"], "dynamo": True, "external_data": False}
    for name, shapes in (("any", ({0: torch.export.Dim.DYNAMIC},)), ("four", None)):
        torch.onnx.export(
            MODULE, (torch.randn(4, 4),), folder / f"{name}.onnx", dynamic_shapes=shapes, verbose=False, **shared
        )
    label(folder / "any.onnx", json.dumps(LABELS))
    return folder


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    shutil.copytree(exported, tmp_path / "models")
    return tmp_path / "models"


def load(folder: Path, **keys: Any) -> Scorer:
    return adapters.load(Card(**({"name": "a", "adapter": "onnx"} | keys)), folder, device=CPU, trust=False)


def refused(folder: Path, **keys: Any) -> str:
    with pytest.raises(RequestError) as raised:
        load(folder, **keys)
    return str(raised.value)


def test_labels_from_the_file_or_the_card(folder: Path) -> None:
    inputs = torch.randn(70, 4)
    for teacher in (load(folder, source="any.onnx"), load(folder, source="any.onnx", labels=("x", "y", "z"))):
        assert isinstance(teacher, Scorer)
        assert torch.allclose(teacher.score(inputs), MODULE(inputs)[1], atol=1e-5)
    assert load(folder, source="any.onnx").labels == LABELS
    assert teacher.labels == ("x", "y", "z")
    assert refused(folder, source="four.onnx") == (
        f"teacher 'a' names no labels: neither its card nor {folder / 'four.onnx'} (metadata 'amalgam.labels') lists "
        "them; write `labels:` in the card, one name an output"
    )
    for wrong in ("{", '"cat"'):
        label(folder / "four.onnx", wrong)
        assert refused(folder, source="four.onnx") == (
            f"teacher 'a': the metadata 'amalgam.labels' of {folder / 'four.onnx'} is no JSON list; write `labels:` in "
            "the card"
        )


@pytest.mark.parametrize("rows", [1, 3, 4, 11])
def test_a_fixed_batch_is_filled_up(folder: Path, rows: int) -> None:
    inputs = torch.randn(rows, 4)
    scores = load(folder, source="four.onnx", labels=LABELS).score(inputs)
    assert torch.allclose(scores, MODULE(inputs)[1], atol=1e-5)


def test_scores_and_exclusive_come_from_the_card(folder: Path) -> None:
    teacher = load(folder, source="any.onnx", exclusive=True)
    assert teacher.tasks == {"class": tuple(LABELS)}  # type: ignore[attr-defined]
    with pytest.raises(RequestError, match=r"^teacher 'a': a score of .* is outside \[0, 1\], yet its card says"):
        load(folder, source="any.onnx", scores="probabilities").score(torch.randn(70, 4) * 9)


def test_inputs_of_another_width(folder: Path) -> None:
    with pytest.raises(RequestError) as raised:
        load(folder, source="any.onnx").score(torch.randn(2, 5))
    message = str(raised.value)
    assert message.startswith("teacher 'a' could not score inputs of shape (2, 5): ")
    assert message.endswith("; give it data with the features it was trained on")
    assert "Got invalid dimensions" in message


@pytest.mark.parametrize("damage", ["cut", "junk"])
def test_damaged_files(folder: Path, damage: str) -> None:
    path = folder / "any.onnx"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"junk" * 100)
    message = refused(folder, source="any.onnx")
    assert message.startswith(f"teacher 'a': {path} is no ONNX model that onnxruntime can run (")
    assert message.endswith("); fetch or export it again")
    assert "protobuf" in message.lower()


def scaled(path: Path, inputs: int = 1, external: str | None = None, scale: float = 2.0) -> None:
    """A model that multiplies each input by `scale`, kept in the file or beside it."""
    weight = numpy_helper.from_array(torch.full((3,), scale).numpy(), "scale")
    if external is not None:
        (path.parent / external).write_bytes(weight.raw_data)
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key="location", value=external)
    names = [f"in{number}" for number in range(inputs)]
    graph = helper.make_graph(
        [helper.make_node("Mul", [names[0], "scale"], ["out"])],
        "scaled",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 3]) for name in names],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["rows", 3])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    path.write_bytes(model.SerializeToString())


def test_one_input_and_the_only_output(tmp_path: Path) -> None:
    scaled(tmp_path / "one.onnx")
    inputs = torch.randn(5, 3)
    assert torch.equal(load(tmp_path, source="one.onnx", labels=LABELS).score(inputs), 2 * inputs)
    scaled(tmp_path / "two.onnx", inputs=2)
    assert refused(tmp_path, source="two.onnx", labels=LABELS) == (
        f"teacher 'a': {tmp_path / 'two.onnx'} has the inputs 'in0', 'in1', expected one"
    )


def test_fingerprints_cover_weights_in_other_files(tmp_path: Path) -> None:
    def of(**keys: Any) -> str:
        found: str = load(tmp_path, **({"source": "m.onnx", "labels": LABELS} | keys)).fingerprint  # type: ignore[attr-defined]
        return found

    scaled(tmp_path / "m.onnx", external="weights.bin")
    first = of()
    assert of(name="another") == first
    assert of(labels=LABELS[::-1]) != first
    assert of(scores="decisions") != first
    scaled(tmp_path / "m.onnx", external="weights.bin", scale=3.0)  # the model's own file is the same
    assert of() != first


def test_weights_outside_the_folder(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    scaled(tmp_path / "models" / "m.onnx", external="../weights.bin")
    assert "weights.bin" in refused(tmp_path / "models", source="m.onnx", labels=LABELS)
