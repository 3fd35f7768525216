"""timm's and torchvision's networks as teachers: weights of a file or of the library, features, what is refused."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import save_file

from amalgam import registry
from amalgam.adapters.torch import TorchTeacher
from amalgam.errors import RequestError
from amalgam.networks import build
from amalgam.teacher import FeatureScorer, HeadScorer

SMALL = {"layers": [1] * 4, "channels": [4, 4, 4, 8]}
CARD = """
name: small
adapter: timm
model: resnet18
arguments: {layers: [1, 1, 1, 1], channels: [4, 4, 4, 8]}
source: weights.safetensors
labels: [cat, dog, owl]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    network = build("timm", "resnet18", "a test", outputs=3, arguments=SMALL)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    torch.save({"state_dict": network.state_dict()}, tmp_path / "weights.pth")
    return tmp_path


def loaded(folder: Path, more: str = "") -> TorchTeacher:
    (folder / "small.yaml").write_text(CARD + more)
    teacher: Any = registry.load(str(folder / "small.yaml"), Accelerator()).teacher
    return teacher


def expected(images: torch.Tensor, mean: float, deviation: float) -> torch.Tensor:
    torch.manual_seed(0)
    network = build("timm", "resnet18", "a test", outputs=3, arguments=SMALL).eval()
    with torch.no_grad():
        said: torch.Tensor = network((images - mean) / deviation)
    return said


def test_it_answers_as_its_weights_do_on_images_read_as_its_card_says(folder: Path) -> None:
    images = torch.rand(2, 3, 24, 24)
    teacher = loaded(folder, "images: {size: [24, 24], mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25]}\n")
    assert isinstance(teacher, HeadScorer)
    torch.testing.assert_close(teacher.score(images), expected(images, 0.5, 0.25))
    scores, features = teacher.score_and_features(images)
    torch.testing.assert_close(scores, teacher.score(images))
    assert features.shape == (2, 8)
    torch.testing.assert_close(teacher.head(features.clone()), scores)


def test_images_are_brought_to_the_networks_own_size(folder: Path) -> None:
    whole = torch.rand(1, 3, 1, 1).expand(1, 3, 5, 7)  # one colour: the size alone matters
    teacher = loaded(folder)
    torch.testing.assert_close(teacher.score(whole), teacher.score(whole[..., :1, :1].expand(1, 3, 224, 224)))


def test_a_checkpoint_and_a_spec_say_the_same(folder: Path) -> None:
    images = torch.rand(2, 3, 8, 8)
    network = build("torchvision", "squeezenet1_1", "a test", outputs=2)
    save_file(network.state_dict(), folder / "squeeze.safetensors")
    torch.save(network.state_dict(), folder / "squeeze.pt")
    spec = f"torchvision:squeezenet1_1@cat,dog?source={folder}/squeeze."
    one, other = (registry.load(spec + kind, Accelerator()) for kind in ("safetensors", "pt"))
    assert (one.name, tuple(one.teacher.labels)) == ("squeezenet1_1", ("cat", "dog"))
    assert torch.equal(one.teacher.score(images), other.teacher.score(images))
    assert one.fingerprint == other.fingerprint is not None
    assert not isinstance(one.teacher, HeadScorer)  # its last layer is a convolution, no layer on features
    assert isinstance(one.teacher, FeatureScorer)


def test_another_layer_or_reading_is_another_teacher(folder: Path) -> None:
    plain, layer = loaded(folder), loaded(folder, "layer: layer2\n")
    assert layer.score_and_features(torch.rand(1, 3, 32, 32))[1].shape == (1, 4)
    assert not hasattr(layer, "head")
    other = loaded(folder, "images: {mean: [0.5, 0.5, 0.5]}\n")
    assert len({plain.fingerprint, layer.fingerprint, other.fingerprint}) == 3
    assert loaded(folder).fingerprint == plain.fingerprint


