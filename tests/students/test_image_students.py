"""Students that are networks of timm and torchvision: what they read, what they say, and that they are read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from amalgam import student
from amalgam.adapters.torch import wrap
from amalgam.errors import RequestError
from amalgam.networks import build
from amalgam.parts import rows_for
from amalgam.signals import TensorRows
from amalgam.students._image import ImageStudent, TaskHeads
from amalgam.teacher import HeadScorer

SMALL = {"name": "timm", "model": "resnet18", "arguments": {"layers": [1] * 4, "channels": [4, 4, 4, 8]}}
SPECS: list[tuple[dict[str, Any], tuple[int, int, int]]] = [
    (SMALL, (1, 12, 16)),
    ({**SMALL, "task_units": None}, (3, 16, 16)),
    ({**SMALL, "size": 24}, (1, 8, 8)),
    ({"name": "torchvision", "model": "squeezenet1_1"}, (1, 32, 32)),
]


def made(spec: dict[str, Any], shape: tuple[int, int, int]) -> ImageStudent:
    torch.manual_seed(0)
    built = student.build(spec, shape, ("a", "b", "c"), "a test")
    assert isinstance(built, ImageStudent)
    return built


@pytest.mark.parametrize(("spec", "shape"), SPECS)
def test_it_reads_images_and_is_read_back(spec: dict[str, Any], shape: tuple[int, int, int], tmp_path: Path) -> None:
    built, images = made(spec, shape), torch.rand(5, *shape)
    built.scaling.fit(TensorRows(values=images))
    built.eval()
    output = built(images)
    assert output.logits.shape == (5, 3)
    torch.testing.assert_close(built.head(output.features), output.logits)
    again = student.load(built.save(tmp_path / "it"))
    assert torch.equal(again(images).logits, output.logits)


@torch.no_grad()
@pytest.mark.parametrize("units", [None, 1, 4])
def test_heads_are_one_for_each_task(units: int | None) -> None:
    """Eq. (47), label by label."""
    torch.manual_seed(1)
    heads, features = TaskHeads(5, 3, units), torch.randn(4, 5)
    said = heads(features)
    wide = units or 1
    for row in range(4):
        for label in range(3):
            own = slice(label * wide, (label + 1) * wide)
            pairs = zip(heads.first.weight[own], heads.first.bias[own], strict=True)
            hidden = [float(w @ features[row] + b) for w, b in pairs]
            wanted = hidden[0]
            if heads.last is not None:
                wanted = sum(max(0.0, h) * float(w) for h, w in zip(hidden, heads.last[label], strict=True))
                wanted += float(heads.bias[label])
            assert float(said[row, label]) == pytest.approx(wanted, abs=1e-5)


def test_a_task_s_gradient_stays_in_its_head() -> None:
    heads = TaskHeads(5, 3, 4)
    heads(torch.randn(2, 5))[:, 1].sum().backward()
    assert heads.first.weight.grad is not None
    assert heads.first.weight.grad[[0, 1, 2, 3, 8, 9, 10, 11]].eq(0).all()
    assert heads.first.weight.grad[4:8].ne(0).any()


def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the hub had weights: a network that reads three channels, in the library's own size."""
    import timm

    build = timm.create_model

    def create(name: str, pretrained: bool = False, **rest: Any) -> Any:
        return build(name, pretrained=False, **rest)

    monkeypatch.setattr(timm, "create_model", create)


def test_pretrained_reads_images_as_its_weights_were_learned_also_when_read_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pretended(monkeypatch)
    built = made({**SMALL, "pretrained": True}, (1, 8, 8)).eval()
    assert built.scaling.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    assert (built.scaling.size, built.settings.size) == ((224, 224), (224, 224))
    images = torch.rand(2, 1, 8, 8)
    built.scaling.fit(TensorRows(values=images))
    assert built.scaling.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    again = student.load(built.save(tmp_path / "it"))
    assert torch.equal(again(images).logits, built(images).logits)
    assert not again.settings.pretrained  # type: ignore[attr-defined]


@pytest.mark.parametrize("library", ["timm", "torchvision"])
@pytest.mark.parametrize("wrapper", ["", "module.", "_orig_mod.module."])
def test_it_begins_with_the_weights_in_a_file(library: Any, wrapper: str, tmp_path: Path) -> None:
    """Of a network of other classes, as a wrapper around it names them; its last layer is left out."""
    spec = SMALL if library == "timm" else {"name": "torchvision", "model": "squeezenet1_1"}
    torch.manual_seed(7)
    whole = build(library, spec["model"], "a test", outputs=5, arguments=spec.get("arguments", {}))
    torch.save({"state_dict": {wrapper + key: value for key, value in whole.state_dict().items()}}, tmp_path / "w.pt")
    images = torch.rand(3, 1, 32, 32)
    built = made({**spec, "source": str(tmp_path / "w.pt")}, (1, 32, 32)).eval()
    given, own = whole.state_dict(), built.network.state_dict()
    assert own
    assert len(own) == len(given) - 2
    assert all(torch.equal(given[key], value) for key, value in own.items())
    built.scaling.fit(TensorRows(values=images))
    (tmp_path / "w.pt").unlink()
    again = student.load(built.save(tmp_path / "it"))
    assert torch.equal(again(images).logits, built(images).logits)


