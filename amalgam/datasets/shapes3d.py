"""A room, and a thing standing in it: drawn after Burgess and Kim's 3D Shapes, whose own file is read when given.

Source: C. Burgess, H. Kim, "3D Shapes Dataset", https://github.com/deepmind/3dshapes-dataset, 2018. The six factors,
their values and their order are the original's; the pictures are the project's own.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from amalgam.datasets import raycast
from amalgam.datasets.loaded import Table
from amalgam.errors import RequestError, listed, nearest

_HUES = tuple(step / 10 for step in range(10))
FACTORS: dict[str, tuple[float, ...]] = {
    "floor hue": _HUES,
    "wall hue": _HUES,
    "object hue": _HUES,
    "scale": tuple(0.75 + 0.5 * step / 7 for step in range(8)),
    "shape": (0.0, 1.0, 2.0, 3.0),
    "orientation": tuple(-30 + 60 * step / 14 for step in range(15)),
}
"""Factor → its values: hues of HSV, shapes of `raycast.SHAPES`, degrees."""

COMBINATIONS = 480_000

TASKS: dict[str, tuple[str, set[int]]] = {
    "blue object": ("object hue", {6}),
    "green floor": ("floor hue", {3}),
    "purple wall": ("wall hue", {8}),
    "pink wall": ("wall hue", {9}),
}
"""The four tasks of knowledge-amalgamation, section 5.6, "3D": name → a factor, and which of its values.

