"""Students that are torchvision's networks, by name: `torchvision:resnet18`; grey images become three channels."""

from __future__ import annotations

from typing import ClassVar

from amalgam.networks import Library
from amalgam.students._image import ImageStudent


class Torchvision(ImageStudent):
    """A classification network of torchvision, its last layer replaced by task heads."""

    class Settings(ImageStudent.Settings):
        """As of every student for images.

        Attributes:
            model: torchvision's name; the default is one of its smallest.
        """

        model: str = "mobilenet_v3_small"

    library: ClassVar[Library] = "torchvision"
