"""Cards to adapters, the files they name, and the code they may run."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnx
import pytest
import skops.io
import torch
from onnx import TensorProto, helper
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from torch import nn

from amalgam import adapters, fingerprint
from amalgam.adapters import custom
from amalgam.adapters import torch as torch_adapter
from amalgam.errors import RequestError
from amalgam.students.mlp import MLP
from amalgam.teacher import Card

CPU = torch.device("cpu")


def refused(card: Card, folder: Path, trust: bool = False) -> str:
    with pytest.raises(RequestError) as raised:
        adapters.load(card, folder, device=CPU, trust=trust)
    return str(raised.value)


def untrusted(spec: str) -> str:
    return (
        f"teacher 'a' names the code {spec!r}, which would run on this machine; only model classes and factories of "
        "PyTorch, torchvision, timm, scikit-learn and amalgam are built without asking: read that code and, if you "
        "trust it, say so with --trust-code (in Python: trust=True)"
    )


def test_the_adapters_are_the_files() -> None:
    assert set(adapters.names()) >= {"custom", "onnx", "sklearn", "torch"}
    assert not [name for name in adapters.names() if name.startswith("_")]


def test_unknown_adapter(tmp_path: Path) -> None:
    known = ", ".join(adapters.names())
    assert refused(Card(name="a", adapter="onx"), tmp_path) == (
        f"teacher 'a' asks for the adapter 'onx', which does not exist; did you mean 'onnx'? (known: {known})"
    )
    # Neither a path nor a shared file is an adapter.
    for name in ("_code", "../registry", ""):
        assert "which does not exist" in refused(Card(name="a", adapter=name), tmp_path)


@pytest.mark.parametrize("adapter", ["custom", "onnx", "sklearn", "torch"])
@pytest.mark.parametrize("changed", ["its own", "_scores"])
def test_a_fingerprint_covers_how_answers_become_logits(
    adapter: str, changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Votes of an older amalgam, whose code read the same answers otherwise, are not reused."""

    def found() -> str:
        made: str = _teacher(adapter, tmp_path).fingerprint
        return made

    before, module = found(), f"amalgam.adapters.{adapter if changed == 'its own' else changed}"
    assert found() == before
    real = fingerprint._code
    monkeypatch.setattr(fingerprint, "_code", lambda name: "edited" if name == module else real(name))
    assert found() != before


def _teacher(adapter: str, folder: Path) -> Any:
    """A small teacher of each library."""
    if adapter == "custom":
        return custom.wrap(SimpleNamespace(labels=("cat",), score=len, fingerprint="mine"))
    if adapter == "torch":
        torch.manual_seed(0)
        return torch_adapter.wrap(nn.Linear(3, 1), ("cat",))
    if adapter == "sklearn":
        if not (folder / "m.skops").exists():  # no two dumps are the same file
            skops.io.dump(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), folder / "m.skops")
        card = Card(name="a", adapter=adapter, source="m.skops", labels=("cat",))
    else:
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1]) for name in ("inputs", "logits")]
        graph = helper.make_graph([helper.make_node("Neg", ["inputs"], ["logits"])], "g", ends[:1], ends[1:])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, folder / "m.onnx")
        card = Card(name="a", adapter=adapter, source="m.onnx", labels=("cat",))
    return adapters.load(card, folder, device=CPU, trust=False)


@pytest.mark.parametrize(
    ("adapter", "expected"),
    [
        ("onnx", "a .onnx file"),
        ("sklearn", "a .skops file"),
        ("torch", "a .safetensors file, a .pt, .pth or .bin checkpoint, or a folder that `Student.save` wrote"),
    ],
)
def test_sources(tmp_path: Path, adapter: str, expected: str) -> None:
    (tmp_path / "cards").mkdir()
    folder = tmp_path / "cards"
    (tmp_path / "x").write_bytes(b"outside")
    (folder / "y").write_bytes(b"inside")
    assert refused(Card(name="a", adapter=adapter), folder) == (
        f"teacher 'a' has no source; write `source:` with {expected} in its card"
    )
    for name in ("../x", "../../x", str(tmp_path / "x")):
        assert refused(Card(name="a", adapter=adapter, source=name), folder) == (
            f"teacher 'a' names {name!r}, which leads out of {folder}; keep the file beside it"
        )
    assert refused(Card(name="a", adapter=adapter, source="z"), folder) == (
        f"teacher 'a': no such file: {folder / 'z'}; expected {expected} beside its card"
    )
    found = hashlib.sha256(b"inside").hexdigest()
    assert refused(Card(name="a", adapter=adapter, source="y", sha256="0" * 64), folder) == (
        f"teacher 'a': {folder / 'y'} is not the file its card means (sha256 {found}, expected {'0' * 64}); fetch it "
        "again, or mend `sha256:` when the file was changed on purpose"
    )
    # The right checksum, in either case, leads to the next complaint.
    assert "sha256" not in refused(Card(name="a", adapter=adapter, source="y", sha256=found.upper()), folder)


