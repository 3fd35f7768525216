"""Random views of a batch: what a student sees instead of the plain inputs, drawn anew at every step.

A view for each row, of the whole batch at once; torchvision's transforms draw one for all that they are given.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from amalgam.errors import RequestError

if TYPE_CHECKING:
    from torch import Tensor


class Augment(BaseModel):
    """How views are drawn, each row's by itself; what is 0 is left out.

    Attributes:
        flip: the probability that an image is mirrored, left to right.
        shift: by how much of its width and height an image is moved at most, each way.
        turn: by how many degrees an image is turned at most, either way.
        zoom: by how much an image is made larger or smaller at most, as a share.
        noise: the standard deviation of what is added to every number, of any inputs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    flip: float = Field(default=0.0, ge=0, le=1)
    shift: float = Field(default=0.0, ge=0, le=0.5)
    turn: float = Field(default=0.0, ge=0, le=180)
    zoom: float = Field(default=0.0, ge=0, lt=1)
    noise: float = Field(default=0.0, ge=0)

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuse to move the pixels of inputs (shape) that are no images."""
        moves = [name for name in ("flip", "shift", "turn", "zoom") if getattr(self, name)]
        if moves and len(shape) != 3:
            raise RequestError(
                f"training.augment.{moves[0]} is for images (channels, height, width), and these inputs have the shape "
                f"{shape}; leave it out, or take `noise`, which is for any inputs"
            )

    def view(self, inputs: Tensor) -> Tensor:
        """A view of each of some inputs (B, ...); torch's random numbers decide."""
        import torch  # here: settings are read where nothing is computed

        if self.flip:
            mirrored = torch.rand(len(inputs), 1, 1, 1, device=inputs.device) < self.flip
            inputs = torch.where(mirrored, inputs.flip(-1), inputs)
        if self.shift or self.turn or self.zoom:
            inputs = self._moved(inputs)
        return inputs + self.noise * torch.randn_like(inputs) if self.noise else inputs

    def _moved(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) moved, turned and zoomed; what comes in at the edges is mirrored."""
        import torch
        from torch.nn import functional as F

        height, width = images.shape[-2:]

        def drawn(most: float) -> Tensor:
            return (2 * torch.rand(len(images), device=images.device) - 1) * most

        angle, scale = drawn(math.radians(self.turn)), 1 + drawn(self.zoom)
        across, down = angle.cos() * scale, angle.sin() * scale
        # Where each pixel comes from, in halves of the width and of the height.
        rows = (
            torch.stack([across, -down * height / width, drawn(2 * self.shift)], 1),
            torch.stack([down * width / height, across, drawn(2 * self.shift)], 1),
        )
        grid = F.affine_grid(torch.stack(rows, 1).to(images.dtype), list(images.shape), align_corners=False)
        return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