def test_the_librarys_own_weights_know_their_classes(folder: Path) -> None:
    """From a file here, as after fetching it by hand; it is named as the hub's are."""
    save_file(build("timm", "resnet18", "a test", arguments=SMALL).state_dict(), folder / "own.safetensors")
    card = CARD.replace("weights.", "own.").replace("labels: [cat, dog, owl]\n", "pretrained: true\n")
    (folder / "own.yaml").write_text(card)
    teacher: Any = registry.load(str(folder / "own.yaml"), Accelerator()).teacher
    assert len(teacher.labels) == 1000
    assert registry.load(str(folder / "own.yaml"), Accelerator()).licence == "apache-2.0"  # as timm has it
    assert loaded(folder).license is None  # of weights of a file nobody says
    assert teacher.tasks == {"class": tuple(teacher.labels)}


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_weights_that_are_nowhere_are_asked_for(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr("amalgam.online._reachable", lambda address: True)
    monkeypatch.setattr("timm.models._builder.load_pretrained", fetch)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fetch)
    place = {
        "timm": "https://huggingface.co/timm/resnet18.a1_in1k/resolve/main/model.safetensors",
        "torchvision": "https://download.pytorch.org/models/resnet18-f37072fd.pth",
    }[library]
    with pytest.raises(RequestError) as caught:
        registry.load(f"{library}:resnet18?pretrained=true", Accelerator())
    assert str(caught.value) == (
        f"teacher 'resnet18': the weights of {library}'s 'resnet18' are not in the cache and could not be fetched (no "
        f"network); fetch {place} where there is a network, and name the file as `source`, beside "
        "`pretrained: true`"
    )


def test_without_a_network_the_hub_is_not_asked_again_and_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants

    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", "https://127.0.0.1:9")  # where nobody listens
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    began = time.monotonic()
    with pytest.raises(RequestError) as caught:
        registry.load("timm:resnet18?pretrained=true", Accelerator())
    assert str(caught.value) == (
        "teacher 'resnet18': the weights of timm's 'resnet18' are not in the cache and could not be fetched "
        "(https://127.0.0.1:9 cannot be reached); fetch https://huggingface.co/timm/resnet18.a1_in1k/resolve/main/"
        "model.safetensors where there is a network, and name the file as `source`, beside `pretrained: true`"
    )
    assert time.monotonic() - began < 10
    assert not constants.HF_HUB_OFFLINE


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("model: resnet18", "", "teacher 'small' names no network; write `model:` with timm's name for it, such as "
         "resnet18"),
        ("labels: [cat, dog, owl]", "", "teacher 'small': write `source:` with a .safetensors file or a .pt, .pth or "
         ".bin checkpoint of its weights and `labels:` with the names of its outputs, in order; or `pretrained: true` "
         "for timm's own weights, from the hub's cache, the hub, or the file in `source:`"),
        ("labels: [cat, dog, owl]", "labels: [cat, dog, owl]\npretrained: true", "teacher 'small': timm's own weights "
         "of 'resnet18' know its own classes; leave `labels:` out (now 'cat', 'dog', 'owl'), or `pretrained:` if the "
         "weights in `source:` were learned for these labels"),
        ("source: weights", "layer: layer9\nsource: weights", "teacher 'small': the network has no layer 'layer9' to "
         "show; it has 'conv1', 'bn1', 'act1', 'maxpool', 'layer1', 'layer1.0', 'layer1.0.conv1', 'layer1.0.bn1' and "),
        ("source: weights", "constructor: timm:create_model\nsource: weights", "teacher 'small' is timm's 'resnet18', "
         "which needs no constructor; leave `constructor:` out"),
        ("dog, owl", "dog", "teacher 'small': 'fc.bias' in "),
        ("layers: [1, 1, 1, 1]", "layers: [2, 1, 1, 1]", "teacher 'small': the weights in "),
        ("channels: [4, 4, 4, 8]", "checkpoint_path: x", "teacher 'small': the argument 'checkpoint_path' reads "
         "weights by itself; leave it out, and say `pretrained: true`"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_card_is_said(folder: Path, old: str, new: str, message: str) -> None:
    (folder / "small.yaml").write_text(CARD.replace(old, new))
    with pytest.raises(RequestError) as caught:
        registry.load(str(folder / "small.yaml"), Accelerator())
    assert str(caught.value).startswith(message)


def test_weights_of_another_network_say_so_of_the_network(folder: Path) -> None:
    """A network that has a name has no constructor to mend."""
    (folder / "small.yaml").write_text(CARD.replace("layers: [1, 1, 1, 1]", "layers: [2, 1, 1, 1]"))
    with pytest.raises(RequestError) as caught:
        registry.load(str(folder / "small.yaml"), Accelerator())
    assert "belong to another model than timm's 'resnet18': the file lacks 'layer1.1.conv1.weight'" in str(caught.value)
    assert str(caught.value).endswith("; mend `model:` or `arguments:`")