@pytest.mark.parametrize(
    "spec",
    [
        "torch:load",
        "torch.hub:load",
        "torch.utils.cpp_extension:load",
        "torch.nn:functional",
        "torch.nn.init:normal_",
        "torchvision.models:list_models",
        "torchvision.models:get_model_weights",
        "timm:list_models",
        "timm.models:load_checkpoint",
        "sklearn.datasets:load_files",
        "sklearn.base:clone",
        "amalgam.students.mlp:torch",
        "amalgam.student:load",
        "os:system",
        "builtins:eval",
        "subprocess:run",
    ],
)
def test_code_that_could_do_more_than_build_a_model(spec: str) -> None:
    with pytest.raises(RequestError) as raised:
        adapters.import_object(spec, "teacher 'a'", trust=False)
    assert str(raised.value) == untrusted(spec)


@pytest.mark.parametrize(
    ("spec", "kind"),
    [("torch.nn:Linear", nn.Module), ("amalgam.students.mlp:MLP", MLP), ("sklearn.svm:SVC", BaseEstimator)],
)
def test_model_classes_need_no_word(spec: str, kind: type) -> None:
    assert issubclass(adapters.import_object(spec, "teacher 'a'", trust=False), kind)


def test_factories_need_no_word_but_may_read_no_other_weights() -> None:
    built = adapters.construct("timm:create_model", {"model_name": "resnet18", "num_classes": 2}, "teacher 'a'", False)
    assert built.fc.out_features == 2
    assert callable(adapters.import_object("torchvision.models:resnet18", "teacher 'a'", trust=False))
    arguments = {"model_name": "resnet18", "checkpoint_path": "evil.pth", "pretrained": False}
    with pytest.raises(RequestError) as raised:
        adapters.construct("timm:create_model", arguments, "teacher 'a'", trust=False)
    assert str(raised.value) == (
        "teacher 'a' calls 'timm:create_model' with 'checkpoint_path', which reads weights other than its `source`; "
        "leave it out, or, if you trust it, say so with --trust-code (in Python: trust=True)"
    )


def test_an_untrusted_module_is_not_even_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "planted_module.py").write_text("open('ran', 'w').close()\ndef build(): return 'built'\n")
    with pytest.raises(RequestError) as raised:
        adapters.import_object("planted_module:build", "teacher 'a'", trust=False)
    assert str(raised.value) == untrusted("planted_module:build")
    assert not (tmp_path / "ran").exists()
    # With the user's word it is, from the current directory.
    assert adapters.construct("planted_module:build", {}, "teacher 'a'", trust=True) == "built"
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("no_colon", "teacher 'a' names the code 'no_colon', expected `module:name`, for example `my_models:build`"),
        ("a:b.c", "teacher 'a' names the code 'a:b.c', expected `module:name`, for example `my_models:build`"),
        ("..a:b", "teacher 'a' names the code '..a:b', expected `module:name`, for example `my_models:build`"),
        (
            "no_such_module:b",
            "teacher 'a' names the code 'no_such_module:b', but there is no module 'no_such_module'; install it, or "
            "run the command in the folder where it lies",
        ),
        ("json:lods", "teacher 'a' names the code 'json:lods', but the module 'json' has no 'lods'"),
    ],
)
def test_code_that_is_not_there(spec: str, message: str) -> None:
    with pytest.raises(RequestError) as raised:
        adapters.import_object(spec, "teacher 'a'", trust=True)
    assert str(raised.value) == message


def test_wrong_arguments() -> None:
    with pytest.raises(RequestError) as raised:
        adapters.construct("torch.nn:Linear", {"width": 3}, "teacher 'a'", trust=False)
    assert str(raised.value) == (
        "teacher 'a' calls 'torch.nn:Linear' with the arguments 'width', which fails: Linear.__init__() got an "
        "unexpected keyword argument 'width'; mend `arguments:`"
    )
