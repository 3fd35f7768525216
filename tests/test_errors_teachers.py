"""Bad teachers, cards and labels, met on the command line: the whole message, the exit code, no traceback."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from amalgam.student import build

from .erring import Cli, Distil, arrange, table


@pytest.fixture
def distil(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Distil:
    return arrange(cli, tmp_path, monkeypatch)


def card(here: Path, name: str = "mine", **keys: Any) -> str:
    (here / f"{name}.yaml").write_text(yaml.safe_dump({"name": name, **keys}))
    return f"{name}.yaml"


MLP: dict[str, Any] = {
    "adapter": "torch",
    "constructor": "amalgam.students.mlp:MLP",
    "arguments": {"shape": [4]},
    "labels": ["big"],
}


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        (
            "digits-shap",
            "no teacher 'digits-shap'; did you mean 'digits-shape'? (built in: digits-arithmetic, digits-dense, "
            "digits-residual, digits-shape, rooms-colours, rooms-things, trace-first, trace-last; or a card's path, or "
            "adapter:source@labels with "
            "an adapter of custom, onnx, sklearn, timm, torch, torchvision)",
        ),
        (
            "onx:birds.onnx@a,b",
            "no teacher 'onx:birds.onnx@a,b'; did you mean 'onnx'? (built in: digits-arithmetic, digits-dense, "
            "digits-residual, digits-shape, rooms-colours, rooms-things, trace-first, trace-last; or a card's path, or "
            "adapter:source@labels with "
            "an adapter of custom, onnx, sklearn, timm, torch, torchvision)",
        ),
        ("onnx:@a,b", "--teacher 'onnx:@a,b' names no source after 'onnx:'"),
        ("onnx:birds.onnx@a", "teacher 'birds': no such file: birds.onnx; expected a .onnx file beside its card"),
        ("gone.yaml", "card gone.yaml: no such file"),
        (
            "custom:pair:good?scores=chances",
            "--teacher 'custom:pair:good?scores=chances': scores is 'chances', expected 'logits', 'probabilities', "
            "'decisions' or 'votes'",
        ),
        (
            "custom:pears:good",
            "teacher 'pears' names the code 'pears:good', but there is no module 'pears'; install it, or run the "
            "command in the folder where it lies",
        ),
        (
            "custom:pair:god",
            "teacher 'pair' names the code 'pair:god', but the module 'pair' has no 'god'",
        ),
        (
            "custom:mistyped:good",
            "teacher 'mistyped' names the code 'mistyped:good', but importing 'mistyped' fails: SyntaxError: invalid "
            "syntax (mistyped.py, line 1); mend that code",
        ),
        (
            "custom:pair:absent",
            "teacher 'pair': 'pair:absent' returned a NoneType without 'labels', 'score'; a teacher has `labels` and "
            "`score(inputs)`",
        ),
        (
            "custom:pair:unable",
            "teacher 'pair' calls 'pair:unable', which fails: OSError: no weights at home; mend that code",
        ),
    ],
)
def test_a_teacher_that_is_not_there(distil: Distil, teacher: str, message: str) -> None:
    (distil.here / "mistyped.py").write_text("def good(:\n")
    assert distil(teacher=teacher) == message


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("unlabelled", "teacher 'pair' names no labels; labels are matched by name, so list one name an output"),
        (
            "numbered",
            "teacher 'pair' numbers its labels ('0', '1'); labels are matched by name, never by position: list their "
            "names, and quote a name that is a number",
        ),
        ("twice", "teacher 'pair' has the label 'big' twice; every output needs a name of its own"),
        ("empty", "teacher 'pair' has a label with an empty name; name every output"),
        ("text", "teacher 'pair' gives its labels as one text, 'ab'; list one name an output"),
        ("nothing", "teacher 'pair' has `labels` that are a NoneType, expected a list of names"),
        (
            "good@small,big",
            "teacher 'pair': its card lists the labels 'small', 'big', but its object has 'big', 'small' in this "
            "order; leave `labels:` out",
        ),
    ],
)
def test_labels_of_a_teacher(distil: Distil, kind: str, message: str) -> None:
    assert distil(teacher=f"custom:pair:{kind}") == message


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            "{aliases: {size: [big, small]}}",
            "teacher 'pair' has the label 'size' twice; every output needs a name of its own",
        ),
        (
            "{aliases: {size: [big], bulk: [big]}}",
            "recipe RECIPES/ant.yaml: labels.aliases is {'size': ['big'], 'bulk': ['big']}, expected one common name "
            "for each ('big' is under 'size' and 'bulk')",
        ),
        (
            "{aliases: {size: [bulk], bulk: [big]}}",
            "recipe RECIPES/ant.yaml: labels.aliases is {'size': ['bulk'], 'bulk': ['big']}, expected aliases that are "
            "no common names ('bulk' is both)",
        ),
        (
            "{names: [big]}",
            "teacher 'pair' knows 'small', which the recipe's labels ('big') leave out; add the label, or an alias for "
            "it under labels.aliases",
        ),
        ("{names: [small, big, pink]}", "no teacher knows 'pink'; the teachers know 'big', 'small'"),
        (
            "{names: [small, big, big]}",
            "recipe RECIPES/ant.yaml: labels.names is ['small', 'big', 'big'], expected each label once",
        ),
    ],
)
def test_labels_of_a_recipe(distil: Distil, labels: str, message: str) -> None:
    assert distil("--set", f"labels={labels}") == message


def test_labels_may_be_an_array_and_lookalikes_are_noted(distil: Distil) -> None:
    found = distil.works("--set", "labels.aliases={Size: [big], size: [small]}", teacher="custom:pair:array")
    assert (
        "the labels 'Size', 'size' look alike but are kept apart; if they are one label, say so under labels.aliases"
        in found
    )


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            "wide",
            "teacher 'pair' answered 30 rows with scores of shape (30, 2), expected (30, 3): one column for each of "
            "its labels 'a', 'b', 'c'; mend its card",
        ),
        *(
            (
                kind,
                "teacher 'pair' scored row 0 of a batch as NaN or infinite; scores are finite logits: look for missing "
                "or unscaled values in the data, and try the teacher with `amalgam teachers check`",
            )
            for kind in ("nan", "infinite")
        ),
        (
            "raising",
            "teacher 'pair' failed on inputs of shape (30, 4): ValueError: the model is on another planet; mend its "
            "code, or give it the inputs it expects (`amalgam --debug …` shows where)",
        ),
        (
            "wordy",
            "teacher 'pair' answered with a str, expected a tensor or an array of numbers: a row for each input, a "
            "column for each label",
        ),
    ],
)
def test_a_card_that_lies(distil: Distil, kind: str, message: str) -> None:
    assert distil(teacher=f"custom:pair:{kind}") == message
    assert distil.fails(1, "teachers", "check", f"custom:pair:{kind}", "--data", "rows.npz", "--trust-code") == (
        "teacher 'pair' breaks its contract: answers"
    )


def test_probabilities_declared_as_logits_and_the_other_way_round(distil: Distil) -> None:
    np.savez("rows.npz", inputs=np.concatenate([table(), 1 + table()]))
    assert distil(teacher="custom:pair:probable") == (
        "teacher 'pair' should answer with logits, but every score of its first batch lies within [0, 1]; write "
        "`scores: probabilities` in its card (or `scores: decisions` if they truly are unbounded scores)"
    )
    assert distil(teacher="custom:pair:good?scores=probabilities").partition(" is outside")[2] == (
        " [0, 1], yet its card says `scores: probabilities`; write `scores: logits` (or `decisions` for signed "
        "distances) in the card"
    )


def test_files_that_a_card_names(distil: Distil) -> None:
    here = distil.here
    student = build({"name": "mlp"}, (4,), ["big"], "a test")
    student.save(here / "three")
    weights = here / "three" / "model.safetensors"
    whole = weights.read_bytes()
    (here / "cut.safetensors").write_bytes(whole[:-20])
    (here / "other.safetensors").write_bytes(whole)
    messages = {
        "../../secret": "teacher 'mine' names '../../secret', which leads out of HERE; keep the file beside it",
        "cut.safetensors": (
            "teacher 'mine': cut.safetensors is damaged or cut short and holds no weights that can be read; fetch "
            "it again"
        ),
        "other.safetensors": (
            "teacher 'mine': other.safetensors is not the file its card means (sha256 "
            f"{hashlib.sha256(whole).hexdigest()}, expected {'0' * 64}); fetch it again, or mend `sha256:` when the "
            "file was changed on purpose"
        ),
    }
    for source, message in messages.items():
        sha256 = "0" * 64 if source.startswith("other") else None
        assert distil(teacher=card(here, source=source, sha256=sha256, **MLP)) == message
    np.savez("wide.npz", inputs=np.ones((9, 5), np.float32))
    assert distil(teacher="three", data="wide.npz") == (
        "teacher 'three' could not score inputs of shape (9, 5): The size of tensor a (5) must match the size of "
        "tensor b (4) at non-singleton dimension 1; give it data with the features it was trained on"
    )


class Trap:
    """Unpickled, it makes a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("sprung"),)


