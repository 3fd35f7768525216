"""What the students for images share: a network of a library without its last layer, and a head for every task.

VENUS's student (knowledge-amalgamation, ch. 5): the network is its backbone, whose output is the common feature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, PositiveInt, StrictStr
from torch import Tensor, nn

from amalgam.errors import RequestError
from amalgam.networks import ImageScaling, Library, build, reading_of
from amalgam.signals import StudentOutput
from amalgam.student import Student
from amalgam.weights import fill, read_weights


class ImageStudent(Student):
    """An image network of `library`, and task heads on its common feature."""

    class Settings(Student.Settings):
        """The hyperparameters that all students for images have.

        Attributes:
            model: the library's name of the network.
            arguments: of its constructor, such as a smaller number of layers.
            pretrained: whether it begins with the library's weights; images are then brought to the size, and
                normalised, as these were learned.
            source: a file of weights that it begins with, those of the last layer left out; beside `pretrained` the
                library's own, fetched by hand.
            size: height and width that images are brought to before all else; None leaves them as they are.
            channels: that the network reads; None as many as the images have, or 3 for weights, which mostly do.
            task_units: hidden units of each task's head; None for a linear one.
        """

        model: str
        arguments: Mapping[str, Any] = Field(default_factory=dict)
        pretrained: bool = False
        source: StrictStr | None = None
        size: PositiveInt | tuple[PositiveInt, PositiveInt] | None = None
        channels: Literal[1, 3] | None = None
        task_units: PositiveInt | None = 16

    library: ClassVar[Library]
    last = "heads"
    settings: ImageStudent.Settings
    scaling: ImageScaling

    def __init__(self, shape: Sequence[int], labels: Sequence[str], settings: Settings | None = None) -> None:
        super().__init__(shape, labels, settings)
        if len(self.shape) != 3 or 0 in self.shape:
            raise RequestError(
                f"the student {self.library} reads images (channels, height, width), and these inputs have the shape "
                f"{self.shape}; choose another student, such as mlp, or give it images"
            )
        own, what = self.settings, f"student {self.library}"
        size = (own.size, own.size) if isinstance(own.size, int) else own.size
        learned = own.pretrained or own.source is not None
        channels = (
            3 if own.pretrained or self.library == "torchvision" else own.channels or (3 if learned else shape[0])
        )
        self.network = build(
            self.library, own.model, what, outputs=0, channels=channels, size=size or (None if learned else shape[1:]),
            pretrained=own.pretrained and own.source is None, arguments=own.arguments,
        )  # fmt: skip
        if own.source is not None:
            self._begin(Path(own.source).expanduser(), what, channels)
        read = reading_of(self.library, self.network, own.model) if own.pretrained else None
        self.scaling = ImageScaling(channels, size, read)
        # One that is read back later has its weights in its folder, and must read images as now.
        kept = {"pretrained": False, "source": None, "size": self.scaling.size, "channels": channels}
        self.settings = own.model_copy(update=kept)
        self.heads = TaskHeads(self._width(), len(self.labels), own.task_units)

    def _begin(self, path: Path, what: str, channels: int) -> None:
        """Take the weights in a file, all but those of what makes the library's network its logits."""
        own = self.settings
        whole = build(self.library, own.model, what, channels=channels, arguments=own.arguments)
        spare = whole.state_dict().keys() - self.network.state_dict().keys()
        mend = ("the student's `model` or `arguments`", "the student's `model`, `arguments`, `channels` or `size`")
        fill(self.network, read_weights(path, what), what, path, f"{self.library}'s {own.model!r}", mend, spare)

    @torch.no_grad()
    def _width(self) -> int:
        """D of the common feature."""
        self.network.eval()
        try:
            width = int(self.network(self.scaling(torch.zeros(1, *self.shape))).shape[-1])
        except (RuntimeError, ValueError, AssertionError, AttributeError) as error:
            raise RequestError(
                f"the student {self.library}: {self.settings.model!r} cannot read images of the shape {self.shape}: "
                f"{' '.join(str(error).split())[:150]}; bring them to another size with the student's `size`, or "
                "choose another model"
            ) from None
        self.network.train()
        return width

    def remarks(self) -> list[str]:
        """That it sees less of the images than they hold, where it does."""
        (high, wide), size = self.shape[1:], self.scaling.size
        if size is None or size[0] * size[1] >= high * wide:
            return []
        return [
            f"the student sees the images, which have {high}×{wide} pixels, at {size[0]}×{size[1]}: so its `size` "
            "says, or how its weights were learned; set student.size to let it see more"
        ]

    def represent(self, inputs: Tensor) -> Tensor:
        """Eqs. (41)–(43): the common feature F_s = H(x), (B, D)."""
        alone = self.training and len(inputs) == 1
        if alone:  # a batch without a spread, by which batch normalisation would divide
            self.network.eval()
        features: Tensor = self.network(self.scaling(inputs))
        if alone:
            self.network.train()
        return features

    def head(self, features: Tensor) -> Tensor:
        """Logits (B, L) of features (B, D)."""
        logits: Tensor = self.heads(features)
        return logits

    def forward(self, inputs: Tensor) -> StudentOutput:
        """Logits (B, L) and the common feature (B, D)."""
        features = self.represent(inputs)
        return StudentOutput(self.head(features), features)


class TaskHeads(nn.Module):
    """L heads as one: Linear, ReLU and Linear with U units each, or one linear layer; features (B, D) to logits (B, L).

    Args:
        width: D.
        labels: L.
        units: U; None for linear heads.
    """

    def __init__(self, width: int, labels: int, units: int | None) -> None:
        super().__init__()
        self.first = nn.Linear(width, labels * (units or 1))
        self.last = None if units is None else nn.Parameter(torch.empty(labels, units))
        if self.last is not None and units is not None:
            nn.init.uniform_(self.last, -(units**-0.5), units**-0.5)  # as nn.Linear draws them
            self.bias = nn.Parameter(torch.empty(labels).uniform_(-(units**-0.5), units**-0.5))

    def forward(self, features: Tensor) -> Tensor:
        """Eq. (47): ℓ_k = h(…h(F_s)), (B, L)."""
        said: Tensor = self.first(features)
        if self.last is None:
            return said
        return (said.relu().view(-1, *self.last.shape) * self.last).sum(2) + self.bias