The paper does not say which of the ten hues it means. Each name has here the hue that is nearest to what people call so
in the xkcd colour survey: blue 0.62, green 0.34, purple 0.79, pink 0.92.
"""

LABELS: dict[str, tuple[str, set[int]]] = {
    **TASKS,
    **{shape: ("shape", {number}) for number, shape in enumerate(raycast.SHAPES)},
    "large object": ("scale", {4, 5, 6, 7}),
    "orientation below 0": ("orientation", set(range(7))),
    "orientation above 0": ("orientation", set(range(8, 15))),
}
"""Label → a factor, and which of its values: the tasks, and seven that go by other things than colour."""

CLASSES: dict[str, tuple[str, ...]] = {
    "floor hue": tuple(f"floor hue: {hue:.1f}" for hue in _HUES),
    "wall hue": tuple(f"wall hue: {hue:.1f}" for hue in _HUES),
    "object hue": tuple(f"object hue: {hue:.1f}" for hue in _HUES),
    "scale": tuple(f"scale: {scale:.2f}" for scale in FACTORS["scale"]),
    "shape": tuple(f"shape: {shape}" for shape in raycast.SHAPES),
    "orientation": tuple(f"orientation: {angle:.1f}" for angle in FACTORS["orientation"]),
}
"""Factor → the names of its classes, of which a picture has one."""

_COUNTS = tuple(len(values) for values in FACTORS.values())
_SKY = (0.62, 0.8, 0.98)
_PIXELS = 2**16  # coloured at once: memory stays flat however many pictures share a scene, and mostly in the cache
_SCALES = torch.tensor(FACTORS["scale"])


def read(count: int = 2000, seed: int = 0, size: int = 64, tasks: Sequence[str] = ()) -> Table:
    """Drawn pictures of factors that a seed picks: inputs (count, 3, size, size) from 0 to 1.

    Args:
        count: how many; no two have the same factors up to 480,000.
        seed: which.
        size: pixels in a row, and rows.
        tasks: the factors whose classes (`CLASSES`) are labels, too, after `LABELS`.

    Raises:
        RequestError: a count or size below 1, or no such factor.
    """
    _refuse_strange(tasks)
    factors = sample(count, seed)
    return _table("shapes3d", draw(factors, size).numpy(), factors, tasks, np.arange(count))


def read_h5(path: Path, count: int = 2000, seed: int = 0, tasks: Sequence[str] = ()) -> Table:
    """Pictures of the original `3dshapes.h5`, of which only the rows asked for are kept in memory.

    Of the whole file, the rows have the factors that `read` draws for the same count and seed.

    Args:
        path: the file.
        count: how many pictures; no two are the same row.
        seed: which.
        tasks: as for `read`.

    Raises:
        RequestError: no such factor, h5py is not installed, the file is no such file, or holds fewer pictures.
    """
    _refuse_strange(tasks)
    if not path.is_file():
        raise RequestError(f"data {path}: no such file")
    try:
        h5py = importlib.import_module("h5py")
    except ImportError:
        raise RequestError(f"{path} is read with h5py, which is not installed; run `pip install h5py`") from None
    try:
        with h5py.File(path, "r") as file:
            return _read_opened(file, path, count, seed, tasks)
    except OSError as error:
        raise RequestError(f"{path} is damaged or no HDF5 file: {' '.join(str(error).split())}") from None


def sample(count: int, seed: int) -> Tensor:
    """The factors (count, 6) long that a seed picks, none twice until all 480,000 combinations are taken.

    Raises:
        RequestError: a count below 1.
    """
    rest, factors = _chosen(count, COMBINATIONS, seed), []
    for base in reversed(_COUNTS):
        factors.append(rest % base)
        rest = rest // base
    return torch.stack(factors[::-1], dim=1)


def draw(factors: Tensor, size: int = 64) -> Tensor:
    """Pictures of factors, the same bits in every process: (N, 3, size, size) float32 from 0 to 1.

    What is where in a picture and how it is lit depends on scale, shape and orientation alone, and is cast once for the
    pictures that share them; colours are laid over it.

    Args:
        factors: (N, 6) long, which of each factor's values.
        size: pixels in a row, and rows.

    Raises:
        RequestError: a size below 1, or a factor that has no such value.
    """
    if size < 1:
        raise RequestError(f"pictures of {size} pixels were asked for, expected a size of 1 or more")
    _refuse_unknown(factors)
    pictures = torch.empty(len(factors), 3, size * size)
    most = max(1, _PIXELS // size**2)
    for turned in _present(factors[:, 5]).tolist():
        room = raycast.view(FACTORS["orientation"][turned], size)
        for shape, name in enumerate(raycast.SHAPES):
            rows = ((factors[:, 5] == turned) & (factors[:, 4] == shape)).nonzero().ravel()
            scales = _present(factors[rows, 3])
            scene = torch.searchsorted(scales, factors[rows, 3])
            lit = raycast.layers(room, name, _SCALES[scales])
            for some in (slice(first, first + most) for first in range(0, len(rows), most)):
                pictures[rows[some]] = _coloured(lit[scene[some]], factors[rows[some], :3])
    return pictures.view(len(factors), 3, size, size)


def labelled(factors: Tensor) -> Tensor:
    """`LABELS` of factors (N, 6): (N, 11) float32 of 0 and 1."""
    names = list(FACTORS)
    columns = [
        torch.isin(factors[:, names.index(factor)], torch.tensor(sorted(having))) for factor, having in LABELS.values()
    ]
    return torch.stack(columns, dim=1).float()


def one_hot(factors: Tensor) -> Tensor:
    """`CLASSES` of factors (N, 6), a column for each value of each factor: (N, 57) float32 of 0 and 1."""
    columns = [torch.nn.functional.one_hot(factors[:, at], values) for at, values in enumerate(_COUNTS)]
    return torch.cat(columns, dim=1).float()


def _present(numbers: Tensor) -> Tensor:
    """Which numbers there are, in ascending order."""
    return numbers.bincount().nonzero().ravel()


def _coloured(lit: Tensor, hues: Tensor) -> Tensor:
    """Layers (B, 5, P) in the colours of hues (B, 3): (B, 3, P)."""
    # Layer by layer and not as a product of matrices, which would be rounded as the number of threads has it.
    picture = lit[:, 3, None] + lit[:, 4, None] * torch.tensor(_SKY)[:, None]
    for layer, colours in enumerate(_rgb(hues / 10).unbind(1)):
        picture += lit[:, layer, None] * colours[:, :, None]
    return picture


def _rgb(hue: Tensor) -> Tensor:
    """Hues (...) of HSV, of full saturation and value, as red, green and blue, (..., 3)."""
    turn = hue * 6
    return torch.stack([(turn - 3).abs() - 1, 2 - (turn - 2).abs(), 2 - (turn - 4).abs()], dim=-1).clamp(0, 1)


def _chosen(count: int, total: int, seed: int) -> Tensor:
    """Which `count` of `total` a seed picks: (count,) long, none twice until all are taken."""
    if count < 1:
        raise RequestError(f"{count} pictures were asked for, expected 1 or more")
    chance = torch.Generator().manual_seed(seed)
    rounds = [torch.randperm(total, generator=chance) for _ in range(-(-count // total))]
    return torch.cat(rounds)[:count]


def _refuse_unknown(factors: Tensor) -> None:
    wrong = (factors < 0) | (factors >= torch.tensor(_COUNTS))
    if bool(wrong.any()):
        row, column = (int(place) for place in wrong.nonzero()[0])
        raise RequestError(
            f"factors row {row}: {list(FACTORS)[column]} is {int(factors[row, column])}, expected the number of one of "
            f"its values, 0 to {_COUNTS[column] - 1}"
        )


def _refuse_strange(tasks: Sequence[str]) -> None:
    strange = next((task for task in tasks if task not in FACTORS), None)
    if strange is not None:
        raise RequestError(
            f"the data option `tasks` names {strange!r}, which is no factor of these pictures"
            f"{nearest(strange, FACTORS)} (factors: {listed(FACTORS)})"
        )


def _table(name: str, inputs: NDArray[Any], factors: Tensor, tasks: Sequence[str], rows: NDArray[Any]) -> Table:
    every = [one for names in CLASSES.values() for one in names]
    wanted = [one for task in tasks for one in CLASSES[task]]
    classes = one_hot(factors)[:, [every.index(one) for one in wanted]]
    return Table(
        name=name,
        inputs=inputs,
        features=(),
        labels=(*LABELS, *wanted),
        annotated=torch.cat([labelled(factors), classes], dim=1).numpy(),
        where=lambda row: f"{name} row {int(rows[row])}",
    )


def _read_opened(file: Any, path: Path, count: int, seed: int, tasks: Sequence[str]) -> Table:
    """The rows asked for of an open file."""
    images, labels = (_shape(file.get(name)) for name in ("images", "labels"))
    if images != (*images[:1], 64, 64, 3, "uint8") or labels != (*images[:1], len(FACTORS), "float64"):
        raise RequestError(
            f"{path} holds {listed(f'{name} {_shape(file[name])}' for name in file)}, expected those of 3dshapes.h5: "
            "images (N, 64, 64, 3, 'uint8') and labels (N, 6, 'float64')"
        )
    if count > images[0]:
        raise RequestError(f"{path} holds {images[0]} pictures, and {count} were asked for; ask for fewer")
    rows = _chosen(count, images[0], seed).numpy()
    factors = _factors(file["labels"][:][rows], rows, path)
    pixels = np.empty((count, 3, 64, 64), dtype=np.float32)
    for at, pictures in _blocks(file["images"], rows):
        pixels[at] = pictures.transpose(0, 3, 1, 2)
    pixels /= 255
    return _table(path.name, pixels, factors, tasks, rows)


def _shape(array: Any) -> tuple[Any, ...]:
    """An array's shape and type; nothing for what is no array."""
    return (*array.shape, str(array.dtype)) if hasattr(array, "shape") else ()


