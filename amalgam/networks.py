"""Image networks of timm and torchvision, by name: built, their input prepared, their last representation shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from amalgam.errors import RequestError, listed, nearest
from amalgam.online import asked_once
from amalgam.scaling import Scaling, channel_scale
from amalgam.signals import Rows
from amalgam.teacher import FETCHING

Library = Literal["timm", "torchvision"]


@dataclass(frozen=True)
class Reading:
    """How a network reads images, as its configuration says.

    Attributes:
        size: height and width; None for any.
        mean: of each channel.
        deviation: of each channel.
        channels: how many it reads.
    """

    size: tuple[int, int] | None
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    channels: int


class ImageScaling(Scaling):
    """Images (B, C, H, W) from 0 to 1 as a network reads them: of its channels and size, normalised.

    Args:
        channels: that the network reads.
        size: height and width that images are brought to; None leaves them as they are, or as `read` says.
        read: how its weights were learned; without it, images are normalised by their own mean and deviation.
    """

    def __init__(self, channels: int, size: tuple[int, int] | None = None, read: Reading | None = None) -> None:
        super().__init__((channels, 1, 1))
        self.channels, self.given = channels, read is not None
        self.size = size or (read.size if read is not None else None)
        if read is not None:
            self.mean.copy_(torch.tensor(read.mean).view(-1, 1, 1))
            self.spread.copy_(torch.tensor(read.deviation).view(-1, 1, 1))

    def fit(self, rows: Rows, chunk: int = 256) -> None:
        """Learn each channel's mean and standard deviation over all rows and places; nothing where they are given."""
        if self.given:
            return
        values = (inputs.movedim(1, -1).flatten(0, -2) for _, inputs in rows.chunks(chunk))
        mean, spread = channel_scale(values, rows.inputs(slice(0, 1)).shape[1])
        self.mean.copy_(mean.view(-1, 1, 1))
        self.spread.copy_(spread.view(-1, 1, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        """Images (B, channels, *size), normalised; a grey one is the same in every channel."""
        if inputs.ndim != 4 or inputs.shape[1] not in (1, self.channels):
            raise RequestError(
                f"an image network reads images (rows, channels, height, width) of {self.channels} channels or grey, "
                f"and was given inputs of the shape {tuple(inputs.shape)}; read them with the data option `channels`"
            )
        images = inputs.expand(-1, self.channels, -1, -1)
        if self.size is not None and tuple(images.shape[2:]) != self.size:
            images = F.interpolate(images, self.size, mode="bilinear", antialias=True, align_corners=False)
        return (images - self.mean) / self.spread


def build(
    library: Library,
    name: str,
    what: str,
    *,
    outputs: int | None = None,
    channels: int | None = None,
    size: Sequence[int] | None = None,
    pretrained: bool = False,
    arguments: Mapping[str, Any] | None = None,
) -> nn.Module:
    """A network of a library.

    Args:
        library: whose it is.
        name: the library's name for it, such as `resnet18`; timm's may have a tag, `resnet18.a1_in1k`.
        what: who asks, for messages ("teacher 'a'").
        outputs: how many logits; None for as many as its configuration has, 0 for none (see `shared`).
        channels: that it reads; torchvision's read 3.
        size: of what it reads, which timm's networks of a fixed size (transformers) are built for.
        pretrained: with weights from the hub's cache, or the hub.
        arguments: of the library's constructor, beside these.

    Raises:
        RequestError: no such network, an argument that it does not take, or weights that are not there.
    """
    given = dict(arguments or {})
    fetching = [one for one in given if one in FETCHING]
    if fetching:
        raise RequestError(
            f"{what}: the argument {listed(fetching)} reads weights by itself; leave it out, and say `pretrained: true`"
        )
    try:
        if library == "timm":
            return _of_timm(name, what, pretrained, size, given | _told(num_classes=outputs, in_chans=channels))
        network = _of_torchvision(name, what, pretrained, given | _told(num_classes=outputs or None))
    except (RuntimeError, TypeError, ValueError, AssertionError, KeyError) as error:
        raise RequestError(f"{what}: {library} does not build {name!r} with {given}: {_reason(error)}") from None
    if outputs == 0:
        network.set_submodule(last_layer(network, what)[0], nn.Identity())
    return network


def _told(**arguments: int | None) -> dict[str, Any]:
    """The arguments that are told."""
    return {name: value for name, value in arguments.items() if value is not None}


def _of_timm(name: str, what: str, pretrained: bool, size: Sequence[int] | None, given: dict[str, Any]) -> nn.Module:
    import timm

    plain = name.partition(".")[0]
    if not timm.is_model(plain):
        raise _unknown("timm", plain, timm.list_models(), what)
    told = timm.models.get_pretrained_cfg(name)
    if size is not None and told is not None and told.fixed_input_size:
        given.setdefault("img_size", tuple(size))
    try:
        with asked_once() if pretrained else nullcontext():
            network: nn.Module = timm.create_model(name, pretrained=pretrained, **given)
    except OSError as error:  # the hub's client's are, too
        raise _absent("timm", name, what, _place(told), error) from None
    return network


def _place(told: Any) -> str:
    """Where the file of weights lies that timm's configuration of a network names."""
    hub, url = getattr(told, "hf_hub_id", None), getattr(told, "url", None)
    if hub is None:
        return url or "timm's page"
    file = getattr(told, "hf_hub_filename", None) or "model.safetensors"
    return f"https://huggingface.co/{hub}/resolve/main/{file}"


def _of_torchvision(name: str, what: str, pretrained: bool, given: dict[str, Any]) -> nn.Module:
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise _unknown("torchvision", name, known, what)
    best: Any = models.get_model_weights(name).DEFAULT
    try:
        network: nn.Module = models.get_model(name, weights=best if pretrained else None, **given)
    except OSError as error:
        raise _absent("torchvision", name, what, best.url, error) from None
    return network


def _unknown(library: str, name: str, known: Sequence[str], what: str) -> RequestError:
    return RequestError(
        f"{what}: {library} has no network {name!r}{nearest(name, known)} (it has {len(known)}, such as "
        f"{', '.join(one for one in ('resnet18', 'densenet121', 'vgg11') if one in known)})"
    )


def _absent(library: str, name: str, what: str, place: str, error: Exception) -> RequestError:
    return RequestError(
        f"{what}: the weights of {library}'s {name!r} are not in the cache and could not be fetched "
        f"({_reason(error)[:120]}); fetch {place} where there is a network, and name the file as `source`, beside "
        "`pretrained: true`"
    )


def reading_of(library: Library, network: nn.Module, name: str) -> Reading:
    """How a network's pretrained weights read images; of one without a configuration, as ImageNet's are read."""
    if library == "timm":
        told = _timm_data().resolve_model_data_config(network)
        channels, *size = told["input_size"]
        mean, deviation = (tuple(told[key])[:1] * channels if len(told[key]) != channels else tuple(told[key])
                           for key in ("mean", "std"))  # fmt: skip
        return Reading((size[0], size[1]), mean, deviation, channels)
    from torchvision import models

    preset: Any = models.get_model_weights(name).DEFAULT.transforms()
    side = preset.crop_size[0]
    return Reading((side, side), tuple(preset.mean), tuple(preset.std), 3)


def class_names(library: Library, network: nn.Module, name: str, what: str) -> tuple[str, ...]:
    """The names of the classes that a library's own weights know, in the order of the outputs.

    A name that comes twice, such as the crane that is a bird and the one that lifts, gets its number.

    Raises:
        RequestError: the library does not say.
    """
    if library == "torchvision":
        from torchvision import models

        names = list(models.get_model_weights(name).DEFAULT.meta["categories"])
    else:
        subset = _timm_data().infer_imagenet_subset(network)
        if subset is None:
            raise RequestError(f"{what}: timm does not name the classes of {name!r}; write `labels:` in its card")
        info = _timm_data().ImageNetInfo(subset)
        names = [info.index_to_description(number) for number in range(info.num_classes())]
    return tuple(f"{one} ({place})" if names.count(one) > 1 else one for place, one in enumerate(names))


def license_of(library: Library, network: nn.Module, name: str) -> str | None:
    """The licence of a library's own weights, as the library states it; None where it does not."""
    if library == "timm":
        stated = dict(getattr(network, "pretrained_cfg", None) or {}).get("license")
    else:
        from torchvision import models

        stated = models.get_model_weights(name).DEFAULT.meta.get("license")
    return None if stated in (None, "", "unknown") else str(stated)


def shared(
    library: Library, network: nn.Module, images: Tensor, layer: nn.Module | None = None
) -> tuple[Tensor, Tensor]:
    """Eqs. (38), (39): F_c = h_c(…h_2(h_1(x))), the representation that all tasks share, and the logits.

    It is what enters the last layer: timm says what that is; else it is the last one that has weights. Representations
    with places, (B, D, H, W), are averaged over them.

    Args:
        library: whose the network is.
        network: it.
        images: prepared, (B, C, H, W).
        layer: the layer whose output is the representation, instead.

    Returns:
        logits (B, L) and features (B, D).
    """
    if layer is None and library == "timm":
        places = network.forward_features(images)  # type: ignore[operator]
        features = network.forward_head(places, pre_logits=True)  # type: ignore[operator]
        return network.forward_head(places), pooled(features)  # type: ignore[operator]
    seen: list[Tensor] = []
    if layer is not None:
        handle = layer.register_forward_hook(lambda _, entered, left: seen.append(left))
    else:
        last = last_layer(network, "the network")[1]
        handle = last.register_forward_pre_hook(lambda _, entered: seen.append(entered[0]))
    try:
        logits: Tensor = network(images)
    finally:
        handle.remove()
    return logits, pooled(seen[-1])


def pooled(features: Tensor) -> Tensor:
    """Features (B, D): those with places (B, D, H, W) or tokens (B, T, D) are averaged over them."""
    if features.ndim == 4:
        return features.mean((2, 3))
    return features.mean(1) if features.ndim == 3 else features.flatten(1)


def last_layer(network: nn.Module, what: str) -> tuple[str, nn.Module]:
    """The last layer with weights, in the order in which the network holds them, and its path.

    Raises:
        RequestError: it has none.
    """
    found = [(path, one) for path, one in network.named_modules() if isinstance(one, nn.Linear | nn.Conv2d)]
    if not found:
        raise RequestError(
            f"{what}: the network has no linear or convolutional layer whose input could be its features"
        )
    return found[-1]


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())


def _timm_data() -> Any:
    """timm's module of data, most of which has no types."""
    import timm.data

    return timm.data
