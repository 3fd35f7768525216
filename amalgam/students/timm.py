"""Students that are timm's networks, by name: `timm:resnet18`, for images of any size and number of channels."""

from __future__ import annotations

from typing import ClassVar

from amalgam.networks import Library
from amalgam.students._image import ImageStudent


class Timm(ImageStudent):
    """A network of timm, its last layer replaced by task heads."""

    class Settings(ImageStudent.Settings):
        """As of every student for images.

        Attributes:
            model: timm's name; the default is its smallest that is meant for use.
        """

        model: str = "mobilenetv3_small_050"

    library: ClassVar[Library] = "timm"
