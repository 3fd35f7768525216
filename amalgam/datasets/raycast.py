"""A room with one thing standing in it, cast ray by ray: what shows in each pixel, and how brightly it is lit.

The room, its lamp and the thing stand still; the camera goes round them. Pixels are computed with + − × ÷ √ alone,
which IEEE 754 rounds in one way, so that a picture has the same bits in every process.

Vectors are stacked in the first dimension, (3, G, Q) for Q rays in G scenes, of which either may be 1 where all share
it: x to the right, y up, z towards a camera that has not turned.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

SHAPES = ("cube", "cylinder", "sphere", "capsule")
LAYERS = ("floor", "wall", "thing", "shine", "sky")
_ROUND, _STRAIGHT = 0.7, 0.5  # a capsule's radius, and half its straight part; other shapes are 2 wide and 2 high
_HALF = 0.72  # half the height of a thing of scale 1, but for capsules
_WALLS, _CEILING = 3.6, 2.1  # how far the walls are from the middle of the floor, and how high
_EYE, _BACK, _GAZE = 2.3, 3.5, 1.0  # the camera's height, its distance from the middle, the height it looks at there
_ZOOM = 2.1  # a picture's width is 2 where it is this far away
_LAMP = (-0.3, 0.8, 0.52)  # the direction to the lamp
_SHADOW = 0.55  # how bright the floor is where the lamp does not reach it


@dataclass(frozen=True)
class View:
    """What the camera sees of the empty room, by Q = (2 · size)² rays, four for each pixel.

    Attributes:
        size: pixels in a row, and rows.
        eye: (3, 1, 1), where the camera is.
        way: (3, 1, Q), its rays, of length 1, row by row from the top left.
        place: (3, 1, Q), where they leave the room.
        floor: (1, Q), how bright the floor is there, 0 where it is not the floor.
        wall: (1, Q), the same for the walls.
        sky: (1, Q), the same above the walls.
    """

    size: int
    eye: Tensor
    way: Tensor
    place: Tensor
    floor: Tensor
    wall: Tensor
    sky: Tensor


def view(angle: float, size: int) -> View:
    """The empty room, when the camera has gone `angle` degrees round its middle; `size` pixels in a row, and rows."""
    eye, way = _rays(math.radians(angle), 2 * size)
    sides = (way.sign() * _WALLS - eye) / way
    end = torch.minimum(sides[0], sides[2])
    down = -eye[1] / way[1]
    on_floor = (down > 0) & (down < end)
    place = eye + way * torch.where(on_floor, down, end)
    on_wall = ~on_floor & (place[1] < _CEILING)
    lamp = -way.sign() * _lamp()
    beside = torch.where(sides[0] < sides[2], lamp[0], lamp[2]).clamp(min=0)
    return View(
        size=size,
        eye=eye,
        way=way,
        place=place,
        floor=torch.where(on_floor, 0.88 / (1 + 0.015 * _dot(place, place)), 0.0),
        wall=torch.where(on_wall, 0.45 + 0.85 * beside, 0.0),
        sky=torch.where(on_floor | on_wall, 0.0, 1 - way[1].clamp(0, 1)),
    )


def layers(room: View, shape: str, scale: Tensor) -> Tensor:
    """How much each of `LAYERS` adds to each pixel: how brightly what shows there is lit.

    Args:
        room: where the thing stands.
        shape: one of `SHAPES`.
        scale: (G,) how large the thing is.

    Returns:
        (G, 5, size · size) float32, at least 0, the mean of four rays; the five of a pixel add up to 1 at most.
    """
    half, lamp = _HALF * scale[:, None], _lamp()
    middle = half * (_ROUND + _STRAIGHT if shape == "capsule" else 1)
    above = torch.stack([torch.zeros_like(half), middle, torch.zeros_like(half)])
    near, far = _span(shape, room.eye - above, room.way, half)
    hit = near < far
    normal = _normal(shape, (room.eye - above + room.way * torch.where(hit, near, 0.0)) / half)
    shine = _dot(normal, _unit(lamp - room.way)).clamp(0, 1)
    for _ in range(4):  # to the 16th power
        shine = shine * shine
    enter, leave = _span(shape, room.place - above, lamp, half)
    shaded = torch.where((enter < leave) & (leave > 0), _SHADOW, 1.0)
    seen = (
        torch.where(hit, 0.0, shaded * room.floor),
        torch.where(hit, 0.0, room.wall),
        torch.where(hit, 0.33 + 0.54 * _dot(normal, lamp).clamp(0, 1), 0.0),
        torch.where(hit, 0.12 * shine, 0.0),
        torch.where(hit, 0.0, room.sky),
    )
    fine = torch.stack(seen, 1).view(len(scale), len(LAYERS), room.size, 2, room.size, 2)
    coarse = (fine[..., 0, :, 0] + fine[..., 0, :, 1] + fine[..., 1, :, 0] + fine[..., 1, :, 1]) / 4
    return coarse.flatten(2)


def _rays(turn: float, size: int) -> tuple[Tensor, Tensor]:
    """Where a camera that turned (radians) is, (3, 1, 1), and its rays, (3, 1, size · size)."""
    dip = math.atan2(_EYE - _GAZE, _BACK)
    cos, sin = math.cos(turn), math.sin(turn)
    steps = (torch.arange(size) * 2 + 1 - size) / size
    x, up = steps.repeat(size), -steps.repeat_interleave(size)
    y, z = up * math.cos(dip) - _ZOOM * math.sin(dip), -up * math.sin(dip) - _ZOOM * math.cos(dip)
    eye = torch.tensor([_BACK * sin, _EYE, _BACK * cos])
    return eye[:, None, None], _unit(torch.stack([x * cos + z * sin, y, z * cos - x * sin]))[:, None]


def _span(shape: str, start: Tensor, way: Tensor, half: Tensor) -> tuple[Tensor, Tensor]:
    """Where rays enter and leave a shape around the origin, in lengths of `way`; those that miss leave before it."""
    if shape == "cube":
        return _shared(*(_slab(start[axis], way[axis], half) for axis in range(3)))
    if shape == "cylinder":
        return _shared(_ball(start[::2], way[::2], half), _slab(start[1], way[1], half))
    if shape == "sphere":
        return _ball(start, way, half)
    radius, up = _ROUND * half, torch.stack([half * 0, half * _STRAIGHT, half * 0])
    side = _shared(_ball(start[::2], way[::2], radius), _slab(start[1], way[1], half * _STRAIGHT))
    parts = (side, _ball(start - up, way, radius), _ball(start + up, way, radius))
    enters = [torch.where(enter < leave, enter, torch.inf) for enter, leave in parts]
    leaves = [torch.where(enter < leave, leave, -torch.inf) for enter, leave in parts]
    return _least(enters), _most(leaves)


def _normal(shape: str, place: Tensor) -> Tensor:
    """Which way a shape of half height 1 faces at places on it, (3, G, Q) of length 1."""
    x, y, z = place
    none = torch.zeros_like(y)
    if shape == "cube":
        reach = place.abs()
        return place.sign() * (reach == _most(reach))
    if shape == "cylinder":
        lid = y * y >= x * x + z * z
        return torch.where(lid, torch.stack([none, y.sign(), none]), torch.stack([x, none, z]))
    if shape == "sphere":
        return place
    return torch.stack([x, y - y.clamp(-_STRAIGHT, _STRAIGHT), z]) / _ROUND


def _slab(start: Tensor, way: Tensor, reach: Tensor) -> tuple[Tensor, Tensor]:
    """Where rays are between −reach and reach along one axis."""
    one, other = (-reach - start) / way, (reach - start) / way
    return torch.minimum(one, other), torch.maximum(one, other)


def _ball(start: Tensor, way: Tensor, radius: Tensor) -> tuple[Tensor, Tensor]:
    """Where rays are within a radius of the origin, along three axes (a sphere) or two (an upright cylinder)."""
    a, b, c = _dot(way, way), _dot(start, way), _dot(start, start) - radius * radius
    inner = b * b - a * c
    root, hit = inner.clamp(min=0).sqrt(), inner > 0
    return torch.where(hit, (-b - root) / a, torch.inf), torch.where(hit, (root - b) / a, -torch.inf)


def _shared(*spans: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Where rays are within all of several spans."""
    enters, leaves = zip(*spans, strict=True)
    return _most(enters), _least(leaves)


def _dot(one: Tensor, other: Tensor) -> Tensor:
    """The inner product of vectors; added up one by one, since `sum` may add in another order."""
    total: Tensor = reduce(torch.add, (a * b for a, b in zip(one, other, strict=True)))
    return total


def _least(many: Iterable[Tensor]) -> Tensor:
    return reduce(torch.minimum, many)


def _most(many: Iterable[Tensor]) -> Tensor:
    return reduce(torch.maximum, many)


def _unit(vector: Tensor) -> Tensor:
    return vector / _dot(vector, vector).sqrt()


def _lamp() -> Tensor:
    """The direction to the lamp, (3, 1, 1)."""
    return _unit(torch.tensor(_LAMP))[:, None, None]