def test_the_librarys_own_weights_may_be_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after fetching them by hand: nobody asks the hub, and images are read as these weights were learned."""
    save_file(
        build("timm", "resnet18", "a test", arguments=SMALL["arguments"]).state_dict(), tmp_path / "w.safetensors"
    )
    monkeypatch.setattr("timm.models._builder.load_pretrained", None)
    built = made({**SMALL, "pretrained": True, "source": str(tmp_path / "w.safetensors")}, (1, 8, 8))
    assert built.scaling.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    assert (built.settings.pretrained, built.settings.source, built.settings.size) == (False, None, (224, 224))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(
        build("timm", "resnet18", "a test", arguments={**SMALL["arguments"], "layers": [2] * 4}).state_dict(), path
    )
    with pytest.raises(RequestError) as caught:
        made({**SMALL, "source": str(path)}, (1, 8, 8))
    assert str(caught.value).startswith(
        f"student timm: the weights in {path} belong to another model than timm's 'resnet18': the file has 'layer1.1."
    )
    assert str(caught.value).endswith(" besides; mend the student's `model` or `arguments`")
    with pytest.raises(RequestError) as caught:
        made({**SMALL, "source": str(tmp_path / "nowhere.pt")}, (1, 8, 8))
    assert str(caught.value) == (
        f"student timm: no such file: {tmp_path / 'nowhere.pt'}; expected a .safetensors file or a .pt, .pth or .bin "
        "checkpoint of its weights"
    )


def test_a_pretrained_transformer_reads_images_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are brought to the size that its weights were learned for, and it is built for that."""
    pretended(monkeypatch)
    tiny = {"name": "timm", "model": "vit_tiny_patch16_224", "arguments": {"depth": 1}, "pretrained": True}
    built = made(tiny, (3, 32, 32)).eval()
    assert built(torch.rand(2, 3, 32, 32)).logits.shape == (2, 3)


def test_as_a_teacher_it_shows_its_common_feature_and_its_head() -> None:
    built, images = made(SMALL, (1, 16, 16)), torch.rand(3, 1, 16, 16)
    teacher = wrap(built, built.labels, "it")
    assert isinstance(teacher, HeadScorer)
    assert teacher.fingerprint is not None
    scores, features = teacher.score_and_features(images)
    assert features.shape == (3, 8)
    torch.testing.assert_close(teacher.head(features.clone()), scores)


def test_a_batch_of_one_row_is_learned_from() -> None:
    """A normalisation over a batch of one place of one row would divide by no spread, and torch refuses it."""
    built = made(SMALL, (1, 4, 4)).train()
    logits: Tensor = built(torch.rand(1, 1, 4, 4)).logits
    logits.sum().backward()
    assert built.training
    assert logits.isfinite().all()


def test_a_name_may_tell_the_model() -> None:
    kind, settings = student.settings_of({"name": "timm:resnet10t", "task_units": None}, "a test")
    assert (kind.__name__, settings.model, settings.task_units) == ("Timm", "resnet10t", None)  # type: ignore[attr-defined]
    with pytest.raises(RequestError) as caught:
        student.settings_of({"name": "mlp:wide"}, "a test")
    assert str(caught.value) == "a test: 'mlp:wide' names the model 'wide', but the student mlp has no models"


@pytest.mark.parametrize(("size", "sees"), [(None, False), (8, True), ([8, 16], True), (16, False), (24, False)])
def test_it_says_when_it_sees_less_than_the_images_hold(size: Any, sees: bool) -> None:
    built = made({**SMALL, "size": size}, (3, 16, 16))
    shown = "8×16" if size == [8, 16] else "8×8"
    assert built.remarks() == sees * [
        f"the student sees the images, which have 16×16 pixels, at {shown}: so its `size` says, or how its weights "
        "were learned; set student.size to let it see more"
    ]


def test_a_network_that_cannot_read_such_images_is_refused() -> None:
    with pytest.raises(RequestError) as caught:
        student.build({"name": "torchvision", "model": "alexnet"}, (3, 16, 16), ("a",), "a test")
    assert str(caught.value).startswith(
        "the student torchvision: 'alexnet' cannot read images of the shape (3, 16, 16): "
    )
    assert str(caught.value).endswith("; bring them to another size with the student's `size`, or choose another model")


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(RequestError) as caught:
        student.build(SMALL, (64,), ("a",), "a test")
    assert str(caught.value) == (
        "the student timm reads images (channels, height, width), and these inputs have the shape (64,); choose "
        "another student, such as mlp, or give it images"
    )


def test_a_run_says_that_its_student_sees_little_and_images_of_another_shape_are_named(tmp_path: Path) -> None:
    """The default recipe's student is one for small images."""
    import amalgam

    class Shade:
        labels = ("dark",)
        fingerprint = "shade"

        def score(self, inputs: Tensor) -> Tensor:
            return inputs.mean((1, 2, 3))[:, None] - 0.5

    images = torch.rand(12, 3, 16, 16, generator=torch.Generator().manual_seed(0)).numpy()
    learned = amalgam.distill(
        [Shade()], images, "kd", student={**SMALL, "size": 8}, training={"epochs": 1},
    )  # fmt: skip
    assert learned.report is not None
    assert any("at 8×8: so its `size` says" in note for note in learned.report.notes)
    np.savez(tmp_path / "other.npz", inputs=images[:, :, :4])
    with pytest.raises(RequestError) as caught:
        rows_for(learned, str(tmp_path / "other.npz"))
    assert str(caught.value) == (
        f"the rows of {tmp_path / 'other.npz'} have the shape (3, 4, 16), but the student takes (3, 16, 16); give it "
        "images of that shape; those in files have it with the data options `size` and `channels`"
    )
