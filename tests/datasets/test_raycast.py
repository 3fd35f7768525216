"""The room against a ray that walks in small steps."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from amalgam.datasets import raycast

SIZE = 12
LAMP = torch.tensor([-0.3, 0.8, 0.52]) / math.sqrt(0.3**2 + 0.8**2 + 0.52**2)


def inside(shape: str, places: Tensor, scale: float) -> Tensor:
    """Whether places (..., 3) in the room are inside a thing that stands in its middle."""
    x, y, z = (places / (0.72 * scale)).unbind(-1)
    across = (x * x + z * z).sqrt()
    if shape == "cube":
        return (x.abs() < 1) & (z.abs() < 1) & (y > 0) & (y < 2)
    if shape == "cylinder":
        return (across < 1) & (y > 0) & (y < 2)
    if shape == "sphere":
        return x * x + (y - 1) ** 2 + z * z < 1
    return x * x + z * z + (y - y.clamp(0.7, 1.7)) ** 2 < 0.7**2


def walks_into(shape: str, start: Tensor, way: Tensor, scale: float) -> Tensor:
    """Whether rays (Q, 3) come to be inside."""
    steps = torch.arange(0.005, 7, 0.005)[:, None, None]
    return inside(shape, start + steps * way, scale).any(0)


def of_pixels(rays: Tensor) -> Tensor:
    """The mean over the four rays of each pixel, (size², )."""
    return torch.nn.functional.avg_pool2d(rays.float().view(1, 2 * SIZE, 2 * SIZE), 2).flatten()


@pytest.mark.parametrize("shape", raycast.SHAPES)
@pytest.mark.parametrize(("scale", "angle"), [(0.75, 24.0), (1.25, 5.0)])
def test_things_and_their_shadows_are_where_a_walk_meets_them(shape: str, scale: float, angle: float) -> None:
    room = raycast.view(angle, SIZE)
    floor, wall, thing, shine, sky = raycast.layers(room, shape, torch.tensor([scale]))[0]
    eye, way, place = (one.squeeze(1).T for one in (room.eye, room.way, room.place))
    hit = walks_into(shape, eye, way, scale)
    assert (of_pixels(hit) > 0).equal(thing > 0)
    assert ((shine > 0) <= (thing > 0)).all()
    dark = torch.where(walks_into(shape, place, LAMP, scale), 0.55, 1.0)
    for layer, bright in ((floor, room.floor * dark), (wall, room.wall), (sky, room.sky)):
        off = (layer - of_pixels(bright[0] * ~hit)).abs()
        assert int((off > 1e-6).sum()) <= 1  # a walk may step over the very edge
        assert float(off.max()) < 0.25
    assert bool((dark[(room.floor[0] > 0) & ~hit] < 1).any())


def test_a_thing_is_lit_from_the_lamp() -> None:
    """Of a sphere the brightest pixel faces the lamp, and the dark side is what no light reaches."""
    room = raycast.view(0, 64)
    thing = raycast.layers(room, "sphere", torch.tensor([1.0]))[0, 2].view(64, 64)
    row, column = divmod(int(thing.argmax()), 64)
    rows, columns = (thing > 0).any(1).nonzero(), (thing > 0).any(0).nonzero()
    assert row < rows.float().mean() - 3
    assert column < columns.float().mean() - 3
    assert float(thing.max()) == pytest.approx(0.87, abs=0.002)
    assert float(thing[thing > 0.32].min()) == pytest.approx(0.33, abs=0.002)


def test_things_shine_in_a_small_spot() -> None:
    shine, thing = raycast.layers(raycast.view(0, 64), "sphere", torch.tensor([1.0]))[0, [3, 2]]
    assert float(shine.max()) == pytest.approx(0.12, abs=0.002)
    assert 0.02 < float((shine > 0.06).sum() / (thing > 0).sum()) < 0.12


@pytest.mark.parametrize(("angle", "walls"), [(0, (LAMP[2],)), (-30, (LAMP[2], -LAMP[0])), (30, (LAMP[2], 0.0))])
def test_walls_are_as_bright_as_they_turn_to_the_lamp(angle: float, walls: tuple[float, ...]) -> None:
    """Ahead the far wall alone; from the left the right wall too, opposite the lamp; the left wall is in the dark."""
    bright, many = raycast.view(angle, 32).wall.mul(1000).round().unique(return_counts=True)
    seen = {value for value, pixels in zip(bright.tolist(), many.tolist(), strict=True) if pixels > 100}
    assert seen - {0} == {round(450 + 850 * float(turned)) for turned in walls}


def test_the_lid_of_a_cylinder_is_lit_from_above() -> None:
    """Its middle, which is seen above the middle of its side, is as bright as a lid turns to the lamp."""
    thing = raycast.layers(raycast.view(0, 64), "cylinder", torch.tensor([1.0]))[0, 2].view(64, 64)
    top = int((thing[:, 32] > 0).nonzero()[0])
    assert float(thing[top + 2, 32]) == pytest.approx(0.33 + 0.54 * float(LAMP[1]), abs=1e-5)
    assert float(thing[top + 15, 32]) == pytest.approx(0.33 + 0.54 * float(LAMP[2]), abs=0.03)


def test_each_face_of_a_cube_is_lit_evenly() -> None:
    """Of a cube seen past an edge three faces show, as bright as they turn to the lamp."""
    thing = raycast.layers(raycast.view(30, 64), "cube", torch.tensor([1.0]))[0, 2]
    bright, many = thing.mul(1000).round().unique(return_counts=True)
    faces = dict(zip(bright.tolist(), many.tolist(), strict=True))
    shown = sorted(faces, key=lambda value: -faces[value])[1:4]  # most pixels are beside the cube
    expected = [0.33 + 0.54 * max(0.0, float(turned)) for turned in (LAMP[1], LAMP[2], -LAMP[0], LAMP[0])]
    assert set(shown) == {round(1000 * value) for value in (expected[0], expected[1], expected[3])}


def test_the_layers_are_light_that_adds_up_to_one_at_most() -> None:
    scale = torch.linspace(0.75, 1.25, 8)
    for angle in (-30, 0, 17):
        for shape in raycast.SHAPES:
            layers = raycast.layers(raycast.view(angle, 32), shape, scale)
            assert layers.shape == (8, len(raycast.LAYERS), 32 * 32)
            assert float(layers.min()) >= 0
            assert 0.2 < float(layers.sum(1).min()) < float(layers.sum(1).max()) <= 1