def _blocks(images: Any, rows: NDArray[Any]) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """The pictures of `rows`, block by block of the file: (which of `rows`, their pictures)."""
    # Picking single rows is slow in HDF5, and the file is compressed in chunks of many rows, so whole blocks are read.
    step = max(256, (images.chunks or (1,))[0])
    order = rows.argsort()
    for start in range(0, len(images), step):
        first, last = np.searchsorted(rows[order], (start, start + step))
        if first < last:
            at = order[first:last]
            yield at, images[start : start + step][rows[at] - start]


def _factors(values: NDArray[Any], rows: NDArray[Any], path: Path) -> Tensor:
    """The values (N, 6) of factors as numbers of values."""
    factors = np.empty(values.shape, dtype=np.int64)
    for column, (factor, known) in enumerate(FACTORS.items()):
        away = np.abs(values[:, column, None] - np.array(known))
        factors[:, column] = away.argmin(1)
        wrong = ~(away.min(1) < 1e-3)
        if wrong.any():
            row = int(wrong.argmax())
            raise RequestError(
                f"{path} row {int(rows[row])}: the {factor} is {values[row, column]:g}, expected one of "
                f"{len(known)} values from {known[0]:g} to {known[-1]:g}, as in 3dshapes.h5"
            )
    return torch.from_numpy(factors)
