"""PyTorch teachers: weights without code, abilities of the module, scores as logits."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from amalgam import adapters
from amalgam.adapters.torch import TorchTeacher, wrap
from amalgam.errors import RequestError
from amalgam.students.label_chain import LabelChain
from amalgam.students.mlp import MLP
from amalgam.teacher import Card, ConditionalScorer, FeatureScorer, Scorer

CPU = torch.device("cpu")
LABELS = ("cat", "dog", "emu")
LINEAR = {"constructor": "torch.nn:Linear", "arguments": {"in_features": 4, "out_features": 3}}


def card(**keys: Any) -> Card:
    return Card(**({"name": "a", "adapter": "torch", "labels": LABELS} | keys))


def refused(one: Card, folder: Path) -> str:
    with pytest.raises(RequestError) as raised:
        adapters.load(one, folder, device=CPU, trust=False)
    return str(raised.value)


@pytest.fixture
def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(4, 3)


@pytest.fixture
def inputs() -> Tensor:
    return torch.randn(40, 4, generator=torch.Generator().manual_seed(1))


class Noisy(nn.Module):
    """Whose dropout shows whether it is in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5))

    def forward(self, inputs: Tensor) -> Tensor:
        answer: Tensor = self.body(inputs)
        return answer


class Featured(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        answer: Tensor = self.head(inputs)
        return answer

    def score_and_features(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        return self(inputs).sigmoid(), inputs[:, :2]


def test_a_wrapped_module_scores_as_itself_frozen(inputs: Tensor) -> None:
    module = Noisy().train()
    teacher = wrap(module, LABELS, "a")
    scores = teacher.score(inputs)
    assert isinstance(teacher, Scorer)
    assert teacher.labels == LABELS
    assert not any(part.training for part in module.modules())
    assert torch.equal(scores, module.body[0](inputs))
    assert scores.is_inference()


def test_probabilities_become_logits(linear: nn.Linear, inputs: Tensor) -> None:
    teacher = wrap(nn.Sequential(linear, nn.Sigmoid()), LABELS, "a", scores="probabilities")
    assert torch.allclose(teacher.score(inputs), linear(inputs), atol=1e-5)
    teacher = wrap(nn.Sequential(linear, nn.Softmax(1)), LABELS, "a", scores="probabilities", exclusive=True)
    assert teacher.tasks == {"class": tuple(LABELS)}
    assert torch.allclose(teacher.score(inputs), linear(inputs).log_softmax(1), atol=1e-5)


def test_abilities_are_those_of_the_module(inputs: Tensor) -> None:
    chain, featured, plain = LabelChain((4,), LABELS), Featured(), nn.Linear(4, 3)
    able = {
        type(module): [isinstance(wrap(module, LABELS), kind) for kind in (ConditionalScorer, FeatureScorer)]
        for module in (chain, featured, plain)
    }
    assert able == {LabelChain: [True, True], Featured: [False, True], nn.Linear: [False, False]}

    teacher = wrap(chain, LABELS)
    believed = torch.full((40, 3), torch.nan)
    believed[:, 1] = 5.0
    with torch.inference_mode():
        assert torch.equal(teacher.score(inputs), chain(inputs).logits)
        assert torch.equal(teacher.score_given(inputs, believed, True), chain(inputs, believed, True).logits)
    assert (teacher.score_given(inputs, believed, True)[:, 1] == 5).all()

    scores, features = wrap(featured, LABELS, scores="probabilities").score_and_features(inputs)
    assert torch.allclose(scores, featured(inputs), atol=1e-5)
    assert torch.equal(features, inputs[:, :2])


def test_what_a_teacher_cannot_use(linear: nn.Linear) -> None:
    with pytest.raises(RuntimeError) as torchs, torch.inference_mode():
        linear(torch.ones(8, 5))
    with pytest.raises(RequestError) as raised:
        wrap(linear, LABELS, "a").score(torch.ones(8, 5))
    assert str(raised.value) == (
        f"teacher 'a' could not score inputs of shape (8, 5): {torchs.value}; "
        "give it data with the features it was trained on"
    )

    class Tuple(nn.Module):
        def forward(self, inputs: Tensor) -> tuple[Tensor]:
            return (inputs,)

    with pytest.raises(RequestError) as raised:
        wrap(Tuple(), LABELS, "a").score(torch.ones(8, 3))
    assert str(raised.value) == (
        "teacher 'a' answered with a tuple, expected a tensor or an object with `.logits`; wrap the module in one that "
        "returns its logits"
    )
    with pytest.raises(RequestError, match=r"^teacher 'a' numbers its labels \('0', '1', '2'\); labels are matched"):
        wrap(linear, (0, 1, 2), "a")  # type: ignore[arg-type]


@pytest.mark.parametrize("file", ["w.safetensors", "w.pt", "w.pth", "w.bin", "checkpoint.pt"])
def test_weights(linear: nn.Linear, inputs: Tensor, tmp_path: Path, file: str) -> None:
    state = linear.state_dict()
    if file.endswith(".safetensors"):
        save_file(state, tmp_path / file)
    else:
        torch.save({"epoch": 3, "state_dict": state} if "checkpoint" in file else state, tmp_path / file)
    teacher = adapters.load(card(source=file, **LINEAR), tmp_path, device=CPU, trust=False)
    assert isinstance(teacher, TorchTeacher)
    assert torch.equal(teacher.score(inputs), linear(inputs))
    assert teacher.fingerprint == wrap(linear, LABELS).fingerprint


def test_a_saved_student_and_its_weights_alone(inputs: Tensor, tmp_path: Path) -> None:
    torch.manual_seed(0)
    student = MLP((4,), LABELS, MLP.Settings(hidden=(6,))).eval()
    student.save(tmp_path / "mine")
    keys = {"constructor": "amalgam.students.mlp:MLP", "arguments": {"shape": [4], "hidden": [6]}}
    for one in (card(source="mine", labels=()), card(source="mine"), card(source="mine/model.safetensors", **keys)):
        teacher = adapters.load(one, tmp_path, device=CPU, trust=False)
        assert teacher.labels == LABELS
        assert torch.equal(teacher.score(inputs), student(inputs).logits)
    assert refused(card(source="mine", labels=LABELS[::-1]), tmp_path) == (
        "teacher 'a': its card lists the labels 'emu', 'dog', 'cat', but the student in "
        f"{tmp_path / 'mine'} has 'cat', 'dog', 'emu' in this order; leave `labels:` out"
    )
    keys["arguments"] = {"hidden": [6]}
    assert refused(card(source="mine/model.safetensors", **keys), tmp_path) == (
        "teacher 'a' builds a student without the shape of its inputs; write `shape: [64]` under `arguments:`"
    )
    wrong = keys | {"constructor": "amalgam.students.mlp:LabelChain"}
    assert refused(card(source="mine/model.safetensors", **wrong), tmp_path) == (
        "teacher 'a' names the code 'amalgam.students.mlp:LabelChain', but the module 'amalgam.students.mlp' has no "
        "'LabelChain'"
    )
    keys["arguments"] = {"shape": [4], "hiden": [6]}
    assert refused(card(source="mine/model.safetensors", **keys), tmp_path) == (
        "teacher 'a', arguments: unknown key 'hiden'; did you mean 'hidden'? (known: dropout, hidden)"
    )


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("way", ["pickle", "torch.save", "module"])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path, way: str) -> None:
    planted, path = tmp_path / "planted", tmp_path / "w.pt"
    if way == "pickle":
        path.write_bytes(pickle.dumps(Evil(planted)))
    else:
        torch.save(Evil(planted) if way == "torch.save" else nn.Linear(4, 3), path)
    assert refused(card(source="w.pt", **LINEAR), tmp_path) == (
        f"teacher 'a': {path} is a pickle of more than weights, and loading it could run code; it was not loaded. If "
        "you trust it, re-save its weights as safetensors: `from safetensors.torch import save_file; "
        "save_file(torch.load('w.pt', weights_only=False).state_dict(), 'w.safetensors')`"
    )
    assert not planted.exists()
    # The plant would have worked.
    if way == "pickle":
        pickle.loads(path.read_bytes()).close()
        assert planted.exists()


@pytest.mark.parametrize("file", ["w.safetensors", "w.pt"])
@pytest.mark.parametrize("damage", ["cut", "junk", "empty"])
def test_damaged_files(linear: nn.Linear, tmp_path: Path, file: str, damage: str) -> None:
    path = tmp_path / file
    if file == "w.pt":
        torch.save(linear.state_dict(), path)
    else:
        save_file(linear.state_dict(), path)
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[: len(whole) // 2], "junk": b"junk" * 100, "empty": b""}[damage])
    assert refused(card(source=file, **LINEAR), tmp_path) == (
        f"teacher 'a': {path} is damaged or cut short and holds no weights that can be read; fetch it again"
    )


def test_weights_of_another_model(linear: nn.Linear, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"weight": linear.weight.detach(), "scale": torch.ones(1)}, path)
    assert refused(card(source="w.safetensors", **LINEAR), tmp_path) == (
        f"teacher 'a': the weights in {path} belong to another model than the constructor's model: the file lacks "
        "'bias' and has 'scale' besides; mend `constructor:` or `arguments:`"
    )
    save_file({"weight": torch.ones(3, 5), "bias": torch.ones(3)}, path)
    assert refused(card(source="w.safetensors", **LINEAR), tmp_path) == (
        f"teacher 'a': 'weight' in {path} has the shape (3, 5), the constructor's model expects (3, 4); mend "
        "`arguments:` or `labels:`"
    )
    torch.save([1, 2], tmp_path / "w.pt")
    assert refused(card(source="w.pt", **LINEAR), tmp_path) == (
        f"teacher 'a': {tmp_path / 'w.pt'} holds no state dict, expected names and their tensors"
    )


def test_constructors(linear: nn.Linear, tmp_path: Path) -> None:
    save_file(linear.state_dict(), tmp_path / "w.safetensors")
    assert refused(card(source="w.safetensors"), tmp_path) == (
        "teacher 'a' has weights but no constructor; write `constructor: module:name` of the model they belong to, for "
        "example `amalgam.students.mlp:MLP`"
    )
    assert refused(card(source="w.safetensors", constructor="sklearn.svm:SVC"), tmp_path) == (
        "teacher 'a': 'sklearn.svm:SVC' returned a SVC, expected a torch.nn.Module"
    )
    assert "names the code 'torch:load', which would run" in refused(
        card(source="w.safetensors", constructor="torch:load"), tmp_path
    )
    (tmp_path / "w.h5").write_bytes(b"x")
    assert refused(card(source="w.h5", **LINEAR), tmp_path) == (
        f"teacher 'a': {tmp_path / 'w.h5'} is not a .safetensors file, a .pt, .pth or .bin checkpoint, or a folder "
        "that `Student.save` wrote"
    )


def test_fingerprints_tell_what_answers_differently() -> None:
    def one(**changes: Any) -> str | None:
        torch.manual_seed(changes.pop("seed", 0))
        module = nn.Sequential(nn.Linear(4, 3), nn.LeakyReLU(changes.pop("slope", 0.1)))
        return wrap(module, changes.pop("labels", LABELS), **changes).fingerprint

    assert one() == one(name="another name")
    others = [one(seed=1), one(slope=0.2), one(labels=LABELS[::-1]), one(scores="decisions"), one(exclusive=True)]
    assert len({one(), *others}) == 6

    unpicklable = nn.Sequential(nn.Linear(4, 3))
    unpicklable.added = lambda inputs: inputs  # type: ignore[assignment]
    assert wrap(unpicklable, LABELS).fingerprint is None


def test_a_fingerprint_covers_the_code_of_the_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(body: str, name: str) -> str | None:
        source = f"from torch import nn\nclass Net(nn.Linear):\n    def forward(self, x):\n        return {body}\n"
        (tmp_path / f"{name}.py").write_text(source)
        kind = adapters.import_object(f"{name}:Net", "teacher 'a'", trust=True)
        kind.__module__ = "net"  # the same name, as after an edit of one file
        monkeypatch.setitem(sys.modules, "net", sys.modules[name])
        torch.manual_seed(0)
        return wrap(kind(4, 3), LABELS).fingerprint

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert made("x", "net_one") != made("-x", "net_two")


@pytest.mark.parametrize("changed", ["base", "helper"])
def test_a_fingerprint_covers_bases_and_helpers(changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a part, too: the module itself is torch's."""

    def made(sign: str) -> str | None:
        base = f"from torch import nn\nclass Base(nn.Linear):\n    sign = {sign if changed == 'base' else 1}\n"
        helper = f"def helped(x):\n    return {sign if changed == 'helper' else 1} * x\n"
        net = "class Net(Base):\n    def forward(self, x):\n        return helped(self.sign * x)\n"
        (tmp_path / "net_base.py").write_text(base)
        (tmp_path / "net_kind.py").write_text("from net_base import Base\n" + helper + net)
        for name in ("net_base", "net_kind"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        kind = adapters.import_object("net_kind:Net", "teacher 'a'", trust=True)
        torch.manual_seed(0)
        return wrap(nn.Sequential(kind(4, 3)), LABELS).fingerprint

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    first = made("1")
    assert first is not None
    assert made("1") == first
    assert made("-1") != first


def test_a_fingerprint_covers_buffers_that_are_not_saved() -> None:
    def one(scale: float) -> str | None:
        torch.manual_seed(0)
        module = nn.Linear(4, 3)
        module.register_buffer("scale", torch.tensor(scale), persistent=False)
        return wrap(module, LABELS).fingerprint

    assert one(1.0) == one(1.0)
    assert one(1.0) != one(2.0)


def test_code_without_a_file_has_no_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wrap(Noisy(), LABELS).fingerprint is not None
    monkeypatch.setattr(Noisy, "__module__", "nowhere")
    assert wrap(Noisy(), LABELS).fingerprint is None


def test_a_fingerprint_is_the_same_in_another_process() -> None:
    script = (
        "import torch; from amalgam.adapters.torch import wrap; from amalgam.students.label_chain import LabelChain; "
        "torch.manual_seed(0); print(wrap(LabelChain((4,), ('a', 'b')), ('a', 'b')).fingerprint)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    torch.manual_seed(0)
    assert wrap(LabelChain((4,), ("a", "b")), ("a", "b")).fingerprint == other.stdout.strip()
