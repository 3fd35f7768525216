"""Networks by name: built, prepared for, and what enters their last layer, without naming layers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from amalgam.errors import RequestError
from amalgam.networks import ImageScaling, Reading, build, class_names, last_layer, pooled, reading_of, shared
from amalgam.signals import TensorRows

# One of each way in which networks end: pooled convolutions, several linear layers, a 1×1 convolution, tokens.
TORCHVISION = {
    "resnet18": 512, "vgg11": 4096, "alexnet": 4096, "densenet121": 1024, "squeezenet1_1": 512, "vit_b_32": 768,
    "mobilenet_v3_small": 1024, "swin_t": 768, "convnext_tiny": 768, "googlenet": 1024,
}  # fmt: skip
TIMM = {
    "resnet18": 512, "vgg11": 4096, "densenet121": 1024, "mobilenetv3_small_050": 1024, "vit_tiny_patch16_224": 192,
    "deit_tiny_distilled_patch16_224": 192, "swin_tiny_patch4_window7_224": 768, "convnext_atto": 320,
    "mixer_s32_224": 512, "levit_128s": 384,
}  # fmt: skip


def weightless(library: Any, name: str, outputs: int) -> nn.Module:
    """A network whose shapes are known and whose weights are nowhere."""
    with torch.device("meta"):
        extra = {"init_weights": False} if name == "googlenet" else {}
        return build(library, name, "a test", outputs=outputs, arguments=extra).eval()


@pytest.mark.parametrize(
    ("library", "name", "width"),
    [("torchvision", *one) for one in TORCHVISION.items()] + [("timm", *one) for one in TIMM.items()],
)
def test_the_shared_representation_is_found(library: Any, name: str, width: int) -> None:
    images = torch.zeros(2, 3, 224, 224, device="meta")
    with torch.no_grad():
        logits, features = shared(library, weightless(library, name, 3), images)
        assert (logits.shape, features.shape) == ((2, 3), (2, width))
        assert weightless(library, name, 0)(images).shape == (2, width)


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_the_representation_is_what_the_last_layer_makes_logits_of(library: Any) -> None:
    torch.manual_seed(0)
    network, images = build(library, "resnet18", "a test", outputs=3).eval(), torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        logits, features = shared(library, network, images)
        torch.testing.assert_close(logits, network(images))
        torch.testing.assert_close(logits, last_layer(network, "it")[1](features))
        named = shared(library, network, images, network.get_submodule("layer3"))[1]
    assert named.shape == (2, 256)
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in network.modules())


def test_places_and_tokens_are_averaged() -> None:
    assert pooled(torch.arange(8.0).view(1, 2, 2, 2)).tolist() == [[1.5, 5.5]]
    assert pooled(torch.arange(6.0).view(1, 3, 2)).tolist() == [[2.0, 3.0]]
    assert pooled(torch.ones(2, 5)).shape == (2, 5)


def test_scaling_is_the_images_own_or_the_networks() -> None:
    images = torch.rand(20, 3, 8, 8) * torch.tensor([1.0, 0.5, 0.25])[:, None, None]
    own = ImageScaling(3)
    own.fit(TensorRows(values=images))
    scaled = own(images)
    torch.testing.assert_close(scaled.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(scaled.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-4, rtol=0)
    given = ImageScaling(3, read=Reading((4, 6), (0.5, 0.4, 0.3), (0.2, 0.2, 0.1), 3))
    given.fit(TensorRows(values=images))
    assert given.mean.flatten().tolist() == pytest.approx([0.5, 0.4, 0.3])
    assert given(images).shape == (20, 3, 4, 6)
    grey = given(torch.full((2, 1, 4, 6), 0.5))
    assert grey[0, :, 0, 0].tolist() == pytest.approx([0.0, 0.5, 2.0])


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(RequestError) as caught:
        ImageScaling(3)(torch.zeros(2, 2, 8, 8))
    assert str(caught.value) == (
        "an image network reads images (rows, channels, height, width) of 3 channels or grey, and was given inputs of "
        "the shape (2, 2, 8, 8); read them with the data option `channels`"
    )


def test_how_a_network_reads_is_its_configuration() -> None:
    timm = reading_of("timm", weightless("timm", "vit_tiny_patch16_224", 3), "vit_tiny_patch16_224")
    assert (timm.size, timm.mean, timm.channels) == ((224, 224), (0.5, 0.5, 0.5), 3)
    own = reading_of("torchvision", nn.Identity(), "inception_v3")
    assert (own.size, own.mean, own.deviation) == ((299, 299), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_classes_of_the_libraries_own_weights_have_names_of_their_own() -> None:
    for library in ("timm", "torchvision"):
        network = weightless(library, "resnet18", 1000)
        names = class_names(library, network, "resnet18", "a test")  # type: ignore[arg-type]
        assert len(names) == len(set(names)) == 1000
        assert names[0].startswith("tench")


@pytest.mark.parametrize(
    ("library", "name", "arguments", "message"),
    [
        ("timm", "resnet19", {}, "a test: timm has no network 'resnet19'; did you mean 'resnet18'? (it has "),
        ("torchvision", "resnet19", {}, "a test: torchvision has no network 'resnet19'; did you mean 'resnet18'? (it "),
        ("timm", "resnet18", {"depth": 3}, "a test: timm does not build 'resnet18' with {'depth': 3}: "),
        ("timm", "resnet18.nope", {}, "a test: timm does not build 'resnet18.nope' with {}: Invalid pretrained tag"),
        ("timm", "resnet18", {"checkpoint_path": "x.pt"}, "a test: the argument 'checkpoint_path' reads weights "),
        ("torchvision", "resnet18", {"weights": "DEFAULT"}, "a test: the argument 'weights' reads weights "),
    ],
)
def test_what_cannot_be_built_is_said(library: Any, name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        build(library, name, "a test", outputs=3, arguments=arguments)
    assert str(caught.value).startswith(message)