def test_code_in_files_never_runs(distil: Distil) -> None:
    pickle.loads(pickle.dumps(Trap()))
    Path("sprung").unlink()  # the trap works
    torch.save({"weights": Trap()}, "trap.pt")
    Path("trap.pkl").write_bytes(pickle.dumps(Trap()))
    assert distil(teacher=card(distil.here, source="trap.pt", **MLP)) == (
        "teacher 'mine': trap.pt is a pickle of more than weights, and loading it could run code; it was not "
        "loaded. If you trust it, re-save its weights as safetensors: `from safetensors.torch import save_file; "
        "save_file(torch.load('trap.pt', weights_only=False).state_dict(), 'trap.safetensors')`"
    )
    assert distil(teacher="sklearn:trap.pkl@a") == (
        "teacher 'trap': trap.pkl is a pickle, which can run any code; it was not loaded. Save the estimator "
        "again where you trust it: `import skops.io; skops.io.dump(estimator, 'trap.skops')`"
    )
    np.savez("trap.npz", inputs=np.array([[Trap()]], dtype=object))
    assert distil(data="trap.npz") == (
        "trap.npz cannot be read: it holds Python objects (a pickle), which may run code; save arrays of numbers and "
        "text instead"
    )
    assert not Path("sprung").exists()


def test_code_that_a_card_names_needs_the_users_word(distil: Distil) -> None:
    (distil.here / "pair.py").write_text("open('sprung', 'w')\n" + (distil.here / "pair.py").read_text())
    untrusting = [one for one in distil.command() if one != "--trust-code"]
    assert distil.fails(2, *untrusting) == (
        "teacher 'pair' names the code 'pair:good', which would run on this machine; only model classes and factories "
        "of PyTorch, torchvision, timm, scikit-learn and amalgam are built without asking: read that code and, if you "
        "trust it, say so with --trust-code (in Python: trust=True)"
    )
    assert not Path("sprung").exists()
